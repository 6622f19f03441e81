"""Time and memory of a generator on a CUDA device: `python benchmarks/gpu.py [--quick] [--device cuda[:n]]`.

Prints Markdown tables. benchmarks/README.md says how to read them.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from machine import describe_machine
from torch import Tensor
from training_step import highest_rate, make_convolution, make_product

from clearfundus.networks.device import choose_device, place
from clearfundus.networks.generator import Generator, GeneratorSettings
from clearfundus.networks.inference import plan_way, run_generator
from clearfundus.networks.memory import Demand
from clearfundus.networks.memory_cuda import least_bytes, whole_bytes
from clearfundus.networks.operations import generator_operations
from clearfundus.networks.precision import in_bf16
from clearfundus.networks.tensors import to_tensor
from clearfundus.networks.weights import load_weights
from clearfundus.networks.whole import translate

SIDES, QUICK_SIDES = (512, 1024, 2048, 4096), (512, 1024)
SHIPPED = "strong12-skip"
WARM_UP, REPEATS, QUICK_REPEATS = 2, 9, 3
SECONDS_A_ROW = 0.8
"""After this no further repeat is begun, but for a third: so the whole takes less than a minute."""
LEAST_REPEATS = 3
COMPILED_SIDE = 512
MEBIBYTE = 2**20
HEADER = "| way | ms | min - max | share of peak | speed | memory |\n|---|---|---|---|---|---|"

Work = Callable[[], object]


@dataclass(frozen=True, kw_only=True)
class Case:
    """A network and a picture, on the device.

    Attributes:
        network: In fp32 and torch's own layout.
        pixels: (H, W, 3) in [0, 1].
        picture: The same as a tensor, (1, 3, H, W) in [-1, 1], channels_last.
    """

    network: Generator
    pixels: np.ndarray
    picture: Tensor

    @property
    def placed(self) -> Generator:
        """A copy as the package runs it, in fp32."""
        return place(deepcopy(self.network), self.picture.device)

    @property
    def shipped(self) -> Generator:
        """A copy as the package runs it, in bf16."""
        return in_bf16(self.placed)


def main() -> None:
    """Measure every network at every size, every way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_REPEATS} runs a row, {QUICK_SIDES} pixels only")
    parser.add_argument("--device", default="auto", help="cuda or cuda:N")
    arguments = parser.parse_args()
    device = choose_device(arguments.device)
    if device.type != "cuda":
        sys.exit(f"gpu.py measures a CUDA device: found {device}; benchmarks/engines.py measures a CPU")
    torch.cuda.set_device(device)
    torch.set_float32_matmul_precision("high")  # TF32, as torch's convolutions are by themselves
    print(f"{describe_machine(device)}\n", flush=True)
    peaks = {}
    for precision, name in (("fp32", "fp32 (TF32)"), ("bf16", "bf16")):
        product, peaks[precision] = (highest_rate(make, device, precision) for make in (make_product, make_convolution))
        rates = f"matrix product {product / 1e12:.1f}, convolution {peaks[precision] / 1e12:.1f} Tflop/s"
        print(f"peak {name}: {rates}\n", flush=True)
    for name, network in networks(device):
        for side in QUICK_SIDES if arguments.quick else SIDES:
            print(f"{name}, {side} pixels squared\n\n{HEADER}", flush=True)
            print_rows(make_case(network, side), peaks, arguments.quick)
            print(flush=True)


def networks(device: torch.device) -> Iterator[tuple[str, Generator]]:
    """Yield the paper's shape with random weights, and what ships; in torch's own layout."""
    torch.manual_seed(0)
    yield "paper (random weights)", Generator(GeneratorSettings()).eval().to(device)
    yield SHIPPED, load_weights(SHIPPED).network.to(device=device, memory_format=torch.contiguous_format)


def make_case(network: Generator, side: int) -> Case:
    """Return noise of a size for a network."""
    pixels = np.random.default_rng(0).random((side, side, 3), dtype=np.float32)
    return Case(network=network, pixels=pixels, picture=to_tensor(pixels).to(next(network.parameters()).device))


