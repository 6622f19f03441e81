"""What is uneven in a change, damped by how far it can be trusted.

A network sees a part of the retina at a time, and the level of a haze is ambiguous there: what it does is right on the
whole, and wrong from place to place. Haze and blur are the same over wide areas, so what undoes them is nearly one gain
and one offset for each channel at each scale. What a change does beyond these is damped:

- of its smooth part by the Wiener gain of its own strength. The error is of about the same size whatever the
  photograph: much of a slight change, little of a great one. Each principal component of the colour counts by itself,
  so that a strong one, mostly what all channels do together, does not keep a weak cast.
- of the middle scales, wider than vessels are sharpened but finer than light varies, all of it: under thin haze a
  network errs there by more than it corrects.

What is finer than `SCALES` is not touched, nor what the gains and offsets explain.
"""

from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from clearfundus.fundus.field import Field
from clearfundus.fundus.smoothing import smooth
from clearfundus.photo import Mask, Pixels

GRID = 256
"""Samples across the field's diameter, at most: enough for the finest of the scales."""
SCALES = (0.05, 0.02, 0.008)
"""Standard deviations, in field diameters, of the Gaussians that part the scales: what the first leaves is the smooth
part; between two neighbours lies a middle scale."""
WHOLLY_INSIDE = 0.999
"""Share of a sample that lies in the field from which it counts; the largest share does, where none is so large."""
LEAST_POWER = 1e-8
"""Of the picture at one scale, on the scale [0, 1]: below it there is nothing that a gain could explain."""

Plane = NDArray[np.float32]
"""(height, width, 3) on the grid; a mask's without the 3."""


def damp_unevenness(change: Pixels, picture: Pixels, field: Field, error: float) -> Pixels:
    """Return a change without what is uneven in it and cannot be trusted.

    Args:
        change: (H, W, 3), what is to be added to the picture.
        picture: (H, W, 3) in [0, 1].
        field: The field; its mask may have another scale than the picture.
        error: Standard deviation of the smooth part's error, on the scale [0, 1], along each principal component of
            the colour: of the gray, 1.7 times what it is in each channel. At 0 nothing is damped or left out.

    Returns:
        (H, W, 3), float32.
    """
    if error == 0:
        return change
    height, width = change.shape[:2]
    share = min(GRID / field.diameter, height / field.mask.shape[0])
    grid = [max(1, round(side * share)) for side in field.mask.shape]
    inside = _samples_inside(field, grid)
    light, made = (_at_each_scale(_reduced(one, grid), share * field.diameter, inside) for one in (picture, change))
    smooth_part = _unexplained(made[0] - made[0][inside].mean(0), light[0] - light[0][inside].mean(0), inside)
    excess = smooth_part - _wiener(smooth_part, inside, error)
    for (wide_made, narrow_made), (wide_light, narrow_light) in zip(pairwise(made), pairwise(light), strict=True):
        excess += _unexplained(narrow_made - wide_made, narrow_light - wide_light, inside)
    enlarged = cv2.resize(excess, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(cv2.subtract(change, enlarged, dst=enlarged), np.float32)


def _samples_inside(field: Field, grid: list[int]) -> Mask:
    share = _reduced(field.mask.view(np.uint8) * np.uint8(255), grid) / 255
    return np.asarray(share >= min(WHOLLY_INSIDE, float(share.max())), np.bool_)


def _reduced(plane: Pixels | NDArray[np.uint8], grid: list[int]) -> Plane:
    return np.asarray(cv2.resize(plane, grid[::-1], interpolation=cv2.INTER_AREA), np.float32)


def _at_each_scale(plane: Plane, diameter: float, inside: Mask) -> list[Plane]:
    """Return the plane smoothed at each of the scales, smoothest first."""
    return [smooth(plane, scale * diameter, inside) for scale in SCALES]


def _unexplained(made: Plane, light: Plane, inside: Mask) -> Plane:
    """Return `made` less the least-squares gain of each channel times `light`, both of one scale and of mean 0."""
    power = np.maximum((light[inside].astype(np.float64) ** 2).mean(0), LEAST_POWER)
    gain = (light[inside].astype(np.float64) * made[inside]).mean(0) / power
    return np.asarray(made - gain * light, np.float32)


def _wiener(part: Plane, inside: Mask, error: float) -> Plane:
    """Multiply each principal component of the colour by `power / (power + error^2)`: a Wiener gain, a little bold.

    Bold, for the error's share is in the component's own power, its mean square, as well.
    """
    samples = part[inside].astype(np.float64)
    power, components = np.linalg.eigh(samples.T @ samples / len(samples))
    gains = components * (power / (power + error**2)) @ components.T
    return np.asarray(part @ gains, np.float32)
