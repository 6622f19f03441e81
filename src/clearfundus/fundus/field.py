"""The field of view: the lit part of the picture that shows the retina. Lengths are given in its diameter.

The recipe is a threshold that follows the picture's own brightness, so one recipe serves full and truncated
circles, registration notches, annotation boxes in the corner and pictures already cropped inside the field.
It judges light, not content: a bright picture of something else passes if its lit part has a field's shape.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from clearfundus.errors import FieldNotFoundError
from clearfundus.photo import Gray, Mask, Photo

WORKING_SIDE = 512
"""The long side at which the field is sought; a larger picture is reduced to it."""
SMOOTHING_SIGMA = 1.5
OPENING_SIZE = 9
"""Gaussian and opening at the working side, in pixels; both shrink with a smaller picture."""
THRESHOLD_SHARE = 0.12
THRESHOLD_LIMITS = (8 / 255, 30 / 255)
"""The threshold: this share of the brightness that 90 % of the pixels do not exceed, kept within limits."""
DARK_CORNER_LEVEL = 15 / 255
SURROUND_MARGIN = 6 / 255
"""A dark corner of the field is brighter than this level, and than the surround by this margin."""
WHOLE_FRAME_SHARE = 0.985
"""A lit part that covers more than this is the whole frame: the picture was cropped inside the field."""
EDGE_SPREAD = 1.2 * SMOOTHING_SIGMA
"""How far outside a sharp edge the smoothed picture falls to the threshold, in pixels at the working side."""
RIM = 0.003
"""Taken off the field's edge besides, in field diameters: the rim is dark and coloured by the camera's stop."""
SMALLEST_SHARE = 0.05
"""A lit part smaller than this share of the frame is a reflex or an annotation."""
SMALLEST_SOLIDITY = 0.8
"""A circle, truncated or notched, fills its convex hull at least this far."""
SMALLEST_CONTRAST = 2 / 255
"""A frame lit from edge to edge with less contrast than this shows nothing."""


@dataclass(frozen=True, eq=False)
class Field:
    """The field of view of one photograph.

    Attributes:
        mask: (H, W) bool, true on the retina.
    """

    mask: Mask

    @property
    def diameter(self) -> float:
        """Diameter in pixels of the disc with the field's area, 2 sqrt(area / pi)."""
        return float(2 * np.sqrt(self.mask.sum() / np.pi))

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Top, left, bottom, right of the field's bounding box in pixels; bottom and right are exclusive."""
        rows, columns = np.flatnonzero(self.mask.any(1)), np.flatnonzero(self.mask.any(0))
        return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1


def find_field(photo: Photo) -> Field:
    """Find the field of view.

    Args:
        photo: Any photograph of an eye's back, lit field on a darker surround, or cropped inside the field.

    Returns:
        The field; its mask has the photograph's height and width, and stays 0.003 diameters inside the edge.

    Raises:
        FieldNotFoundError: If nothing is lit, the lit part is too small or of no field's shape, or a frame
            lit from edge to edge shows nothing.
    """
    name = photo.name or "array"
    sharp = _brightness(photo)
    brightness = np.asarray(cv2.GaussianBlur(sharp, (0, 0), _at_working_side(SMOOTHING_SIGMA, sharp)), dtype=np.float32)
    lit = _with_dark_corners(_lit(brightness, name), brightness)
    if lit.mean() > WHOLE_FRAME_SHARE:
        _refuse_uniform(brightness, name)
        return Field(mask=np.ones(photo.pixels.shape[:2], dtype=np.bool_))
    _refuse_other_shapes(lit, name)
    lit &= ~_dark_border(sharp, _threshold(brightness))
    return Field(mask=_eroded_at_full_size(lit, photo.pixels.shape[:2]))


def _brightness(photo: Photo) -> Gray:
    """Return the brightest channel, (h, w) in [0, 1], at most the working side long; 0 where all is transparent."""
    height, width = photo.pixels.shape[:2]
    scale = min(1.0, WORKING_SIDE / max(height, width))
    size = (max(2, round(width * scale)), max(2, round(height * scale)))
    reduced = cv2.resize(photo.pixels, size, interpolation=cv2.INTER_AREA)
    brightness = np.asarray(reduced.max(axis=2), dtype=np.float32)
    if photo.alpha is not None:  # what lies under full transparency is nobody's picture
        brightness[cv2.resize(photo.alpha, size, interpolation=cv2.INTER_AREA) == 0] = 0
    return brightness


def _at_working_side(length: float, plane: Gray | Mask) -> float:
    """Return a length given in pixels at the working side, in those of a picture that may be smaller."""
    return float(length * max(plane.shape) / WORKING_SIDE)


def _threshold(brightness: Gray) -> float:
    return float(np.clip(THRESHOLD_SHARE * np.percentile(brightness, 90), *THRESHOLD_LIMITS))


