"""The curvelet transform of a plane of any size: padded so that it is exact, its windows kept for the next plane.

It is the uniform discrete curvelet transform of Nguyen and Chauris (IEEE Trans. Signal Processing 58, 2010) in the
optional package `curvelets`, imported at the first use. That package gives a plane back exactly only if both sides are
multiples of its largest decimation; any other plane comes back wrong by up to a third of the range, without a word.
Hence the padding here: never call the package directly.
"""

from collections.abc import Sequence
from functools import lru_cache
from math import lcm, prod, sqrt
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from clearfundus.photo import Gray

if TYPE_CHECKING:
    from curvelets.numpy import UDCT

SMALLEST_PAD = 32
"""Pixels added down and across, at least. The transform is periodic: without them opposite edges would meet."""
RASTER = 64
"""Padded sides are multiples of this, in pixels, so that pictures of nearly one size share their windows."""
KEPT = 2
"""Sets of windows kept. One takes 29 bytes a padded pixel (26 MB at 960 x 960). To build it takes 3 s of one core and
500 MB for a moment for each megapixel: as long as the transform of six pictures."""

Band = NDArray[np.complex64]
"""The coefficients of one scale and direction, (h, w)."""
Bands = list[list[Band]]
"""The bands of each scale, coarsest first; the first scale has one band, the low-pass."""


class CurveletTransform:
    """The transform of planes of one size.

    Attributes:
        norms: For each band, the root mean squared modulus of its coefficients in white noise of standard deviation 1.
    """

    def __init__(self, shape: tuple[int, int], *, scales: int, wedges: int) -> None:
        """Settle the padding, and build the windows unless they are kept from before.

        Args:
            shape: Height and width of the planes.
            scales: Number of scales, low-pass included, 2 or more.
            wedges: Orientations at the coarsest scale that lie nearer to the rows than to the columns, and the
                other way round; a multiple of 3. They double at each finer scale.
        """
        # the package decimates by at most wedges / 3 * 2^(scales - 1), which must divide both sides
        step = lcm(RASTER, wedges // 3 * 2 ** (scales - 1))
        self._shape = shape
        padded = _rounded_up(shape[0] + SMALLEST_PAD, step), _rounded_up(shape[1] + SMALLEST_PAD, step)
        self._pads = padded[0] - shape[0], padded[1] - shape[1]
        self._udct = _udct(padded, scales, wedges)
        self.norms = _norms(self._udct)

    def forward(self, plane: Gray) -> Bands:
        """Transform a plane, (H, W) float32."""
        below, beside = self._pads
        padded = _joined(_joined(plane, below).T, beside).T
        nested = self._udct.forward(np.ascontiguousarray(padded, dtype=np.float32))
        return [[np.asarray(band, np.complex64) for direction in scale for band in direction] for scale in nested]

    def backward(self, bands: Sequence[Sequence[Band]]) -> Gray:
        """Return the plane of these bands, (H, W) float32; of those of `forward`, the plane itself to 1e-6."""
        nested = []
        for group, directions in zip(bands, self._udct.windows, strict=True):
            rest = iter(group)
            nested.append([[next(rest) for _ in direction] for direction in directions])
        padded = np.asarray(self._udct.backward(nested))
        height, width = self._shape
        return np.ascontiguousarray(padded[:height, :width], dtype=np.float32)


@lru_cache(maxsize=KEPT)
def _udct(shape: tuple[int, int], scales: int, wedges: int) -> "UDCT":
    """Build the windows for planes of this size, whose sides must be right."""
    from curvelets.numpy import UDCT

    return UDCT(shape=shape, num_scales=scales, wedges_per_direction=wedges)


def _joined(plane: Gray, rows: int) -> Gray:
    """Add rows below that lead from the plane's lower edge round to its upper one without a step.

    They fade from the mirror image of the lower edge to that of the upper. A step there would ring: its coefficients
    are large, and what is done to them shows far inside the picture.
    """
    onward = cv2.copyMakeBorder(plane, 0, rows, 0, 0, cv2.BORDER_REFLECT)
    back = cv2.copyMakeBorder(plane, rows, 0, 0, 0, cv2.BORDER_REFLECT)
    fade = (0.5 - 0.5 * np.cos(np.pi * (np.arange(rows) + 0.5) / rows)).astype(np.float32)[:, None]
    onward[-rows:] += fade * (back[:rows] - onward[-rows:])
    return np.asarray(onward, dtype=np.float32)


def _norms(udct: "UDCT") -> list[list[float]]:
    """Return the norms of the bands: the transform is a tight frame, so they follow from the windows alone."""
    norms: list[list[float]] = []
    for directions in udct.windows:
        # the package stores one window of each pair that mirror each other; the low-pass is its own mirror
        share = 2 if norms else 1
        windows = [window for direction in directions for window in direction]
        norms.append([sqrt(share * float((w.values**2).sum()) / prod(w.out_shape or ())) for w in windows])
    return norms


def _rounded_up(side: int, step: int) -> int:
    """Return the least multiple of the step that is not less than the side."""
    return -(-side // step) * step
