"""View: the picture that the measures judge, made the same way for every method.

What is saved is scored: the photograph is rounded to 8 bit first. Outside the field it is black. The field is the
caller's: found once on the input or the reference, and used for every method's result.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from clearfundus.errors import QualityError
from clearfundus.fundus.field import Field
from clearfundus.fundus.frame import fill_surround
from clearfundus.photo import Mask, Photo
from clearfundus.quality.checks import Plane

Levels = NDArray[np.uint8]
"""RGB, (H, W, 3), in 0 to 255."""
Protocol = Literal["fov", "whole"]
"""`fov`: cropped to the field's box, judged inside the field. `whole`: the whole frame, judged with its black surround,
as most published numbers are."""
PROTOCOLS: tuple[Protocol, ...] = ("fov", "whole")
DEFAULT_SIDE = 768
"""Longer side in pixels: at 512 about 12 blocks of NIQE fit into a round field, at 768 about 37."""
SMALLEST_SIDE = 16
WHOLE_PIXEL = 0.999
"""Share of a pixel that must lie in the field for it to count as inside."""
GRAY_WEIGHTS = (298936, 587043, 114021)
"""MATLAB's rgb2gray of 8-bit pictures in millionths; whole numbers, so that no rounding of floats can matter."""


@dataclass(frozen=True, kw_only=True, eq=False)
class View:
    """A photograph as the measures see it.

    Attributes:
        pixels: RGB, uint8, (H, W, 3), 0 outside the mask.
        mask: (H, W), true on the retina.
        protocol: "fov" or "whole".
        side: The longer side in pixels.
        enlarged: Whether the photograph had to be enlarged to it. It then looks blurrier than it is.
    """

    pixels: Levels
    mask: Mask
    protocol: Protocol
    side: int
    enlarged: bool

    @cached_property
    def gray(self) -> Plane:
        """The gray picture, (H, W), whole levels of 0 to 255."""
        return to_gray(self.pixels)

    @property
    def inside(self) -> Mask:
        """The pixels that count, (H, W): the field's, or all in the protocol "whole"."""
        return self.mask if self.protocol == "fov" else np.ones_like(self.mask)


def make_view(photo: Photo, field: Field, protocol: Protocol = "fov", side: int = DEFAULT_SIDE) -> View:
    """Make the view of a photograph.

    Args:
        photo: The photograph.
        field: The field of the case, of the photograph's height and width.
        protocol: "fov" or "whole".
        side: The longer side of the view in pixels.

    Raises:
        QualityError: If the field has another size or is empty, or a setting is unknown or out of range.
    """
    name = photo.name or "array"
    if protocol not in PROTOCOLS:
        raise QualityError(f"protocol: found {protocol!r}, expected one of: {', '.join(PROTOCOLS)}")
    if side < SMALLEST_SIDE:
        raise QualityError(f"side: found {side}, expected {SMALLEST_SIDE} pixels or more")
    if field.mask.shape != photo.pixels.shape[:2]:
        raise QualityError(
            f"{name}: found a field of shape {field.mask.shape}, expected {photo.pixels.shape[:2]}; a result has the "
            "size of the photograph whose field is used"
        )
    if not field.mask.any():
        raise QualityError(f"{name}: found an empty field, expected the part that shows the retina")
    top, left, bottom, right = field.box if protocol == "fov" else (0, 0, *field.mask.shape)
    mask = np.ascontiguousarray(field.mask[top:bottom, left:right])
    pixels = np.rint(photo.pixels[top:bottom, left:right] * np.float32(255)).astype(np.uint8)
    pixels[~mask] = 0
    enlarged = max(mask.shape) < side
    pixels, mask = _resized(pixels, mask, side)
    return View(pixels=pixels, mask=mask, protocol=protocol, side=side, enlarged=enlarged)


def _resized(pixels: Levels, mask: Mask, side: int) -> tuple[Levels, Mask]:
    """Return pixels and mask with the longer side at `side`, black outside the new mask.

    To enlarge, the surround is filled first: a cubic's 4 x 4 pixels reach over the field's edge from inside it. What is
    reduced needs no filling, for a pixel that counts has its whole area inside.
    """
    height, width = mask.shape
    longest = max(height, width)
    if longest == side:
        return pixels, mask
    size = (max(1, round(width * side / longest)), max(1, round(height * side / longest)))
    # in float, for OpenCV's 8-bit cubic rounds its weights as well
    source = pixels.astype(np.float32)
    if longest < side:
        resized = cv2.resize(fill_surround(source, mask), size, interpolation=cv2.INTER_CUBIC)
    else:
        resized = cv2.resize(source, size, interpolation=cv2.INTER_AREA)
    levels: Levels = np.clip(np.rint(resized), 0, 255).astype(np.uint8)
    share = cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    inside: Mask = np.asarray(share >= WHOLE_PIXEL, dtype=np.bool_)
    levels[~inside] = 0
    return levels, inside


def to_gray(pixels: Levels) -> Plane:
    """Return the gray levels of an 8-bit picture: floor(0.298936 R + 0.587043 G + 0.114021 B + 0.5).

    Args:
        pixels: RGB, uint8, (H, W, 3).

    Returns:
        (H, W), float64, whole levels of 0 to 255.

    Raises:
        QualityError: If the array is another.
    """
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8:
        raise QualityError(
            f"found an array of shape {pixels.shape} and type {pixels.dtype}, expected (height, width, 3) and uint8"
        )
    red, green, blue = (np.int32(weight) * pixels[..., channel] for channel, weight in enumerate(GRAY_WEIGHTS))
    total = red + green + blue + np.int32(500_000)
    gray: Plane = (total // np.int32(1_000_000)).astype(np.float64)
    return gray
