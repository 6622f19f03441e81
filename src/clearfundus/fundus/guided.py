"""The fast guided filter: a change found on a reduced picture, carried to the full-size one.

Where the change is small-scale affine, `change = gain * picture + offset` with coefficients that hardly differ from
pixel to pixel, the coefficients can be enlarged in its place and applied to the full-size picture, whose own edges and
detail then take part in the change. The fact to know: the *change* is modelled, not the result, so the regulariser
pulls the gain to no change; detail that the fit does not explain is left as it is, not smoothed away.

Source: He, Sun and Tang, Guided Image Filtering, IEEE TPAMI 35 (2013), section 3.2; He and Sun, Fast Guided Filter,
arXiv 1505.00996 (2015).
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from clearfundus.photo import Mask, Pixels

Doubles = NDArray[np.float64]

SMALLEST_WEIGHT = 1e-6
"""Share of counted pixels in a window below which there is nothing to fit; gain and offset are 0 there."""


def fit_affine(
    picture: Pixels, change: Pixels, *, radius: int, deviation: float, mask: Mask | None = None
) -> tuple[Pixels, Pixels]:
    """Fit `change = gain * picture + offset` in square windows, each channel by itself.

    Every pixel gets the mean of the fits of all windows that hold it.

    Args:
        picture: (H, W, 3) in [0, 1], the guide.
        change: (H, W, 3), what is to be added to it.
        radius: Of the windows in pixels; their side is 2 radius + 1. The picture's border mirrors.
        deviation: Standard deviation of the picture in a window, on the scale [0, 1], at which the gain is halved: in
            windows with less the picture is taken for flat or noise, and the change for an offset.
        mask: (H, W), the pixels that count; None for all.

    Returns:
        Gain and offset, (H, W, 3) each, float32.
    """
    # in double: the variance is a small difference of large numbers
    guide, target = picture.astype(np.float64), change.astype(np.float64)
    weight = None if mask is None else mask.astype(np.float64)

    def mean(values: Doubles) -> Doubles:
        return _mean(values, radius, weight)

    guide_mean, target_mean = mean(guide), mean(target)
    variance = np.maximum(mean(guide * guide) - guide_mean * guide_mean, 0)
    gain = (mean(guide * target) - guide_mean * target_mean) / (variance + deviation * deviation)
    offset = target_mean - gain * guide_mean
    return np.asarray(mean(gain), np.float32), np.asarray(mean(offset), np.float32)


def apply_affine(picture: Pixels, gain: Pixels, offset: Pixels) -> Pixels:
    """Return `picture + gain * picture + offset`, the coefficients enlarged to its size by cubic interpolation.

    Args:
        picture: (H, W, 3).
        gain: (h, w, 3), as `fit_affine` gave it for the reduced picture.
        offset: Likewise.

    Returns:
        (H, W, 3), float32, not clipped.
    """
    size = (picture.shape[1], picture.shape[0])
    result: Pixels = np.asarray(cv2.resize(gain, size, interpolation=cv2.INTER_CUBIC), np.float32)
    result += 1
    result *= picture
    result += np.asarray(cv2.resize(offset, size, interpolation=cv2.INTER_CUBIC), np.float32)
    return result


def _mean(values: Doubles, radius: int, weight: Doubles | None) -> Doubles:
    """Return the mean over windows of the counted pixels; 0 where there are none."""
    side = (2 * radius + 1, 2 * radius + 1)
    if weight is None:
        return np.asarray(cv2.blur(values, side, borderType=cv2.BORDER_REFLECT), np.float64)
    share = cv2.blur(weight, side, borderType=cv2.BORDER_REFLECT)
    total = cv2.blur(values * weight[..., None], side, borderType=cv2.BORDER_REFLECT)
    counted = share > SMALLEST_WEIGHT
    return np.asarray(total * (counted / np.maximum(share, SMALLEST_WEIGHT))[..., None], np.float64)
