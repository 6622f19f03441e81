"""FID: how far the features of one set of pictures lie from those of another.

Lower is better; 0 for sets of equal mean and covariance. It compares sets, so it is no metric of one photograph. The
fact to know: it is biased upwards for small sets, so compare only values of sets of one size and one feature file.
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from clearfundus.errors import QualityError
from clearfundus.quality.checks import Plane
from clearfundus.quality.programs import Program, load_program, run_program
from clearfundus.quality.view import View


def load_features(file: Path) -> Callable[[View], Plane]:
    """Load what FID compares pictures by, such as the pooled features of an Inception network.

    Args:
        file: A TorchScript file; its `forward` gets one picture and returns its features, (D,) or (1, D).

    Returns:
        From a view to its features, (D,) float64; it raises QualityError if they are not finite or no vector.

    Raises:
        QualityError: If the file is missing or no TorchScript file.
    """
    return partial(_features, load_program(file), file.name)


def frechet_distance(first: Sequence[Plane], second: Sequence[Plane]) -> float:
    """Return the Fréchet distance of two sets of features; with those of Inception it is FID. Lower is better.

    |m1 - m2|^2 + trace(C1 + C2 - 2 (C1 C2)^(1/2)), means m and covariances C. A set should
    be larger than the number of features.

    Source: Heusel et al., GANs Trained by a Two Time-Scale Update Rule, NeurIPS (2017).

    Args:
        first: Features of the pictures to judge, each (D,); 2 or more.
        second: Features of the pictures they should look like, likewise; the two sets need not be of one size.

    Raises:
        QualityError: If a set is too small, or the vectors are not finite and of one length.
    """
    one, two = _as_set(first), _as_set(second)
    if one.shape[1] != two.shape[1]:
        raise QualityError(f"fid: found features of lengths {one.shape[1]} and {two.shape[1]}, expected the same")
    difference = one.mean(axis=0) - two.mean(axis=0)
    centred, other = (_scaled(features) for features in (one, two))
    # trace((C1 C2)^(1/2)) is the sum of singular values of the centred sets' product: no root of an unsymmetric matrix
    shared = np.linalg.svd(centred @ other.T, compute_uv=False).sum()
    spread = (centred * centred).sum() + (other * other).sum()
    return float(max(difference @ difference + spread - 2 * shared, 0))


def _as_set(features: Sequence[Plane]) -> Plane:
    """Return vectors as rows, (N, D)."""
    lengths = {np.shape(vector) for vector in features}
    if len(features) < 2 or len(lengths) != 1 or len(next(iter(lengths))) != 1:
        raise QualityError(
            f"fid: found {len(features)} features of shapes {sorted(lengths)}, expected 2 or more vectors of one length"
        )
    rows = np.asarray(features, dtype=np.float64)
    if not np.isfinite(rows).all():
        raise QualityError("fid: found features that are not finite")
    return rows


def _scaled(rows: Plane) -> Plane:
    """Return X with X^T X the covariance."""
    centred: Plane = (rows - rows.mean(axis=0)) / np.sqrt(len(rows) - 1)
    return centred


def _features(program: Program, name: str, view: View) -> Plane:
    """Return a picture's features, (D,)."""
    values = run_program(program, name, [view])
    if values.size < 1 or max(values.shape, default=1) != values.size:
        raise QualityError(f"{name}: found features of shape {values.shape}, expected (D,) or (1, D)")
    return values.reshape(-1)
