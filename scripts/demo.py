"""The demonstration: a real photograph is clouded with a known haze, then enhanced with the weights that ship.

`make demo`, or `python scripts/demo.py --help`. Writes truth.png, before.png and after.png, and demo.png, which shows
them side by side. The photograph is `skimage.data.retina()` (Mikael Häggström, CC0), which no weights were trained on.
The haze is calculated, so the truth is known; an eye with a cataract differs from it in ways that this cannot show.
"""

import argparse
import time
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont
from skimage.data import retina

from clearfundus import Field, Photo, enhance, find_field, prepare_method, read_photo, read_provenance, write_photo
from clearfundus.fundus.degrade import Degradation, degrade
from clearfundus.fundus.frame import crop_to_field
from clearfundus.interfaces import SAFETY
from clearfundus.photo import Gray, Mask, Pixels

HAZE = Degradation(
    transmission_low=0.47, transmission_high=0.73, veil=0.5, blur=1.2 / 512, light=0.15, noise=0.006, seed=1
)
"""The mean of what `draw_degradation` draws by default; not chosen to please any weights."""

MARGIN, GAP, TILE = 36, 24, 620
DETAIL_HEIGHT = 400
TITLE, HEADING, SMALL = 30, 27, 19  # font sizes in pixels
HEAD, LABELS, FIGURES, FOOT = 64, 72, 44, 66  # heights of the bands of text
SHEET_WIDTH = 2 * MARGIN + 3 * TILE + 2 * GAP
SHEET_HEIGHT = 2 * MARGIN + HEAD + LABELS + TILE + GAP + DETAIL_HEIGHT + FIGURES + FOOT
PAPER, INK, FAINT, FRAME = (14, 14, 16), (240, 240, 240), (168, 168, 172), (255, 255, 255)
DETAIL = (0.31, 0.055, 0.34)
"""Top, left and width of the magnified part, in widths of the photograph: the optic disc and the vessels above it."""
GREEN = 1  # the channel in which vessels stand out


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What the demonstration measured.

    Attributes:
        error_before: Mean absolute difference to the truth over field and channels, in levels of 255.
        error_after: The same for the enhanced photograph.
        sharpness_before: Gradient energy relative to the truth's, which is 1; see `gradient_energy`.
        sharpness_after: The same for the enhanced photograph.
        seconds: Time for one enhancement, without reading files and loading weights.
        weights: Name of the weights.
        sha256: First digits of their hash.
    """

    error_before: float
    error_after: float
    sharpness_before: float
    sharpness_after: float
    seconds: float
    weights: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Result:
    """The figures and the picture that shows them."""

    figures: Figures
    picture: Path


def main() -> None:
    """Run the demonstration and print the path and the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("demo"), help="folder for the pictures (default: demo)")
    parser.add_argument("--diameter", type=int, help="reduce the photograph to this field diameter in pixels first")
    parser.add_argument("--weights", help="name of shipped weights or a weights file (default: the shipped default)")
    parser.add_argument("--picture", type=Path, help="write demo.png to this file, too, 1200 pixels wide")
    arguments = parser.parse_args()

    result = run_demo(arguments.output, diameter=arguments.diameter, weights=arguments.weights)
    if arguments.picture:
        write_reduced(result.picture, arguments.picture)
    figures = result.figures
    print(f"{result.picture}  before, after and truth; each also as a file of its own beside it")
    print(f"haze     {HAZE}")
    print(f"weights  {figures.weights}, SHA-256 {figures.sha256}...")
    print(
        f"error    {figures.error_before:.2f} -> {figures.error_after:.2f}  "
        "mean absolute difference to the truth in the field, in levels of 255 (0 is best)"
    )
    print(
        f"sharp    {figures.sharpness_before:.2f} -> {figures.sharpness_after:.2f}  "
        "gradient energy of green in the field, relative to the truth (1 is best)"
    )
    print(f"time     {figures.seconds:.1f} s for one enhancement, without reading files and loading weights")
    print(f"The haze is simulated. {SAFETY}")


def run_demo(folder: Path, *, diameter: int | None = None, weights: str | Path | None = None) -> Result:
    """Cloud, enhance, measure, and write the pictures, each whole or not at all.

    Args:
        folder: Where to; made if it is not there. Files of an earlier run are replaced.
        diameter: Field diameter in pixels to reduce the photograph to; None keeps its own, 1383.
        weights: As for `clearfundus.prepare_method`.
    """
    method = prepare_method("gan", weights=weights)
    folder.mkdir(parents=True, exist_ok=True)
    write_photo(sample_photograph(diameter), folder / "truth.png", overwrite=True)
    # both are read back with the 8 bits of a file, so that the command line gives the same
    truth = read_photo(folder / "truth.png")
    field = find_field(truth)
    write_photo(degrade(truth, field, HAZE), folder / "before.png", overwrite=True)
    before = read_photo(folder / "before.png")
    started = time.perf_counter()
    after = enhance(before, method)
    seconds = time.perf_counter() - started
    write_photo(after, folder / "after.png", overwrite=True)

    figures = Figures(
        error_before=255 * mean_error(before, truth, field.mask),
        error_after=255 * mean_error(after, truth, field.mask),
        sharpness_before=gradient_energy(before, field) / gradient_energy(truth, field),
        sharpness_after=gradient_energy(after, field) / gradient_energy(truth, field),
        seconds=seconds,
        weights=method.provenance["weights"],
        sha256=method.provenance["sha256"],
    )
    sheet = draw_sheet(before, after, truth, figures)
    write_photo(replace(sheet, provenance=after.provenance), folder / "demo.png", overwrite=True)
    return Result(figures=figures, picture=folder / "demo.png")


