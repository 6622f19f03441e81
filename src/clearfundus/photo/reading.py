"""From a file to a Photo."""

from pathlib import Path

import numpy as np

from clearfundus.errors import PhotoReadError
from clearfundus.photo.photo import Photo

READABLE_SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".ppm", ".pgm", ".pnm", ".webp", ".jp2", ".j2k"}
)
"""Suffixes of the files that are looked for in a folder. What a file holds is judged by its first bytes."""

MAX_PIXELS = 500_000_000


def read_photo(path: Path | str, *, max_pixels: int = MAX_PIXELS) -> Photo:
    """Read a photograph.

    Args:
        path: The file.
        max_pixels: Refuse larger pictures before they are decoded.

    Raises:
        PhotoReadError: If the file is missing or holds no usable picture.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    path = Path(path)
    try:
        with Image.open(path) as opened:
            if opened.width * opened.height > max_pixels:
                raise PhotoReadError(f"{path}: {opened.width} x {opened.height} pixels is above {max_pixels}")
            image = ImageOps.exif_transpose(opened)
            info = dict(image.info)
            pixels = np.asarray(image.convert("RGB"), np.float32) / np.float32(255)
    except FileNotFoundError as error:
        raise PhotoReadError(f"{path}: no such file") from error
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise PhotoReadError(f"{path}: cannot be read as a picture") from error
    return Photo(pixels=pixels, icc_profile=info.get("icc_profile"), name=path.name)
