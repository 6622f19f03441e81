"""Photographs as the network sees them, to calibrate and judge a quantised one."""

from pathlib import Path

import numpy as np

from clearfundus.errors import PhotoError, SettingsError
from clearfundus.fundus.field import find_field
from clearfundus.fundus.frame import crop_to_field
from clearfundus.methods.gan import scaled
from clearfundus.photo import READABLE_SUFFIXES, Pixels, read_photo

FEWEST, MOST = 4, 32
"""Photographs: fewer tell too little of the ranges to be met, and more are left out, evenly, for they take time."""


def read_calibration(folder: Path, diameter: int, surround: str) -> list[Pixels]:
    """Read photographs, cropped to their field and reduced to a diameter.

    Args:
        folder: Where they lie; folders below are not searched.
        diameter: Field diameter in pixels that the weights were trained at.
        surround: "fill" or "black": what the network is shown outside the field.

    Raises:
        SettingsError: If there are too few, or one cannot be used.
    """
    files = sorted(path for path in folder.glob("*") if path.suffix.lower() in READABLE_SUFFIXES)
    if len(files) < FEWEST:
        raise SettingsError(f"--calibration {folder}: found {len(files)} photographs, expected {FEWEST} or more")
    files = files[:: -(-len(files) // MOST)]
    try:
        return [_seen(path, diameter, surround) for path in files]
    except PhotoError as error:
        raise SettingsError(f"--calibration: {error}; take this photograph out of the folder") from error


def _seen(path: Path, diameter: int, surround: str) -> Pixels:
    photo = read_photo(path)
    frame = crop_to_field(photo, find_field(photo))
    pixels = frame.photo.pixels
    if surround == "black":
        pixels = np.where(frame.field.mask[..., None], pixels, np.float32(0))
    return scaled(pixels, diameter, frame.field.diameter)
