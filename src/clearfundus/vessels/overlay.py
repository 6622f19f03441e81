"""What was found, drawn over the photograph: a mask, trees in colours, tracks with their wrong parts in red.

Everything drawn and the photograph are in pixels of one picture; `Tracking.in_photo` and `Track.in_photo` bring what
was found to the photograph. Lines and marks grow with the picture.
"""

import colorsys
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from clearfundus.errors import QualityError
from clearfundus.photo import Mask, Pixels
from clearfundus.vessels.scale import DIAMETER, Points
from clearfundus.vessels.trees import Disc, Node, Track, Tracking

Colour = tuple[float, float, float]
"""RGB in [0, 1]."""
Canvas = NDArray[np.uint8]
"""RGB, (H, W, 3): what OpenCV draws lines on that fade at their edges."""

MASK_COLOUR: Colour = (0.1, 1.0, 0.75)
FRAGMENT_COLOUR: Colour = (0.72, 0.72, 0.72)
MARK_COLOUR: Colour = (1.0, 1.0, 1.0)
RIGHT_COLOUR: Colour = (0.35, 1.0, 0.35)
WRONG_COLOUR: Colour = (1.0, 0.1, 0.1)
SHADE: Colour = (0.0, 0.0, 0.0)
"""Around marks, so that they show on a bright disc, too."""
OPACITY = 0.6
"""Share of a mask's colour in what it covers, so that the vessel below it still shows."""
TREE_HUES = 13 / 34
"""Step of the hue from one tree to the next: near the golden section, so that neighbours differ."""
FRACTION_BITS = 4
"""OpenCV takes places in sixteenths of a pixel."""
MARK = 3.0
"""Radius of a mark in pixels, on a picture whose shorter side is 540."""
LINE_WIDTH = 2.5
"""Of a track, and of a tree where its vessels are thin; likewise."""
LINE_EXCESS = 1.4
"""Pixels by which OpenCV draws a line with fading edges wider than asked for, at even thicknesses; odd ones come out
like the next even one. Measured."""


def draw_mask(pixels: Pixels, mask: Mask, colour: Colour = MASK_COLOUR, opacity: float = OPACITY) -> Pixels:
    """Return a photograph with a mask laid over it.

    Args:
        pixels: RGB, (H, W, 3) in [0, 1].
        mask: (H, W).
        colour: Of the mask.
        opacity: Share of that colour in what it covers, in [0, 1].

    Raises:
        QualityError: If the two differ in size.
    """
    _check_size("mask", mask.shape, pixels)
    drawn = pixels.copy()
    drawn[mask] = (1 - opacity) * drawn[mask] + opacity * np.array(colour, np.float32)
    return drawn


def draw_trees(pixels: Pixels, tracking: Tracking) -> Pixels:
    """Return a photograph with the vessel trees over it.

    Each tree that begins at the disc has its own colour, the longest first; fragments are gray. Lines are half as wide
    as the vessels, if that is enough to be seen. The disc is a white circle, a root a dot of its tree's colour, a
    crossing a white ring.

    Args:
        pixels: RGB, (H, W, 3) in [0, 1].
        tracking: In pixels of the same picture.

    Raises:
        QualityError: If the two differ in size.
    """
    _check_size("trees", tracking.shape, pixels)
    canvas, unit = _canvas(pixels), _unit(pixels)
    colours = tree_colours(tracking)
    for rooted in (False, True):  # fragments below
        for segment in tracking.segments:
            if tracking.trees[segment.tree].rooted == rooted:
                _draw_line(canvas, segment.polyline, colours[segment.tree], max(LINE_WIDTH * unit, segment.radius))
    if tracking.disc is not None:
        _draw_disc(canvas, tracking.disc, unit)
    for node in tracking.nodes:
        if node.kind == "crossing":
            _draw_mark(canvas, node.point, MARK_COLOUR, unit, filled=False)
    for node, tree in _roots(tracking):
        _draw_mark(canvas, node.point, colours[tree], unit, filled=True)
    return _pixels(canvas)


def draw_tracks(pixels: Pixels, tracks: Sequence[Track], wrong: Sequence[Mask | None] | None = None) -> Pixels:
    """Return a photograph with tracks over it, right parts green and wrong parts red; seeds are white dots.

    Args:
        pixels: RGB, (H, W, 3) in [0, 1].
        tracks: In pixels of the same picture.
        wrong: For each track which of its points are wrong, (N,); None where nothing is known to be wrong.

    Raises:
        QualityError: If `wrong` does not fit the tracks.
    """
    judged = [None] * len(tracks) if wrong is None else list(wrong)
    if len(judged) != len(tracks):
        raise QualityError(f"draw_tracks: found {len(tracks)} tracks and {len(judged)} masks of wrong parts; give each")
    canvas, unit = _canvas(pixels), _unit(pixels)
    for track, mask in zip(tracks, judged, strict=True):
        bad = np.zeros(len(track.polyline), np.bool_) if mask is None else mask
        if bad.shape != (len(track.polyline),):
            raise QualityError(
                f"draw_tracks: found a track of {len(track.polyline)} points and a mask of shape {bad.shape}, "
                "expected a value for each point"
            )
        for colour, value in ((RIGHT_COLOUR, False), (WRONG_COLOUR, True)):
            for part in _runs(track.polyline, bad == value):
                _draw_line(canvas, part, colour, LINE_WIDTH * unit)
    for track in tracks:
        if len(track.polyline):
            _draw_mark(canvas, track.polyline[0], MARK_COLOUR, unit, filled=True)
    return _pixels(canvas)


