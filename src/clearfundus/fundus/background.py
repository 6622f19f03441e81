"""The background of a photograph - the retina between vessels, disc and lesions - and the light that falls on it.

The background test is that of Foracchia et al. 2005: a pixel is background where it lies near the mean of its
neighbourhood, measured in that neighbourhood's standard deviations (the Mahalanobis distance in one dimension).
"""

import numpy as np

from clearfundus.fundus.entropy import spatial_entropy_map
from clearfundus.fundus.field import Field
from clearfundus.fundus.smoothing import smooth
from clearfundus.photo import Gray, Mask, Pixels

DISTANCE = 1.0
"""Mahalanobis distance below which a pixel is background; Foracchia's 1, from memory, not confirmed."""
WINDOW = 1 / 12
"""Sigma of the neighbourhood, and of the light's smoothing, in field diameters; chosen here."""
LEAST_LIGHT = 0.02
"""The illuminance is at least this (5 of 255): in a black spot nothing can be said of contrast."""
ROUNDING = 1e-6
"""Variance below which a neighbourhood is flat, and all of it background."""


def find_background(green: Gray, mask: Mask, *, distance: float, sigma: float) -> Mask:
    """Find the background by its distance from the local mean, in the whole field and in its bright and dark zones.

    The distance is taken on the plane's spatial-entropy map. A pixel is background if it passes among all its
    neighbours, or among those of its own zone. The zones are cut from the smoothed map, at its mean over
    the mask: cut from the map itself, their border would draw a line of false foreground, and vessels would be a zone
    of their own.

    Source: Foracchia, Grisan and Ruggeri, Luminosity and contrast normalization in retinal images, Medical Image
    Analysis 9 (2005); the zones follow the abstract of Xiong et al. 2017.

    Args:
        green: (H, W) in [0, 1].
        mask: (H, W), true on the retina, not empty.
        distance: Local standard deviations from the local mean within which a pixel is background.
        sigma: Standard deviation of the neighbourhood's Gaussian in pixels.

    Returns:
        (H, W), true on the background, false outside the mask.
    """
    level = spatial_entropy_map(green, mask)
    moments = np.dstack([level, level * level])
    mean, square = np.moveaxis(smooth(moments, sigma, mask), 2, 0)
    background = _is_near(level, mean, square, distance)
    bright = mean > mean[mask].mean()
    for zone in (bright, ~bright):
        mean, square = np.moveaxis(smooth(moments, sigma, zone & mask), 2, 0)
        background |= zone & _is_near(level, mean, square, distance)
    return np.asarray(background & mask, dtype=np.bool_)


def measure_light(pixels: Pixels, background: Mask, *, sigma: float) -> Pixels:
    """Return the background illuminance: each channel averaged over the background around each pixel.

    Args:
        pixels: RGB, (H, W, 3) in [0, 1].
        background: (H, W).
        sigma: Standard deviation of the Gaussian in pixels.

    Returns:
        (H, W, 3), at least `LEAST_LIGHT`.
    """
    return np.clip(smooth(pixels, sigma, background), np.float32(LEAST_LIGHT), np.float32(1))


def measure_unevenness(pixels: Pixels, field: Field) -> float:
    """Return how uneven the light is: the coefficient of variation of the smoothed green over the field.

    Args:
        pixels: RGB, (H, W, 3) in [0, 1].
        field: Its field.
    """
    light = smooth(np.ascontiguousarray(pixels[..., 1]), WINDOW * field.diameter, field.mask)[field.mask]
    return float(light.std() / max(light.mean(), LEAST_LIGHT))


def _is_near(level: Gray, mean: Gray, square: Gray, distance: float) -> Mask:
    variance = np.maximum(square - mean * mean, 0)
    return np.asarray((level - mean) ** 2 < distance * distance * variance + ROUNDING, dtype=np.bool_)
