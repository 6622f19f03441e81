"""What vessels of a photograph measure: how many, how long, how wide, how winding.

The fact to know: a fundus photograph does not say how many micrometres a pixel is. Lengths are therefore told in
diameters of the field, which two photographs share only if their cameras see the same angle, and widths in pixels of
the photograph. `MEASURES` has the unit and the convention of each.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from clearfundus.photo import Mask
from clearfundus.vessels.scale import DIAMETER, Points
from clearfundus.vessels.segment import Segmentation
from clearfundus.vessels.trees import Segment, Tracking, polyline_length

SMOOTHING = 4.0
"""Deviation, in pixels at a field diameter of 540, of the Gaussian along a centreline: without it a straight vessel of
whole pixels is up to 8 % longer than its ends are apart."""
SHORTEST_MEASURED = 40.0
"""Length, in pixels at a field diameter of 540, from which on a segment counts for tortuosity and curvature."""
STEP = 8.0
"""Pixels at a field diameter of 540 between the points at which a centreline's turning is taken."""
BOX_SIZES = (4, 8, 16, 32, 64, 128)
"""Pixels at a field diameter of 540: from about a vessel's width to a quarter of the field."""
ZONE_B = (2.0, 3.0)
"""Distances from the disc's centre, in its radii: from half a disc's diameter to a whole one off its margin."""


@dataclass(frozen=True, kw_only=True)
class Measure:
    """What a value of `VesselMeasures` is.

    Attributes:
        unit: Of the value; "1" if it has none.
        convention: How it is taken.
    """

    unit: str
    convention: str


MEASURES: Mapping[str, Measure] = MappingProxyType(
    {
        "density": Measure(unit="1", convention="Vessel pixels over the pixels of the field."),
        "length": Measure(
            unit="field diameters",
            convention="Of all centrelines, smoothed; those within 1.5 radii of the disc's centre are not traced.",
        ),
        "length_density": Measure(
            unit="field diameters per squared field diameter", convention="That length over the area of the field."
        ),
        "width": Measure(
            unit="pixels of the photograph",
            convention="Median over the centrelines' length of twice the distance to the vessel's edge, taken at a "
            "field diameter of 540.",
        ),
        "width_zone_b": Measure(
            unit="pixels of the photograph",
            convention="The same in the ring from 2 to 3 radii around the disc's centre; the disc's radius is not "
            "measured but 1/13.5 of the field's diameter.",
        ),
        "tortuosity": Measure(
            unit="1",
            convention="Length over the distance of the ends, 1 for a straight line; mean over segments of 40 pixels "
            "or more at a field diameter of 540, weighted by length; closed rings are left out.",
        ),
        "curvature": Measure(
            unit="radians per field diameter",
            convention="Sum of the absolute turnings of the smoothed centrelines, every 8 pixels at a field diameter "
            "of 540, over the length on which they are taken; the same segments.",
        ),
        "fractal_dimension": Measure(
            unit="1",
            convention="Slope of the logarithm of the number of boxes that hold vessel over that of the boxes' number "
            "a side, at box sizes of 4 to 128 pixels at a field diameter of 540; of four grids the one with fewest.",
        ),
        "fractal_fit": Measure(unit="1", convention="R squared of the straight line through these six points."),
        "trees": Measure(unit="count", convention="Trees that begin at the optic disc."),
        "fragments": Measure(unit="count", convention="Pieces that no tree reaches."),
        "bifurcations": Measure(unit="count", convention="Junctions where vessels fork."),
        "crossings": Measure(unit="count", convention="Junctions where vessels pass over each other."),
    }
)
"""Name in `VesselMeasures` -> what it is."""


@dataclass(frozen=True, kw_only=True)
class VesselMeasures:
    """What the vessels of one photograph measure; `MEASURES` says how each is taken.

    Attributes:
        density: Share of the field.
        length: In field diameters.
        length_density: In field diameters per squared field diameter.
        width: In pixels of the photograph; None without vessels.
        width_zone_b: Likewise, near the disc; None without a disc or vessels there.
        tortuosity: None without a segment long enough.
        curvature: In radians per field diameter; likewise.
        fractal_dimension: None without vessels.
        fractal_fit: Likewise.
        trees: Their number.
        fragments: Their number.
        bifurcations: Their number.
        crossings: Their number.
    """

    density: float
    length: float
    length_density: float
    width: float | None
    width_zone_b: float | None
    tortuosity: float | None
    curvature: float | None
    fractal_dimension: float | None
    fractal_fit: float | None
    trees: int
    fragments: int
    bifurcations: int
    crossings: int


def measure_vessels(segmentation: Segmentation, tracking: Tracking) -> VesselMeasures:
    """Measure the vessels of a photograph.

    Args:
        segmentation: Where they are.
        tracking: Their trees, in pixels of the photograph, as `track` returns them.
    """
    inside = segmentation.scaled.field.mask
    segments, disc, unit = tracking.segments, tracking.disc, tracking.diameter / DIAMETER
    lines = [smoothed(one.polyline / unit) for one in segments]
    long = [line for line in lines if polyline_length(line) >= SHORTEST_MEASURED]
    length = sum(map(polyline_length, lines)) / DIAMETER
    area = float(inside.sum()) / segmentation.scaled.field.diameter**2
    dimension, fit = fractal_dimension(segmentation.mask & inside) or (None, None)
    kinds = [node.kind for node in tracking.nodes]
    return VesselMeasures(
        density=float((segmentation.mask & inside).sum() / inside.sum()),
        length=length,
        length_density=length / area,
        width=median_width(segments),
        width_zone_b=None if disc is None else median_width(segments, _ring(disc.centre, disc.radius)),
        tortuosity=tortuosity(long),
        curvature=curvature(long),
        fractal_dimension=dimension,
        fractal_fit=fit,
        trees=sum(tree.rooted for tree in tracking.trees),
        fragments=sum(not tree.rooted for tree in tracking.trees),
        bifurcations=kinds.count("bifurcation"),
        crossings=kinds.count("crossing"),
    )


