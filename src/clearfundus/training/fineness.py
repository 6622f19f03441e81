"""Which clear photographs show the finest detail: one that was enlarged, or is out of focus, teaches softness."""

import math
from collections.abc import Sequence

import numpy as np

from clearfundus.photo import Gray, Mask
from clearfundus.training.data import Specimen

GREEN = 1  # the channel in which vessels stand out
ROUNDING = 1e-9  # 0.07 x 100 is a little more than 7
LEAST_DIFFERENCE = 1e-9  # far below one 8-bit step a field; keeps a photograph that shows nothing from a division by 0


def keep_finest(specimens: Sequence[Specimen], share: float) -> list[Specimen]:
    """Return the share of photographs with the finest detail, rounded up, in the order they came in.

    Noise is fine, too, so noisy photographs count as sharp.

    Args:
        specimens: The photographs, at one diameter.
        share: In (0, 1].
    """
    if share == 1:
        return list(specimens)
    order = np.argsort([-fineness(one) for one in specimens], kind="stable")
    count = math.ceil(share * len(specimens) - ROUNDING)
    kept = {int(index) for index in order[:count]}
    return [one for index, one in enumerate(specimens) if index in kept]


def fineness(specimen: Specimen) -> float:
    """Return how much of the detail is as fine as the pixels: 1/2 on a slope, 1 in white noise, 0 where all is flat.

    It is the mean absolute difference of neighbouring pixels in green over that of pixels two apart, across and down,
    inside the field. Contrast cancels out of it, but not the noise that a haze leaves: a hazy photograph looks finer.
    """
    green = specimen.pixels[..., GREEN].astype(np.float32)
    near = far = 0.0
    for plane, inside in ((green, specimen.mask), (green.T, specimen.mask.T)):
        near += _difference(plane, inside, 1)
        far += _difference(plane, inside, 2)
    return near / max(far, LEAST_DIFFERENCE)


def _difference(plane: Gray, inside: Mask, apart: int) -> float:
    both = inside[:, apart:] & inside[:, :-apart]
    return float(np.abs(plane[:, apart:] - plane[:, :-apart])[both].mean()) if both.any() else 0.0
