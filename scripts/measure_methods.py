"""What each method does to a folder of photographs: `python scripts/measure_methods.py FOLDER [--output FILE]`.

Prints a Markdown table of medians, and a second one with their 95 % bootstrap intervals. Every figure is taken inside
the field found on the input, at a long side of 900 pixels, after rounding to 8 bits, as a saved file would be. No
figure here says whether a change is an improvement.
"""

import argparse
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from scipy.stats import bootstrap
from skimage.measure import shannon_entropy
from skimage.metrics import structural_similarity

from clearfundus import Field, Photo, find_field, prepare_method, read_photo
from clearfundus.fundus.background import measure_unevenness
from clearfundus.fundus.colour import rgb_to_lab
from clearfundus.fundus.foreground import measure_contrast
from clearfundus.methods import METHODS
from clearfundus.photo import READABLE_SUFFIXES, Gray, Mask, Pixels
from clearfundus.pipeline import enhance_with_each
from clearfundus.pretrained import default_weights
from clearfundus.version import __version__

LONG_SIDE = 900
MIN_CHROMA = 5.0  # Lab units below which a hue is noise
CLIPPED = (0, 255)
LAPLACIAN = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
LAPLACIAN_NORM = 6.0  # its response to white noise of deviation 1
NORMAL_QUARTILE = 0.6745  # median absolute value of a normal variable of deviation 1
RESAMPLES = 2000
MEASURES: Mapping[str, str] = {
    "contrast": "median over the field of the foreground contrast of `xiong2017`: how much darker than its background "
    "the darkest 2 % of each block are",
    "dL": "mean change of L (CIELAB)",
    "colour shift": "distance in the a, b plane between the mean colours of output and input",
    "hue shift": f"turn of the hue angle of the mean colour, in degrees, where its chroma is above {MIN_CHROMA:g}",
    "light": "coefficient of variation of green, smoothed over 1/12 of the field's diameter",
    "noise": "robust deviation of the Laplacian of gray (Immerkaer's kernel), in levels of 255",
    "entropy": "entropy of the gray histogram, in bits",
    "SSIM": "structural similarity of gray to the *input* (Gaussian window, sigma 1.5)",
    "% clipped": "share of channel values at 0 or 255",
}


@dataclass(frozen=True, kw_only=True)
class Plane:
    """One photograph as it is measured: 8-bit levels, and its gray."""

    levels: Pixels
    gray: Gray
    lab: Pixels