def _dark_border(sharp: Gray, threshold: float) -> Mask:
    """Return the dark pixels next to the picture's own border.

    A circle that touches the border leaves slivers of surround there, thinner than the light that smoothing spreads
    into them. They would count as lit, and no edge would be seen, for the picture's own border is none.
    """
    width = round(_at_working_side(EDGE_SPREAD, sharp)) + 1
    inner = np.zeros(sharp.shape, dtype=np.bool_)
    inner[width:-width, width:-width] = True
    return np.asarray((sharp <= threshold) & ~inner, dtype=np.bool_)


def _lit(brightness: Gray, name: str) -> Mask:
    """Return the largest lit part; thin bridges to annotations and noise are opened away."""
    threshold = _threshold(brightness)
    opened = _opened(brightness > threshold)
    if not opened.any():
        raise FieldNotFoundError(
            f"{name}: found no lit field of view, brightest level {brightness.max() * 255:.0f} of 255, "
            f"expected a field brighter than {threshold * 255:.0f}; give a photograph that is not black"
        )
    return _largest_part(opened)


def _opened(mask: Mask) -> Mask:
    """Return the mask without its parts thinner than the opening's size."""
    side = max(3, round(OPENING_SIZE * max(mask.shape) / WORKING_SIDE) | 1)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    return np.asarray(cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, kernel) > 0, dtype=np.bool_)


def _with_dark_corners(lit: Mask, brightness: Gray) -> Mask:
    """Return the lit part with adjoining parts of the field that lie in shadow.

    The threshold of an overexposed photograph can cut off a shadowed corner of its field. A part below it counts as
    field if it stands out from the surround and is thick: a lower threshold for all would take in the soft rim.
    """
    side = max(brightness.shape) // 25
    surround = cv2.dilate(lit.astype(np.uint8), np.ones((side, side), np.uint8)) == 0
    if surround.mean() < 1 - WHOLE_FRAME_SHARE:
        return lit
    level = max(DARK_CORNER_LEVEL, float(np.percentile(brightness[surround], 75)) + SURROUND_MARGIN)
    return _largest_part(lit | _opened((brightness > level) & ~lit))


def _largest_part(lit: Mask) -> Mask:
    """Return the largest connected part with its holes filled: a dark macula or haemorrhage is retina too."""
    outlines, _ = cv2.findContours(lit.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = np.zeros(lit.shape, dtype=np.uint8)
    cv2.drawContours(filled, [max(outlines, key=cv2.contourArea)], -1, 1, thickness=cv2.FILLED)
    return filled.astype(np.bool_)


def _refuse_uniform(brightness: Gray, name: str) -> None:
    """Refuse a frame lit from edge to edge that shows nothing, such as a gray or white card."""
    low, high = np.percentile(brightness, [1, 99])
    if high - low < SMALLEST_CONTRAST:
        raise FieldNotFoundError(
            f"{name}: found a uniform picture of level {low * 255:.0f} of 255, expected a lit field that "
            "shows a retina; give a fundus photograph"
        )


def _refuse_other_shapes(lit: Mask, name: str) -> None:
    """Refuse a lit part that no camera's field has: a spot, a line of text, a scatter of things."""
    if lit.mean() < SMALLEST_SHARE:
        raise FieldNotFoundError(
            f"{name}: found a lit part of {lit.mean():.1%} of the frame, expected a field of view of at "
            f"least {SMALLEST_SHARE:.0%}; give a fundus photograph, cropped nearer to its field if it is one"
        )
    outlines, _ = cv2.findContours(lit.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    outline = max(outlines, key=cv2.contourArea)
    solidity = cv2.contourArea(outline) / max(cv2.contourArea(cv2.convexHull(outline)), 1)
    if solidity < SMALLEST_SOLIDITY:
        raise FieldNotFoundError(
            f"{name}: found a lit part that fills its outline to {solidity:.0%}, expected a disc, whole or "
            f"cut off, that fills at least {SMALLEST_SOLIDITY:.0%}; give a fundus photograph"
        )


def _eroded_at_full_size(lit: Mask, shape: tuple[int, ...]) -> Mask:
    """Return the eroded mask at full size, (H, W).

    The signed distance to the edge is enlarged in place of the mask, so that the edge has no steps. Distances
    are measured to unlit pixels only, so the picture's own border is no edge.
    """
    inner = cv2.distanceTransform(lit.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    outer = cv2.distanceTransform((~lit).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    depth = np.where(lit, inner - 0.5, 0.5 - outer).astype(np.float32)
    erosion = RIM * 2 * np.sqrt(lit.sum() / np.pi) + _at_working_side(EDGE_SPREAD, lit)
    full = cv2.resize(depth, (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR)
    return np.asarray(full > erosion, dtype=np.bool_)
