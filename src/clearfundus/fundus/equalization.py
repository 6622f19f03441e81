"""Contrast-limited adaptive histogram equalisation (CLAHE) of one plane: a part of several published methods.

The histograms are those of OpenCV's `createCLAHE` (8-bit bins, the same clip limit, the same padding), but
the maps are read between the bins too, so a 16-bit photograph keeps its fine steps. OpenCV with 16-bit planes
would use 65,536 bins, and the clip limit would lose its meaning.
"""

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from clearfundus.errors import SettingsError
from clearfundus.photo import Gray

CLIP_LIMIT = 2.0
TILES = 8
BINS = 256
STRIP = 256  # rows mapped at a time: the float64 coordinates take 24 bytes a pixel


def equalize(plane: Gray, *, clip_limit: float = CLIP_LIMIT, tiles: int = TILES) -> Gray:
    """Equalise one plane tile by tile, blending the tiles' maps.

    Args:
        plane: (H, W) in [0, 1].
        clip_limit: Largest height of a histogram bin, in units of its mean height, above 0.
        tiles: Tiles down and across, 1 or more.

    Returns:
        (H, W) in [0, 1].

    Raises:
        SettingsError: If a number is out of range.
    """
    if not (clip_limit > 0 and np.isfinite(clip_limit)):
        raise SettingsError(f"clip_limit: found {clip_limit}, expected a number above 0")
    if not 1 <= tiles <= 64:
        raise SettingsError(f"tiles: found {tiles}, expected 1 to 64")
    levels = np.clip(plane, 0, 1) * np.float32(BINS - 1)
    padded = _pad(np.rint(levels).astype(np.uint8), tiles)
    tile_height, tile_width = padded.shape[0] // tiles, padded.shape[1] // tiles
    maps = np.empty((tiles, tiles, BINS))
    for row in range(tiles):
        for column in range(tiles):
            rows = slice(row * tile_height, (row + 1) * tile_height)
            columns = slice(column * tile_width, (column + 1) * tile_width)
            maps[row, column] = _tile_map(padded[rows, columns], clip_limit)
    return _apply(maps, levels, tile_height, tile_width) / np.float32(BINS - 1)


def _pad(plane: NDArray[np.uint8], tiles: int) -> NDArray[np.uint8]:
    height, width = plane.shape
    if height % tiles == 0 and width % tiles == 0:
        return plane
    # as OpenCV does: if one side needs padding, a side that divides evenly gets `tiles` more rows, too
    below, right = tiles - height % tiles, tiles - width % tiles
    return np.asarray(cv2.copyMakeBorder(plane, 0, below, 0, right, cv2.BORDER_REFLECT_101), np.uint8)


def _tile_map(tile: NDArray[np.uint8], clip_limit: float) -> NDArray[np.float64]:
    """Return the tile's new level, 0 to 255, for each of its 256 levels."""
    histogram = np.bincount(tile.ravel(), minlength=BINS)
    limit = max(int(clip_limit * tile.size / BINS), 1)
    excess = int(np.maximum(histogram - limit, 0).sum())
    share, rest = divmod(excess, BINS)
    histogram = np.minimum(histogram, limit) + share
    if rest:
        histogram[:: max(BINS // rest, 1)][:rest] += 1
    return np.cumsum(histogram, dtype=np.float64) * ((BINS - 1) / tile.size)


def _apply(maps: NDArray[np.float64], levels: Gray, tile_height: int, tile_width: int) -> Gray:
    """Read the maps, linearly between tile centres and between levels, constant beyond the outer centres."""
    mapped = np.empty_like(levels)
    across = np.arange(levels.shape[1]) / tile_width - 0.5
    for top in range(0, len(levels), STRIP):
        strip = levels[top : top + STRIP]
        down = np.arange(top, top + len(strip)) / tile_height - 0.5
        coordinates = np.stack(np.broadcast_arrays(down[:, None], across[None], strip))  # (3, rows, W)
        mapped[top : top + STRIP] = map_coordinates(maps, coordinates, output=np.float32, order=1, mode="nearest")
    return mapped
