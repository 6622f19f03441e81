"""Which `--size` of `gan` is best: `python scripts/measure_sizes.py PHOTOGRAPH... [--pairs FOLDER] [--diameters 1000]`.

Clear photographs are brought to each field diameter, degraded in known ways there, enhanced with each size and compared
with what they were, at full size: what the sizes differ in is detail that a smaller view does not show. One is left out
at a diameter for which it would have to be enlarged by more than a quarter. Pairs of one eye are measured likewise, the
blurry one against the clear one. Prints Markdown tables of means. Seconds are the CPU time of one photograph, all told,
on one core. The fact to know: the default may be chosen on eyes for validation only, neither trained on nor of the
test.
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch

from clearfundus import Field, Photo, enhance, find_field, prepare_method
from clearfundus.evaluation.cases import Simulation, find_cases, open_case, read_plain, simulate
from clearfundus.evaluation.protocol import fit_levels
from clearfundus.methods.gan import Size
from clearfundus.photo import Mask
from clearfundus.pipeline import PreparedMethod
from clearfundus.quality import View, make_view
from clearfundus.quality.contrast import tenengrad
from clearfundus.quality.psnr import psnr
from clearfundus.quality.ssim import ssim

SIZES: Sequence[Size] = ("change", "guided", 512, "native")
DEGRADATIONS = (("cataract", 0.6), ("arcnet", 0.5), ("focus", 0.5))  # model, severity
GREATEST_ENLARGEMENT = 1.25
LAPLACIAN = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float64)
LAPLACIAN_NORM = 6.0  # its response to white noise of deviation 1
COLUMNS = ("SSIM", "SSIM fitted", "PSNR fitted", "sharpness", "noise", "seconds")

Rows = dict[str, list[dict[str, float]]]


def main() -> None:
    """Measure every size on every photograph and print a table for each kind of case."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photographs", nargs="*", type=Path, help="clear ones")
    parser.add_argument("--pairs", type=Path, help="folder as for clearfundus evaluate")
    parser.add_argument("--diameters", type=int, nargs="+", default=[1000, 2000, 3500])
    parser.add_argument("--degradations", nargs="+", default=[model for model, _ in DEGRADATIONS])
    names = [str(size) for size in SIZES]
    parser.add_argument("--sizes", nargs="+", choices=names, default=names)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    methods = {
        str(size): prepare_method("gan", device="cpu", size=size) for size in SIZES if str(size) in arguments.sizes
    }
    for diameter in arguments.diameters:
        for model, severity in DEGRADATIONS:
            if model in arguments.degradations:
                cases = simulated(arguments.photographs, diameter, Simulation(model=model, severity=severity))
                report(f"{model} {severity:g}, field diameter {diameter}", cases, methods)
        if arguments.pairs:
            report(f"pairs, field diameter {diameter}", pairs(arguments.pairs, diameter), methods)


def simulated(
    files: Sequence[Path], diameter: int, simulation: Simulation
) -> Iterator[tuple[Photo, Photo, Field, Mask]]:
    """Yield degraded photograph, clear one, its field and what counts, for each that is large enough."""
    for file in files:
        clear = read_plain(file)
        scale = diameter / find_field(clear).diameter
        if scale <= GREATEST_ENLARGEMENT:
            clear = Photo(pixels=np.clip(resize(clear.pixels, scale), 0, 1), name=clear.name)
            field = find_field(clear)
            degraded, _ = simulate(clear, field, file, simulation)
            yield degraded, clear, field, field.mask


def pairs(folder: Path, diameter: int) -> Iterator[tuple[Photo, Photo, Field, Mask]]:
    """Yield the same of real pairs."""
    for case in find_cases({"pairs": folder}):
        opened = open_case(case, Simulation())
        scale = diameter / opened.field.diameter
        if scale <= GREATEST_ENLARGEMENT and opened.reference is not None:
            blurry, clear = (
                Photo(pixels=np.clip(resize(one.pixels, scale), 0, 1), name=one.name)
                for one in (opened.photo, opened.reference)
            )
            judged = resize(opened.judged.mask.astype(np.float32), scale) > 0.999
            yield blurry, clear, find_field(blurry), judged


def resize(pixels: np.ndarray, scale: float) -> np.ndarray:
    """Resize by area downwards and by cubic interpolation upwards."""
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    size = (round(pixels.shape[1] * scale), round(pixels.shape[0] * scale))
    return np.asarray(cv2.resize(pixels, size, interpolation=way), np.float32)


def report(title: str, cases: Iterator[tuple[Photo, Photo, Field, Mask]], methods: dict[str, PreparedMethod]) -> None:
    """Measure the cases of one kind and print their means, if there are any."""
    rows: Rows = {}
    for photo, clear, _, judged in cases:
        counted = Field(mask=judged)
        side = max(counted.box[2] - counted.box[0], counted.box[3] - counted.box[1])  # nothing is resized
        reference = make_view(clear, counted, "fov", side)
        rows.setdefault("input", []).append(measure(make_view(photo, counted, "fov", side), reference, 0.0))
        for name, method in methods.items():
            started = time.process_time()
            result = enhance(photo, method)
            seconds = time.process_time() - started
            rows.setdefault(name, []).append(measure(make_view(result, counted, "fov", side), reference, seconds))
    if not rows:
        return
    print(
        f"\n{title}, {len(rows['input'])} photographs\n\n| size | {' | '.join(COLUMNS)} |\n|---|{'---|' * len(COLUMNS)}"
    )
    for name, found in rows.items():
        means = {column: float(np.mean([row[column] for row in found])) for column in COLUMNS}
        cells = [f"{means[column]:.{2 if column in ('PSNR fitted', 'seconds') else 4}f}" for column in COLUMNS]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


def measure(view: View, reference: View, seconds: float) -> dict[str, float]:
    """Return every measure of one result; sharpness and noise are shares of the reference's."""
    fitted = fit_levels(view, reference)
    values = (
        ssim(view.gray, reference.gray, view.inside),
        ssim(fitted.gray, reference.gray, view.inside),
        psnr(fitted.pixels, reference.pixels, view.inside),
        tenengrad(view.gray, view.inside) / tenengrad(reference.gray, view.inside),
        noise(view) / max(noise(reference), 1e-6),
        seconds,
    )
    return dict(zip(COLUMNS, values, strict=True))


def noise(view: View) -> float:
    """Return the noise's deviation in levels, as the mean of the Laplacian's magnitudes (Immerkaer 1996)."""
    response = cv2.filter2D(view.gray, cv2.CV_64F, LAPLACIAN)
    inner = cv2.erode(view.inside.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    return float(np.abs(response[inner]).mean() * np.sqrt(np.pi / 2) / LAPLACIAN_NORM)


if __name__ == "__main__":
    main()
