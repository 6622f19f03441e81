"""Time of one training iteration of the presets, on random pictures: `python benchmarks/training_step.py [--quick]`.

Prints a Markdown table. benchmarks/README.md says how to read it.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from machine import describe_machine
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from clearfundus.networks.device import choose_device, has_bf16
from clearfundus.training.config import RunSettings
from clearfundus.training.distributed import Ranks
from clearfundus.training.reading import read_settings
from clearfundus.training.state import Trainer, new_state
from clearfundus.training.step import Batch

CONFIGS = Path(__file__).parents[1] / "configs"
PRESETS = ("compact", "paper")
WARM_UP, REPEATS, QUICK_REPEATS = 2, 15, 3
SECONDS_A_ROW = 180.0  # after this no further repeat is begun, so that a slow device gets to the end
MATRIX_SIDE = {"cpu": 2048, "cuda": 8192}
CONVOLUTION = {"cpu": (2, 256, 64), "cuda": (32, 256, 64)}  # pictures, channels, side: the paper's bottleneck

Work = Callable[[], object]


def main() -> None:
    """Measure every preset, stage and precision."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_REPEATS} iterations a row, and compact only")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    arguments = parser.parse_args()
    device = choose_device(arguments.device)
    repeats = QUICK_REPEATS if arguments.quick else REPEATS
    print(f"{describe_machine(device)}\n", flush=True)
    for precision in ("fp32", "bf16") if has_bf16(device) else ("fp32",):
        product, convolution = (highest_rate(make, device, precision) for make in (make_product, make_convolution))
        print(f"peak {precision}: matrix product {product / 1e12:.3f}, convolution {convolution / 1e12:.3f} Tflop/s\n")
        print("| preset, iteration | precision | seconds | min - max | Gflop | share of peak", end=" ")
        print("| plain layout | not captured |")
        print("|---|---|---|---|---|---|---|---|", flush=True)
        for preset in PRESETS[:1] if arguments.quick else PRESETS:
            settings = replace(read_settings(CONFIGS / f"{preset}.toml"), precision=precision)
            for name, step in iterations(settings):
                figures = measure(settings, step, device, repeats, convolution)
                print(f"| {preset}, {name} | {precision} | {figures} |", flush=True)
        print()


def iterations(settings: RunSettings) -> Iterator[tuple[str, int]]:
    """Yield the sorts of iteration that a preset has, with the number of one of each."""
    if settings.simulated.steps:
        yield "simulated", 1
        if settings.simulated.blurrer_every:
            yield f"simulated with blurrer (1 in {settings.simulated.blurrer_every})", 0
    if settings.unpaired.steps:
        yield "unpaired", settings.simulated.steps


def measure(settings: RunSettings, step: int, device: torch.device, repeats: int, peak: float) -> str:
    """Time iteration `step` as the package does it, in torch's own memory layout, and launched kernel by kernel."""
    used = prepare(settings, step, device)
    plain = prepare(settings, step, device, layout=torch.contiguous_format)
    works, launched = [used, plain], prepare(settings, step, device, capture=False)
    flop = count_operations(launched)
    if device.type == "cuda":
        works.append(launched)
    found = time_in_turn(works, device, repeats)
    median, *others = (statistics.median(times) for times in found)
    plain_ratio, *launched_ratio = (f"{other / median:.2f} x" for other in others)
    shown = f"{median:.4f} | {min(found[0]):.4f} - {max(found[0]):.4f} | {flop / 1e9:.0f} | {flop / median / peak:.0%}"
    return f"{shown} | {plain_ratio} | {''.join(launched_ratio) or '-'}"


def prepare(
    settings: RunSettings,
    step: int,
    device: torch.device,
    layout: torch.memory_format = torch.channels_last,
    capture: bool = True,
) -> Work:
    """Return a function that does iteration `step` again and again."""
    state = new_state(settings, device)
    for network in state.networks.values():
        network.to(memory_format=layout)  # type: ignore[call-overload]
    trainer = Trainer(state, settings, device, Ranks(), capture=capture)
    batch = random_batch(settings, step, device, layout)

    def advance() -> None:
        state.step = step
        trainer.advance(batch)

    return advance


def random_batch(settings: RunSettings, step: int, device: torch.device, layout: torch.memory_format) -> Batch:
    """Return noise in the shape of the batch of iteration `step`."""
    crop, unpaired, pairs = settings.data.crop, settings.unpaired.batch, settings.unpaired.batch
    if step < settings.simulated.steps:
        unpaired, pairs = 0, settings.simulated.batch
    elif settings.loss.simulated == 0:
        pairs = 0

    def pictures(count: int) -> Tensor:
        return (torch.rand(count, 3, crop, crop, device=device) * 2 - 1).contiguous(memory_format=layout)

    noise = pictures(2 * unpaired) / 255 if settings.loss.cycle_noise > 0 else None
    blurry, clear, degraded, truth = (pictures(count) for count in (unpaired, unpaired, pairs, pairs))
    return Batch(blurry=blurry, clear=clear, degraded=degraded, truth=truth, noise=noise)


def time_in_turn(works: Sequence[Work], device: torch.device, repeats: int) -> list[list[float]]:
    """Time each work several times, in seconds, in turn, so that what else the machine does meets all alike."""
    times: list[list[float]] = [[] for _ in works]
    began = time.perf_counter()
    for repeat in range(WARM_UP + repeats):
        if repeat >= WARM_UP + QUICK_REPEATS and time.perf_counter() - began > SECONDS_A_ROW:
            break
        for work, found in zip(works, times, strict=True):
            started = time.perf_counter()
            work()
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            found.append(time.perf_counter() - started)
    return [found[WARM_UP:] for found in times]


def count_operations(work: Work) -> float:
    """Return the floating-point operations of matrix products and convolutions, forward and backward."""
    with FlopCounterMode(display=False) as counter:
        work()
    return float(counter.get_total_flops())


def highest_rate(make: Callable[[torch.device, torch.dtype], Work], device: torch.device, precision: str) -> float:
    """Return the operations a second of the fastest of several runs of one large product."""
    work = make(device, torch.bfloat16 if precision == "bf16" else torch.float32)
    return count_operations(work) / min(time_in_turn([work], device, REPEATS)[0])


def make_product(device: torch.device, kind: torch.dtype) -> Work:
    """Return the product of two square matrices."""
    one, other = torch.randn(2, MATRIX_SIDE[device.type], MATRIX_SIDE[device.type], device=device, dtype=kind)
    return lambda: one @ other


def make_convolution(device: torch.device, kind: torch.dtype) -> Work:
    """Return a 3x3 convolution without gradient."""
    count, channels, side = CONVOLUTION[device.type]
    pictures = torch.randn(count, channels, side, side, device=device, dtype=kind)
    layer = torch.nn.Conv2d(channels, channels, 3, padding=1, device=device, dtype=kind).requires_grad_(False)
    layer.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    pictures = pictures.contiguous(memory_format=torch.channels_last)
    return lambda: layer(pictures)


if __name__ == "__main__":
    main()
