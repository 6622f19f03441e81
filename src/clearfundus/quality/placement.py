"""Where in the field a measure looks: the largest square, and the blocks that touch no edge."""

import cv2
import numpy as np

from clearfundus.photo import Mask

EDGE = 12
"""Pixels that a block stays away from the field's edge. At the half scale a window reaches 10 pixels beyond a block."""
OFFSETS_A_SIDE = 6
"""The grid of blocks is tried at so many offsets down and as many across."""


def largest_square(mask: Mask) -> tuple[int, int, int]:
    """Return top, left and side of the largest upright square inside a mask, the first one in reading order.

    Args:
        mask: (H, W); its own border is no edge. Side 0 where it is empty.
    """
    # Chessboard distance to the nearest pixel outside, the frame's border counted as outside: a square of odd side
    # 2d - 1 fits around the farthest pixel, and none of 2d + 1. Then 2d itself is tried.
    framed = cv2.copyMakeBorder(mask.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    deepest = round(float(cv2.distanceTransform(framed, cv2.DIST_C, cv2.DIST_MASK_3).max()))
    total = cv2.integral(mask.astype(np.uint8))
    for side in (2 * deepest, 2 * deepest - 1):
        if 0 < side <= min(mask.shape):
            inside = total[side:, side:] - total[:-side, side:] - total[side:, :-side] + total[:-side, :-side]
            places = np.flatnonzero(inside == side * side)
            if places.size:
                top, left = np.unravel_index(places[0], inside.shape)
                return int(top), int(left), side
    return 0, 0, 0


def blocks_inside(mask: Mask, side: int) -> list[tuple[int, int]]:
    """Return top and left of the blocks of a grid that lie wholly in the mask, 12 pixels off its edge.

    Of 36 offsets of the grid the one that holds most blocks is taken, the first of equals. The frame's border is no
    edge: a field cut off by the camera goes on to it.

    Args:
        mask: (H, W), true on the retina.
        side: Side of a block in pixels; a multiple of 12, so that each offset falls on whole pixels of the half scale.
    """
    framed = cv2.copyMakeBorder(mask.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    depth = cv2.distanceTransform(framed, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
    total = cv2.integral((depth > EDGE).astype(np.uint8) if not mask.all() else mask.astype(np.uint8))
    step = side // OFFSETS_A_SIDE
    best: list[tuple[int, int]] = []
    for offset in np.ndindex(OFFSETS_A_SIDE, OFFSETS_A_SIDE):
        top, left = (step * one for one in offset)
        corners = total[top::side, left::side]
        inside = corners[1:, 1:] - corners[:-1, 1:] - corners[1:, :-1] + corners[:-1, :-1]
        found = [(top + side * int(row), left + side * int(column)) for row, column in np.argwhere(inside == side**2)]
        if len(found) > len(best):
            best = found
    return best
