"""What a change does to light at large, damped by how far it can be trusted.

A network sees a part of the retina at a time, and the level of a haze is ambiguous there: what it does is right on the
whole, and wrong from place to place. Haze and blur are the same over wide areas, so what undoes them is nearly one gain
and one offset for each channel at each scale. What a change does beyond these is damped:

- of its smooth part by the Wiener gain of its own strength. The error is of about the same size whatever the
  photograph: much of a slight change, little of a great one. Each principal component of the colour counts by itself,
  so that a strong one, mostly what all channels do together, does not keep a weak cast.
- of the middle scales, wider than vessels are sharpened but finer than light varies, all of it: under thin haze a
  network errs there by more than it corrects.

The gains tell of an error as well. A network that sees little of the retina takes the contrast of wide structures for
that of a veil, and restores less of it than of narrow ones, where haze takes the same of both: so the smooth part is
raised half of the way to the middle scales' gain, on a logarithmic scale, but no channel until it is black or white.

The mean is damped as the smooth part is, by a smaller error: a network takes a clear photograph for a thinly clouded
one, and a slight change of the mean is more often that than haze.

What is finer than `SCALES` is not touched.
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
GREATEST_RAISE = 1.25
"""Of the smooth part: what unevenness is left there is raised with it. This and the half of the way were chosen on
photographs held out from training, see docs/decisions/0025."""
MEAN_ERROR = 0.5
"""Error of the mean's change, over all channels together, as a share of the smooth part's. Chosen on photographs held
out from training, see docs/decisions/0028."""
LEAST_GAIN = 0.1
"""Of the result over the picture, at one scale: a weaker or inverted one is none to compare with."""
LEAST_SWING = 1e-6
"""Of the smooth part, on the scale [0, 1]: below it there is nothing to raise."""
LEAST_POWER = 1e-8
"""Of the picture at one scale, on the scale [0, 1]: below it there is nothing that a gain could explain."""

Plane = NDArray[np.float32]
"""(height, width, 3) on the grid; a mask's without the 3."""


def damp_unevenness(change: Pixels, picture: Pixels, field: Field, error: float) -> Pixels:
    """Return a change without what cannot be trusted in it, its smooth part raised to its middle scales.

    Args:
        change: (H, W, 3), what is to be added to the picture.
        picture: (H, W, 3) in [0, 1].
        field: The field; its mask may have another scale than the picture.
        error: Standard deviation of the smooth part's error, on the scale [0, 1], along each principal component of
            the colour: of the gray, 1.7 times what it is in each channel; twice that of the mean. At 0 nothing is
            damped or left out.

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
    mean_light, mean_made = light[0][inside].mean(0), made[0][inside].mean(0)
    smooth_light, smooth_made = light[0] - mean_light, made[0] - mean_made
    kept_mean = mean_made * _trust(float(mean_made @ mean_made), MEAN_ERROR * error)
    gain = _gain(smooth_made, smooth_light, inside)
    explained = gain * smooth_light
    wanted = smooth_light + explained + _wiener(smooth_made - explained, inside, error)
    raised = _raise(gain, _gain(made[-1] - made[0], light[-1] - light[0], inside))
    raised = np.minimum(raised, _room(wanted[inside], mean_light + kept_mean))
    excess = smooth_made - (raised * wanted - smooth_light) + (mean_made - kept_mean)
    for (wide_made, narrow_made), (wide_light, narrow_light) in zip(pairwise(made), pairwise(light), strict=True):
        middle_made, middle_light = narrow_made - wide_made, narrow_light - wide_light
        excess += middle_made - _gain(middle_made, middle_light, inside) * middle_light
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


def _gain(made: Plane, light: Plane, inside: Mask) -> NDArray[np.float32]:
    """Return the least-squares gain of each channel, (3,), by which `light` makes `made`; both of mean 0."""
    power = np.maximum((light[inside].astype(np.float64) ** 2).mean(0), LEAST_POWER)
    return np.asarray((light[inside].astype(np.float64) * made[inside]).mean(0) / power, np.float32)


def _raise(gain: NDArray[np.float32], middle: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return by what the smooth part of the result is to be multiplied, (3,), given the gains of the change."""
    result, wanted = 1 + gain, 1 + middle
    comparable = np.minimum(result, wanted) >= LEAST_GAIN
    ratio = np.divide(wanted, result, out=np.ones_like(result), where=comparable)
    return np.clip(np.sqrt(ratio), 1, GREATEST_RAISE)


def _room(samples: NDArray[np.float32], mean: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return by what samples of mean 0, (N, 3), can be multiplied, 1 at least, to stay in [0, 1] with their mean."""
    darkest, brightest = (np.maximum(end, LEAST_SWING) for end in (-samples.min(0), samples.max(0)))
    return np.asarray(np.maximum(np.minimum(mean / darkest, (1 - mean) / brightest), 1), np.float32)


def _wiener(part: Plane, inside: Mask, error: float) -> Plane:
    """Multiply each principal component of the colour by what it can be trusted."""
    samples = part[inside].astype(np.float64)
    powers, components = np.linalg.eigh(samples.T @ samples / len(samples))
    gains = components * [_trust(power, error) for power in powers] @ components.T
    return np.asarray(part @ gains, np.float32)


def _trust(power: float, error: float) -> float:
    """Return the Wiener gain of a part of this mean square, a little bold: the error has its share in it as well."""
    return power / (power + error**2)
