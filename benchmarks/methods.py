"""Cost of every method that needs no weights: `python benchmarks/methods.py [--quick] [--threads 1]`.

Prints a Markdown table: the method alone, without finding the field and filling the surround. Each row is measured in a
process of its own. benchmarks/README.md says how to read it.
"""

import argparse
import cProfile
import inspect
import json
import os
import re
import statistics
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType, MappingProxyType
from typing import Any

import cv2
from enhance import REPEATS, SIZES, in_own_process, photograph
from memory import most_memory

import clearfundus
from clearfundus import find_field, prepare_method
from clearfundus.fundus.frame import crop_to_field
from clearfundus.methods import METHODS

REFERENCE = MappingProxyType(
    {
        "clahe": 0.06,
        "mitra2018": 0.6,
        "zhou2018": 0.13,
        "xiong2017": 0.45,
        "he2011": 0.2,
        "polesel2000": 0.2,
        "starck2003": 0.9,
    }
)
"""CPU seconds per megapixel of plain prototypes of the same equations, the slower of two measurements."""
PACKAGE = str(Path(clearfundus.__file__).parent)
LIBRARIES = ("cv2", "scipy", "curvelets", "skimage", "numpy")
OPERATORS, PYTHON, BUILT_IN = "array operators", "own Python", "Python's own library"
LOOPS = 200_000  # of plain Python, to time an instruction
FIGURES = ("CPU s/MP", "reference", "ratio", "wall s/MP", "first run", "later runs")
COLUMNS = ("method", "photograph", *FIGURES, "library calls", OPERATORS, PYTHON, "memory")
Work = Callable[[], object]


def main() -> None:
    """Measure every method at every size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the smaller photograph only, once")
    parser.add_argument("--threads", type=int, help="threads that the libraries may use; without it, as they like")
    parser.add_argument("--row", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.row:
        print(json.dumps(measure(**json.loads(arguments.row))))
        return
    if arguments.threads:  # read by the rows' processes at their start
        os.environ.update({name: str(arguments.threads) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")})
    # late, so that the rows' processes do not carry the memory of torch
    import torch
    from machine import describe_machine

    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    print(f"{describe_machine(torch.device('cpu'))}\n")
    print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}", flush=True)
    for shape in SIZES[:1] if arguments.quick else SIZES:
        for method in methods_without_weights():
            row = {"method": method, "shape": shape, "threads": arguments.threads}
            row["repeats"] = 1 if arguments.quick else REPEATS
            print(describe(row, in_own_process(row, __file__)), flush=True)


def methods_without_weights() -> list[str]:
    """Return the names of the methods that have no network."""
    return [name for name, method in METHODS.items() if "model" not in inspect.signature(method).parameters]


def describe(row: dict[str, Any], found: dict[str, Any] | None) -> str:
    """Return a row of the table."""
    method, (height, width) = row["method"], row["shape"]
    if found is None:
        return f"| {method} | {width} x {height} | failed, see above |" + " |" * (len(COLUMNS) - 3)
    (first, _), *later = found["times"]
    wall, cpu = (statistics.median(column) for column in zip(*later, strict=True))
    rate, shares = cpu / found["megapixels"], Counter(found["shares"])
    reference = REFERENCE.get(method)
    compared = (f"{reference:g}", f"{rate / reference:.2f}") if reference else ("none", "")
    own = [f"{shares.pop(name, 0):.0%}" for name in (OPERATORS, PYTHON)]
    calls = ", ".join([f"{sum(shares.values()):.0%}", *(f"{name} {share:.0%}" for name, share in shares.most_common())])
    seconds = f"{wall / found['megapixels']:.3f}", f"{first:.2f} s", f"{wall:.2f} s"
    cells = (method, f"{width} x {height}", f"{rate:.3f}", *compared, *seconds, calls, *own)
    return f"| {' | '.join(cells)} | {found['bytes'] / 2**30:.2f} GiB |"


def measure(method: str, shape: list[int], threads: int | None, repeats: int) -> dict[str, Any]:
    """Run one method on one photograph a first time, several times more, and twice to see where the time goes.

    Returns:
        `times`: wall and CPU seconds of each run, the first included; `megapixels`: of the crop that the method gets;
        `shares`: of the time, by library, operators and own Python; `bytes`: the greatest memory of this process.
    """
    if threads:
        cv2.setNumThreads(threads)
    photo = photograph(shape[0], shape[1])
    frame = crop_to_field(photo, find_field(photo))
    prepared = prepare_method(method, device="cpu")

    def work() -> None:
        prepared(frame.photo, frame.field)

    times = [time_work(work) for _ in range(1 + repeats)]
    most = most_memory()
    megapixels = frame.field.mask.size / 1e6
    return {"times": times, "megapixels": megapixels, "shares": share_time(work), "bytes": most}


def time_work(work: Work) -> tuple[float, float]:
    """Return the seconds on the clock, and those of all threads on their processors."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def share_time(work: Work) -> dict[str, float]:
    """Return the shares of the CPU time in each library, in operators on arrays, and in this package's own Python.

    The profiler sees calls. What an expression such as `a * b` costs it lays on the function that holds it, though
    numpy does the work; so of the time on this package's functions, own Python is the number of its instructions times
    the time of one, and the rest is operators. Python's own library counts as own Python.
    """
    profile = cProfile.Profile(time.process_time)
    profile.runcall(work)
    seconds: dict[str, float] = defaultdict(float)
    for entry in profile.getstats():
        seconds[owner(entry.code)] += entry.inlinetime
    own = seconds.pop(PYTHON, 0.0)
    interpreted = min(own, count_instructions(work, PACKAGE) * seconds_an_instruction())
    seconds.update({OPERATORS: own - interpreted, PYTHON: interpreted + seconds.pop(BUILT_IN, 0.0)})
    total = sum(seconds.values())
    return {name: value / total for name, value in seconds.items()}


def owner(code: CodeType | str) -> str:
    """Return whose code a function is, of the profiler's entry: code of Python, or the name of a built-in function."""
    if isinstance(code, CodeType):
        if code.co_filename.startswith((PACKAGE, __file__)):
            return PYTHON
        parts = Path(code.co_filename).parts
        return next((name for name in LIBRARIES if name in parts), BUILT_IN)
    # such as <built-in method numpy.array>, <method 'apply' of 'cv2.CLAHE' objects>; OpenCV's functions name no module
    words = re.findall(r"\w+", code)
    return "cv2" if len(words) == 1 else next((name for name in LIBRARIES if name in words), BUILT_IN)


def count_instructions(work: Work, place: str) -> int:
    """Return how many of the interpreter's instructions a work takes in files whose path begins with `place`."""
    count = 0

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal count
        if not frame.f_code.co_filename.startswith(place):
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        count += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


def seconds_an_instruction() -> float:
    """Return what one instruction costs here, in a loop with arithmetic, slices and calls."""

    def loop(turns: int = LOOPS) -> int:
        total, letters = 0, "abc"
        for number in range(turns):
            total += len(letters[number % 3 :])
        return total

    fastest = min(time_work(loop)[1] for _ in range(3))
    a_turn = (count_instructions(lambda: loop(1100), __file__) - count_instructions(lambda: loop(100), __file__)) / 1000
    return fastest / (LOOPS * a_turn)


if __name__ == "__main__":
    main()
