"""Gaussian smoothing, of part of a picture if need be, at a cost that does not grow with the width."""

import cv2
import numpy as np

from clearfundus.photo import Gray, Mask

WIDEST_DIRECT = 12.0
"""Sigma in pixels above which a reduced picture is smoothed instead: a wide Gaussian holds no fine detail."""
REDUCED_SIGMA = 6
"""Sigma in pixels that is left on the reduced picture, at least."""
SMALLEST_WEIGHT = 1e-6
"""Below this share of the mask under the Gaussian there is nothing to average; the result goes to 0."""


def smooth(plane: Gray, sigma: float, mask: Mask | None = None) -> Gray:
    """Smooth with a Gaussian; with a mask, average over its pixels only: G*(x m) / max(G*m, 1e-6).

    Beyond a sigma of 12 pixels the picture is reduced by floor(sigma / 6) first and enlarged by cubic interpolation.

    Args:
        plane: (H, W) or (H, W, channels), float32.
        sigma: Standard deviation in pixels; 0 or less only copies.
        mask: (H, W), the pixels that count; None for all.

    Returns:
        float32, of the plane's shape. Far from every counted pixel it is 0.
    """
    if sigma <= 0:
        return plane.copy()
    height, width = plane.shape[:2]
    factor = int(sigma / REDUCED_SIGMA) if sigma > WIDEST_DIRECT else 1
    weight = None if mask is None else mask.astype(np.float32)
    weighted = plane if weight is None else plane * _beside(weight, plane)
    if factor > 1:
        size = (max(width // factor, 1), max(height // factor, 1))
        weighted = np.asarray(cv2.resize(weighted, size, interpolation=cv2.INTER_AREA), np.float32)
        if weight is not None:
            weight = np.asarray(cv2.resize(weight, size, interpolation=cv2.INTER_AREA), np.float32)
    # the grid's true reduction, which rounding makes slightly different down and across
    across, down = sigma * weighted.shape[1] / width, sigma * weighted.shape[0] / height
    result = cv2.GaussianBlur(weighted, (0, 0), sigmaX=across, sigmaY=down)
    if weight is not None:
        share = np.maximum(cv2.GaussianBlur(weight, (0, 0), sigmaX=across, sigmaY=down), SMALLEST_WEIGHT)
        result = result / _beside(share, plane)
    if factor > 1:
        result = cv2.resize(result, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(result, dtype=np.float32)


def _beside(weight: Gray, plane: Gray) -> Gray:
    """Return the weight in a shape that multiplies every channel."""
    return weight if plane.ndim == 2 else weight[..., None]
