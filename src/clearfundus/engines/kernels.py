"""Kernels that make a square of four pixels at once, as channels: the same sums, in less time.

Their channels are in the order in which ONNX's DepthToSpace takes them apart (mode DCR, blocks of 2): upper left of all
channels, then upper right, lower left and lower right.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

SQUARE = ((0, 0), (0, 1), (1, 0), (1, 1))
"""The four pixels: row and column."""
Weight = NDArray[np.floating[Any]]
"""(output channels, input channels, height, width)."""
Kernel = NDArray[np.float32]
"""The same."""


def enlarging_kernel(weight: Weight) -> Kernel:
    """Return the kernel that does at once what enlarging x2 and a 3x3 convolution do.

    A pixel of the enlarged picture sees 2x2 pixels of the small one, for several of the nine that it sees are the same:
    4/9 of the operations. The windows lie on the corners between the small pixels, with one of padding, so they are one
    more each way than the pixels; each gives the four pixels of the enlarged picture around its corner, and the
    outermost row and column of these, on each side, lie outside.

    Args:
        weight: (O, I, 3, 3), of the convolution behind the enlargement, which pads with one pixel of zeros.

    Returns:
        (4 O, I, 2, 2), for a convolution that pads with one pixel of zeros.
    """
    return np.concatenate([_halved(_halved(weight, 2, row), 3, column) for row, column in SQUARE])


def _halved(weight: Weight, axis: int, pixel: int) -> Kernel:
    """Add up the weights that meet one small pixel: before a corner these are the first two, behind it the last two."""
    first, second, third = np.moveaxis(weight.astype(np.float32), axis, 0)
    seen = [first + second, third] if pixel == 0 else [first, second + third]
    return np.stack(seen, axis)


def square_kernel(weight: Weight) -> Kernel:
    """Return the kernel that makes four pixels at once in steps of two.

    Libraries compute 16 or 32 channels in the time of 3 or 6, so a convolution to few channels leaves most of them
    empty. Four pixels fill them, with 64 weights in place of 49 where the side is 7.

    Args:
        weight: (O, I, k, k), of a convolution in steps of one.

    Returns:
        (4 O, I, k + 1, k + 1), for a convolution of the same padded picture, of even sides, in steps of two.
    """
    laid = [np.pad(weight, ((0, 0), (0, 0), (row, 1 - row), (column, 1 - column))) for row, column in SQUARE]
    return np.concatenate(laid).astype(np.float32)
