"""F-NIQE: NIQE measured from clear fundus photographs in place of photographs of the world.

Lower is better. The facts to know: values compare only under one fit, so its name goes with every value; and a fit on
enlarged photographs takes enlargement for sharpness, so `fit` refuses photographs smaller than the side it is made for.
"""

import io
from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np

from clearfundus.errors import QualityError
from clearfundus.files import write_whole
from clearfundus.fundus.field import find_field
from clearfundus.photo import READABLE_SUFFIXES, Photo, read_photo
from clearfundus.quality.checks import Plane
from clearfundus.quality.measured import Measured
from clearfundus.quality.niqe import FEATURES, BlockModel, find_blocks, load_model, niqe
from clearfundus.quality.view import DEFAULT_SIDE, View, make_view

SHIPPED_FILE = Path(__file__).parent / "parameters" / "fniqe_clear54.npz"
SHARPEST_SHARE = 0.75
"""As NIQE fits its own model: blocks less sharp than this share of a photograph's sharpest are left out."""
FEWEST_BLOCKS = 2 * FEATURES
"""Blocks below which a covariance of 36 features is mostly noise; a choice of this project."""


def fit(
    source: Path | Iterable[Photo], *, name: str, side: int = DEFAULT_SIDE, sharpest_share: float = SHARPEST_SHARE
) -> BlockModel:
    """Fit a model to clear photographs.

    Args:
        source: A folder whose readable pictures are all taken, in the order of their names; or photographs.
        name: What to call it in every score.
        side: Longer side in pixels of the views, of protocol "fov"; measure at the same side.
        sharpest_share: Blocks less sharp than this share of a photograph's sharpest are left out.

    Raises:
        QualityError: If a photograph's field is smaller than the side, or there are too few blocks.
        PhotoError: If a file cannot be read or shows no field.
    """
    rows: list[Plane] = []
    for photo in _photos(source):
        view = make_view(photo, find_field(photo), "fov", side)
        if view.enlarged:
            raise QualityError(
                f"{photo.name or 'array'}: found a field smaller than {side} pixels, expected one as large at least; "
                "leave it out or fit for a smaller side: enlargement would pass for sharpness"
            )
        blocks = find_blocks(view.gray, view.mask)
        sharp = blocks.sharpness >= sharpest_share * blocks.sharpness.max()
        rows.append(blocks.features[sharp & np.isfinite(blocks.features).all(axis=1)])
    features = np.concatenate(rows) if rows else np.empty((0, FEATURES))
    if len(features) < FEWEST_BLOCKS:
        raise QualityError(
            f"{name}: found {len(features)} blocks in {len(rows)} photographs, expected {FEWEST_BLOCKS} at least; "
            "give more photographs"
        )
    return BlockModel(name=name, mean=features.mean(axis=0), covariance=np.cov(features, rowvar=False), side=side)


def _photos(source: Path | Iterable[Photo]) -> Iterable[Photo]:
    """Yield the photographs one at a time."""
    if not isinstance(source, Path):
        yield from source
        return
    if not source.is_dir():
        raise QualityError(f"{source}: found no such folder, expected a folder of clear photographs")
    for file in sorted(source.iterdir()):
        if file.suffix.lower() in READABLE_SUFFIXES:
            yield read_photo(file)


def save_model(model: BlockModel, file: Path) -> None:
    """Write a model to an npz file: name, side, mean and covariance, in the keys that `load_model` reads.

    Args:
        model: The model.
        file: Where; an existing file is replaced.

    Raises:
        QualityError: If the name does not end in .npz, or it cannot be written there.
    """
    if file.suffix != ".npz":
        raise QualityError(f"{file}: found the suffix {file.suffix!r}, expected '.npz'")
    content = io.BytesIO()
    np.savez(content, mu=model.mean, cov=model.covariance, name=np.array(model.name), side=np.array(model.side))
    try:
        write_whole(file, content.getvalue())
    except OSError as error:
        raise QualityError(f"{file}: cannot be written: {error}") from error


@cache
def shipped_model() -> BlockModel:
    """Return the fit that ships with the package; `parameters/FNIQE.md` says on what it was made."""
    return load_model(SHIPPED_FILE)


def measure_fniqe(view: View, reference: View | None = None, model: BlockModel | None = None) -> Measured:
    """Measure a view: in "fov" on the blocks inside the field, in "whole" on the frame.

    Args:
        view: The view.
        reference: Not used.
        model: A fit; None for the shipped one.

    Raises:
        QualityError: If the field is too small for one block, or shows nothing.
    """
    del reference
    model = model or shipped_model()
    measured = niqe(view.gray, view.mask if view.protocol == "fov" else None, model)
    return replace(measured, fit=model.name)
