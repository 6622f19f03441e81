"""How strong a degradation is, on one scale for all models."""

import numpy as np

from clearfundus.fundus.field import Field
from clearfundus.photo import Photo


def decibels(clear: Photo, degraded: Photo, field: Field) -> float:
    """Return the peak signal-to-noise ratio of the degraded photograph over the field, in dB; less is worse.

    It is 10 log10(1 / mean squared difference) of the pixels in memory, at full size and depth, all channels
    together; infinite if nothing changed.

    Args:
        clear: The photograph before.
        degraded: The photograph after, of the same size.
        field: The field of view. The black surround would flatter.
    """
    difference = degraded.pixels[field.mask] - clear.pixels[field.mask]
    mean_square = float(np.mean(np.square(difference), dtype=np.float64))
    return float(-10 * np.log10(mean_square)) if mean_square > 0 else float("inf")