def print_rows(case: Case, peaks: dict[str, float], quick: bool) -> None:
    """Measure and print a table's rows; one that fails says so, and the next is measured."""
    side = case.pixels.shape[0]
    flop = generator_operations(case.network.settings, side, side)
    plain = float("nan")
    for name, precision, make in WAYS:
        if make is compiled and (quick or side != COMPILED_SIDE):
            continue
        try:
            times, taken, note = measure(case, make, QUICK_REPEATS if quick else REPEATS)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the row's
            print(f"| {name} | failed: {type(error).__name__} | | | | |", flush=True)
            continue
        median = statistics.median(times)
        plain = median if make is eager else plain
        figures = f"{1e3 * median:.2f} | {1e3 * min(times):.2f} - {1e3 * max(times):.2f}"
        share = flop / median / peaks[precision]
        print(f"| {name}{note} | {figures} | {share:.0%} | {plain / median:.2f} x | {taken / MEBIBYTE:.0f} MiB |")


def measure(case: Case, make: Callable[[Case], tuple[Work, str]], repeats: int) -> tuple[list[float], int, str]:
    """Time a way.

    Returns:
        Seconds of each run; the most memory that torch took, in bytes; what is to be said of the way.
    """
    torch.cuda.empty_cache()
    with torch.inference_mode():
        torch.cuda.reset_peak_memory_stats()
        work, note = make(case)  # a graph takes its memory here
        for _ in range(WARM_UP):
            work()
        torch.cuda.synchronize()
        times: list[float] = []
        began = time.perf_counter()
        while len(times) < repeats and (len(times) < LEAST_REPEATS or time.perf_counter() - began < SECONDS_A_ROW):
            started = time.perf_counter()
            work()
            torch.cuda.synchronize()
            times.append(time.perf_counter() - started)
    return times, torch.cuda.max_memory_allocated(), note


def eager(case: Case) -> tuple[Work, str]:
    """The network's own pass in torch's own layout."""
    picture = case.picture.contiguous()
    return partial(case.network, picture), ""


def channels_last(case: Case) -> tuple[Work, str]:
    """The same in channels_last layout."""
    return partial(case.placed, case.picture), ""


def as_it_runs(case: Case) -> tuple[Work, str]:
    """What the package does, from an array to an array."""
    return partial(run_generator, case.shipped, case.pixels), ""


def in_strips(case: Case) -> tuple[Work, str]:
    """The same under a limit of half of what is planned for one piece, or the least there is."""
    network, (height, width) = case.shipped, case.pixels.shape[:2]
    demand = Demand(settings=network.settings, height=height, width=width, item_bytes=2)
    limit = torch.cuda.memory_allocated() + max(whole_bytes(demand) // 2, least_bytes(demand))
    rows, keep = plan_way(demand, case.picture.device, limit)
    note = f" of {limit // MEBIBYTE} MiB ({rows or 'all'} rows, {'kept' if keep else 'computed anew'})"
    return partial(run_generator, network, case.pixels, limit), note


def graph(case: Case) -> tuple[Work, str]:
    """A CUDA graph of what the package computes, from a tensor to a tensor."""
    network, recorded = case.shipped, torch.cuda.CUDAGraph()
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(WARM_UP):
            translate(network, case.picture)
    torch.cuda.current_stream().wait_stream(stream)
    with torch.cuda.graph(recorded):
        output = translate(network, case.picture)

    def replay() -> Tensor:
        recorded.replay()
        return output

    return replay, ""


def on_tensors(case: Case) -> tuple[Work, str]:
    """What the package computes, from a tensor to a tensor, call by call."""
    return partial(translate, case.shipped, case.picture), ""


def compiled(case: Case) -> tuple[Work, str]:
    """The network's own pass through torch.compile, under autocast."""
    network = torch.compile(case.placed)

    def work() -> Tensor:
        with torch.autocast("cuda", torch.bfloat16):
            output: Tensor = network(case.picture)
        return output

    began = time.perf_counter()
    work()
    torch.cuda.synchronize()
    return work, f", compiled in {time.perf_counter() - began:.0f} s"


WAYS: tuple[tuple[str, str, Callable[[Case], tuple[Work, str]]], ...] = (
    ("plain eager, fp32", "fp32", eager),
    ("channels_last, fp32", "fp32", channels_last),
    ("run_generator, bf16, with transfers", "bf16", as_it_runs),
    ("the same under a limit", "bf16", in_strips),
    ("without transfers, bf16", "bf16", on_tensors),
    ("CUDA graph of it, bf16", "bf16", graph),
    ("torch.compile, bf16 autocast", "bf16", compiled),
)


if __name__ == "__main__":
    main()
