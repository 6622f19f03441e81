"""PSNR: how far a picture's levels lie from its reference's, in decibels.

Higher is better. The facts to know: two equal pictures give infinity, so a mean over photographs must say what it does
with one; and a shift by one pixel, or another exposure, costs more than blur does.
"""

from math import inf

import numpy as np
from numpy.typing import NDArray

from clearfundus.photo import Mask
from clearfundus.quality.inside import check_inside, check_pair, check_pixels, require_reference
from clearfundus.quality.measured import Measured
from clearfundus.quality.view import View

PEAK = 255.0
CONVENTIONS = (
    "In decibels, of 8-bit levels; the squared error is pooled over R, G and B. Infinite for equal pictures. Protocol "
    "whole adds 10 log10(1 / f) for a field that fills the share f of the frame, without any method's doing. A shift "
    "by one pixel or another exposure costs more than blur: register the pair first."
)
"""For the table of metrics."""


def psnr(test: NDArray[np.generic], reference: NDArray[np.generic], inside: Mask | None = None) -> float:
    """Return 10 log10(255^2 / mean squared error) in decibels; infinity where there is no error.

    Args:
        test: The picture to judge, RGB, uint8, (H, W, 3).
        reference: What it should look like, likewise.
        inside: (H, W): the pixels that count, None for all. The error is pooled over them and the three channels.

    Raises:
        QualityError: If an array is another, or nothing is inside.
    """
    for pixels in (test, reference):
        check_pixels(pixels, "psnr")
    check_pair(test, reference, "psnr")
    counted = check_inside(inside, test, "psnr")
    # uint8 would wrap round
    difference = test[counted].astype(np.float64) - reference[counted].astype(np.float64)
    error = float(np.mean(difference * difference))
    return 10 * float(np.log10(PEAK * PEAK / error)) if error > 0 else inf


def measure_psnr(view: View, reference: View | None = None) -> Measured:
    """Measure a view against its reference: in "fov" inside the field, in "whole" over the frame.

    Args:
        view: The view.
        reference: The reference's, of the same field.

    Raises:
        QualityError: If there is no reference, or it has another size.
    """
    reference = require_reference(reference, "psnr")
    return Measured(value=psnr(view.pixels, reference.pixels, view.inside))
