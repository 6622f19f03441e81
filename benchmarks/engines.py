"""Time and memory of a generator on each engine: `python benchmarks/engines.py [--quick] [--large] [--row-seconds n]`.

Prints two Markdown tables: the weights that ship, and the paper's shape with random weights. Each row is measured in a
process of its own, whose greatest memory is then the row's; the processes of one size run in turn. CPU only.
benchmarks/README.md says how to read it.
"""

import argparse
import importlib.util
import statistics
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from engine_rates import SIDE, measure_in_own_process, seconds_alone
from engine_turns import MOST_SECONDS, REPEATS, Limits, Runner, run_in_turn
from engine_ways import ONE_PASS, ONE_PASS_BF16, OPENVINO, OPENVINO_BF16, PLAIN, STRIPS, WAYS
from machine import Watch, describe_machine

from clearfundus.engines.weights import EngineWeights
from clearfundus.methods.engine import LARGEST_ONE_PASS, PACKAGES, load_model
from clearfundus.networks.budget import available_bytes
from clearfundus.networks.device import has_bf16
from clearfundus.networks.generator import Generator, GeneratorSettings
from clearfundus.networks.inference import plan_rows
from clearfundus.networks.memory import Demand, one_pass_bytes
from clearfundus.networks.operations import generator_operations
from clearfundus.networks.weights import load_weights, save_weights

