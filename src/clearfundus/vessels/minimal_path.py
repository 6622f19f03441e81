"""The path between two points that keeps to vessels as far as it can: tracing by two clicks.

The fact to know: where vessels cross, the cheapest path may change vessels, for cost knows no direction; even on masks
drawn by experts it finds the right way only about every other time.

Source: minimal paths over a cost that falls with vesselness (Dijkstra's on the pixels' grid, diagonals counted at
their length, by scikit-image).
"""

import numpy as np
from skimage.graph import MCP_Geometric

from clearfundus.errors import SettingsError
from clearfundus.photo import Gray, Mask
from clearfundus.vessels.scale import Points
from clearfundus.vessels.trees import Track

OFFSET = 0.03
"""Added to the probability before the cost is taken as its inverse: bare retina costs about 30 times a vessel."""


def path_between(probability: Gray, start: Points, end: Points, field_mask: Mask | None = None) -> Track:
    """Return the path between two points of the least sum of 1 / (0.03 + probability).

    Args:
        probability: Of a vessel, (H, W) in [0, 1].
        start: Row and column, (2,), in pixels.
        end: Likewise.
        field_mask: (H, W), true on the retina, where the path stays; None for the whole picture.

    Returns:
        The path pixel by pixel from start to end, stop "arrived"; empty, stop "no path", if the field lies in parts and
        they are in different ones.

    Raises:
        SettingsError: If a point lies outside the picture or the field.
    """
    return paths_from(probability, start, (end,), field_mask)[0]


def paths_from(
    probability: Gray, start: Points, ends: tuple[Points, ...], field_mask: Mask | None = None
) -> tuple[Track, ...]:
    """Return the paths from one point to each of several, as `path_between` does, found in one go."""
    inside = np.ones(probability.shape, np.bool_) if field_mask is None else field_mask
    first = _pixel(start, inside, "start")
    goals = [_pixel(end, inside, "end") for end in ends]
    if not goals:
        return ()
    # a negative cost closes a pixel to MCP
    cost = np.where(inside, 1 / (OFFSET + np.clip(probability, 0, 1)), -1).astype(np.float64)
    search = MCP_Geometric(cost)
    totals, _ = search.find_costs([first], goals, find_all_ends=True)
    tracks = []
    for goal in goals:
        if np.isfinite(totals[goal]):
            tracks.append(Track(polyline=np.array(search.traceback(goal), np.float64), stop="arrived"))
        else:
            tracks.append(Track(polyline=np.empty((0, 2)), stop="no path"))
    return tuple(tracks)


def _pixel(point: Points, inside: Mask, name: str) -> tuple[int, int]:
    """Return the pixel that holds a point, or refuse one outside."""
    row, column = round(float(point[0])), round(float(point[1]))
    height, width = inside.shape
    if not (0 <= row < height and 0 <= column < width and inside[row, column]):
        raise SettingsError(
            f"{name}: found row {float(point[0]):g}, column {float(point[1]):g}, expected a point inside the field of "
            f"a picture of {height} rows and {width} columns; give rows before columns"
        )
    return row, column
