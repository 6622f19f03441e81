"""Foreground contrast: by how much vessels and other dark structures are darker than the light around them.

In a scattering medium of transmission t it is t times that of the clear eye, so it measures haze. All of it is
smooth or coarse, so it is worked out on a copy reduced to a field of 720 pixels, whatever the camera's size.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from clearfundus.fundus.background import DISTANCE, WINDOW, find_background, measure_light
from clearfundus.fundus.field import Field
from clearfundus.fundus.smoothing import smooth
from clearfundus.photo import Gray, Mask, Photo, Pixels

WORKING_DIAMETER = 720
"""A larger field is reduced to this diameter in pixels: 1.6 pixels to the sigma of the finest filter."""
FINEST_SIGMA = 1 / 450
SMALLEST_SIGMA = 0.7
"""Noise is smoothed away by a Gaussian of this many field diameters, and of so many pixels at least."""
RIM = 0.02
"""Width in field diameters of the ring along the rim that does not count: the rim's own dark edge is no vessel."""
BLOCKS = 24
"""Blocks per field diameter; each is wide enough to meet a vessel in most of the retina."""
PERCENTILE = 98
"""A block's contrast: what 98 % of its pixels do not exceed."""
BLOCK_SIGMA = 1.5
"""Standard deviation in blocks of the Gaussian that joins the blocks."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Layers:
    """A photograph taken apart into its light and its foreground, reduced to the working diameter.

    Attributes:
        pixels: RGB, (h, w, 3), the photograph without its noise.
        mask: (h, w), the field.
        diameter: Of the field, in pixels.
        light: Background illuminance, (h, w, 3), at least 0.02.
        contrast: Foreground contrast, (h, w) in [0, 1].
    """

    pixels: Pixels
    mask: Mask
    diameter: float
    light: Pixels
    contrast: Gray


def take_apart(pixels: Pixels, field: Field, *, distance: float = DISTANCE, window: float = WINDOW) -> Layers:
    """Measure a photograph's light and foreground contrast.

    Args:
        pixels: RGB, (H, W, 3) in [0, 1], surround filled.
        field: Its field.
        distance: Mahalanobis distance below which a pixel is background.
        window: Standard deviation in field diameters of the neighbourhood for that test, and of the light.
    """
    small, mask = _reduced(pixels, field)
    diameter = Field(mask=mask).diameter
    sigma = window * diameter
    background = find_background(np.ascontiguousarray(small[..., 1]), mask, distance=distance, sigma=sigma)
    light = measure_light(small, background, sigma=sigma)
    fine = cv2.GaussianBlur(small, (0, 0), max(SMALLEST_SIGMA, FINEST_SIGMA * diameter))
    depth = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
    foreground = mask & ~background & (depth > RIM * diameter)
    darkness = np.where(foreground, np.clip(1 - fine[..., 1] / light[..., 1], 0, 1), np.float32(0))
    contrast = _join_blocks(darkness, mask, diameter)
    return Layers(pixels=np.asarray(fine, np.float32), mask=mask, diameter=diameter, light=light, contrast=contrast)


def measure_contrast(photo: Photo, field: Field) -> float:
    """Return one figure for a photograph's clarity: the median foreground contrast over its field.

    It is about 0.06 with a marked cataract and 0.17 to 0.30 in clear eyes.

    Args:
        photo: The photograph, surround filled.
        field: Its field.
    """
    layers = take_apart(photo.pixels, field)
    return float(np.median(layers.contrast[layers.mask]))


def _reduced(pixels: Pixels, field: Field) -> tuple[Pixels, Mask]:
    """Return picture and mask with the field's diameter at most the working diameter."""
    scale = WORKING_DIAMETER / max(field.diameter, 1)
    if scale >= 1:
        return pixels, field.mask
    height, width = field.mask.shape
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    small = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.float32)
    share = cv2.resize(field.mask.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    return small, np.asarray(share >= 0.5 * share.max(), dtype=np.bool_)


def _join_blocks(darkness: Gray, mask: Mask, diameter: float) -> Gray:
    """Return the blocks' percentiles, the highest of each block's neighbourhood, joined to a smooth map."""
    height, width = darkness.shape
    down, across = (max(round(side * BLOCKS / diameter), 1) for side in (height, width))
    side = max(int(np.ceil(diameter / BLOCKS)), 1)
    # whole blocks of equal size, so that one call sorts them all
    whole = cv2.resize(darkness, (across * side, down * side), interpolation=cv2.INTER_NEAREST)
    blocks = whole.reshape(down, side, across, side).transpose(0, 2, 1, 3).reshape(down, across, side * side)
    contrast = np.percentile(blocks, PERCENTILE, axis=2).astype(np.float32)
    highest = np.asarray(cv2.dilate(contrast, np.ones((3, 3), np.uint8)), np.float32)
    share = cv2.resize(mask.astype(np.float32), (across, down), interpolation=cv2.INTER_AREA)
    joined = smooth(highest, BLOCK_SIGMA, np.asarray(share >= 0.5 * share.max(), dtype=np.bool_))
    enlarged = cv2.resize(joined, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(np.clip(enlarged, 0, 1), dtype=np.float32)
