"""The truth of a drawn photograph as a graph: nodes where vessels begin, fork and end, edges between, crossings.

Points are (row, column) in pixels of the photograph; a pixel's centre has whole numbers.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.spatial import cKDTree

from clearfundus.fundus.phantom_eye import Points
from clearfundus.fundus.phantom_shoot import Shoot

NodeKind = Literal["root", "bifurcation", "end"]
VesselKind = Literal["artery", "vein"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Node:
    """Where vessels begin, fork or end.

    Attributes:
        point: (2,), in pixels.
        kind: "root" in the disc (one an artery's, one a vein's, two edges each), "bifurcation", or "end": in the
            retina or at the field's edge.
    """

    point: Points
    kind: NodeKind


@dataclass(frozen=True, kw_only=True, eq=False)
class Edge:
    """A vessel between two nodes, in the direction away from the disc; an artery's blood flows so, a vein's back.

    Attributes:
        parent: Index of the edge it continues or branches from; None at a root.
        start: Index of the node where it begins.
        end: Index of the node where it ends.
        polyline: The centreline, (N, 2) in pixels, N at least 2. The vessel is exactly this polyline, straight between
            its points: it was drawn from it. The first point is the start node's, the last the end node's.
        radius: In pixels, the same all along.
        kind: "artery" or "vein".
        length: Of the polyline, in pixels.
    """

    parent: int | None
    start: int
    end: int
    polyline: Points
    radius: float
    kind: VesselKind
    length: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Crossing:
    """Where an artery passes over a vein; vessels of one kind never cross.

    Attributes:
        point: (2,), in pixels: the intersection of the two polylines.
        artery: Index of the artery's edge.
        vein: Index of the vein's edge.
    """

    point: Points
    artery: int
    vein: int


@dataclass(frozen=True, kw_only=True, eq=False)
class VesselGraph:
    """All vessels of a drawn photograph.

    Attributes:
        nodes: Where vessels begin, fork and end.
        edges: The vessels between, a parent before its children.
        crossings: Every intersection of an artery's centreline with a vein's.
    """

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    crossings: tuple[Crossing, ...]

    def children(self, edge: int) -> tuple[int, ...]:
        """Return the edges that come from one edge: none or two."""
        return tuple(index for index, other in enumerate(self.edges) if other.parent == edge)


def make_graph(shoots: Sequence[Shoot], to_pixels: Callable[[Points], Points], scale: float) -> VesselGraph:
    """Return the graph of grown vessels.

    Args:
        shoots: As grown, parents before their children.
        to_pixels: Turns points of the drawing into pixels.
        scale: Pixels of a field diameter.
    """
    parents = {shoot.parent for shoot in shoots}
    nodes: list[Node] = []
    edges: list[Edge] = []
    roots: dict[bool, int] = {}
    for index, shoot in enumerate(shoots):
        polyline = to_pixels(np.array(shoot.points))
        if shoot.parent < 0 and shoot.artery not in roots:
            roots[shoot.artery] = len(nodes)
            nodes.append(Node(point=polyline[0], kind="root"))
        start = roots[shoot.artery] if shoot.parent < 0 else edges[shoot.parent].end
        nodes.append(Node(point=polyline[-1], kind="bifurcation" if index in parents else "end"))
        edges.append(
            Edge(
                parent=None if shoot.parent < 0 else shoot.parent,
                start=start,
                end=len(nodes) - 1,
                polyline=polyline,
                radius=shoot.radius * scale,
                kind="artery" if shoot.artery else "vein",
                length=float(np.hypot(*np.diff(polyline, axis=0).T).sum()),
            )
        )
    return VesselGraph(nodes=tuple(nodes), edges=tuple(edges), crossings=tuple(_crossings(edges)))


def segments(edges: Sequence[Edge], kind: VesselKind) -> tuple[Points, Points, Points]:
    """Return the straight pieces of all vessels of one kind: starts (M, 2), ends (M, 2), edges' indices (M,)."""
    chosen = [index for index, edge in enumerate(edges) if edge.kind == kind]
    starts = np.concatenate([edges[index].polyline[:-1] for index in chosen])
    ends = np.concatenate([edges[index].polyline[1:] for index in chosen])
    owners = np.repeat(chosen, [len(edges[index].polyline) - 1 for index in chosen])
    return starts, ends, owners


def _crossings(edges: Sequence[Edge]) -> list[Crossing]:
    """Return every intersection of an artery's polyline with a vein's."""
    start, end, artery = segments(edges, "artery")
    other_start, other_end, vein = segments(edges, "vein")
    ahead, other_ahead = end - start, other_end - other_start
    reach = (np.hypot(*ahead.T).max() + np.hypot(*other_ahead.T).max()) / 2 + 1e-6
    pairs = cKDTree(start + ahead / 2).sparse_distance_matrix(
        cKDTree(other_start + other_ahead / 2), reach, output_type="ndarray"
    )
    one, two = pairs["i"], pairs["j"]
    between = other_start[two] - start[one]
    with np.errstate(divide="ignore", invalid="ignore"):
        turn = _cross(ahead[one], other_ahead[two])
        along, other_along = _cross(between, other_ahead[two]) / turn, _cross(between, ahead[one]) / turn
    # half open, so that a crossing at a corner of a polyline counts once
    meet = (along >= 0) & (along < 1) & (other_along >= 0) & (other_along < 1)
    points = start[one[meet]] + along[meet, None] * ahead[one[meet]]
    owners = zip(artery[one[meet]], vein[two[meet]], strict=True)
    return [
        Crossing(point=point, artery=int(first), vein=int(second))
        for point, (first, second) in zip(points, owners, strict=True)
    ]


def _cross(one: Points, other: Points) -> Points:
    product: Points = one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0]
    return product
