"""Processor time of the measures of quality: `python benchmarks/quality.py [--quick]`.

Prints a Markdown table; benchmarks/README.md says how to read it.
"""

import argparse
import os

os.environ["OMP_NUM_THREADS"] = "1"  # before NumPy is imported

import time
from collections.abc import Callable

import cv2
from machine import describe_machine
from skimage.data import retina

from clearfundus import Photo, find_field
from clearfundus.networks.device import choose_device
from clearfundus.quality import METRICS, make_view

SIDE = 1024
REPEATS = 5


def main() -> None:
    """Measure every metric on one view."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="once each")
    repeats = 1 if parser.parse_args().quick else REPEATS
    cv2.setNumThreads(1)
    photo = Photo(pixels=(retina() / 255).astype("float32"), name="retina")
    field = find_field(photo)
    print(f"{describe_machine(choose_device('cpu'))}\n")
    print(f"| metric | processor seconds a megapixel, least of {repeats} |")
    print("|---|---|")
    print(f"| (the view) | {least(lambda: make_view(photo, field, 'whole', SIDE), repeats):.3f} |", flush=True)
    view = make_view(photo, field, "whole", SIDE)
    assert view.gray.shape == (SIDE, SIDE)  # makes it, too, so that no metric has to
    for name, metric in METRICS.items():
        reference = view if metric.needs_reference else None
        seconds = least(lambda metric=metric, reference=reference: metric.on_view(view, reference), repeats)
        print(f"| {name} | {seconds:.3f} |", flush=True)


def least(work: Callable[[], object], repeats: int) -> float:
    """Return the least processor time, after one run that does not count, by megapixel of the view."""
    work()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times) / (SIDE * SIDE / 1e6)


if __name__ == "__main__":
    main()
