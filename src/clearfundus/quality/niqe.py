"""NIQE: how far the statistics of a picture's blocks lie from those of undistorted photographs.

Lower is better; 0 is the least. The fact to know: it was fitted to photographs of the world, so all of a fundus
photograph lies far off; `fniqe.py` measures with the same code from clear fundus photographs.

Source: Mittal, Soundararajan and Bovik, Making a "Completely Blind" Image Quality Analyzer, IEEE SPL 20 (2013); the
authors' released model (LIVE), whose notice stands in `parameters/NOTICE`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import gamma

from clearfundus.errors import QualityError
from clearfundus.photo import Mask
from clearfundus.quality.checks import Plane, check_gray
from clearfundus.quality.matlab_resize import half_size
from clearfundus.quality.measured import Measured
from clearfundus.quality.placement import blocks_inside
from clearfundus.quality.scene_statistics import (
    FLAT_DEVIATION,
    fit_asymmetric,
    join_sums,
    normalize,
    sums_of_coefficients,
)
from clearfundus.quality.view import View

BLOCK_SIDE = 96
"""Of the authors' release."""
FEATURES = 36
LIVE_FILE = Path(__file__).parent / "parameters" / "niqe_live.npz"


@dataclass(frozen=True, kw_only=True, eq=False)
class BlockModel:
    """The statistics of the blocks of good photographs: what a picture is compared with.

    Attributes:
        name: Its name, for every score it gives; only scores of one model can be compared.
        mean: Mean of the features, (36,).
        covariance: (36, 36).
        side: Longer side in pixels of the views it was fitted on; 0 where they were whole pictures of any size.
    """

    name: str
    mean: Plane
    covariance: Plane
    side: int = 0

    def distance(self, features: Plane) -> float:
        """Return how far the blocks of a picture lie from the model.

        Args:
            features: (blocks, 36). A feature that is NaN is left out of the mean, its block out of the covariance.
        """
        whole = features[np.isfinite(features).all(axis=1)]
        known = np.isfinite(features)
        count = known.sum(axis=0)
        if not count.all():
            return float("nan")
        mean = np.where(known, features, 0).sum(axis=0) / count
        covariance = np.cov(whole, rowvar=False) if len(whole) > 1 else np.zeros_like(self.covariance)
        # MATLAB's tolerance of pinv
        tolerance = FEATURES * np.finfo(np.float64).eps
        inverse = np.linalg.pinv((self.covariance + covariance) / 2, rcond=tolerance, hermitian=True)
        difference = mean - self.mean
        return float(np.sqrt(max(difference @ inverse @ difference, 0)))


@dataclass(frozen=True, kw_only=True, eq=False)
class Blocks:
    """The blocks of a picture.

    Attributes:
        features: (N, 36); NaN where a block has no structure.
        sharpness: (N,): mean local standard deviation in 8-bit levels.
        flat_share: Share in [0, 1] of the windows without structure at full size.
    """

    features: Plane
    sharpness: Plane
    flat_share: float


def load_model(file: Path, name: str = "") -> BlockModel:
    """Load a model, such as one's own fit or an export of another program's.

    Args:
        file: An npz file with `mu` (36,) and `cov` (36, 36), and perhaps `name` and `side`.
        name: What to call it in every score; empty for the name in the file, or else the file's.

    Raises:
        QualityError: If the file is not that.
    """
    try:
        with np.load(file, allow_pickle=False) as held:
            mean, covariance = held["mu"].astype(np.float64).reshape(-1), held["cov"].astype(np.float64)
            name = name or (str(held["name"]) if "name" in held else file.stem)
            side = int(held["side"]) if "side" in held else 0
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise QualityError(f"{file}: no NIQE model: {error}") from error
    if mean.shape != (FEATURES,) or covariance.shape != (FEATURES, FEATURES):
        raise QualityError(f"{file}: found shapes {mean.shape} and {covariance.shape}, expected (36,) and (36, 36)")
    return BlockModel(name=name, mean=mean, covariance=covariance, side=side)


