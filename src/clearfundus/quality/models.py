"""Slots for measures whose numbers cannot ship: a user gives the file, and without it the measure is absent.

`load_models` makes metrics of two kinds of file; `METRICS` never holds them.

- `brisque_matlab`, `niqe_matlab`: an npz file with the properties of MATLAB's built-in models under their own names:
  `Alpha` (N,), `Bias`, `SupportVectors` (N, 36) and `Scale` of `brisqueModel`; `Mean` (36,), `Covariance` (36, 36) and
  `BlockSize` of `niqeModel`.
- `lpips`, `fiqa`: a TorchScript file. Its `forward` gets pictures as float32, (1, 3, H, W), RGB in [0, 1], black
  outside the field, at the view's size: two for `lpips` (the picture, the reference), one for `fiqa`. It returns one
  number. Normalisation, resizing and the choice of a class belong into the file.

FID compares two sets of photographs, so it is no metric of one: see `frechet.py`.

The fact to know: a TorchScript file is a program. Load only files you trust. Each score carries the file's name and
the start of its SHA-256, for values of two files do not compare.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from math import inf
from pathlib import Path
from types import MappingProxyType

import numpy as np

from clearfundus.errors import QualityError
from clearfundus.quality import Metric
from clearfundus.quality.brisque import SMALLEST_SIDE, Regressor, brisque
from clearfundus.quality.checks import Plane
from clearfundus.quality.inside import require_reference
from clearfundus.quality.measured import Measured
from clearfundus.quality.niqe import BLOCK_SIDE, FEATURES, BlockModel, niqe
from clearfundus.quality.placement import largest_square
from clearfundus.quality.programs import Program, load_program, run_program
from clearfundus.quality.view import View

HASH_LENGTH = 12
"""Digits of the file's SHA-256 in a score's `fit`."""


def load_models(paths: Mapping[str, Path]) -> Mapping[str, Metric]:
    """Make metrics of a user's own files.

    Args:
        paths: A file for each slot that is to be filled: "brisque_matlab", "niqe_matlab", "lpips", "fiqa".

    Returns:
        The metrics by name, of the slots given and no others, in their order.

    Raises:
        QualityError: If a slot is unknown, or its file is missing or not what the slot holds.
    """
    for slot in paths:
        if slot not in SLOTS:
            raise QualityError(f"found the slot {slot!r}, expected one of: {', '.join(SLOTS)}")
    return MappingProxyType({slot: SLOTS[slot](Path(path)) for slot, path in paths.items()})


def _score(program: Program, name: str, views: Sequence[View]) -> Measured:
    values = run_program(program, name, views)
    if values.size != 1:
        raise QualityError(f"{name}: found a result of shape {values.shape}, expected one number")
    return Measured(value=float(values.reshape(-1)[0]), fit=name)


def _fit_name(file: Path) -> str:
    """Return the file's name with the start of its hash."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise QualityError(f"{file}: cannot be read: {error.strerror}; name an existing file") from error
    return f"{file.name} {hashlib.sha256(content).hexdigest()[:HASH_LENGTH]}"


def _lpips(file: Path) -> Metric:
    name, program = _fit_name(file), load_program(file)

    def measure(view: View, reference: View | None = None) -> Measured:
        return _score(program, name, [view, require_reference(reference, "lpips")])

    return Metric(
        name="lpips",
        function=measure,
        needs_reference=True,
        direction="lower",
        range=(0, inf),
        conventions=(
            "Distance between the features of a user's network, on the view with its black surround in both protocols. "
            "Networks were trained on photographs of the world; values compare only under one file."
        ),
    )


def _fiqa(file: Path) -> Metric:
    name, program = _fit_name(file), load_program(file)

    def measure(view: View, reference: View | None = None) -> Measured:
        del reference
        return _score(program, name, [view])

    return Metric(
        name="fiqa",
        function=measure,
        needs_reference=False,
        direction="higher",
        range=(-inf, inf),
        conventions=(
            "What a user's network says of a fundus photograph, such as MCF-Net's probability of 'good', on the "
            "view with its black surround in both protocols. A network can be fooled by what it never saw: judge "
            "enhanced photographs by it only beside other measures. Values compare only under one file."
        ),
    )


