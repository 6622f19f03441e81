"""Places in the field, given in its diameters from its middle."""

import numpy as np

from clearfundus.fundus.field import Field
from clearfundus.photo import Gray

Window = tuple[slice, slice]
"""Rows and columns of a part of a picture."""


def distance_from(
    centre: tuple[float, float], shape: tuple[int, int], field: Field, window: Window | None = None
) -> Gray:
    """Return how far each pixel is from a place, in field diameters.

    Args:
        centre: Rows down and columns right of the middle of the field's box, in field diameters.
        shape: Height and width of the picture.
        field: Its field of view.
        window: The part of the picture that is asked for; all if None.

    Returns:
        Of the window's height and width.
    """
    rows, columns = window or np.s_[:, :]
    row, column = _in_pixels(centre, field)
    down = np.arange(shape[0], dtype=np.float32)[rows, None] - np.float32(row)
    right = np.arange(shape[1], dtype=np.float32)[None, columns] - np.float32(column)
    return np.asarray(np.hypot(down, right) / np.float32(field.diameter), dtype=np.float32)


def window_around(centre: tuple[float, float], reach: float, shape: tuple[int, int], field: Field) -> Window:
    """Return the part of a picture within a distance of a place; it may be empty.

    Args:
        centre: Rows down and columns right of the middle of the field's box, in field diameters.
        reach: The distance, in field diameters.
        shape: Height and width of the picture.
        field: Its field of view.
    """
    pixels = reach * field.diameter
    rows, columns = (
        slice(max(0, int(place - pixels)), max(0, min(length, int(place + pixels) + 2)))
        for place, length in zip(_in_pixels(centre, field), shape, strict=True)
    )
    return rows, columns


def _in_pixels(centre: tuple[float, float], field: Field) -> tuple[float, float]:
    top, left, bottom, right = field.box
    down, across = centre
    return (top + bottom - 1) / 2 + down * field.diameter, (left + right - 1) / 2 + across * field.diameter
