"""From a Photo to a file, whole or not at all."""

import os
from collections.abc import Collection
from pathlib import Path

import numpy as np

from clearfundus.errors import PhotoWriteError
from clearfundus.photo.photo import Photo

WRITABLE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg"})
"""Suffixes a photograph can be written under."""

JPEG_QUALITY = 95


def write_photo(
    photo: Photo, path: Path | str, *, overwrite: bool = False, inputs: Collection[Path] = ()
) -> None:
    """Write a photograph.

    Args:
        photo: What to write.
        path: Where to; the suffix chooses the format, the folder must exist.
        overwrite: Replace a file that is there.
        inputs: Files that are never replaced.

    Raises:
        PhotoWriteError: If it cannot be written there.
    """
    from PIL import Image

    path = Path(path)
    if path.suffix.lower() not in WRITABLE_SUFFIXES:
        raise PhotoWriteError(f"{path}: unknown suffix; use one of {', '.join(sorted(WRITABLE_SUFFIXES))}")
    if any(path.resolve() == Path(one).resolve() for one in inputs):
        raise PhotoWriteError(f"{path}: is an input, which is never overwritten; choose another name")
    if path.exists() and not overwrite:
        raise PhotoWriteError(f"{path}: is there already; allow overwriting or choose another name")
    image = Image.fromarray(np.rint(photo.pixels * np.float32(255)).astype(np.uint8))
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    kind = "PNG" if path.suffix.lower() == ".png" else "JPEG"
    extra = {"icc_profile": photo.icc_profile} if photo.icc_profile else {}
    try:
        image.save(partial, format=kind, quality=JPEG_QUALITY, subsampling=0, **extra)
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise PhotoWriteError(f"{path}: cannot be written: {error.strerror}") from error
