"""Entropy of the levels: how many bits a pixel's level is worth, 0 to 8.

Papers read more as better. The fact to know: it only asks how evenly the levels are used, not where they stand: noise
and stretched contrast raise it, blur hardly lowers it, and a shuffled photograph has the same.
"""

import numpy as np
from numpy.typing import NDArray

from clearfundus.photo import Mask
from clearfundus.quality.checks import check_gray
from clearfundus.quality.inside import check_inside, check_pixels
from clearfundus.quality.measured import Measured
from clearfundus.quality.view import View

LEVELS = 256
CONVENTIONS = (
    "In bits, of the 256 levels of gray. Papers read more as better, but it did not follow the grades of cataract "
    "photographs at all: noise and stretched contrast raise it. Protocol whole counts the black surround as one level."
)
CONVENTIONS_RGB = (
    "In bits, of the levels of R, G and B in one histogram; what many papers report as entropy. Channels of "
    "different brightness raise it. Otherwise as entropy."
)
"""For the table of metrics."""


def entropy(gray: NDArray[np.generic], inside: Mask | None = None) -> float:
    """Return the entropy of a gray picture in bits: -sum p log2 p over the 256 levels.

    Args:
        gray: (H, W), uint8 or float64, whole levels of 0 to 255.
        inside: (H, W): the pixels that count, None for all.

    Raises:
        QualityError: If an array is another, or nothing is inside.
    """
    plane = check_gray(gray, "entropy", 1)
    return _bits(plane[check_inside(inside, gray, "entropy")])


def entropy_rgb(pixels: NDArray[np.generic], inside: Mask | None = None) -> float:
    """Return the entropy in bits of the levels of R, G and B, pooled into one histogram.

    Args:
        pixels: RGB, uint8, (H, W, 3).
        inside: (H, W): the pixels that count, None for all.

    Raises:
        QualityError: If an array is another, or nothing is inside.
    """
    check_pixels(pixels, "entropy_rgb")
    return _bits(pixels[check_inside(inside, pixels, "entropy_rgb")])


def _bits(levels: NDArray[np.generic]) -> float:
    counts = np.bincount(levels.ravel().astype(np.intp), minlength=LEVELS)
    share = counts[counts > 0] / levels.size
    # sum p log2 (1/p): no negative zero where one level has all
    return float((share * np.log2(1 / share)).sum())


def measure_entropy(view: View, reference: View | None = None) -> Measured:
    """Measure the gray of a view: in "fov" inside the field, in "whole" over the frame with its black surround.

    Args:
        view: The view.
        reference: Not used.
    """
    del reference
    return Measured(value=entropy(view.gray, view.inside))


def measure_entropy_rgb(view: View, reference: View | None = None) -> Measured:
    """Measure the three channels of a view, pooled; arguments as in `measure_entropy`."""
    del reference
    return Measured(value=entropy_rgb(view.pixels, view.inside))
