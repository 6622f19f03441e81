"""Time and memory of finding vessels: `python benchmarks/vessels.py [--quick] [--device cpu]`.

Prints a Markdown table: what `clearfundus segment` and `clearfundus track` do with one photograph, files aside. Each
row is measured in a process of its own, whose greatest memory is then the row's. benchmarks/README.md explains it.
"""

import argparse
import itertools
import json
import statistics
import sys
import time
from typing import Any

from enhance import REPEATS, SIZES, in_own_process, photograph
from memory import most_memory

from clearfundus import Photo, find_field
from clearfundus.errors import WeightsError
from clearfundus.vessels.measure import measure_vessels
from clearfundus.vessels.overlay import draw_mask, draw_trees
from clearfundus.vessels.segment import SEGMENTERS, Segmenter, prepare_segmenter
from clearfundus.vessels.track import trace_segmented

PARTS = ("field", "segmenter", "trees", "to full size", "measures, drawing")
TASKS = ("segment", "track")
COLUMNS = ("task", "segmenter", "photograph", "seconds", "min - max", "first", *PARTS, "memory")
LIMIT_SECONDS, LIMIT_GIB = 10.0, 2.0
"""What a photograph of the larger size may take on two cores."""


def main() -> None:
    """Measure every task with every segmenter at every size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the smaller photograph only, once")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--row", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.row:
        print(json.dumps(measure(**json.loads(arguments.row))))
        return
    # late, so that a row's process carries the memory of torch only if its segmenter needs torch
    from machine import describe_machine

    from clearfundus.networks.device import choose_device

    print(f"{describe_machine(choose_device(arguments.device))}\n")
    print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}", flush=True)
    for shape in SIZES[:1] if arguments.quick else SIZES:
        for task, segmenter in itertools.product(TASKS, SEGMENTERS):
            row = {"task": task, "segmenter": segmenter, "shape": shape, "device": arguments.device}
            row["repeats"] = 1 if arguments.quick else REPEATS
            print(describe(row, in_own_process(row, __file__)), flush=True)


def describe(row: dict[str, Any], found: dict[str, Any] | None) -> str:
    """Return a row of the table; what is over a limit is marked."""
    height, width = row["shape"]
    head = f"| {row['task']} | {row['segmenter']} | {width} x {height} "
    if found is None:
        return head + "| failed, see above |" + " |" * (len(COLUMNS) - 4)
    first, *totals = [sum(parts) for parts in found["times"]]
    medians = [statistics.median(column) for column in zip(*found["times"][1:], strict=True)]
    shares = " | ".join(f"{value / sum(medians):.0%}" for value in medians)
    seconds, memory = statistics.median(totals), found["bytes"] / 2**30
    return (
        f"{head}| {_marked(seconds, LIMIT_SECONDS)} | {min(totals):.2f} - {max(totals):.2f} | {first:.2f} "
        f"| {shares} | {_marked(memory, LIMIT_GIB)} GiB |"
    )


def _marked(value: float, limit: float) -> str:
    return f"{value:.2f}" + (f" OVER {limit:g}" if value > limit else "")


def measure(task: str, segmenter: str, shape: list[int], device: str, repeats: int) -> dict[str, Any]:
    """Do a task with one photograph several times.

    Returns:
        `times`: the seconds of each part in each run, the first included; `bytes`: the greatest memory of this process,
        with Python and, for a network, torch.
    """
    photo = photograph(shape[0], shape[1])
    try:
        prepared = prepare_segmenter(segmenter, device="cpu" if segmenter == "gabor" else device)
    except WeightsError as error:
        sys.exit(str(error))
    times = [time_parts(photo, prepared, task) for _ in range(1 + repeats)]
    most = most_memory()
    return {"times": times, "bytes": most}


def time_parts(photo: Photo, segmenter: Segmenter, task: str) -> list[float]:
    """Do what the verb does with one photograph, and return the seconds of each of its parts."""
    marks = [time.perf_counter()]
    field = find_field(photo)
    marks.append(time.perf_counter())
    found = segmenter(photo, field)
    marks.append(time.perf_counter())
    tracking = trace_segmented(found)
    marks.append(time.perf_counter())
    mask = found.mask_in_photo if task == "segment" else None
    probability = found.probability_in_photo if task == "segment" else None
    marks.append(time.perf_counter())
    if mask is not None and probability is not None:
        measure_vessels(found, tracking)
        draw_mask(photo.pixels, mask)
    else:
        draw_trees(photo.pixels, tracking)
    marks.append(time.perf_counter())
    return [end - start for start, end in itertools.pairwise(marks)]


if __name__ == "__main__":
    main()