CPU = torch.device("cpu")
PAPER = GeneratorSettings(width=64, blocks=9)
SEED = 0
ROW_SECONDS = 10.0
"""For a row, so that all of them take some six minutes on two cores; --row-seconds 60 gives five runs to most."""
LEAST_SHARE = 0.85
"""Of the best rate of a single convolution that the package's own way should reach."""
COLUMNS = (
    "way", "picture", "seconds", "min - max", "runs", "speed, plain loop = 1", "Gflop", "Gflop/s", "share of best",
    "memory", "growth",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Case:
    """A network and a size.

    Attributes:
        weights: A file, or None for the default.
        settings: The network's shape.
        side: Of the square picture.
        rates: Precision -> operations a second of the network's best single convolution.
    """

    weights: str | None
    settings: GeneratorSettings
    side: int
    rates: Mapping[str, float]

    @property
    def demand(self) -> Demand:
        """What decides how much memory it takes."""
        return Demand(settings=self.settings, height=self.side, width=self.side)


def main() -> None:
    """Measure both networks at every size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{SIDE} x {SIDE} pixels only, once")
    parser.add_argument("--large", action="store_true", help="the paper's network to 2048, and 4096 x 4096 pixels")
    parser.add_argument("--row-seconds", type=float, default=ROW_SECONDS, help="begin no further run after so many")
    arguments = parser.parse_args()
    limits = Limits(repeats=1 if arguments.quick else REPEATS, seconds=min(arguments.row_seconds, MOST_SECONDS))
    print(f"{describe_machine(CPU)}\n", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        networks = {"the weights that ship": None, "the paper's shape": draw_paper(Path(folder))}
        for (name, weights), sides in zip(networks.items(), sides_of(arguments.quick, arguments.large), strict=True):
            watch = Watch()
            print_table(name, weights, sides, limits)
            print(f"\n{watch.describe()}\n", flush=True)


def sides_of(quick: bool, large: bool) -> tuple[Sequence[int], Sequence[int]]:
    """Return the sides of the pictures for the shipped weights, and for the paper's shape, eight times as costly."""
    if quick:
        return (SIDE,), (SIDE,)
    shipped = 512, 768, 1024, 2048
    return ((*shipped, 4096), (512, 1024, 2048, 4096)) if large else (shipped, (512, 1024))


def draw_paper(folder: Path) -> str:
    """Write a generator of the paper's shape, with random weights, to a file."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        network = Generator(PAPER)
    save_weights(network, folder / "paper.safetensors", name="paper")
    return str(folder / "paper.safetensors")


def print_table(name: str, weights: str | None, sides: Sequence[int], limits: Limits) -> None:
    """Measure one network and print its table."""
    settings = load_weights(weights).network.settings
    rates: dict[str, float] = {}
    for precision in ("fp32", "bf16") if has_bf16(CPU) else ("fp32",):
        found = measure_in_own_process(weights, precision)
        best = max(found, key=lambda one: found[one])
        rates[precision] = found[best]
        alone = seconds_alone(weights, found)
        share = generator_operations(settings, SIDE, SIDE) / alone / found[best]
        print(
            f"{name}, {precision}: best single convolution {found[best] / 1e9:.0f} Gflop/s ({best}); "
            f"all of them alone, one after the other: {alone:.3f} s at {SIDE} x {SIDE}, a share of {share:.0%}"
        )
    print(f"\n| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}", flush=True)
    first: dict[str, float] = {}
    for side in sides:
        case = Case(weights=weights, settings=settings, side=side, rates=rates)
        for line in measure(case, limits, first):
            print(line, flush=True)


def measure(case: Case, limits: Limits, first: dict[str, float]) -> Iterator[str]:
    """Measure all ways of one case and yield their rows.

    Args:
        case: The network and the size.
        limits: When a row is done.
        first: Way -> seconds a pixel in the first size, filled in where it is not known yet.
    """
    missing = {way: reason for way in WAYS if (reason := why_not(way, case))}
    here = [way for way in WAYS if way not in missing]
    available = available_bytes(CPU)
    together = available is None or len(here) * one_pass_bytes(case.demand) < available
    found: dict[str, Runner] = {}
    for group in [here] if together else [[way] for way in here]:
        runners = [Runner(way, case.weights, case.side) for way in group]
        run_in_turn(runners, limits)
        found.update(zip(group, runners, strict=True))
    chosen = chosen_ways(case)
    for way in WAYS:
        if way in missing or found[way].failed:
            reason = missing.get(way, "failed, see above")
            yield f"| {way} | {case.side} x {case.side} | {reason} |" + " |" * (len(COLUMNS) - 3)
        else:
            first.setdefault(way, statistics.median(found[way].counted) / case.side**2)
            yield describe(case, found[way], found.get(PLAIN), first[way], way in chosen)


def why_not(way: str, case: Case) -> str:
    """Return why a way cannot be measured here, in words for the table; nothing if it can."""
    if any(importlib.util.find_spec(package) is None for package in packages_of(WAYS[way].engine)):
        return "not installed"
    if WAYS[way].precision not in case.rates:
        return f"no {WAYS[way].precision} here"
    available = available_bytes(CPU)
    if way != STRIPS and available is not None and 2 * one_pass_bytes(case.demand) > available:
        return "does not fit"
    return ""


def packages_of(engine: str) -> tuple[str, ...]:
    """Return what must be installed for an engine; torch is."""
    return next((packages for name, (_, packages) in PACKAGES.items() if name == engine), ())


def chosen_ways(case: Case) -> tuple[str, ...]:
    """Return the ways that the package takes by itself: with `--precision fp32`, and with the precision left to it."""
    in_fp32 = ONE_PASS if plan_rows(case.demand, CPU, None) is None else STRIPS
    model = load_model(case.weights, device="cpu", precision="auto", one_pass=case.side <= LARGEST_ONE_PASS)
    if isinstance(model, EngineWeights):
        return in_fp32, OPENVINO_BF16 if model.precision == "bf16" else OPENVINO
    if model.precision != "bf16" or in_fp32 == STRIPS:
        return (in_fp32,)
    return in_fp32, ONE_PASS_BF16


def describe(case: Case, runner: Runner, plain: Runner | None, first: float, chosen: bool) -> str:
    """Return a row of the table.

    Args:
        case: The network and the size.
        runner: What was measured.
        plain: The same of the plain loop, if it ran.
        first: Seconds a pixel in the first size.
        chosen: Whether this is the way that the package takes by itself.
    """
    times = runner.counted
    seconds = statistics.median(times)
    ratio = "" if plain is None or plain.failed else f"{speed(times, plain.counted):.2f} x"
    flop = generator_operations(case.settings, case.side, case.side)
    share = flop / seconds / case.rates[WAYS[runner.way].precision]
    below = f" BELOW {LEAST_SHARE:.0%}" if chosen and share < LEAST_SHARE else ""
    runs = f"{len(times)}, cold" if len(runner.runs) == 1 else str(len(times))
    return (
        f"| {runner.way}{' *' if chosen else ''} | {case.side} x {case.side} | {seconds:.3f} "
        f"| {min(times):.3f} - {max(times):.3f} | {runs} | {ratio} | {flop / 1e9:.0f} | {flop / seconds / 1e9:.0f} "
        f"| {share:.0%}{below} | {runner.most_bytes / 2**30:.2f} GiB | {seconds / case.side**2 / first:.2f} |"
    )


def speed(times: Sequence[float], plain: Sequence[float]) -> float:
    """Return how many times as fast as the plain loop: the median over the runs that were taken in turn."""
    return statistics.median(other / own for own, other in zip(times, plain, strict=False))


if __name__ == "__main__":
    main()
