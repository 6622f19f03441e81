"""From a mask of vessels to its skeleton as a graph: segments of centreline, and the junctions between them.

The fact to know: a junction is a patch of pixels, not a point, for thinning leaves several pixels with three or more
neighbours where vessels meet; all of a patch belongs to one junction and none of it to a segment.

Source: thinning of Zhang and Suen, Communications of the ACM 27 (1984), by scikit-image; the graph is our own.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.morphology import skeletonize

from clearfundus.errors import QualityError
from clearfundus.photo import Gray, Mask
from clearfundus.vessels.scale import Points

SHORTEST_SPUR = 8.0
"""Of a side branch with a free end, in pixels at a field diameter of 540: what is shorter is thinning's doing."""
PRUNING_ROUNDS = 2
"""Taking a spur away can leave a new one behind it, seldom a third."""
EDGE_OFFSET = 0.12
"""Pixels, between the nearest pixel outside and the edge, and between skeleton and centreline: so the median radius
of drawn vessels 1 to 4 pixels in radius is right on the average."""
NEIGHBOURS = ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1))

Whole = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class SkeletonSegment:
    """A line of skeleton pixels between two junctions or free ends.

    Attributes:
        pixels: (N, 2), rows and columns in order, neighbours touching.
        radii: The vessel's radius at each pixel, (N,).
        junctions: Index of the junction that the first and that the last pixel touches; None at a free end. Both None
            and the ends touching: a ring that meets nothing.
    """

    pixels: Whole
    radii: Points
    junctions: tuple[int | None, int | None]

    @property
    def is_ring(self) -> bool:
        """Whether the last pixel touches the first and no junction."""
        apart = np.abs(self.pixels[0] - self.pixels[-1]).max()
        return self.junctions == (None, None) and len(self.pixels) > 3 and bool(apart == 1)


