"""The pictures of a report: reduced views as JPEG in base64, so that the page needs no other file.

The enlarged part is chosen on the input, before any result is looked at, and is the same in every picture of a case.
"""

import base64
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from clearfundus.errors import FieldNotFoundError, PhotoError
from clearfundus.evaluation.results import INPUT, Evaluation
from clearfundus.fundus.field import find_field
from clearfundus.photo import Photo, read_photo
from clearfundus.photo.sheet import DETAIL, Square, busiest_square, middle_square, square_around, whole_and_part

REFERENCE = "reference"
"""Stands for the reference among the methods; no method has this name."""
SIDE = 320
"""Height and width of a view in pixels."""
STEPS = ((1.0, 85), (1.0, 70), (0.75, 70), (0.5, 60), (0.35, 50))
"""Scale of a view and quality of its JPEG; the first that keeps all pictures within the limit is taken."""
LIMIT = 9_000_000
"""Bytes that all pictures may take in the page together, in base64."""

Key = tuple[str, str, str]
"""Set, photograph, and method or `REFERENCE`."""


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A picture as the page shows it.

    Attributes:
        label: "input", "reference" or the method's name.
        whole: The field of view as JPEG in base64, with a frame around the part; empty where there is no picture.
        part: The framed part, `DETAIL` times larger; likewise.
        message: Why there is no picture; else empty.
    """

    label: str
    whole: str = ""
    part: str = ""
    message: str = ""


Views = tuple[Image.Image, Image.Image]


def show_pictures(evaluation: Evaluation, cases: Iterable[tuple[str, str, str]]) -> Mapping[Key, Shown]:
    """Return the pictures of cases by set, photograph and method; input and reference among them.

    Args:
        evaluation: Where the pictures are.
        cases: Set, photograph and method of each.
    """
    wanted: dict[tuple[str, str], list[str]] = {}
    for of_set, photograph, method in cases:
        wanted.setdefault((of_set, photograph), []).append(method)
    views: dict[Key, Views | str] = {}
    for (of_set, photograph), methods in wanted.items():
        names = dict.fromkeys(
            (INPUT, *methods, *([REFERENCE] if (of_set, photograph) in evaluation.references else ()))
        )
        paths = {name: _path(evaluation, (of_set, photograph, name)) for name in names}
        views |= {(of_set, photograph, name): one for name, one in _views(paths).items()}
    # input and reference stand beside every method's result
    times = {key: len(wanted[key[:2]]) if key[2] in (INPUT, REFERENCE) else 1 for key in views}
    return _encoded(views, times)


def _path(evaluation: Evaluation, key: Key) -> Path | None:
    return evaluation.references.get(key[:2]) if key[2] == REFERENCE else evaluation.pictures.get(key)


def _views(paths: Mapping[str, Path | None]) -> dict[str, Views | str]:
    """Return the two views of each picture of one photograph, or why there are none."""
    photo = _read(paths[INPUT])
    squares = None if isinstance(photo, str) else _squares(photo)
    found: dict[str, Views | str] = {}
    for name, path in paths.items():
        one = photo if name == INPUT else _read(path)
        if isinstance(one, str):
            found[name] = one
        elif squares is None or isinstance(photo, str) or one.pixels.shape != photo.pixels.shape:
            found[name] = "not of the input's size, so not shown"
        else:
            found[name] = whole_and_part(one.pixels, *squares, SIDE)
    return found


def _read(path: Path | None) -> Photo | str:
    """Return the photograph, or why it cannot be read."""
    if path is None:
        return "this picture was not saved"
    try:
        return read_photo(path)
    except (PhotoError, OSError) as error:
        return str(error)


def _squares(photo: Photo) -> tuple[Square, Square]:
    """Return the square around the field, the frame where none is found, and its part with most structure."""
    try:
        field = find_field(photo)
    except FieldNotFoundError:
        whole = square_around((0, 0, *photo.pixels.shape[:2]))
        return whole, middle_square(whole)
    whole = square_around(field.box)
    return whole, busiest_square(photo.pixels, field.mask, max(whole[2] // DETAIL, 1))


def _encoded(views: Mapping[Key, Views | str], times: Mapping[Key, int]) -> Mapping[Key, Shown]:
    """Return the pictures at the first step at which they, so many times each, keep to the limit, else at the last."""
    pictures = {key: one for key, one in views.items() if not isinstance(one, str)}
    codes: dict[Key, list[str]] = {}
    for scale, quality in STEPS:
        codes = {key: [_jpeg(view, scale, quality) for view in pair] for key, pair in pictures.items()}
        if sum(times[key] * len(code) for key, pair in codes.items() for code in pair) <= LIMIT:
            break
    return {
        key: Shown(label=key[2], message=one)
        if isinstance(one, str)
        else Shown(label=key[2], whole=codes[key][0], part=codes[key][1])
        for key, one in views.items()
    }


def _jpeg(view: Image.Image, scale: float, quality: int) -> str:
    side = round(view.width * scale)
    small = view if side == view.width else view.resize((side, side), Image.Resampling.BOX)
    content = io.BytesIO()
    small.save(content, format="JPEG", quality=quality, subsampling=0, optimize=True)
    return base64.b64encode(content.getvalue()).decode("ascii")
