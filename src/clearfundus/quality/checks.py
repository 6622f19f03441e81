"""Checks of the arrays that a measure is given."""

import numpy as np
from numpy.typing import NDArray

from clearfundus.errors import QualityError

Plane = NDArray[np.float64]
"""One plane, (H, W), float64."""


def check_gray(gray: NDArray[np.generic], measure: str, smallest: int) -> Plane:
    """Return a gray picture as float64, after refusing what the measure is not defined on.

    Args:
        gray: (H, W), uint8 or float64, whole levels of 0 to 255: as saved, and as `View.gray` gives it.
        measure: Its name, for the message.
        smallest: The least height and width in pixels.

    Raises:
        QualityError: If shape, dtype, size or range is another. Levels between whole ones are refused too: they
            are either a picture in [0, 1] or one that was never rounded, and both give other values.
    """
    if gray.ndim != 2:
        raise QualityError(
            f"{measure}: found an array of shape {gray.shape}, expected (height, width); convert it to gray first"
        )
    if gray.dtype not in (np.uint8, np.float64):
        raise QualityError(f"{measure}: found type {gray.dtype}, expected uint8 or float64 with levels of 0 to 255")
    if min(gray.shape) < smallest:
        raise QualityError(
            f"{measure}: found {gray.shape[1]} x {gray.shape[0]} pixels, expected {smallest} x {smallest} at least; "
            "give a larger picture"
        )
    plane: Plane = gray.astype(np.float64, copy=False)
    low, high = float(plane.min()), float(plane.max())
    if not (low >= 0 and high <= 255):  # NaN fails both
        raise QualityError(f"{measure}: found levels in [{low:g}, {high:g}], expected 0 to 255")
    if gray.dtype != np.uint8 and not np.array_equal(plane, np.rint(plane)):
        raise QualityError(
            f"{measure}: found levels that are not whole numbers in [{low:g}, {high:g}], expected whole levels of 0 to "
            "255; multiply a picture in [0, 1] by 255, then round"
        )
    return plane
