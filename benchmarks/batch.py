"""Photographs a minute of `clearfundus enhance`: `python benchmarks/batch.py [--quick] [--device cpu]`.

Prints a Markdown table: a folder of JPEG photographs enhanced one after the other, and overlapped as the command does
it. Each cell is measured in a process of its own. benchmarks/README.md says how to read it.
"""

import argparse
import json
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from enhance import SIZES, in_own_process, photograph
from memory import most_memory

from clearfundus import prepare_method, write_photo
from clearfundus.interfaces.batch import per_minute, run_jobs
from clearfundus.interfaces.jobs import plan_jobs
from clearfundus.interfaces.overlap import choose_workers

METHODS = ("clahe", "xiong2017", "gan")
COUNT, QUICK_COUNT = 8, 2
REPEATS = 3
COLUMNS = (
    "method",
    "one after the other",
    "overlapped",
    "min - max",
    "ratio",
    "at a time",
    "memory, one after the other",
    "memory, overlapped",
)
WAYS = (1, None)
"""Numbers of workers: one after the other, and as many as the command takes."""


def main() -> None:
    """Measure every method in both ways."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_COUNT} photographs, once")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N, for the network")
    parser.add_argument("--row", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.row:
        print(json.dumps(measure(**json.loads(arguments.row))))
        return
    # late, so that a row's process carries the memory of torch only if its method needs torch
    from machine import describe_machine

    from clearfundus.networks.device import choose_device

    height, width = SIZES[-1]
    count, repeats = (QUICK_COUNT, 1) if arguments.quick else (COUNT, REPEATS)
    print(f"{describe_machine(choose_device(arguments.device))}; {count} JPEG photographs of {width} x {height}\n")
    print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        write_photographs(Path(folder), count, (height, width))
        for method in METHODS:
            row = {"method": method, "folder": folder, "device": arguments.device}
            # in turn, so that what else the machine does slows both alike
            runs = [[in_own_process({**row, "workers": workers}, __file__) for workers in WAYS] for _ in range(repeats)]
            print(describe(method, list(zip(*runs, strict=True))), flush=True)


def write_photographs(folder: Path, count: int, shape: tuple[int, int]) -> None:
    """Write a photograph as JPEG, as often as asked."""
    write_photo(photograph(*shape), folder / "0.jpg")
    for number in range(1, count):
        shutil.copy(folder / "0.jpg", folder / f"{number}.jpg")


def measure(method: str, folder: str, device: str, workers: int | None) -> dict[str, Any]:
    """Enhance a folder once, after one photograph that does not count.

    Returns:
        `rate`: photographs a minute; `workers`: how many were worked on at a time; `bytes`: the greatest memory of
        this process, with Python and torch.
    """
    prepared = prepare_method(method, device=device if method == "gan" else "cpu")
    with tempfile.TemporaryDirectory() as output:
        jobs = plan_jobs([Path(folder)], Path(output)).jobs
        list(run_jobs(jobs[:1], prepared, overwrite=True))  # imports, and what a method keeps
        started = time.perf_counter()
        outcomes = list(run_jobs(jobs, prepared, overwrite=True, workers=workers))
        seconds = time.perf_counter() - started
    failed = [outcome.reason for outcome in outcomes if outcome.status != "done"]
    if failed:
        sys.exit(f"{method}: {failed[0]}")
    return {
        "rate": per_minute(outcomes, seconds),
        "workers": min(choose_workers(prepared, workers), len(jobs)),
        "bytes": most_memory(),
    }


def describe(method: str, runs: Sequence[Sequence[dict[str, Any] | None]]) -> str:
    """Return a row of the table.

    Args:
        method: The method.
        runs: What `measure` found: one after the other, then overlapped, each as often as it was repeated.
    """
    apart, overlapped = ([run for run in way if run is not None] for way in runs)
    if not (apart and overlapped):
        return f"| {method} | failed, see above |" + " |" * (len(COLUMNS) - 2)
    slow, fast = (statistics.median(run["rate"] for run in way) for way in (apart, overlapped))
    least, most = (limit(run["rate"] for run in overlapped) for limit in (min, max))
    memory = " | ".join(f"{max(run['bytes'] for run in way) / 2**30:.2f} GiB" for way in (apart, overlapped))
    return (
        f"| {method} | {slow:.1f} | {fast:.1f} | {least:.1f} - {most:.1f} | {fast / slow:.2f} "
        f"| {overlapped[0]['workers']} | {memory} |"
    )


if __name__ == "__main__":
    main()