def smoothed(polyline: Points) -> Points:
    """Return a centreline of whole pixels without its stairs, its ends where they were.

    Args:
        polyline: (N, 2), its points about a pixel apart at a field diameter of 540.
    """
    if len(polyline) < 3:
        return polyline
    reach = int(4 * SMOOTHING)
    padded = np.pad(polyline, ((reach, reach), (0, 0)), mode="reflect", reflect_type="odd")
    smooth: Points = gaussian_filter1d(padded, SMOOTHING, axis=0)[reach:-reach]
    return smooth


def tortuosity(lines: Sequence[Points]) -> float | None:
    """Return length over the distance between the ends (distance metric), the mean weighted by length.

    Args:
        lines: Centrelines, each (N, 2), smoothed; closed ones, whose ends are less than a tenth of their length apart,
            are left out.

    Returns:
        1 for straight lines; None if there are none.
    """
    lengths = np.array([polyline_length(line) for line in lines])
    chords = np.array([np.hypot(*(line[-1] - line[0])) for line in lines])
    open_ = chords > lengths / 10
    if not open_.any():
        return None
    return float((lengths[open_] ** 2 / chords[open_]).sum() / lengths[open_].sum())


def curvature(lines: Sequence[Points]) -> float | None:
    """Return by how much centrelines turn along their length: the sum of their absolute turnings over that length.

    Args:
        lines: Centrelines, each (N, 2) in pixels at a field diameter of 540, smoothed.

    Returns:
        In radians per field diameter: 0 for straight lines, diameter / radius for a circle; None if there are none.
    """
    turned, length = 0.0, 0.0
    for line in lines:
        along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
        places = np.arange(0.0, along[-1], STEP)
        if len(places) < 3:
            continue
        points = np.stack([np.interp(places, along, line[:, axis]) for axis in (0, 1)], axis=1)
        steps = np.diff(points, axis=0)
        heading = np.unwrap(np.arctan2(steps[:, 0], steps[:, 1]))
        turned += float(np.abs(np.diff(heading)).sum())
        length += STEP * (len(steps) - 1)
    return turned / length * DIAMETER if length else None


def median_width(segments: Sequence[Segment], ring: tuple[Points, float, float] | None = None) -> float | None:
    """Return the median width of vessels over the length of their centrelines.

    Args:
        segments: With radii.
        ring: Centre, least and greatest distance from it, to take only what lies there.

    Returns:
        In pixels of their picture; None if there is nothing.
    """
    widths, weights = [], []
    for segment in segments:
        steps = np.hypot(*np.diff(segment.polyline, axis=0).T)
        weight = 0.5 * (np.concatenate([[0.0], steps]) + np.concatenate([steps, [0.0]]))
        if ring is not None:
            away = np.hypot(*(segment.polyline - ring[0]).T)
            weight = weight * ((away >= ring[1]) & (away <= ring[2]))
        widths.append(2 * segment.radii)
        weights.append(weight)
    if not widths or sum(map(np.sum, weights)) == 0:
        return None
    return _weighted_median(np.concatenate(widths), np.concatenate(weights))


def fractal_dimension(mask: Mask) -> tuple[float, float] | None:
    """Return the box-counting dimension of a mask, and how straight the line is that it is the slope of.

    The number of boxes is the least over four grids, each shifted by half a box against the others.

    Args:
        mask: (H, W), at a field diameter of 540.

    Returns:
        Dimension and R squared; None for an empty mask.
    """
    if not mask.any():
        return None
    counts = [_boxes(mask, size) for size in BOX_SIZES]
    fineness, logarithms = -np.log(BOX_SIZES), np.log(counts)
    slope, intercept = np.polyfit(fineness, logarithms, 1)
    left = logarithms - (slope * fineness + intercept)
    spread = ((logarithms - logarithms.mean()) ** 2).sum()
    return float(slope), float(1 - (left**2).sum() / spread) if spread > 0 else 1.0


def _boxes(mask: Mask, size: int) -> int:
    """Return how many boxes of a grid hold a pixel of the mask, for the grid that needs fewest."""
    places = np.argwhere(mask)
    counts = []
    for shift in ((0, 0), (0, size // 2), (size // 2, 0), (size // 2, size // 2)):
        row, column = ((places + shift) // size).T
        counts.append(len(np.unique(row * (mask.shape[1] + 1) + column)))
    return min(counts)


def _ring(centre: Points, radius: float) -> tuple[Points, float, float]:
    return centre, ZONE_B[0] * radius, ZONE_B[1] * radius


def _weighted_median(values: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    order = np.argsort(values)
    below = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(below, below[-1] / 2)])
