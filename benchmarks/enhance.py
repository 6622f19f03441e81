"""Time and memory of enhancing one photograph: `python benchmarks/enhance.py [--quick] [--device cpu]`.

Prints a Markdown table. Each row is measured in a process of its own, whose greatest memory is then the row's.
benchmarks/README.md says how to read it.
"""

import argparse
import itertools
import json
import statistics
import subprocess
import sys
import time
from typing import Any

import cv2
import numpy as np
from memory import most_memory
from skimage.data import retina

from clearfundus import Photo, find_field, prepare_method
from clearfundus.fundus.frame import crop_to_field, put_back

REPEATS = 3
SIZES = ((1411, 1411), (2336, 3504))  # height, width: the CC0 photograph itself, and a common camera's file
CASES = (("clahe", None), ("gan", None), ("gan", "native"))  # method, size
PARTS = ("field", "crop", "method", "put back")


def main() -> None:
    """Measure every method at every size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the smaller photograph only, once")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--row", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.row:
        print(json.dumps(measure(**json.loads(arguments.row))))
        return
    # late, so that a row's process carries the memory of torch only if its method needs torch
    from machine import describe_machine

    from clearfundus.networks.device import choose_device

    print(f"{describe_machine(choose_device(arguments.device))}\n")
    print(f"| method | photograph | seconds | min - max | {' | '.join(PARTS)} | memory | of a CUDA device |")
    print(f"|---|---|---|---|{'---|' * len(PARTS)}---|---|", flush=True)
    for shape in SIZES[:1] if arguments.quick else SIZES:
        for method, size in CASES:
            row = {"method": method, "size": size, "shape": shape, "device": arguments.device}
            row["repeats"] = 1 if arguments.quick else REPEATS
            print(describe(row, in_own_process(row)), flush=True)


def in_own_process(row: dict[str, Any], script: str = __file__) -> dict[str, Any] | None:
    """Let a script measure one row in a new process; None if it dies, as it does where memory does not suffice."""
    command = [sys.executable, script, "--row", json.dumps(row)]
    done = subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout) if done.returncode == 0 else None


def describe(row: dict[str, Any], found: dict[str, Any] | None) -> str:
    """Return a row of the table."""
    height, width = row["shape"]
    name = row["method"] + (f", size {row['size']}" if row["size"] else "")
    if found is None:
        return f"| {name} | {width} x {height} | failed, see above |" + " |" * (len(PARTS) + 3)
    totals = [sum(parts) for parts in found["times"]]
    medians = [statistics.median(column) for column in zip(*found["times"], strict=True)]
    shares = " | ".join(f"{value / sum(medians):.0%}" for value in medians)
    device = f"{found['cuda_bytes'] / 2**30:.2f} GiB" if found["cuda_bytes"] else "none"
    return (
        f"| {name} | {width} x {height} | {statistics.median(totals):.2f} | {min(totals):.2f} - {max(totals):.2f} "
        f"| {shares} | {found['bytes'] / 2**30:.2f} GiB | {device} |"
    )


def measure(method: str, size: str | None, shape: list[int], device: str, repeats: int) -> dict[str, Any]:
    """Enhance one photograph several times, after a first time that does not count.

    Returns:
        `times`: the seconds of each part in each run; `bytes`: the greatest memory of this process, with Python and
        torch; `cuda_bytes`: the greatest memory taken on a CUDA device.
    """
    photo = photograph(shape[0], shape[1])
    place = device if method == "gan" else "cpu"
    prepared = prepare_method(method, device=place, size="native" if size else None)
    times = [time_parts(photo, prepared) for _ in range(1 + repeats)][1:]
    cuda_bytes = 0
    if "torch" in sys.modules:
        import torch

        cuda_bytes = torch.cuda.max_memory_allocated() if torch.cuda.is_available() else 0
    most = most_memory()
    return {"times": times, "bytes": most, "cuda_bytes": cuda_bytes}


def time_parts(photo: Photo, method: Any) -> list[float]:
    """Do what `clearfundus.enhance` does, and return the seconds of each of its parts."""
    marks = [time.perf_counter()]
    field = find_field(photo)
    marks.append(time.perf_counter())
    frame = crop_to_field(photo, field)
    marks.append(time.perf_counter())
    enhanced = method(frame.photo, frame.field)  # ends with an array in main memory: nothing is left to wait for
    marks.append(time.perf_counter())
    put_back(frame, enhanced)
    marks.append(time.perf_counter())
    return [end - start for start, end in itertools.pairwise(marks)]


def photograph(height: int, width: int) -> Photo:
    """Return the CC0 photograph, enlarged to a height and set into the middle of a black frame."""
    square = cv2.resize(retina(), (height, height), interpolation=cv2.INTER_CUBIC)
    frame = np.zeros((height, width, 3), np.uint8)
    left = (width - height) // 2
    frame[:, left : left + height] = square
    return Photo(pixels=frame.astype(np.float32) / np.float32(255), name=f"{width} x {height}")


if __name__ == "__main__":
    main()