def _read_npz(file: Path, keys: Sequence[str]) -> list[Plane]:
    """Return the arrays of a MATLAB export, as float64."""
    try:
        with np.load(file, allow_pickle=False) as held:
            arrays = [np.asarray(held[key], dtype=np.float64) for key in keys]
    except (OSError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise QualityError(f"{file}: expected an npz file with {', '.join(keys)}: {error}") from error
    if not all(np.isfinite(array).all() for array in arrays):
        raise QualityError(f"{file}: holds values that are not finite; export it again")
    return arrays


def _brisque_matlab(file: Path) -> Metric:
    name = _fit_name(file)
    alpha, bias, vectors, scale = _read_npz(file, ("Alpha", "Bias", "SupportVectors", "Scale"))
    found = (alpha.size, bias.size, vectors.shape, scale.size)
    if found != (len(vectors), 1, (len(vectors), FEATURES), 1) or not scale.item() > 0:
        raise QualityError(
            f"{file}: found shapes {alpha.shape}, {bias.shape}, {vectors.shape}, {scale.shape} and the scale "
            f"{scale.reshape(-1)[:1]}, expected (N,), one number, (N, {FEATURES}), and one number above 0"
        )
    regressor = Regressor(
        name=name,
        vectors=vectors,
        coefficients=alpha.reshape(-1),
        offset=-bias.item(),
        width=scale.item() ** -2,  # MATLAB divides both by the scale: exp(-|x / s - v / s|^2)
        low=-np.ones(FEATURES),  # and takes the features as they are
        high=np.ones(FEATURES),
    )

    def measure(view: View, reference: View | None = None) -> Measured:
        del reference
        if view.protocol == "whole":
            return brisque(view.gray, regressor)
        top, left, side = largest_square(view.mask)
        if side < SMALLEST_SIDE:
            raise QualityError(f"brisque_matlab: found a field that holds a square of {side} pixels; use a larger side")
        return brisque(view.gray[top : top + side, left : left + side], regressor)

    return Metric(
        name="brisque_matlab",
        function=measure,
        needs_reference=False,
        direction="lower",
        range=(-inf, inf),
        conventions=(
            "The features of brisque under MATLAB's regressor: sum of Alpha exp(-|x - v|^2 / Scale^2) + Bias, features "
            "unscaled, in the order of the LIVE release. Not verified against MATLAB: check one value before use. Far "
            "from every support vector it says Bias, whatever the picture."
        ),
    )


def _niqe_matlab(file: Path) -> Metric:
    name = _fit_name(file)
    mean, covariance, block = _read_npz(file, ("Mean", "Covariance", "BlockSize"))
    if mean.size != FEATURES or covariance.shape != (FEATURES, FEATURES) or not (block == BLOCK_SIDE).all():
        raise QualityError(
            f"{file}: found shapes {mean.shape} and {covariance.shape} and blocks of {block.reshape(-1)}, expected "
            f"({FEATURES},), ({FEATURES}, {FEATURES}) and blocks of {BLOCK_SIDE} x {BLOCK_SIDE}"
        )
    model = BlockModel(name=name, mean=mean.reshape(-1), covariance=covariance)

    def measure(view: View, reference: View | None = None) -> Measured:
        del reference
        return niqe(view.gray, view.mask if view.protocol == "fov" else None, model)

    return Metric(
        name="niqe_matlab",
        function=measure,
        needs_reference=False,
        direction="lower",
        range=(0, inf),
        conventions=(
            "niqe under MATLAB's mean and covariance, features in the order of the LIVE release. Not verified against "
            "MATLAB: check one value before use. As for niqe, all fundus photographs lie far off."
        ),
    )


SLOTS: Mapping[str, Callable[[Path], Metric]] = MappingProxyType(
    {"brisque_matlab": _brisque_matlab, "niqe_matlab": _niqe_matlab, "lpips": _lpips, "fiqa": _fiqa}
)
"""What a user can fill, with what makes a metric of a file."""
