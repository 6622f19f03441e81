"""The frame: crop a photograph to its field, fill the surround, put the result back at full size, exactly.

Methods see the crop with its surround filled, for the black surround would pull on every filter near the rim.
What they return is put back inside the field only: every pixel outside comes back bit for bit.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from clearfundus.errors import PhotoError
from clearfundus.fundus.field import Field
from clearfundus.photo import Gray, Mask, Photo, Pixels

CROP_MARGIN = 8
"""Pixels kept around the field's bounding box."""
SEAM = 0.004
"""Width, in field diameters, over which the enhanced picture fades in inside the field's edge; see decision 0017."""
LEAST_SEAM = 2
"""The same in pixels, for small pictures."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Frame:
    """A photograph cropped to its field, and what is needed to put the crop back.

    Attributes:
        original: The whole photograph, untouched.
        original_field: Its field.
        box: Top, left, bottom, right of the crop in the original, in pixels; bottom and right are exclusive.
        photo: The crop, with the surround filled.
        field: The field within the crop.
    """

    original: Photo
    original_field: Field
    box: tuple[int, int, int, int]
    photo: Photo
    field: Field


def crop_to_field(photo: Photo, field: Field) -> Frame:
    """Crop a photograph to its field with 8 pixels around it, and fill the surround.

    Args:
        photo: The photograph.
        field: Its field; the mask has the photograph's height and width.
    """
    height, width = field.mask.shape
    top, left, bottom, right = field.box
    top, left = max(top - CROP_MARGIN, 0), max(left - CROP_MARGIN, 0)
    bottom, right = min(bottom + CROP_MARGIN, height), min(right + CROP_MARGIN, width)
    inside = np.s_[top:bottom, left:right]
    mask = np.ascontiguousarray(field.mask[inside])
    cropped = replace(
        photo,
        pixels=fill_surround(photo.pixels[inside], mask),
        alpha=None if photo.alpha is None else photo.alpha[inside],
    )
    return Frame(
        original=photo,
        original_field=field,
        box=(top, left, bottom, right),
        photo=cropped,
        field=Field(mask=mask),
    )


def fill_surround(pixels: Pixels, mask: Mask) -> Pixels:
    """Mirror the retina outwards over the field's edge.

    An outside pixel p with nearest inside pixel q takes the value at 2q - p where that lies inside, else at
    q. The nearest pixel is that of the 5x5 chamfer distance, within a few percent of the Euclidean.

    Args:
        pixels: RGB, (H, W, 3).
        mask: (H, W), true on the retina, not empty.

    Returns:
        A new array; pixels on the retina are unchanged.
    """
    filled: Pixels = pixels.copy()
    if mask.all():
        return filled
    _, labels = cv2.distanceTransformWithLabels(
        (~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    # Each inside pixel has a label of its own; this turns a label back into the pixel's flat position.
    inside = np.flatnonzero(mask)
    position = np.zeros(labels.max() + 1, dtype=np.intp)
    position[labels.ravel()[inside]] = inside
    height, width = mask.shape
    row, column = np.nonzero(~mask)
    nearest_row, nearest_column = np.divmod(position[labels[row, column]], width)
    mirror_row, mirror_column = 2 * nearest_row - row, 2 * nearest_column - column
    usable = (mirror_row >= 0) & (mirror_row < height) & (mirror_column >= 0) & (mirror_column < width)
    usable[usable] = mask[mirror_row[usable], mirror_column[usable]]
    source_row = np.where(usable, mirror_row, nearest_row)
    source_column = np.where(usable, mirror_column, nearest_column)
    filled[row, column] = pixels[source_row, source_column]
    return filled


def put_back(frame: Frame, enhanced: Photo) -> Photo:
    """Put an enhanced crop back into the whole photograph.

    Outside the field every pixel is the original's, bit for bit; inside, the enhanced picture fades in over
    0.004 diameters, at least 2 pixels, from the field's edge, so that no seam shows. The picture's own border is no
    edge.

    Args:
        frame: The frame that the crop came from.
        enhanced: The enhanced crop, of the size of `frame.photo`.

    Returns:
        The original with the field enhanced, and with the provenance of `enhanced`.

    Raises:
        PhotoError: If the enhanced crop has another size.
    """
    found, expected = enhanced.pixels.shape, frame.photo.pixels.shape
    if found != expected:
        raise PhotoError(
            f"{frame.original.name or 'array'}: found an enhanced crop of shape {found}, expected "
            f"{expected}; a method must return a photograph of the size it was given"
        )
    top, left, bottom, right = frame.box
    pixels: Pixels = frame.original.pixels.copy()
    crop = pixels[top:bottom, left:right]
    weight = _fade_in(frame.field)
    seam = (weight > 0) & (weight < 1)
    old, new = crop[seam], enhanced.pixels[seam]
    # In this form an unchanged picture comes back exactly.
    crop[seam] = old + weight[seam, None] * (new - old)
    np.copyto(crop, enhanced.pixels, where=(weight >= 1)[..., None])
    return replace(frame.original, pixels=pixels, provenance=enhanced.provenance)


def _fade_in(field: Field) -> Gray:
    """Return the weight of the enhanced picture, (H, W) in [0, 1]: 0 at the field's edge, 1 further in."""
    if field.mask.all():
        return np.ones(field.mask.shape, dtype=np.float32)
    depth = cv2.distanceTransform(field.mask.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    weight: Gray = np.clip((depth - 0.5) / max(SEAM * field.diameter, LEAST_SEAM), 0, 1, dtype=np.float32)
    return weight
