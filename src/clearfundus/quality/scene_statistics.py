"""Natural scene statistics: what BRISQUE and NIQE measure a picture by.

A picture is freed of its local mean and contrast (MSCN coefficients: mean-subtracted, contrast-normalised); these and
the products of neighbours are described by generalised Gaussians, symmetric or asymmetric (GGD, AGGD), whose
parameters are the features. Letters of the papers: alpha is the shape, sigma or beta the left and right width,
eta the mean.

The fact to know: where the local deviation is rounding noise, its sign would enter the features, and every
implementation would give another value. Windows flatter than `FLAT_DEVIATION` get the coefficient 0 here.
"""

from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate1d
from scipy.special import gamma

from clearfundus.quality.checks import Plane

WINDOW_SIDE = 7
WINDOW_SIGMA = 7 / 6
"""The Gaussian window of both papers, in pixels."""
FLAT_DEVIATION = 1e-3
"""Local standard deviation, in 8-bit levels, below which a window has no structure; a choice of this project."""
STRIP_VALUES = 8192
"""About so many values are summed at a time, so that they stay in the processor's cache."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Normalized:
    """A picture freed of its local mean and contrast.

    Attributes:
        coefficients: (H, W): (picture - mean) / (deviation + 1), exactly 0 in flat windows.
        deviation: (H, W): the local standard deviation in 8-bit levels.
    """

    coefficients: Plane
    deviation: Plane

    @property
    def flat_share(self) -> float:
        """Share in [0, 1] of the windows without structure."""
        return float(np.mean(self.deviation < FLAT_DEVIATION))


def normalize(plane: Plane, border: Literal["constant", "nearest"]) -> Normalized:
    """Free a picture of its local mean and contrast.

    Args:
        plane: (H, W), levels of 0 to 255, or what the half scale made of them.
        border: What lies beyond the edge: zeros in BRISQUE ("constant"), the outermost pixel in NIQE ("nearest").
    """
    mean = _local_mean(plane, border)
    deviation = _local_mean(plane * plane, border)
    deviation -= mean * mean
    np.abs(deviation, out=deviation)  # rounding can make it negative
    np.sqrt(deviation, out=deviation)
    coefficients = np.subtract(plane, mean, out=mean)
    coefficients /= deviation + 1
    coefficients[deviation < FLAT_DEVIATION] = 0
    return Normalized(coefficients=coefficients, deviation=deviation)


def _local_mean(plane: Plane, border: str) -> Plane:
    """Return the mean under the Gaussian window.

    SciPy adds mirrored neighbours first, so that what is symmetric cancels exactly. OpenCV is quicker, but leaves
    noise whose sign depends on the processor and moves BRISQUE by 0.04 where a picture has flat areas.
    """
    place = np.arange(WINDOW_SIDE) - WINDOW_SIDE // 2
    window = np.exp(-(place**2) / (2 * WINDOW_SIGMA**2))
    window /= window.sum()
    down = correlate1d(plane, window, axis=0, mode=border)
    return np.asarray(correlate1d(down, window, axis=1, mode=border), dtype=np.float64)


@dataclass(frozen=True, kw_only=True, eq=False)
class Sums:
    """What the fits need to know of sets of numbers; each array has one value a set.

    Attributes:
        count: How many numbers.
        below, above: How many below and above 0.
        absolute: Sum of absolute values.
        square_below, square_above: Sum of squares of those below and above 0.
    """

    count: Plane
    below: Plane
    above: Plane
    absolute: Plane
    square_below: Plane
    square_above: Plane


def sums_of_coefficients(coefficients: Plane) -> Plane:
    """Sum up the coefficients of one block, and their products with four neighbours.

    The neighbours are circular: across, down, and along both diagonals. BRISQUE names the second diagonal (-1, 1) and
    NIQE (1, -1); circular shifts make them the same pairs.

    Args:
        coefficients: (H, W).

    Returns:
        (5, 6): the coefficients, then the four neighbours; columns for `join_sums`.
    """
    height, width = coefficients.shape
    wrapped = np.empty((height + 1, width + 2))
    wrapped[1:, 1:-1] = coefficients
    wrapped[0, 1:-1] = coefficients[-1]
    wrapped[:, 0] = wrapped[:, -2]
    wrapped[:, -1] = wrapped[:, 1]
    total = np.zeros((5, 6))
    rows = max(1, STRIP_VALUES // width)
    for top in range(0, height, rows):
        strip = wrapped[top : top + rows + 1]
        own, row_above = np.ascontiguousarray(strip[1:, 1:-1]), strip[:-1]
        neighbours = (strip[1:, :-2], row_above[:, 1:-1], row_above[:, :-2], row_above[:, 2:])
        total += [_sums(own.ravel()), *(_sums((own * other).ravel()) for other in neighbours)]
    return total


def _sums(values: Plane) -> tuple[float, ...]:
    """Return count, number below 0, number above 0, sum of |v|, of v v, of v |v|."""
    absolute = np.abs(values)
    return (
        values.size,
        int(np.count_nonzero(values < 0)),
        int(np.count_nonzero(values > 0)),
        float(absolute.sum()),
        float(values @ values),
        float(values @ absolute),
    )


def join_sums(sums: Plane) -> Sums:
    """Name the columns of what `sums_of_coefficients` returned, (..., 6)."""
    count, below, above, absolute, square, signed_square = np.moveaxis(sums, -1, 0)
    return Sums(
        count=count,
        below=below,
        above=above,
        absolute=absolute,
        square_below=np.maximum(square - signed_square, 0) / 2,
        square_above=np.maximum(square + signed_square, 0) / 2,
    )


def fit_symmetric(sums: Sums) -> tuple[Plane, Plane]:
    """Fit generalised Gaussians by their moments.

    Source: Sharifi and Leon-Garcia (1995), as in the authors' `estimateggdparam`.

    Returns:
        Shape, and variance; NaN where every number is 0.
    """
    square = (sums.square_below + sums.square_above) / sums.count
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = square / (sums.absolute / sums.count) ** 2
    shapes, ratios = _shapes_and_ratios()
    # descending, for the nearest is sought among the inverse ratios
    return shapes[::-1][_nearest((1 / ratios)[::-1], ratio)], square


def fit_asymmetric(sums: Sums) -> tuple[Plane, Plane, Plane]:
    """Fit asymmetric generalised Gaussians by their moments.

    Source: Lasmar, Stitou and Berthoumieu (2009), as in the authors' `estimateaggdparam`.

    Returns:
        Shape, left and right standard deviation. Where one side is empty its deviation is NaN and the shape 0.2, the
        least, which is what the authors' code makes of it.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        left = np.sqrt(sums.square_below / np.where(sums.below > 0, sums.below, np.nan))
        right = np.sqrt(sums.square_above / np.where(sums.above > 0, sums.above, np.nan))
        skew = left / right
        square = (sums.square_below + sums.square_above) / sums.count
        ratio = (sums.absolute / sums.count) ** 2 / square
        ratio = ratio * (skew**3 + 1) * (skew + 1) / (skew**2 + 1) ** 2
    shapes, ratios = _shapes_and_ratios()
    return shapes[_nearest(ratios, ratio)], left, right


@cache
def _shapes_and_ratios() -> tuple[Plane, Plane]:
    """Return the shapes that a fit can have, and for each the squared mean of |x| over the mean of x x, ascending."""
    shapes: Plane = 0.2 + 0.001 * np.arange(9801, dtype=np.float64)  # 0.2 to 10, the authors' grid
    ratios: Plane = gamma(2 / shapes) ** 2 / (gamma(1 / shapes) * gamma(3 / shapes))
    return shapes, ratios


def _nearest(ascending: Plane, values: Plane) -> NDArray[np.intp]:
    """Return where in an ascending grid each value's nearest stands; the first for NaN."""
    after = np.clip(np.searchsorted(ascending, values), 1, len(ascending) - 1)
    nearer_before = values - ascending[after - 1] <= ascending[after] - values
    return np.where(np.isnan(values), 0, after - nearer_before)
