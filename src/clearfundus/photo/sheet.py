"""A contact sheet: labelled pictures in a grid, for the eye to compare.

A picture is reduced to its views, squares of one size in pixels, as soon as it is there; so a sheet of many large
pictures takes no more memory than a few of them.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from clearfundus.photo.photo import Gray, Mask, Pixels

Square = tuple[int, int, int]
"""Top, left and side in pixels; it may reach beyond the picture, which is black there."""

SIDE = 360
"""Height and width of a view in pixels."""
DETAIL = 4
"""How many times larger than the whole its magnified part is shown."""
LARGEST_ROW = 5
MARGIN, GAP, LEADING = 24, 12, 6  # around the sheet, between tiles, between lines
TITLE, HEADING, SMALL = 24, 20, 15  # font sizes in pixels
PAPER, INK, FAINT, WARNING, FRAME = (14, 14, 16), (240, 240, 240), (168, 168, 172), (240, 180, 80), (255, 255, 255)

SOUGHT_SIDE = 256  # long side at which structure is sought: finer detail would be noise
SOUGHT_SIGMA = 1.5  # smoothing there, against noise, in its pixels
SOUGHT_RIM = 9  # width there, in pixels, of the opening that keeps the field's edge from counting as structure
OBLONG = 4  # times as long as wide from which a picture is reduced before it is padded to a square
SOUGHT_COVER = 0.99  # of the best cover: a square may be chosen if it lies inside the mask as far as any does


@dataclass(frozen=True, kw_only=True, eq=False)
class Tile:
    """One place of the grid: a heading, small lines, and views below one another or a message.

    Attributes:
        heading: In larger letters.
        lines: Below it; each is cut where it is too long.
        views: As `view` made them, all of one size.
        message: What to say where there is no view; cut where it is longer than a view is high.
    """

    heading: str
    lines: tuple[str, ...] = ()
    views: tuple[Image.Image, ...] = ()
    message: str = ""


def view(pixels: Pixels, square: Square, side: int = SIDE) -> Image.Image:
    """Return a square of a picture, enlarged or reduced.

    Args:
        pixels: RGB, (H, W, 3).
        square: What to show.
        side: Height and width of the result.
    """
    top, left, size = square
    height, width = pixels.shape[:2]
    cut = pixels[max(top, 0) : max(top + size, 0), max(left, 0) : max(left + size, 0)]
    beyond = (max(-top, 0), max(top + size - height, 0), max(-left, 0), max(left + size - width, 0))
    if size > side and max(cut.shape[:2]) >= OBLONG * min(cut.shape[:2]) > 0:
        shown = _reduced_apart(cut, beyond[0], beyond[2], side / size, side)
    else:
        padded = cv2.copyMakeBorder(cut, *beyond, cv2.BORDER_CONSTANT, value=(0, 0, 0)) if any(beyond) else cut
        way = cv2.INTER_AREA if size > side else cv2.INTER_CUBIC
        shown = np.clip(cv2.resize(padded, (side, side), interpolation=way), 0, 1)
    return Image.fromarray(np.rint(shown * 255).astype(np.uint8))


def _reduced_apart(cut: Pixels, above: int, before: int, scale: float, side: int) -> Pixels:
    """Reduce a cut, then put it on the black square, which at full size could fill the memory."""
    shown = np.zeros((side, side, 3), np.float32)
    high, wide = (max(round(one * scale), 1) for one in cut.shape[:2])
    top, left = min(round(above * scale), side - high), min(round(before * scale), side - wide)
    small = np.clip(cv2.resize(cut, (wide, high), interpolation=cv2.INTER_AREA), 0, 1)
    shown[top : top + high, left : left + wide] = small
    return shown


def whole_and_part(pixels: Pixels, whole: Square, part: Square, side: int = SIDE) -> tuple[Image.Image, Image.Image]:
    """Return two views: the whole with a frame around its part, and the part.

    Args:
        pixels: RGB, (H, W, 3).
        whole: The square to show first.
        part: A square within it.
        side: Height and width of each view.
    """
    first = view(pixels, whole, side)
    scale = side / whole[2]
    row, column = (round((part[axis] - whole[axis]) * scale) for axis in (0, 1))
    length = round(part[2] * scale)
    ImageDraw.Draw(first).rectangle((column, row, column + length - 1, row + length - 1), outline=FRAME)
    return first, view(pixels, part, side)


def square_around(box: tuple[int, int, int, int]) -> Square:
    """Return the smallest square around a box (top, left, bottom, right), with the same centre."""
    top, left, bottom, right = box
    side = max(bottom - top, right - left)
    return (top + bottom - side) // 2, (left + right - side) // 2, side


def middle_square(whole: Square, times: int = DETAIL) -> Square:
    """Return the middle of a square, so many times smaller."""
    top, left, side = whole
    part = max(side // times, 1)
    return top + (side - part) // 2, left + (side - part) // 2, part


def busiest_square(pixels: Pixels, mask: Mask, side: int) -> Square:
    """Return the square inside a mask that shows most structure: the largest sum of gradients of green.

    In a fundus photograph that is the optic disc and the vessels beside it, mostly.

    Args:
        pixels: RGB, (H, W, 3).
        mask: (H, W), true where to look; its edge does not count.
        side: Of the square, in pixels.
    """
    height, width = mask.shape
    scale = min(1.0, SOUGHT_SIDE / max(height, width))
    size = (max(2, round(width * scale)), max(2, round(height * scale)))
    green = cv2.resize(np.ascontiguousarray(pixels[..., 1]), size, interpolation=cv2.INTER_AREA)
    inside = cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    steps = _gradient(np.asarray(green, dtype=np.float32)) * cv2.erode(inside, np.ones((SOUGHT_RIM, SOUGHT_RIM)))
    window = (max(1, round(side * scale)),) * 2
    sums = cv2.boxFilter(steps, cv2.CV_32F, window, borderType=cv2.BORDER_CONSTANT)
    cover = cv2.boxFilter(inside, cv2.CV_32F, window, borderType=cv2.BORDER_CONSTANT)
    sums = np.where(cover >= SOUGHT_COVER * cover.max(), sums, -1)
    row, column = np.unravel_index(int(np.argmax(sums)), sums.shape)
    top, left = (round((centre + 0.5) / scale - side / 2) for centre in (int(row), int(column)))
    return min(max(top, 0), max(height - side, 0)), min(max(left, 0), max(width - side, 0)), side


def draw_sheet(
    tiles: Sequence[Tile], *, title: str = "", footer: Sequence[str] = (), across: int | None = None
) -> Pixels:
    """Draw the grid, row by row.

    Args:
        tiles: At least one.
        title: Above them all.
        footer: Paragraphs below them all; each is broken into lines.
        across: Tiles in a row; None for rows of equal length, five tiles at most.

    Returns:
        The picture, with the 256 levels of 8 bits.
    """
    side = max((one.width for tile in tiles for one in tile.views), default=SIDE)
    across = across or math.ceil(len(tiles) / math.ceil(len(tiles) / LARGEST_ROW))
    rows = math.ceil(len(tiles) / across)
    labels = HEADING + LEADING + max(len(tile.lines) for tile in tiles) * (SMALL + LEADING) + LEADING
    height = labels + max(1, *(len(tile.views) for tile in tiles)) * (side + GAP) + GAP
    width = 2 * MARGIN + across * (side + GAP) - GAP
    head = MARGIN + (TITLE + 2 * GAP if title else 0)
    words = [line for text in footer for line in _broken(text, SMALL, width - 2 * MARGIN)]
    sheet = Image.new("RGB", (width, head + rows * height + len(words) * (SMALL + LEADING) + MARGIN), PAPER)
    draw = ImageDraw.Draw(sheet)
    _write(draw, (MARGIN, MARGIN), _cut(title, TITLE, width - 2 * MARGIN), TITLE, INK)
    for index, tile in enumerate(tiles):
        row, column = divmod(index, across)
        _place(sheet, tile, (MARGIN + column * (side + GAP), head + row * height), side, labels)
    for index, line in enumerate(words):
        _write(draw, (MARGIN, head + rows * height + index * (SMALL + LEADING)), line, SMALL, FAINT)
    return np.asarray(sheet, dtype=np.float32) / np.float32(255)


def _gradient(plane: Gray) -> Gray:
    smooth = cv2.GaussianBlur(plane, (0, 0), SOUGHT_SIGMA)
    across, down = cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1)
    return np.asarray(cv2.magnitude(across, down), dtype=np.float32)


def _place(sheet: Image.Image, tile: Tile, place: tuple[int, int], side: int, labels: int) -> None:
    left, top = place
    draw = ImageDraw.Draw(sheet)
    _write(draw, place, _cut(tile.heading, HEADING, side), HEADING, INK)
    for index, line in enumerate(tile.lines):
        below = top + HEADING + LEADING + index * (SMALL + LEADING)
        _write(draw, (left, below), _cut(line, SMALL, side), SMALL, FAINT)
    for index, one in enumerate(tile.views):
        sheet.paste(one, (left, top + labels + index * (side + GAP)))
    for index, line in enumerate(_broken(tile.message, SMALL, side)[: side // (SMALL + LEADING)]):
        _write(draw, (left, top + labels + index * (SMALL + LEADING)), line, SMALL, WARNING)


def _write(draw: ImageDraw.ImageDraw, place: tuple[int, int], text: str, size: int, colour: tuple[int, ...]) -> None:
    draw.text(place, text, fill=colour, font=ImageFont.load_default(size))


def _cut(text: str, size: int, width: int) -> str:
    """Return one line that is no wider, its end left out if need be."""
    shown = text = " ".join(text.split())
    while text and _length(shown, size) > width:
        text = text[:-1]
        shown = f"{text}..."
    return shown


def _broken(text: str, size: int, width: int) -> list[str]:
    """Break a text into lines; a word that is wider than a line is cut."""
    lines: list[str] = []
    for word in text.split():
        if lines and _length(f"{lines[-1]} {word}", size) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(_cut(word, size, width))
    return lines


def _length(text: str, size: int) -> float:
    return ImageFont.load_default(size).getlength(text)
