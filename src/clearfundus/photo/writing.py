"""From a Photo to a file, whole or not at all."""

import contextlib
import os
import struct
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import numpy as np

from clearfundus.errors import PhotoWriteError
from clearfundus.files import write_whole
from clearfundus.photo import exif
from clearfundus.photo.encoding import DEEP_SUFFIXES, ENCODERS, LARGEST_SIDES, NOTELESS_SUFFIXES
from clearfundus.photo.photo import Photo
from clearfundus.version import __version__

WRITABLE_SUFFIXES = frozenset(ENCODERS)
"""Suffixes a photograph can be written under; the suffix chooses the format."""
NOTED_SUFFIXES = WRITABLE_SUFFIXES - NOTELESS_SUFFIXES
"""Those of formats that have a place for the note of provenance: all but BMP."""

ENCODER_ERRORS = (ArithmeticError, OSError, RuntimeError, SyntaxError, TypeError, ValueError, struct.error)
"""What Pillow raises on a picture that a format cannot hold."""


def write_photo(photo: Photo, path: Path | str, *, overwrite: bool = False, inputs: Collection[Path] = ()) -> None:
    """Write a photograph as PNG, JPEG, TIFF, BMP, PPM, WebP or JPEG 2000, whole or not at all.

    All but JPEG are written without loss. 16 bits a channel are kept by PNG, TIFF, PPM and JPEG 2000; the others
    are refused for a 16-bit photo rather than cut (`dataclasses.replace(photo, bits=8)` asks for the cut). ICC
    profile, EXIF and alpha are written where the format has a place for them: PNG, TIFF, WebP and JPEG 2000 have
    one for all, JPEG for all but alpha, BMP and PPM for none. The resolution goes into all but PPM. The note of
    provenance, `photo.provenance` with the version of this package, goes into all but BMP; `read_provenance`
    reads it back.

    Args:
        photo: What to write.
        path: Where to; its folder must exist.
        overwrite: Replace a file that is there.
        inputs: Files that are never replaced, under whatever name, link or hard link.

    Raises:
        PhotoWriteError: If it cannot be written there, or not in that format. What was there before is
            untouched.
    """
    path = Path(path)
    _check_photo(photo, path)
    _check_place(path, overwrite, inputs)
    _put(encode_photo(photo, path), path)


def encode_photo(photo: Photo, path: Path) -> bytes:
    """Return the bytes of a photograph's file, as `write_photo` writes them under this name.

    Raises:
        PhotoWriteError: If it cannot be written in that format.
    """
    _check_photo(photo, path)
    note = {"version": __version__, **photo.provenance}
    try:
        return ENCODERS[path.suffix.lower()](_cleaned(photo), note)
    except MemoryError as error:
        raise PhotoWriteError(f"{path}: too large for this machine's memory; write a smaller picture") from error
    except ENCODER_ERRORS as error:
        raise PhotoWriteError(f"{path}: {error}") from error


def write_encoded(encoded: bytes, path: Path, *, overwrite: bool = False, inputs: Collection[Path] = ()) -> None:
    """Write bytes that are ready, with the care of `write_photo`.

    Raises:
        PhotoWriteError: If they cannot be written there.
    """
    _check_place(path, overwrite, inputs)
    _put(encoded, path)


def _check_photo(photo: Photo, path: Path) -> None:
    """Refuse what the format named by the suffix cannot hold."""
    suffix, (height, width) = path.suffix.lower(), photo.pixels.shape[:2]
    if suffix not in WRITABLE_SUFFIXES:
        raise PhotoWriteError(
            f"{path}: found the suffix {path.suffix!r}, expected one of {', '.join(sorted(WRITABLE_SUFFIXES))}"
        )
    if photo.bits not in {8, 16}:
        raise PhotoWriteError(f"{path}: found a photo of {photo.bits} bits a channel, expected 8 or 16")
    if photo.bits == 16 and suffix not in DEEP_SUFFIXES:
        raise PhotoWriteError(
            f"{path}: the photo has 16 bits a channel and {suffix} holds 8; name the output with one of "
            f"{', '.join(sorted(DEEP_SUFFIXES))}, which hold 16 (in Python, replace(photo, bits=8) cuts)"
        )
    largest = LARGEST_SIDES.get(suffix, max(width, height))
    if max(width, height) > largest:
        raise PhotoWriteError(
            f"{path}: the photo has {width} x {height} pixels and a side of {suffix} has {largest} at most; "
            "write PNG or TIFF"
        )
    alpha = photo.alpha
    if alpha is not None and (alpha.shape != (height, width) or not np.isfinite(alpha).all()):
        raise PhotoWriteError(
            f"{path}: found alpha of shape {alpha.shape}, expected finite values of shape {(height, width)}"
        )


def _check_place(path: Path, overwrite: bool, inputs: Collection[Path]) -> None:
    """Refuse to write where something would be lost or nothing can be written."""
    if any(_is_same(path, Path(one)) for one in inputs):
        raise PhotoWriteError(f"{path}: is an input, which is never overwritten; choose another name or folder")
    try:
        if path.is_dir():
            raise PhotoWriteError(f"{path}: is a folder; name a file in it")
        if not overwrite and os.path.lexists(path):
            raise PhotoWriteError(f"{path}: is there already; allow overwriting or choose another name")
        if not path.parent.is_dir():
            raise PhotoWriteError(f"{path}: {path.parent} is no folder; create it first")
    except (OSError, ValueError) as error:
        raise PhotoWriteError(f"{path}: is no usable name ({error}); choose another") from error


def _is_same(path: Path, other: Path) -> bool:
    """Say whether two paths lead to one file: by name, by a link, or as two names of one file on the disk."""
    with contextlib.suppress(OSError, RuntimeError, ValueError):
        if path.resolve() == other.resolve():
            return True
    with contextlib.suppress(OSError, ValueError):
        return path.samefile(other)
    return False


def _cleaned(photo: Photo) -> Photo:
    """Bring metadata made by hand to the form that `read_photo` gives: the pixels are upright, so EXIF says so."""
    block = exif.clean_block(photo.exif)
    alpha = None if photo.alpha is None else np.clip(photo.alpha, 0, 1).astype(np.float32, copy=False)
    return replace(photo, exif=block and exif.upright(block), alpha=alpha)


def _put(encoded: bytes, path: Path) -> None:
    try:
        write_whole(path, encoded)
    except (OSError, ValueError) as error:  # ValueError: a name that no file system can hold
        reason = getattr(error, "strerror", None) or error
        raise PhotoWriteError(
            f"{path}: cannot be written ({reason}); check permissions and space in {path.parent}"
        ) from error