@cache
def live_model() -> BlockModel:
    """Return the authors' released model."""
    return load_model(LIVE_FILE, "LIVE 2013")


def niqe(gray: NDArray[np.generic], mask: Mask | None = None, model: BlockModel | None = None) -> Measured:
    """Measure a gray picture.

    Args:
        gray: (H, W), uint8 or float64, whole levels of 0 to 255, at least 96 x 96.
        mask: (H, W): judge only blocks wholly inside, 12 pixels off its edge. None judges the whole picture as the
            authors do, on the greatest multiple of 96 pixels from the top left.
        model: What to compare with; None for the authors'.

    Raises:
        QualityError: If the array is another, no block fits inside the mask, or the picture has no structure.
    """
    model = model or live_model()
    blocks = find_blocks(gray, mask)
    value = model.distance(blocks.features)
    if not np.isfinite(value):
        raise QualityError("niqe: found a picture without structure, whose features are not defined")
    return Measured(value=value, blocks=len(blocks.features), flat_share=blocks.flat_share, fit=model.name)


def find_blocks(gray: NDArray[np.generic], mask: Mask | None = None) -> Blocks:
    """Return the features of the blocks of a picture; arguments and errors as in `niqe`."""
    plane = check_gray(gray, "niqe", BLOCK_SIDE)
    if mask is None:
        height, width = (side - side % BLOCK_SIDE for side in plane.shape)
        plane = plane[:height, :width]
        places = [(top, left) for top in range(0, height, BLOCK_SIDE) for left in range(0, width, BLOCK_SIDE)]
    else:
        places = blocks_inside(mask, BLOCK_SIDE)
    if not places:
        raise QualityError(
            f"niqe: found a field that holds no block of {BLOCK_SIDE} x {BLOCK_SIDE} pixels, expected one at least; "
            "use a larger side"
        )
    return _features_at(plane, places)


def _features_at(plane: Plane, places: Sequence[tuple[int, int]]) -> Blocks:
    """Return the blocks whose top left corners stand at `places`, in pixels of the full size."""
    features = []
    sharpness, flat = [], []
    for scale in (1, 2):
        plane = plane if scale == 1 else half_size(plane)
        normalized = normalize(plane, "nearest")
        side = BLOCK_SIDE // scale
        sums = np.empty((len(places), 5, 6))
        for block, (top, left) in enumerate(places):
            inside = np.s_[top // scale : top // scale + side, left // scale : left // scale + side]
            sums[block] = sums_of_coefficients(normalized.coefficients[inside])
            if scale == 1:
                sharpness.append(normalized.deviation[inside].mean())
                flat.append(np.mean(normalized.deviation[inside] < FLAT_DEVIATION))
        features.append(_features_of(sums))
    return Blocks(features=np.hstack(features), sharpness=np.array(sharpness), flat_share=float(np.mean(flat)))


def _features_of(sums: Plane) -> Plane:
    """Return the 18 features of each block at one scale.

    They are shape and mean width of the coefficients; shape, mean, left and right width of the four neighbours.

    Args:
        sums: (blocks, 5, 6).
    """
    alpha, left, right = fit_asymmetric(join_sums(sums))  # each (blocks, 5)
    width = np.sqrt(gamma(1 / alpha) / gamma(3 / alpha))
    left, right = left * width, right * width
    mean = (right - left) * gamma(2 / alpha) / gamma(1 / alpha)
    own = np.stack([alpha[:, 0], (left[:, 0] + right[:, 0]) / 2], axis=-1)
    pairs = np.stack([alpha, mean, left, right], axis=-1)[:, 1:]
    return np.hstack([own, pairs.reshape(len(sums), -1)])


def measure_niqe(view: View, reference: View | None = None) -> Measured:
    """Measure a view: in "fov" on the blocks inside the field, in "whole" on the frame.

    Args:
        view: The view.
        reference: Not used.

    Raises:
        QualityError: If the field is too small for one block, or shows nothing.
    """
    del reference
    return niqe(view.gray, view.mask if view.protocol == "fov" else None)