def tree_colours(tracking: Tracking) -> list[Colour]:
    """Return a colour for each tree: hues for those that begin at the disc, the longest first; gray for fragments."""
    lengths = [sum(tracking.segments[index].length for index in tree.segments) for tree in tracking.trees]
    colours = [FRAGMENT_COLOUR] * len(tracking.trees)
    rooted = [index for index, tree in enumerate(tracking.trees) if tree.rooted]
    for rank, index in enumerate(sorted(rooted, key=lambda index: -lengths[index])):
        # of three rounds of hues the second is paler and the third darker
        saturation, value = ((1.0, 1.0), (0.55, 1.0), (1.0, 0.7))[rank // 12 % 3]
        colours[index] = colorsys.hsv_to_rgb(rank * TREE_HUES % 1, saturation, value)
    return colours


def _roots(tracking: Tracking) -> list[tuple[Node, int]]:
    """Return the nodes at which trees begin at the disc, each with its tree."""
    return [
        (tracking.nodes[segment.start], segment.tree)
        for segment in tracking.segments
        if segment.parent is None and tracking.trees[segment.tree].rooted
    ]


def _runs(polyline: Points, wanted: Mask) -> list[Points]:
    """Return the parts of a polyline whose steps lead to wanted points, each with the point it comes from."""
    steps = np.concatenate([[False], wanted[1:], [False]]).astype(np.int8)
    turns = np.diff(steps)
    first, last = np.flatnonzero(turns == 1), np.flatnonzero(turns == -1)
    return [polyline[one : other + 1] for one, other in zip(first, last, strict=True)]


def _check_size(what: str, shape: tuple[int, ...], pixels: Pixels) -> None:
    if shape != pixels.shape[:2]:
        raise QualityError(
            f"drawing: found {what} of size {shape} and a photograph of size {pixels.shape[:2]}, expected one size; "
            "bring what was found to the photograph first (in_photo, mask_in_photo)"
        )


def _unit(pixels: Pixels) -> float:
    """Return the pixels here for one pixel of a picture whose shorter side is 540; 1 at least."""
    return float(max(1.0, min(pixels.shape[:2]) / DIAMETER))


def _canvas(pixels: Pixels) -> Canvas:
    return np.rint(np.clip(pixels, 0, 1) * 255).astype(np.uint8)


def _pixels(canvas: Canvas) -> Pixels:
    return np.asarray(canvas, np.float32) / np.float32(255)


def _draw_line(canvas: Canvas, polyline: Points, colour: Colour, width: float) -> None:
    if len(polyline) > 1:
        places = [_places(polyline)]
        thickness = max(1, 2 * round((width - LINE_EXCESS) / 2))
        cv2.polylines(canvas, places, False, _eight_bit(colour), thickness, cv2.LINE_AA, FRACTION_BITS)


def _draw_disc(canvas: Canvas, disc: Disc, unit: float) -> None:
    _draw_circle(canvas, disc.centre, disc.radius, MARK_COLOUR, max(1, round(1.5 * unit)))


def _draw_mark(canvas: Canvas, point: Points, colour: Colour, unit: float, *, filled: bool) -> None:
    """Draw a dot or a ring with a dark edge."""
    line: float = -1 if filled else max(1, round(unit))
    _draw_circle(canvas, point, MARK * unit + unit, SHADE, line if filled else max(2, round(2 * unit)))
    _draw_circle(canvas, point, MARK * unit, colour, line)


def _draw_circle(canvas: Canvas, point: Points, radius: float, colour: Colour, line: float) -> None:
    centre = _places(point[None])[0]
    fine = round(radius * 2**FRACTION_BITS)
    place = (int(centre[0]), int(centre[1]))
    cv2.circle(canvas, place, fine, _eight_bit(colour), int(line), cv2.LINE_AA, FRACTION_BITS)


def _places(points: Points) -> NDArray[np.int32]:
    """Return points as OpenCV takes them: column before row, in sixteenths of a pixel."""
    return np.asarray(np.rint(points[:, ::-1] * 2**FRACTION_BITS), np.int32)


def _eight_bit(colour: Colour) -> tuple[int, int, int]:
    red, green, blue = (round(255 * value) for value in colour)
    return red, green, blue
