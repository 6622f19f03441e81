"""Brightness, contrast and saturation, as changed by hand in a picture editor."""

import numpy as np

from clearfundus.fundus.colour import luminance
from clearfundus.fundus.field import Field
from clearfundus.photo import Pixels


def brighten(pixels: Pixels, factor: float) -> Pixels:
    """Multiply; the result is clipped to [0, 1], as by the two functions below."""
    return _clipped(pixels * np.float32(factor))


def stretch_contrast(pixels: Pixels, factor: float, field: Field) -> Pixels:
    """Multiply the difference to the mean luminance over the field."""
    gray = np.float32(luminance(pixels)[field.mask].mean(dtype=np.float64))
    return _clipped(pixels + np.float32(factor - 1) * (pixels - gray))


def saturate(pixels: Pixels, factor: float) -> Pixels:
    """Multiply the difference of each pixel to its own luminance."""
    return _clipped(pixels + np.float32(factor - 1) * (pixels - luminance(pixels)[..., None]))


def _clipped(pixels: Pixels) -> Pixels:
    return np.clip(pixels, 0, 1)
