"""MATLAB's `imresize(picture, 0.5)`: bicubic, widened against aliasing.

The half scale of BRISQUE and NIQE; with another reduction (OpenCV's bicubic, nearest, area) their values are off by
up to 50 and 3.5. It works on doubles and neither clips nor rounds.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from clearfundus.quality.checks import Plane

TAPS = 8
"""Width of the cubic kernel, 4, over the scale."""


def half_size(plane: Plane) -> Plane:
    """Reduce a plane to half its height and width, rounded up.

    The new pixel i stands between the old ones 2i and 2i + 1, so the eight taps are the same everywhere; the border is
    mirrored with its outermost pixel repeated.

    Args:
        plane: (H, W), float64, at least 5 x 5.

    Returns:
        ((H + 1) // 2, (W + 1) // 2), not clipped.
    """
    height, width = ((side + 1) // 2 for side in plane.shape)
    # one pixel more after the end where the side is odd
    before, (below, right) = TAPS // 2 - 1, (TAPS // 2 - 1 + side % 2 for side in plane.shape)
    framed: Plane = np.asarray(
        cv2.copyMakeBorder(plane, before, below, before, right, cv2.BORDER_REFLECT), dtype=np.float64
    )
    rows = _weighted([framed[first : first + 2 * height - 1 : 2] for first in range(TAPS)])
    return _weighted([rows[:, first : first + 2 * width - 1 : 2] for first in range(TAPS)])


def _weighted(planes: Sequence[Plane]) -> Plane:
    """Return the sum of eight planes, each times its tap; the taps are symmetric, so two planes share a product."""
    total = np.zeros(planes[0].shape)
    for tap, first, last in zip(_taps(), planes, reversed(planes), strict=False):
        total += tap * (first + last)
    return total


def _taps() -> Plane:
    """Return the first four of the eight taps, normalised; the others mirror them."""
    distance = np.array([3.5, 2.5, 1.5, 0.5]) / 2
    # Keys' cubic with a = -1/2, on [0, 1] and on [1, 2]
    near = 1.5 * distance**3 - 2.5 * distance**2 + 1
    far = -0.5 * distance**3 + 2.5 * distance**2 - 4 * distance + 2
    taps: Plane = np.where(distance <= 1, near, far)
    taps /= 2 * taps.sum()
    return taps
