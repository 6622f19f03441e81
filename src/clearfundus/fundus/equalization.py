"""Contrast-limited adaptive histogram equalisation (CLAHE) of one plane: a part of several published methods.

The histograms are those of OpenCV's `createCLAHE` (8-bit bins, the same clip limit, the same padding), but
the maps are read between the bins too, so a 16-bit photograph keeps its fine steps. OpenCV with 16-bit planes
would use 65,536 bins, and the clip limit would lose its meaning.
"""

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from clearfundus.errors import SettingsError
from clearfundus.photo import Gray

CLIP_LIMIT = 2.0
TILES = 8
BINS = 256
HIGHEST_CLIP_LIMIT = float(BINS)
"""From here on nothing is clipped: a bin that holds its whole tile is this many times as high as the mean."""

Maps = NDArray[np.float32]
"""A tile's new level, 0 to 255, for each of its 256 levels: (tiles, tiles, 256)."""


def equalize(plane: Gray, *, clip_limit: float = CLIP_LIMIT, tiles: int = TILES) -> Gray:
    """Equalise one plane tile by tile, blending the tiles' maps.

    Args:
        plane: (H, W) in [0, 1].
        clip_limit: Largest height of a histogram bin, in units of its mean height, above 0; 256, the greatest, clips
            nothing.
        tiles: Tiles down and across, 1 or more.

    Returns:
        (H, W) in [0, 1].

    Raises:
        SettingsError: If a number is out of range.
    """
    if not 0 < clip_limit <= HIGHEST_CLIP_LIMIT:
        raise SettingsError(
            f"clip_limit: found {clip_limit}, expected a number above 0 and at most {HIGHEST_CLIP_LIMIT:g}, "
            "which clips nothing"
        )
    if not 1 <= tiles <= 64:
        raise SettingsError(f"tiles: found {tiles}, expected 1 to 64")
    levels = np.clip(plane, 0, 1) * np.float32(BINS - 1)
    padded = _pad(np.rint(levels).astype(np.uint8), tiles)
    tile_height, tile_width = padded.shape[0] // tiles, padded.shape[1] // tiles
    maps = np.empty((tiles, tiles, BINS), dtype=np.float32)
    for row in range(tiles):
        for column in range(tiles):
            rows = slice(row * tile_height, (row + 1) * tile_height)
            columns = slice(column * tile_width, (column + 1) * tile_width)
            maps[row, column] = _tile_map(padded[rows, columns], clip_limit)
    return _apply(maps, levels, tile_height, tile_width)


def _pad(plane: NDArray[np.uint8], tiles: int) -> NDArray[np.uint8]:
    height, width = plane.shape
    if height % tiles == 0 and width % tiles == 0:
        return plane
    # as OpenCV does: if one side needs padding, a side that divides evenly gets `tiles` more rows, too
    below, right = tiles - height % tiles, tiles - width % tiles
    return np.asarray(cv2.copyMakeBorder(plane, 0, below, 0, right, cv2.BORDER_REFLECT_101), np.uint8)


def _tile_map(tile: NDArray[np.uint8], clip_limit: float) -> NDArray[np.float64]:
    """Return the tile's new level, 0 to 255, for each of its 256 levels."""
    histogram = cv2.calcHist([tile], [0], None, [BINS], [0, BINS]).ravel().astype(np.int64)
    limit = max(int(clip_limit * tile.size / BINS), 1)
    excess = int(np.maximum(histogram - limit, 0).sum())
    share, rest = divmod(excess, BINS)
    histogram = np.minimum(histogram, limit) + share
    if rest:
        histogram[:: max(BINS // rest, 1)][:rest] += 1
    return np.cumsum(histogram, dtype=np.float64) * ((BINS - 1) / tile.size)


def _apply(maps: Maps, levels: Gray, tile_height: int, tile_width: int) -> Gray:
    """Read the maps, linearly between tile centres and between levels, constant beyond the outer centres.

    Between four centres every pixel reads the same four maps, so whole blocks are read by table at once.

    Returns:
        (H, W) in [0, 1]; `levels` is used up.
    """
    maps = maps / np.float32(BINS - 1)
    tables = np.stack([maps, np.diff(maps, append=maps[..., -1:])], axis=2)  # (tiles, tiles, 2, 256)
    whole = levels.astype(np.uint8)
    fraction = np.subtract(levels, whole, out=levels)
    mapped = np.empty_like(levels)
    for rows, (above, below), down in _between_centres(len(levels), tile_height, len(maps)):
        for columns, (left, right), across in _between_centres(levels.shape[1], tile_width, len(maps)):
            block = whole[rows, columns], fraction[rows, columns]
            upper = _blend(_read(tables[above, left], *block), _read(tables[above, right], *block), across)
            lower = _blend(_read(tables[below, left], *block), _read(tables[below, right], *block), across)
            mapped[rows, columns] = _blend(upper, lower, down[:, None])
    return mapped


def _read(table: NDArray[np.float32], whole: NDArray[np.uint8], fraction: Gray) -> Gray:
    """Read one tile's map and, for the part between two levels, its slope; the table is (2, 256)."""
    rise = np.asarray(cv2.LUT(whole, table[1]), dtype=np.float32)
    rise *= fraction
    rise += cv2.LUT(whole, table[0])
    return rise


def _between_centres(length: int, tile: int, tiles: int) -> Iterator[tuple[slice, tuple[int, int], Gray]]:
    """Cut one axis at the tiles' centres.

    Yields:
        Each piece, the tiles before and after it (the outermost twice), and each pixel's share of the one after.
    """
    position = np.arange(length, dtype=np.float32) / np.float32(tile) - np.float32(0.5)
    before = np.floor(position).astype(int)
    for index in range(-1, tiles):
        start, stop = np.searchsorted(before, (index, index + 1))
        if start < stop:
            yield slice(start, stop), (max(index, 0), min(index + 1, tiles - 1)), position[start:stop] - index


def _blend(one: Gray, other: Gray, share: Gray) -> Gray:
    """Return the first with a share of the second, in the second's memory; equal ones come back exactly."""
    other -= one
    other *= share
    other += one
    return other
