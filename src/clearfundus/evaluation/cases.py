"""What is judged: photographs alone, pairs of one eye, and clear photographs degraded in a known way.

Each opened case holds the photograph that every method gets, the field found on it once, and the field within which
results are judged. The fact to know: in a pair that is the overlap of both photographs, so a value of one pair and a
value of another rest on different shares of the retina.
"""

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import numpy as np

from clearfundus.errors import PhotoReadError, SettingsError
from clearfundus.files import files_below, is_closed_folder
from clearfundus.fundus.align import align
from clearfundus.fundus.degradations import DEGRADATIONS, decibels
from clearfundus.fundus.field import Field, find_field
from clearfundus.photo import READABLE_SUFFIXES, Mask, Photo, read_photo

SetName = Literal["blurry", "pairs", "simulated", "labelled"]
BLURRY, CLEAR, NATIVE, MASK = "_blurry", "_clear", "_clear_native", "_mask"
"""Endings of the names in a folder of pairs."""


@dataclass(frozen=True, kw_only=True)
class Simulation:
    """How clear photographs are degraded.

    Attributes:
        model: A name in DEGRADATIONS.
        severity: In [0, 1].
        seed: Chance is drawn from it and the file's name, as `clearfundus degrade` draws it.
    """

    model: str = "cataract"
    severity: float = 0.6
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse an unknown model, and a severity or seed out of range.

        Raises:
            SettingsError: So.
        """
        if self.model not in DEGRADATIONS:
            raise SettingsError(f"simulated: found {self.model!r}, expected one of: {', '.join(DEGRADATIONS)}")
        if not 0 <= self.severity <= 1:
            raise SettingsError(f"severity: found {self.severity}, expected a number from 0 to 1")
        if self.seed < 0:
            raise SettingsError(f"seed: found {self.seed}, expected 0 or more")


@dataclass(frozen=True, kw_only=True)
class Case:
    """One photograph to judge, not yet read.

    Attributes:
        set: "blurry", "pairs", "simulated" or "labelled".
        photograph: Path below its folder, without suffix and ending; bytes that are no UTF-8 are written out.
        files: What it is made of: "photo", in a pair "clear" or "native" and perhaps "mask", and with labels "vessels"
            or "kinds" or both.
    """

    set: SetName
    photograph: str
    files: Mapping[str, Path]

    @property
    def name(self) -> str:
        """Set and photograph, as in messages."""
        return f"{self.set}/{self.photograph}"


@dataclass(frozen=True, kw_only=True, eq=False)
class OpenCase:
    """One photograph to judge, read.

    Attributes:
        photo: What every method gets.
        field: Its field, found once.
        judged: The field within which results are judged.
        reference: What it should look like, or None.
        notes: How it was made ready: what `run.json` tells of it.
    """

    photo: Photo
    field: Field
    judged: Field
    reference: Photo | None
    notes: Mapping[str, object]


def readable(text: str) -> str:
    """Return text with the bytes of a file name that are no UTF-8 written out, a backslash before each."""
    return os.fsencode(text).decode("utf-8", "backslashreplace")


def find_cases(folders: Mapping[SetName, Path]) -> tuple[Case, ...]:
    """Find what lies in the folders, with all folders below; nothing hidden.

    Args:
        folders: Set -> its folder. That of "simulated" holds clear photographs.

    Raises:
        SettingsError: If there is no such folder or no photograph in it, or two files would be one photograph.
    """
    found: list[Case] = []
    for name, folder in folders.items():
        if not folder.is_dir():
            raise SettingsError(f"{name}: found no folder {folder}; check the name")
        cases = list(_pairs(folder) if name == "pairs" else _singles(folder, name))
        if not cases:
            ending = f"; pairs are named NAME{BLURRY} and NAME{CLEAR} or NAME{NATIVE}" if name == "pairs" else ""
            raise SettingsError(f"{name}: found no photograph in {folder}, expected at least one{ending}")
        found += cases
    return tuple(found)


def open_case(case: Case, simulation: Simulation) -> OpenCase:
    """Read a case and make it ready.

    Args:
        case: The case.
        simulation: How clear photographs are degraded.

    Raises:
        PhotoError: If it cannot be used: unreadable, no field, a reference that is missing or cannot be laid over it.
    """
    photo = read_plain(case.files["photo"])
    field = find_field(photo)
    if case.set == "pairs":
        return _open_pair(case, photo, field)
    if case.set == "blurry":
        return OpenCase(photo=photo, field=field, judged=field, reference=None, notes=MappingProxyType({}))
    degraded, notes = simulate(photo, field, case.files["photo"], simulation)
    return OpenCase(photo=degraded, field=field, judged=field, reference=photo, notes=notes)


def simulate(photo: Photo, field: Field, file: Path, simulation: Simulation) -> tuple[Photo, Mapping[str, object]]:
    """Degrade a clear photograph.

    Args:
        photo: The clear photograph.
        field: Its field.
        file: Where it came from: chance is drawn from its name.
        simulation: How.

    Returns:
        The photograph as an 8-bit file would hold it, and what was done to it: model, parameters, severity, seed and
        decibels, ready for JSON.
    """
    model = DEGRADATIONS[simulation.model].draw(_chance(file, simulation.seed), simulation.severity)
    degraded = rounded(model.apply(photo, field))
    strength = decibels(photo, degraded, field)
    notes = {
        **model.to_record(),
        "severity": simulation.severity,
        "seed": simulation.seed,
        "decibels": strength if np.isfinite(strength) else None,
    }
    return degraded, MappingProxyType(notes)


def _chance(file: Path, seed: int) -> np.random.Generator:
    """Return chance for one photograph, whatever its company and order."""
    digest = hashlib.sha256(f"{seed}/".encode() + os.fsencode(file.name)).digest()
    return np.random.default_rng(int.from_bytes(digest))


def rounded(photo: Photo) -> Photo:
    """Return the photograph as an 8-bit file would hold it."""
    return replace(photo, pixels=np.rint(photo.pixels * np.float32(255)) / np.float32(255), bits=8)


def read_plain(file: Path) -> Photo:
    """Read a photograph without what no judge looks at."""
    photo = read_photo(file)
    return Photo(pixels=photo.pixels, bits=photo.bits, icc_profile=photo.icc_profile, name=photo.name)


def _open_pair(case: Case, photo: Photo, field: Field) -> OpenCase:
    if not case.files["photo"].stem.endswith(BLURRY):
        raise PhotoReadError(
            f"{case.files['photo'].name}: found no {case.photograph}{BLURRY} beside it; check its name"
        )
    overlap = field.mask
    notes: dict[str, object] = {}
    if "clear" in case.files:
        reference = read_plain(case.files["clear"])
        _check_size(reference, photo, f"; name it NAME{NATIVE} to have it registered")
        if "mask" not in case.files:
            overlap = overlap & find_field(reference).mask
    elif "native" in case.files:
        clear = read_plain(case.files["native"])
        alignment = align(clear, find_field(clear), photo, field)
        reference, overlap = alignment.warp(clear), overlap & alignment.mask
        notes = {"inliers": alignment.inliers, "model": alignment.model}
    else:
        raise PhotoReadError(
            f"{case.files['photo'].name}: found no NAME{CLEAR} and no NAME{NATIVE} beside it, expected one of them"
        )
    if "mask" in case.files:
        overlap = overlap & _read_mask(case.files["mask"], photo)
    if not overlap.any():
        raise PhotoReadError(f"{case.name}: found no overlap of the two photographs; check the mask, or leave it out")
    judged = Field(mask=overlap)
    notes["overlap"] = round(float(overlap.sum() / field.mask.sum()), 4)
    return OpenCase(photo=photo, field=field, judged=judged, reference=reference, notes=MappingProxyType(notes))


def _read_mask(file: Path, photo: Photo) -> Mask:
    mask = read_photo(file)
    _check_size(mask, photo)
    return np.asarray(mask.pixels.max(axis=2) > 0.5, dtype=np.bool_)


def _check_size(found: Photo, photo: Photo, remedy: str = "") -> None:
    if found.pixels.shape != photo.pixels.shape:
        height, width = found.pixels.shape[:2]
        wanted, across = photo.pixels.shape[:2]
        raise PhotoReadError(f"{found.name}: found {width} x {height} pixels, expected {across} x {wanted}{remedy}")


def _singles(folder: Path, name: SetName) -> Iterator[Case]:
    for key, file in pictures_by_stem(folder).items():
        yield Case(set=name, photograph=key, files=MappingProxyType({"photo": file}))


def _pairs(folder: Path) -> Iterator[Case]:
    found = pictures_by_stem(folder)
    for key, file in found.items():
        if not key.endswith(BLURRY):
            lone = next((key.removesuffix(ending) for ending in (CLEAR, NATIVE) if key.endswith(ending)), None)
            # named as a failure: a misspelt name must not make the table shorter without a word
            if lone is not None and lone + BLURRY not in found and not (key.endswith(NATIVE) and lone + CLEAR in found):
                yield Case(set="pairs", photograph=lone, files=MappingProxyType({"photo": file}))
            continue
        name = key.removesuffix(BLURRY)
        files = {"photo": file}
        # a registered photograph is taken as it is; the native one beside it is not looked at
        for role, ending in (("clear", CLEAR), ("native", NATIVE), ("mask", MASK)):
            if name + ending in found and not (role == "native" and "clear" in files):
                files[role] = found[name + ending]
        yield Case(set="pairs", photograph=name, files=MappingProxyType(files))


def pictures_by_stem(folder: Path) -> dict[str, Path]:
    """Return the pictures below a folder by their path without suffix, in order; nothing hidden.

    Raises:
        SettingsError: If two would be one, or a folder cannot be opened.
    """
    found: dict[str, Path] = {}
    for file in files_below(folder, once=True):
        if is_closed_folder(file):
            raise SettingsError(f"{readable(str(file))}: cannot be opened; check your rights to it, or move it away")
        if file.suffix.lower() not in READABLE_SUFFIXES:
            continue
        key = readable(file.relative_to(folder).with_suffix("").as_posix())
        if key in found:
            raise SettingsError(
                f"{readable(str(found[key]))} and {readable(str(file))} would both be {key!r}; rename or remove one"
            )
        found[key] = file
    return found
