"""Flat field: the lightness at one level and one contrast everywhere, the plainest cure of an even veil."""

import numpy as np

from clearfundus.errors import SettingsError
from clearfundus.fundus.colour import lab_to_rgb, rgb_to_lab
from clearfundus.fundus.field import Field
from clearfundus.fundus.smoothing import smooth
from clearfundus.photo import Photo

SIGMA = 1 / 18
"""Of the neighbourhood, in field diameters; wider than any vessel."""
CONTRAST = 2.7
"""Standard deviation of L within a neighbourhood that the result has everywhere: the median over clear photographs."""
LEAST_CONTRAST = 0.5
"""Standard deviation of L below which a neighbourhood shows grain, not vessels, and is not amplified further."""
LARGEST = 100.0
"""L of white: no neighbourhood has a greater standard deviation."""


def flatfield(photo: Photo, field: Field, *, contrast: float = CONTRAST, sigma: float = SIGMA) -> Photo:
    """Give the lightness of every neighbourhood the same mean and the same contrast; the colour planes stay.

    Source: after Foracchia, Grisan and Ruggeri, Luminosity and contrast normalization in retinal images, Medical Image
    Analysis 9 (2005); mean and deviation here are those of all pixels around, not of the background alone.

    Args:
        photo: The cropped photograph, surround filled.
        field: Its field.
        contrast: Standard deviation of L, in units of L, that every neighbourhood gets; in 40 clear training
            photographs the median is 2.7.
        sigma: Of the neighbourhood's Gaussian, in field diameters.

    Raises:
        SettingsError: If a number is out of range.
    """
    if not 0 < contrast <= LARGEST:
        raise SettingsError(f"contrast: found {contrast}, expected a number above 0, up to {LARGEST:g}")
    if not 0 < sigma <= 1:
        raise SettingsError(f"sigma: found {sigma}, expected field diameters above 0, up to 1")
    lab = rgb_to_lab(photo.pixels)
    lightness, mask = np.ascontiguousarray(lab[..., 0]), field.mask
    level = smooth(lightness, sigma * field.diameter, mask)
    deviation = np.sqrt(np.maximum(smooth((lightness - level) ** 2, sigma * field.diameter, mask), 0))
    gain = np.float32(contrast) / np.maximum(deviation, np.float32(LEAST_CONTRAST))
    lab[..., 0] = np.clip(lightness[mask].mean() + (lightness - level) * gain, 0, LARGEST)
    return photo.with_pixels(lab_to_rgb(lab), method="flatfield", contrast=str(contrast), sigma=str(sigma))
