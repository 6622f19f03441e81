"""Masks of vessels drawn as straight lines, and the trees traced in them."""

import cv2
import numpy as np

from clearfundus.fundus.field import Field
from clearfundus.photo import Mask, Pixels
from clearfundus.vessels.tracing import trace_trees
from clearfundus.vessels.trees import Disc, Tracking

SIZE = 560
Line = tuple[tuple[int, int], tuple[int, int]]


def round_field(size: int = SIZE) -> Field:
    rows, columns = np.mgrid[:size, :size] - (size - 1) / 2
    return Field(mask=np.hypot(rows, columns) <= size * 270 / SIZE)


def disc_at(row: float, column: float, factor: float = 1.0) -> Disc:
    return Disc(centre=np.array([row, column]) * factor, radius=40.0 * factor, contrast=9.0)


def lines(*ends: Line, factor: int = 1) -> Mask:
    canvas = np.zeros((SIZE * factor, SIZE * factor), np.uint8)
    for (row, column), (to_row, to_column) in ends:
        cv2.line(canvas, (column * factor, row * factor), (to_column * factor, to_row * factor), 1, 5 * factor)
    return canvas > 0


def gray(mask: Mask) -> Pixels:
    return np.full((*mask.shape, 3), 0.5, np.float32)


def trace(mask: Mask, disc: Disc | None) -> Tracking:
    return trace_trees(mask, gray(mask), round_field(mask.shape[0]), disc)


FORK = (((280, 100), (280, 300)), ((280, 300), (180, 400)), ((280, 300), (380, 400)))
CROSS = (((230, 100), (380, 400)), ((330, 100), (180, 400)))