@dataclass(frozen=True, kw_only=True, eq=False)
class Junction:
    """Where segments meet.

    Attributes:
        centre: The mean of its pixels, (2,).
        radius: The largest of the vessels' radii there.
        ends: The ends that touch it, as (segment, 0 for its first pixel or 1 for its last).
    """

    centre: Points
    radius: float
    ends: tuple[tuple[int, int], ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class SkeletonGraph:
    """A skeleton in parts.

    Attributes:
        segments: All lines of pixels; an isolated pixel is one of length 1.
        junctions: Where three or more of them meet.
        shape: Height and width of the mask.
    """

    segments: tuple[SkeletonSegment, ...]
    junctions: tuple[Junction, ...]
    shape: tuple[int, int]


def skeletonise(mask: Mask, shortest_spur: float = SHORTEST_SPUR) -> SkeletonGraph:
    """Return the skeleton of a mask as a graph, without the short side branches that thinning makes.

    Args:
        mask: Vessels, (H, W); beyond its edge there are none.
        shortest_spur: A branch with a free end stays if it has this many pixels; at a junction two branches always
            stay, so that nothing vanishes.

    Raises:
        QualityError: If the mask is no (H, W) array of bool.
    """
    if mask.ndim != 2 or mask.dtype != np.bool_:
        raise QualityError(f"mask: found {mask.dtype} {mask.shape}, expected bool (H, W); threshold it first")
    radii = radius_map(mask)
    skeleton = _thin(mask)
    graph = make_graph(skeleton, radii)
    for _ in range(PRUNING_ROUNDS):
        spurs = _spurs(graph, shortest_spur)
        if not spurs:
            break
        for index in spurs:
            skeleton[tuple(graph.segments[index].pixels.T)] = False
        skeleton = _thin(skeleton)
        graph = make_graph(skeleton, radii)
    return graph


def radius_map(mask: Mask) -> Gray:
    """Return the distance from each pixel to the edge of the mask, (H, W) float32; 0 outside the mask.

    The edge lies before the centre of the nearest pixel outside by `EDGE_OFFSET`.
    """
    padded = np.pad(mask, 1).astype(np.uint8)
    distance = cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
    return np.asarray(np.maximum(distance - EDGE_OFFSET, 0), np.float32)


def make_graph(skeleton: Mask, radii: Gray) -> SkeletonGraph:
    """Return the graph of a skeleton.

    Args:
        skeleton: Lines one pixel wide, (H, W).
        radii: The vessel's radius at each of their pixels, (H, W).
    """
    padded = np.pad(skeleton, 1)
    crowded = padded & (_count_neighbours(padded) >= 3)
    count, labels = cv2.connectedComponents(crowded.astype(np.uint8), connectivity=8)
    patches = np.asarray(labels, np.int32)
    lines = _walk(padded & ~crowded)
    ends: list[list[tuple[int, int]]] = [[] for _ in range(count - 1)]
    segments = []
    for index, line in enumerate(lines):
        touched = _touched(line, patches)
        for end, junction in enumerate(touched):
            if junction is not None:
                ends[junction].append((index, end))
        pixels = line - 1
        thickness = radii[tuple(pixels.T)].astype(np.float64)
        segments.append(SkeletonSegment(pixels=pixels, radii=thickness, junctions=touched))
    places = _grouped(patches, count)
    junctions = tuple(
        Junction(centre=place.mean(axis=0), radius=float(radii[tuple(place.T)].max()), ends=tuple(touching))
        for place, touching in zip(places, ends, strict=True)
    )
    return SkeletonGraph(segments=tuple(segments), junctions=junctions, shape=skeleton.shape[:2])


def _thin(mask: Mask) -> Mask:
    return np.asarray(skeletonize(mask), np.bool_)  # type: ignore[no-untyped-call]


def _count_neighbours(padded: Mask) -> NDArray[np.uint8]:
    """Return how many of its eight neighbours are set, for each pixel."""
    kernel = np.ones((3, 3), np.uint8)
    kernel[1, 1] = 0
    return np.asarray(cv2.filter2D(padded.astype(np.uint8), -1, kernel, borderType=cv2.BORDER_CONSTANT), np.uint8)


def _walk(padded: Mask) -> list[Whole]:
    """Return the pixels of each line in order; every pixel has two neighbours or fewer, and the frame is empty."""
    width = padded.shape[1]
    steps = [row * width + column for row, column in NEIGHBOURS]
    waiting = dict.fromkeys(np.flatnonzero(padded).tolist())
    few = (_count_neighbours(padded) <= 1) & padded
    lines = []
    # from the free ends first; what is left then are rings, which may be begun anywhere
    for first in [*np.flatnonzero(few).tolist(), *waiting]:
        if first not in waiting:
            continue
        line = []
        here: int | None = first
        while here is not None:
            line.append(here)
            del waiting[here]
            here = next((here + step for step in steps if here + step in waiting), None)
        lines.append(np.stack(np.divmod(np.array(line, np.int64), width), axis=1))
    return lines


def _touched(line: Whole, patches: NDArray[np.int32]) -> tuple[int | None, int | None]:
    """Return which junctions the first and the last pixel of a line touch."""
    found = []
    for row, column in (line[0], line[-1]):
        around = patches[row - 1 : row + 2, column - 1 : column + 2]
        found.append(sorted(set(around[around > 0].tolist())))
    if len(line) == 1:  # one pixel has both ends; touching a single patch twice, it is a spur
        both: list[int | None] = [*(label - 1 for label in found[0]), None, None]
        return both[0], both[1]
    first, last = (labels[0] - 1 if labels else None for labels in found)
    return first, last


def _grouped(patches: NDArray[np.int32], count: int) -> list[Whole]:
    """Return the pixels of each patch, without the frame's offset."""
    places = np.argwhere(patches > 0)
    labels = patches[tuple(places.T)]
    order = np.argsort(labels, kind="stable")
    bounds = np.searchsorted(labels[order], np.arange(2, count))
    return list(np.split(places[order] - 1, bounds)) if count > 1 else []


def _spurs(graph: SkeletonGraph, shortest: float) -> list[int]:
    """Return the segments to take away: short, one end free; the longest two at a junction stay."""
    spurs = []
    for junction in graph.junctions:
        free = [index for index, _ in junction.ends if None in graph.segments[index].junctions]
        free.sort(key=lambda index: len(graph.segments[index].pixels))
        can_go = max(0, len(junction.ends) - 2)
        spurs += [index for index in free[:can_go] if len(graph.segments[index].pixels) < shortest]
    return spurs
