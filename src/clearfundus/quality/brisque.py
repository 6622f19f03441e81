"""BRISQUE: how unlike a natural photograph a picture's local statistics are, as people judged distortions.

Lower is better; 0 to 100 by training, but values are not clipped and negative ones and ones above 100 are legal. The
fact to know: added noise improves it on blurred photographs, so it compares methods only beside other measures.

Source: Mittal, Moorthy and Bovik, No-Reference Image Quality Assessment in the Spatial Domain, IEEE TIP 21 (2012);
the authors' released model (LIVE), whose notice stands in `parameters/NOTICE`.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import gamma

from clearfundus.errors import QualityError
from clearfundus.quality.checks import Plane, check_gray
from clearfundus.quality.matlab_resize import half_size
from clearfundus.quality.measured import Measured
from clearfundus.quality.placement import largest_square
from clearfundus.quality.scene_statistics import (
    fit_asymmetric,
    fit_symmetric,
    join_sums,
    normalize,
    sums_of_coefficients,
)
from clearfundus.quality.view import View

SMALLEST_SIDE = 32
"""Least height and width in pixels: at the half scale two windows then fit beside one another; a choice."""
LIVE_FILE = Path(__file__).parent / "parameters" / "brisque_live.npz"


@dataclass(frozen=True, kw_only=True, eq=False)
class Regressor:
    """A support vector regressor with a radial basis kernel.

    Attributes:
        name: Its name, for every score it gives.
        vectors: Support vectors, (N, 36), in scaled features.
        coefficients: (N,).
        offset: What is taken off the sum; LIBSVM's rho.
        width: The kernel is exp(-width * squared distance); LIBSVM's gamma.
        low, high: (36,): the features that are scaled to -1 and to 1.
    """

    name: str
    vectors: Plane
    coefficients: Plane
    offset: float
    width: float
    low: Plane
    high: Plane

    def predict(self, features: Plane) -> float:
        """Return the value for features of shape (36,); not clipped."""
        scaled = 2 * (features - self.low) / (self.high - self.low) - 1
        distances = ((self.vectors - scaled) ** 2).sum(axis=1)
        return float(self.coefficients @ np.exp(-self.width * distances) - self.offset)


def load_regressor(file: Path, name: str) -> Regressor:
    """Load a BRISQUE model, such as one's own export of another program's.

    Args:
        file: An npz file with `sv` (N, 36), `coef` (N,), `rho`, `gamma`, `fmin` and `fmax` (36,).
        name: What to call it in every score.

    Raises:
        QualityError: If the file is not that.
    """
    try:
        with np.load(file, allow_pickle=False) as held:
            vectors, coefficients, low, high = (held[key].astype(np.float64) for key in ("sv", "coef", "fmin", "fmax"))
            offset, width = float(held["rho"]), float(held["gamma"])
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise QualityError(f"{file}: no BRISQUE model: {error}") from error
    shapes = (vectors.shape, coefficients.shape, low.shape, high.shape)
    if shapes != ((len(vectors), 36), (len(vectors),), (36,), (36,)):
        raise QualityError(f"{file}: found arrays of shapes {shapes}, expected (N, 36), (N,), (36,) and (36,)")
    return Regressor(
        name=name, vectors=vectors, coefficients=coefficients, offset=offset, width=width, low=low, high=high
    )


@cache
def live_regressor() -> Regressor:
    """Return the authors' released model."""
    return load_regressor(LIVE_FILE, "LIVE 2012")


def brisque(gray: NDArray[np.generic], regressor: Regressor | None = None) -> Measured:
    """Measure a whole gray picture.

    Args:
        gray: (H, W), uint8 or float64, whole levels of 0 to 255, at least 32 x 32.
        regressor: The model; None for the authors'.

    Raises:
        QualityError: If the array is another, or has no structure to judge.
    """
    plane = check_gray(gray, "brisque", SMALLEST_SIDE)
    regressor = regressor or live_regressor()
    features, flat_share = brisque_features(plane)
    if not np.isfinite(features).all():
        raise QualityError("brisque: found a picture without structure, whose features are not defined")
    return Measured(value=regressor.predict(features), flat_share=flat_share, fit=regressor.name)


def brisque_features(plane: Plane) -> tuple[Plane, float]:
    """Return the 36 features of a picture, and its share of flat windows at full size.

    Args:
        plane: (H, W), levels of 0 to 255.
    """
    shares, features = [], []
    for scale in range(2):
        plane = half_size(plane) if scale else plane
        normalized = normalize(plane, "constant")
        shares.append(normalized.flat_share)
        features.append(_features_of(sums_of_coefficients(normalized.coefficients)))
    return np.concatenate(features), shares[0]


def _features_of(sums: Plane) -> Plane:
    """Return the 18 features of one scale: shape and variance; shape, mean, left and right variance of 4 neighbours."""
    shape, variance = fit_symmetric(join_sums(sums[0]))
    alpha, left, right = fit_asymmetric(join_sums(sums[1:]))
    mean = (right - left) * gamma(2 / alpha) / gamma(1 / alpha) * np.sqrt(gamma(1 / alpha) / gamma(3 / alpha))
    pairs = np.stack([alpha, mean, left**2, right**2], axis=-1)
    return np.concatenate([[shape, variance], pairs.ravel()])


def measure_brisque(view: View, reference: View | None = None) -> Measured:
    """Measure a view: in "fov" on the largest square inside the field, in "whole" on the frame.

    Args:
        view: The view.
        reference: Not used.

    Raises:
        QualityError: If the field is too small, or shows nothing.
    """
    del reference
    if view.protocol == "whole":
        return brisque(view.gray)
    top, left, side = largest_square(view.mask)
    if side < SMALLEST_SIDE:
        raise QualityError(
            f"brisque: found a field that holds a square of {side} pixels, expected {SMALLEST_SIDE} at least; "
            "use a larger side"
        )
    return brisque(view.gray[top : top + side, left : left + side])
