"""The values of a picture as a decoder gives them, before they become a Photo."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = NDArray[Any]
"""Whole numbers or floats as they stand in the file, (H, W) or (H, W, channels)."""


@dataclass(frozen=True, eq=False)
class Raster:
    """A decoded picture.

    Attributes:
        colour: Gray, (H, W), or RGB, (H, W, 3), in [0, maximum].
        alpha: (H, W) in [0, maximum], or None.
        maximum: The value of full light.
        bits: Bits per channel that hold these values without loss, 8 or 16.
        profile_fits: Whether the file's colour profile still describes these values.
    """

    colour: Values
    alpha: Values | None
    maximum: float
    bits: int
    profile_fits: bool = True

    def turned(self, orientation: int) -> "Raster":
        """Apply an EXIF orientation, 1 to 8 (EXIF 2.3, section 4.6.4 A, tag 274)."""
        alpha = None if self.alpha is None else turn(self.alpha, orientation)
        return replace(self, colour=turn(self.colour, orientation), alpha=alpha)


def turn(values: Values, orientation: int) -> Values:
    """Bring stored rows and columns upright.

    Args:
        values: (H, W) or (H, W, channels).
        orientation: EXIF orientation, 1 to 8.
    """
    if orientation > 4:  # the stored rows are the picture's columns
        values = np.swapaxes(values, 0, 1)
    if orientation in {3, 4, 7, 8}:
        values = values[::-1]
    if orientation in {2, 3, 6, 7}:
        values = values[:, ::-1]
    return values


def scaled(values: Values, maximum: float) -> NDArray[np.float32]:
    """Divide by the value of full light, into a contiguous float32 array."""
    return np.ascontiguousarray(np.divide(values, maximum, dtype=np.float32))


def quantised(values: NDArray[np.float32], bits: int) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Round values in [0, 1] to the nearest of 2^bits levels: what was read comes back the same."""
    steps: NDArray[np.float32] = np.rint(values * np.float32(2**bits - 1))
    return steps.astype(np.uint8) if bits == 8 else steps.astype(np.uint16)
