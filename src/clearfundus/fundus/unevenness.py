"""The uneven part of a change, damped by how far it can be trusted.

A network sees a part of the retina at a time, and the level of a haze is ambiguous there. What it does to light and
colour at large is right on the whole, and wrong from place to place by an error of about the same size whatever the
photograph: much of a slight change, little of a great one. So the smooth part of the change that no gain and offset
for each channel explains is multiplied by `r^2 / (r^2 + error^2)`, with `r^2` its own mean square: the form of the
Wiener gain, a little bolder, for the error's share is in `r^2` as well.
Vessels and lesions are finer, and what the gains and offsets explain is the whole field's: neither is touched.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from clearfundus.fundus.field import Field
from clearfundus.fundus.smoothing import smooth
from clearfundus.photo import Mask, Pixels

GRID = 128
"""Samples across the field's diameter: enough for what is smooth."""
SMOOTHNESS = 0.05
"""Standard deviation of the Gaussian that tells smooth from fine, in field diameters."""
WHOLLY_INSIDE = 0.999
"""Share of a sample that lies in the field from which it counts; the largest share does, where none is so large."""
LEAST_VARIANCE = 1e-8
"""Of the picture, on the scale [0, 1]: below it the picture is flat, and an offset explains all that can be."""


def damp_unevenness(change: Pixels, picture: Pixels, field: Field, error: float) -> Pixels:
    """Return a change whose smooth, uneven part is damped.

    Args:
        change: (H, W, 3), what is to be added to the picture.
        picture: (H, W, 3) in [0, 1].
        field: The field; its mask may have another scale than the picture.
        error: Standard deviation of the part's error, on the scale [0, 1]; at 0 nothing is damped.

    Returns:
        (H, W, 3), float32.
    """
    if error == 0:
        return change
    uneven, inside = _uneven_part(change, picture, field)
    power = float((uneven[inside] ** 2).mean())
    excess = uneven * np.float32(error**2 / (power + error**2))
    height, width = change.shape[:2]
    enlarged = cv2.resize(excess, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(cv2.subtract(change, enlarged, dst=enlarged), np.float32)


def _uneven_part(change: Pixels, picture: Pixels, field: Field) -> tuple[Pixels, Mask]:
    """Return the smooth part of the change less its least-squares gain and offset for each channel, on the grid."""
    height, width = (max(1, round(side * GRID / field.diameter)) for side in field.mask.shape)

    def reduced(plane: Pixels | NDArray[np.uint8]) -> Pixels:
        return np.asarray(cv2.resize(plane, (width, height), interpolation=cv2.INTER_AREA), np.float32)

    share = reduced(field.mask.view(np.uint8) * np.uint8(255)) / 255
    inside = share >= min(WHOLLY_INSIDE, float(share.max()))
    light, target = (smooth(reduced(one), SMOOTHNESS * GRID, inside).astype(np.float64) for one in (picture, change))
    light, target = (one - one[inside].mean(0) for one in (light, target))
    variance = np.maximum((light[inside] ** 2).mean(0), LEAST_VARIANCE)
    gain = (light[inside] * target[inside]).mean(0) / variance
    return np.asarray(target - gain * light, np.float32), np.asarray(inside, np.bool_)
