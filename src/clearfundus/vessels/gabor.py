"""Vessels without training: a bank of Gabor filters, long across three widths and twelve directions.

Source of the method: Soares et al., IEEE Transactions on Medical Imaging 25(9), 2006, whose filters are combined here
without a classifier: the strongest direction of each width, brought to one scale inside the field, added up. Numbers
chosen for a field diameter of 540 pixels.
"""

from functools import cache

import cv2
import numpy as np
from scipy.special import expit

from clearfundus.fundus.field import Field
from clearfundus.fundus.smoothing import smooth
from clearfundus.photo import Gray, Mask, Pixels

WAVELENGTHS = (6.0, 9.0, 12.0)
"""In pixels: about twice the widths of thin, middle and wide vessels."""
ACROSS, ALONG = 0.4, 2.2
"""Deviation of the envelope across the vessel, in wavelengths, and along it, in deviations across."""
DIRECTIONS = 12
BACKGROUND = 1 / 18
"""Deviation, in field diameters, of the Gaussian that the local mean and spread are taken with."""
LEAST_SPREAD = 0.01
LARGEST_VALUE = 4.0
"""Added to the local deviation, on the scale [0, 1], lest grain be blown up; and where the result is cut off."""
LEAST_DEVIATION = 0.06
"""Of a width's responses inside the field. Photographs in which hardly a vessel can be seen have 0.05 to 0.08, those
with clear vessels near 0.2; what varies less is not brought to the same scale, for it would be noise."""
SLOPE, MIDDLE = 0.693, 4.46
"""Of the logistic curve from ridges to probabilities, fitted to the training eyes by scripts/fit_gabor.py."""
THRESHOLD = 0.32
"""Probability from which on a pixel counts as vessel: the best F1 on the validation eyes, by the same script."""
REACH = 3.0
"""How far a kernel reaches, in deviations."""


def find_ridges(pixels: Pixels, field: Field) -> Gray:
    """Return how much each pixel looks like part of a vessel: the sum over widths, in deviations of each.

    Args:
        pixels: RGB, (H, W, 3) in [0, 1], the surround filled; a field diameter of 540 pixels.
        field: Its field of view.

    Returns:
        (H, W), float32; mean 0 inside the field, 0 outside.
    """
    darkness = -normalise(pixels[..., 1], field)
    total: Gray = np.zeros(darkness.shape, np.float32)
    for wavelength in WAVELENGTHS:
        responses = (cv2.filter2D(darkness, cv2.CV_32F, kernel) for kernel in kernels(wavelength))
        strongest = next(responses)
        for one in responses:
            np.maximum(strongest, one, out=strongest)
        total += _standard(np.asarray(strongest, np.float32), field.mask)
    return total


def normalise(plane: Gray, field: Field) -> Gray:
    """Return a plane less its local mean over its local deviation, both taken inside the field; clipped.

    Outside the field it goes on as the filled surround does: a step at the edge would look like a vessel.

    Args:
        plane: (H, W) in [0, 1], the surround filled.
        field: Its field of view.
    """
    sigma = BACKGROUND * field.diameter
    mean = smooth(plane, sigma, field.mask)
    spread = np.sqrt(np.maximum(smooth((plane - mean) ** 2, sigma, field.mask), 0))
    value = np.clip((plane - mean) / (spread + LEAST_SPREAD), -LARGEST_VALUE, LARGEST_VALUE)
    return np.asarray(value, dtype=np.float32)


@cache
def kernels(wavelength: float) -> tuple[Gray, ...]:
    """Return the filters of one wavelength, direction by direction: even, of mean 0, positive ones adding up to 1."""
    across = ACROSS * wavelength
    along = ALONG * across
    reach = round(REACH * along)
    row, column = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    made = []
    for direction in np.arange(DIRECTIONS) * np.pi / DIRECTIONS:
        beside = column * np.cos(direction) + row * np.sin(direction)
        ahead = row * np.cos(direction) - column * np.sin(direction)
        envelope = np.exp(-0.5 * ((beside / across) ** 2 + (ahead / along) ** 2))
        wave = envelope * np.cos(2 * np.pi * beside / wavelength)
        wave -= envelope * (wave.sum() / envelope.sum())  # a plain picture gives nothing
        made.append(np.asarray(wave / np.abs(wave).sum() * 2, np.float32))
    return tuple(made)


def to_probability(ridges: Gray, mask: Mask) -> Gray:
    """Return ridges as probabilities of a vessel; 0 outside the field.

    Args:
        ridges: What `find_ridges` returned.
        mask: (H, W), true on the retina.
    """
    return np.asarray(expit(SLOPE * (ridges - MIDDLE)) * mask, dtype=np.float32)


def _standard(plane: Gray, mask: Mask) -> Gray:
    """Return a plane of mean 0 and, unless it hardly varies, deviation 1 inside the mask; 0 outside."""
    inside = plane[mask]
    if not inside.size:
        return np.zeros(plane.shape, np.float32)
    deviation = max(float(inside.std()), LEAST_DEVIATION)
    return np.asarray((plane - inside.mean()) / deviation * mask, dtype=np.float32)
