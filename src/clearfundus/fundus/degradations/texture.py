"""Random structure that belongs to the retina and not to the pixels: the same at every size of the photograph."""

import math

import cv2
import numpy as np
from scipy.ndimage import gaussian_filter

from clearfundus.fundus.field import Field
from clearfundus.photo import Gray, Pixels

GRAIN = 1 / 540
"""Side of a noise grain in field diameters: a pixel at the size the noise was published for."""
GRAIN_KNOTS = 640
MAP_PITCH = 1 / 96
MAP_KNOTS = 256
"""Both grids are wider than the field; beyond their edge they repeat."""
CUBIC_LOSS = 6 / 7
"""Deviation of white noise between its knots over that at them: the mean over all places of the sum of the squared
weights of OpenCV's cubic interpolation is 6/7 along each axis."""


def noise(shape: tuple[int, int], field: Field, deviation: float, random: np.random.Generator) -> Pixels:
    """Draw noise with grains of 1/540 of the field, each channel for itself.

    A photograph of a field larger than 540 pixels shows each grain over several pixels, and a smaller one their
    average, as if it had been resized after the noise.

    Args:
        shape: Height and width of the picture.
        field: Its field of view.
        deviation: Standard deviation of a pixel at a field above 540, on the scale [0, 1].
        random: Where chance comes from.

    Returns:
        (H, W, 3), mean about 0.
    """
    grid = random.standard_normal((GRAIN_KNOTS, GRAIN_KNOTS, 3), dtype=np.float32) * np.float32(deviation / CUBIC_LOSS)
    return _spread(grid, GRAIN, shape, field)


def smooth_map(shape: tuple[int, int], field: Field, sigma: float, random: np.random.Generator) -> Gray:
    """Draw a smooth map that spans [-1, 1] over the field.

    Args:
        shape: Height and width of the picture.
        field: Its field of view.
        sigma: Standard deviation in field diameters of the Gaussian that smooths white noise to the map.
        random: Where chance comes from.

    Returns:
        (H, W); beyond [-1, 1] in places outside the field.
    """
    grid = random.standard_normal((MAP_KNOTS, MAP_KNOTS), dtype=np.float32)
    spread = _spread(gaussian_filter(grid, sigma / MAP_PITCH, mode="wrap"), MAP_PITCH, shape, field)
    low, high = spread[field.mask].min(), spread[field.mask].max()
    return np.asarray(2 * (spread - low) / max(high - low, np.float32(1e-12)) - 1, dtype=np.float32)


def _spread(grid: Gray, pitch: float, shape: tuple[int, int], field: Field) -> Gray:
    """Lay a grid over a picture: its middle on the field's, its knots `pitch` diameters apart, cubic between."""
    top, left, bottom, right = field.box
    step = pitch * field.diameter
    finer = max(1, math.ceil(1 / step))  # where knots lie closer than pixels, a pixel is the average of finer ones
    matrix = np.zeros((2, 3))  # from a fine pixel to its place in the grid
    for axis, middle in enumerate(((left + right - 1) / 2, (top + bottom - 1) / 2)):
        matrix[axis, axis] = 1 / (finer * step)
        matrix[axis, 2] = ((1 / finer - 1) / 2 - middle) / step + (grid.shape[0] - 1) / 2
    height, width = shape
    spread = cv2.warpAffine(
        grid,
        matrix,
        (width * finer, height * finer),
        flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_WRAP,
    )
    if finer > 1:
        spread = cv2.resize(spread, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(spread, dtype=np.float32)