def main() -> None:
    """Measure every method on every photograph and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--output", type=Path, help="write the tables to this file, too")
    parser.add_argument("--methods", default=",".join(name for name in METHODS if name != "identity"))
    arguments = parser.parse_args()
    names = arguments.methods.split(",")
    files = sorted(path for path in arguments.folder.iterdir() if path.suffix.lower() in READABLE_SUFFIXES)
    found: dict[str, list[dict[str, float]]] = {"input": [], **{name: [] for name in names}}
    prepared = [prepare_method(name) for name in names]
    for index, path in enumerate(files, 1):
        photo = reduce_photo(read_photo(path))
        field = find_field(photo)
        before = as_plane(photo)
        outputs: Iterator[Photo] = enhance_with_each(photo, prepared)
        for name, output in zip(found, [photo, *outputs], strict=True):
            found[name].append(measure(as_plane(output), before, field))
        print(f"[{index}/{len(files)}] {path.name}", flush=True)
    text = describe(found, len(files))
    print(text)
    if arguments.output:
        arguments.output.write_text(text, encoding="utf-8")


def reduce_photo(photo: Photo) -> Photo:
    """Return the photograph at a long side of at most 900 pixels."""
    scale = LONG_SIDE / max(photo.pixels.shape[:2])
    if scale >= 1:
        return photo
    pixels = cv2.resize(photo.pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return Photo(pixels=np.clip(pixels, 0, 1).astype(np.float32), name=photo.name)


def as_plane(photo: Photo) -> Plane:
    """Round to 8 bits, as a saved file would be."""
    levels = np.rint(photo.pixels * 255).astype(np.float32)
    gray = np.asarray(cv2.cvtColor(levels, cv2.COLOR_RGB2GRAY), np.float32)
    return Plane(levels=levels, gray=gray, lab=rgb_to_lab(levels / np.float32(255)))


def measure(output: Plane, before: Plane, field: Field) -> dict[str, float]:
    """Return every measure of one output."""
    mask = field.mask
    pixels = output.levels / np.float32(255)
    change = (output.lab - before.lab)[mask]
    _, similarity = structural_similarity(
        before.gray, output.gray, data_range=255, gaussian_weights=True, use_sample_covariance=False, full=True
    )
    inside = output.levels[mask]
    return {
        "contrast": measure_contrast(Photo(pixels=pixels), field),
        "dL": float(change[:, 0].mean()),
        "colour shift": float(np.hypot(*change[:, 1:].mean(0))),
        "hue shift": hue_shift(output.lab[mask].mean(0), before.lab[mask].mean(0)),
        "light": measure_unevenness(pixels, field),
        "noise": noise(output.gray, mask),
        "entropy": float(shannon_entropy(np.rint(output.gray[mask]).astype(np.uint8))),
        "SSIM": float(similarity[mask].mean()),
        "% clipped": float(100 * np.isin(inside, CLIPPED).mean()),
    }


def hue_shift(after: Gray, before: Gray) -> float:
    """Return the turn of the mean colour in degrees, in [-180, 180]; NaN where it is nearly gray."""
    if min(math.hypot(*after[1:]), math.hypot(*before[1:])) < MIN_CHROMA:
        return math.nan
    turn = math.degrees(math.atan2(after[2], after[1]) - math.atan2(before[2], before[1]))
    return (turn + 180) % 360 - 180


def noise(gray: Gray, mask: Mask) -> float:
    """Return the noise's deviation in levels of 255, from the median so that edges hardly count."""
    response = cv2.filter2D(gray, cv2.CV_32F, LAPLACIAN)[mask]
    return float(np.median(np.abs(response)) / NORMAL_QUARTILE / LAPLACIAN_NORM)


def describe(found: Mapping[str, Sequence[Mapping[str, float]]], count: int) -> str:
    """Return both tables with what the columns mean."""
    columns = list(MEASURES)
    lines = ["# What each method does to blurry photographs", ""]
    lines += [f"Medians over {count} photographs, by `scripts/measure_methods.py` of clearfundus {__version__}."]
    lines += [f"`gan` has the default weights, `{default_weights().name}`.", ""]
    lines += table(found, columns, lambda values: f"{np.nanmedian(values):.3g}")
    lines += ["", "The same with 95 % intervals (percentile bootstrap over photographs).", ""]
    lines += table(found, columns, interval)
    lines += ["", *(f"- **{name}**: {meaning}." for name, meaning in MEASURES.items())]
    return "\n".join(lines) + "\n"


def table(
    found: Mapping[str, Sequence[Mapping[str, float]]], columns: Sequence[str], show: Callable[[np.ndarray], str]
) -> list[str]:
    """Return a Markdown table, one row a method."""
    lines = [f"| method | {' | '.join(columns)} |", "|---|" + "---|" * len(columns)]
    for name, rows in found.items():
        cells = [show(np.array([row[column] for row in rows])) for column in columns]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def interval(values: np.ndarray) -> str:
    """Return the 95 % interval of the median."""
    known = values[np.isfinite(values)]
    if len(known) < 2 or np.ptp(known) == 0:
        return "none" if not len(known) else f"{known[0]:.3g}"
    low, high = bootstrap(
        (known,), np.median, n_resamples=RESAMPLES, method="percentile", rng=np.random.default_rng(0)
    ).confidence_interval
    return f"{low:.3g} to {high:.3g}"


if __name__ == "__main__":
    main()