def sample_photograph(diameter: int | None = None) -> Photo:
    """Return scikit-image's photograph of a retina, at most at its own size.

    Args:
        diameter: Field diameter in pixels to reduce it to.
    """
    photo = Photo(pixels=retina().astype(np.float32) / np.float32(255), name="skimage.data.retina()")
    scale = 1.0 if diameter is None else diameter / find_field(photo).diameter
    if scale >= 1:
        return photo
    pixels = cv2.resize(photo.pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return photo.with_pixels(np.asarray(pixels, dtype=np.float32))


def mean_error(photo: Photo, truth: Photo, mask: Mask) -> float:
    """Return the mean absolute difference over the field and the three channels, on the scale [0, 1]."""
    return float(np.abs(photo.pixels[mask] - truth.pixels[mask]).mean())


def gradient_energy(photo: Photo, field: Field) -> float:
    """Return the mean squared gradient (Sobel) of green in the field.

    Smoothed first with a deviation of 1/512 of the field's diameter, so that noise does not count as sharpness.
    """
    frame = crop_to_field(photo, field)
    sigma = field.diameter / 512
    green: Gray = np.asarray(cv2.GaussianBlur(frame.photo.pixels[..., GREEN], (0, 0), sigma), dtype=np.float32)
    across, down = cv2.Sobel(green, cv2.CV_32F, 1, 0), cv2.Sobel(green, cv2.CV_32F, 0, 1)
    return float((across**2 + down**2)[frame.field.mask].mean())


def draw_sheet(before: Photo, after: Photo, truth: Photo, figures: Figures) -> Photo:
    """Draw the three photographs side by side, a magnified part of each below, with labels and figures."""
    sheet = Image.new("RGB", (SHEET_WIDTH, SHEET_HEIGHT), PAPER)
    draw = ImageDraw.Draw(sheet)
    _write(draw, (MARGIN, MARGIN), "A real photograph, clouded with a calculated haze, and enhanced", TITLE, INK)
    columns = (
        (before, "Before", "simulated haze", figures.error_before, figures.sharpness_before),
        (after, "After", f"enhanced by {figures.weights}", figures.error_after, figures.sharpness_after),
        (truth, "Truth", "the photograph without the haze", 0.0, 1.0),
    )
    top = MARGIN + HEAD
    for index, (photo, heading, label, error, sharpness) in enumerate(columns):
        left = MARGIN + index * (TILE + GAP)
        _write(draw, (left, top), heading, HEADING, INK)
        _write(draw, (left, top + 36), label, SMALL, FAINT)
        _place_tiles(sheet, photo, left, top + LABELS)
        text = f"error {error:.1f} of 255     sharpness {sharpness:.2f}"
        _write(draw, (left, SHEET_HEIGHT - MARGIN - FOOT - FIGURES + 12), text, SMALL, INK)
    source = "Photograph: skimage.data.retina(), CC0. The haze is simulated; this is no clinical case."
    made = f"Weights {figures.weights} {figures.sha256}. {SAFETY}"
    _write(draw, (MARGIN, SHEET_HEIGHT - MARGIN - 46), source, SMALL, FAINT)
    _write(draw, (MARGIN, SHEET_HEIGHT - MARGIN - 18), made, SMALL, FAINT)
    return Photo(pixels=np.asarray(sheet, dtype=np.float32) / np.float32(255))


def _place_tiles(sheet: Image.Image, photo: Photo, left: int, top: int) -> None:
    """Set the whole photograph, a frame around its magnified part, and that part below."""
    width = photo.pixels.shape[1]
    part_top, part_left, part_width = (round(share * width) for share in DETAIL)
    part_height = round(part_width * DETAIL_HEIGHT / TILE)
    part = photo.pixels[part_top : part_top + part_height, part_left : part_left + part_width]
    sheet.paste(_tile(photo.pixels, TILE, TILE), (left, top))
    sheet.paste(_tile(part, DETAIL_HEIGHT, TILE), (left, top + TILE + GAP))
    scale = TILE / width
    corners = (part_left, part_top, part_left + part_width, part_top + part_height)
    box = [round(corner * scale) + origin for corner, origin in zip(corners, (left, top) * 2, strict=True)]
    ImageDraw.Draw(sheet).rectangle(box, outline=FRAME, width=2)


def _tile(pixels: Pixels, height: int, width: int) -> Image.Image:
    way = cv2.INTER_AREA if pixels.shape[1] > width else cv2.INTER_CUBIC
    resized = np.clip(cv2.resize(pixels, (width, height), interpolation=way), 0, 1)
    return Image.fromarray(np.rint(resized * 255).astype(np.uint8))


def _write(draw: ImageDraw.ImageDraw, place: tuple[int, int], text: str, size: int, colour: tuple[int, ...]) -> None:
    draw.text(place, text, fill=colour, font=ImageFont.load_default(size))


def write_reduced(picture: Path, target: Path, width: int = 1200) -> None:
    """Write a picture again, reduced, in the format of the target's suffix; its folder is made if need be."""
    photo = replace(read_photo(picture), provenance=read_provenance(picture))
    height = round(photo.pixels.shape[0] * width / photo.pixels.shape[1])
    pixels = cv2.resize(photo.pixels, (width, height), interpolation=cv2.INTER_AREA)
    target.parent.mkdir(parents=True, exist_ok=True)
    write_photo(photo.with_pixels(np.asarray(pixels, dtype=np.float32)), target, overwrite=True)


if __name__ == "__main__":
    main()
