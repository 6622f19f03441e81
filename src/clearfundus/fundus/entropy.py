"""Spatial entropy-based global contrast enhancement (SECE): a tone curve that favours widely spread levels.

A gray level that occurs all over the picture gets a wide step of the curve, one that sits in a single spot a narrow
one. The formula is known here from a public implementation; see `spatial_entropy_map` for what it leaves open.
"""

import numpy as np
from numpy.typing import NDArray

from clearfundus.photo import Gray, Mask

LEVELS = 256
"""The plane is quantised to this many levels first: the levels of an 8-bit photograph, coarser for a 16-bit one."""


def spatial_entropy_map(plane: Gray, mask: Mask) -> Gray:
    """Return the plane under its own SECE tone curve.

    Source: Celik, Spatial Entropy-Based Global and Local Image Contrast Enhancement, IEEE TIP 23(12), 5298 (2014).

    With K levels present, the picture is cut into floor(sqrt(K r)) x floor(sqrt(K / r)) cells, r being height over
    width; p_k(m, n) is the share of level k's pixels in cell (m, n), S_k = -sum p log2 p its spatial entropy and
    f_k = S_k / (sum of the other levels' S), normalised to sum 1. A pixel of level k gets f_0 + ... + f_k. Whether
    the original divides the counts by their sum is not known here; a public implementation does not.

    Args:
        plane: (H, W) in [0, 1].
        mask: (H, W), the pixels that count, not empty; the others are mapped by the same curve.

    Returns:
        (H, W) in [0, 1].
    """
    levels = np.rint(np.clip(plane, 0, 1) * np.float32(LEVELS - 1)).astype(np.uint8)
    present = np.bincount(levels[mask], minlength=LEVELS) > 0
    entropy = _spatial_entropy(levels, mask, int(present.sum()))
    others = entropy.sum() - entropy
    # one level alone has no others; so has a picture whose levels sit in one cell each
    step = np.divide(entropy, others, out=np.zeros(LEVELS), where=others > 0)
    if step.sum() <= 0:
        step = present.astype(np.float64)
    curve = np.cumsum(step / step.sum())
    return np.asarray(curve.astype(np.float32)[levels])


def _spatial_entropy(levels: NDArray[np.uint8], mask: Mask, count: int) -> NDArray[np.float64]:
    """Return the entropy in bits of each level's distribution over the cells, 0 for a level that is not there."""
    height, width = levels.shape
    down = min(max(int(np.sqrt(count * height / width)), 1), height)
    across = min(max(int(np.sqrt(count * width / height)), 1), width)
    column = np.arange(width) * across // width
    counts = np.empty((down, LEVELS, across))
    edges = -(-np.arange(down + 1) * height // down)  # the first row of each cell: row * down // height = cell
    for cell in range(down):
        rows = np.s_[edges[cell] : edges[cell + 1]]
        place = levels[rows].astype(np.intp) * across + column
        counts[cell] = np.bincount(place[mask[rows]], minlength=LEVELS * across).reshape(LEVELS, across)
    share = counts / np.maximum(counts.sum((0, 2)), 1)[:, None]
    return np.asarray(-(share * np.log2(np.where(share > 0, share, 1))).sum((0, 2)))
