"""Vessels from polylines to pixels: exact masks, and how much blood the light passes at each pixel.

For every straight piece of a centreline the distance of each pixel centre around it is computed, so nothing is
approximated by the grid.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clearfundus.fundus.phantom_eye import Points
from clearfundus.fundus.phantom_graph import VesselGraph, VesselKind, segments
from clearfundus.photo import Gray, Mask

Indices = NDArray[np.intp]

SMALLEST_MASK_RADIUS = float(np.sqrt(0.5))
"""In pixels. A thinner vessel is marked this wide, so that the pixel around each point of its centreline is marked."""
OPTICAL_BLUR = 0.0011
"""Sigma, in field diameters, of the blur that eye and camera lay over the vessels."""
BLUR_NODES = np.linspace(-2.4, 2.4, 9)
BLUR_WEIGHTS = np.exp(-(BLUR_NODES**2) / 2) / np.exp(-(BLUR_NODES**2) / 2).sum()
REFLEX_WIDTH = 0.24
"""Sigma of the bright line along a vessel's middle, in radii."""
FADE, FAINTEST = 0.045, 0.3
"""A vessel that ends in the retina fades over this length, in field diameters, to this share of its darkness."""
CHUNK = 1_000_000
"""Pixels worked on at once."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Raster:
    """One kind of vessel in pixels.

    Attributes:
        mask: (H, W), true where the pixel's centre lies within the radius (at least 0.71 pixels) of a centreline.
        blood: (H, W) float32, blurred: the blood's depth over the widest vessel's diameter, in [0, 1].
        reflex: (H, W) float32 in [0, 1], the reflex along the middle, blurred.
    """

    mask: Mask
    blood: Gray
    reflex: Gray


def rasterise(graph: VesselGraph, kind: VesselKind, size: int, scale: float) -> Raster:
    """Draw the vessels of one kind.

    Args:
        graph: The vessels, in pixels.
        kind: Which.
        size: Height and width of the picture.
        scale: Pixels of a field diameter.
    """
    start, end, owner = segments(graph.edges, kind)
    radius = np.array([edge.radius for edge in graph.edges])[owner]
    widest = float(radius.max())
    darkness = _darkness(graph, kind, size, scale)
    # the pixel averages as a Gaussian of its own variance would
    blur = float(np.hypot(OPTICAL_BLUR * scale, np.sqrt(1 / 12)))
    mask, blood, reflex = np.zeros(size**2, dtype=np.bool_), np.zeros(size**2), np.zeros(size**2)
    for pixels, piece, distance in _around(start, end, radius + 2.4 * blur + 0.5, size):
        within = radius[piece]
        mask[pixels[distance <= np.maximum(within, SMALLEST_MASK_RADIUS)]] = True
        # a thin vessel shows more than its share of blood, for the light around it is scattered less
        depth = _chord(distance, within, blur) * (within / widest) ** 0.7 * darkness[piece]
        np.maximum.at(blood, pixels, depth)
        width = np.hypot(REFLEX_WIDTH * within, blur)
        shine = REFLEX_WIDTH * within / width * np.exp(-((distance / width) ** 2) / 2) * (within / widest)
        np.maximum.at(reflex, pixels, shine)
    shape = (size, size)
    return Raster(
        mask=mask.reshape(shape),
        blood=blood.reshape(shape).astype(np.float32),
        reflex=reflex.reshape(shape).astype(np.float32),
    )


def _darkness(graph: VesselGraph, kind: VesselKind, size: int, scale: float) -> Points:
    """Return how dark each straight piece is, (M,): less towards the end of a vessel that forks no more."""
    shares = []
    for edge in (edge for edge in graph.edges if edge.kind == kind):
        pieces = np.hypot(*np.diff(edge.polyline, axis=0).T)
        left = np.cumsum(pieces[::-1])[::-1] - pieces / 2
        leaves = np.hypot(*(edge.polyline[-1] - (size - 1) / 2)) > 0.499 * scale
        fades = graph.nodes[edge.end].kind == "end" and not leaves
        shares.append(np.clip(left / (FADE * scale), FAINTEST, 1) if fades else np.ones(len(pieces)))
    return np.concatenate(shares)


def _chord(distance: Points, radius: Points, blur: float) -> Points:
    """Return how deep a round vessel is at a distance from its middle, over its diameter, across a blurred edge."""
    depth = np.zeros_like(distance)
    for node, weight in zip(BLUR_NODES, BLUR_WEIGHTS, strict=True):
        depth += weight * np.sqrt(np.maximum(1 - ((distance + node * blur) / radius) ** 2, 0))
    return depth


def _around(start: Points, end: Points, reach: Points, size: int) -> Iterator[tuple[Indices, Indices, Points]]:
    """Yield pixels near straight pieces: their flat positions, the pieces' indices, the distances; each (N,)."""
    middle = np.rint((start + end) / 2)
    half = np.ceil(reach + np.hypot(*(end - start).T) / 2 + 0.71).astype(int)
    for width in np.unique(half):
        offset = np.arange(-width, width + 1)
        square = np.stack(np.meshgrid(offset, offset, indexing="ij"), axis=-1).reshape(-1, 2)
        pieces = np.flatnonzero(half == width)
        for some in np.array_split(pieces, max(1, len(pieces) * len(square) // CHUNK)):
            place = middle[some, None] + square
            piece = np.broadcast_to(some[:, None], place.shape[:2])
            inside = ((place >= 0) & (place < size)).all(axis=2)
            place, piece = place[inside], piece[inside]
            distance = _distance(place, start[piece], end[piece])
            close = distance <= reach[piece]
            flat = (place[close, 0] * size + place[close, 1]).astype(np.intp)
            yield flat, piece[close], distance[close]


def _distance(place: Points, start: Points, end: Points) -> Points:
    """Return the distances of points from straight pieces, each its own."""
    ahead, beside = end - start, place - start
    along = np.clip((beside * ahead).sum(1) / (ahead**2).sum(1), 0, 1)
    away = beside - along[:, None] * ahead
    distance: Points = np.sqrt((away**2).sum(1))
    return distance
