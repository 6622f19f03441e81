"""What tracking finds: vessel trees, and single tracks, as plain data.

Points are (row, column) in pixels of whatever picture was tracked; lengths and radii are in the same pixels.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from clearfundus.vessels.scale import Points, Scaled

NodeKind = Literal["root", "bifurcation", "crossing", "end"]
Stop = Literal["lost", "edge", "longest", "arrived", "no path"]
"""Why a track ended: no vessel ahead, the field's edge, the greatest length, its goal; or it never began."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Disc:
    """The optic disc.

    Attributes:
        centre: (2,).
        radius: In pixels: a fixed share of the field's diameter, for only the centre is sought.
        contrast: How much brighter the centre is than its surroundings, in light of range 1.
    """

    centre: Points
    radius: float
    contrast: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Node:
    """Where vessels begin, fork, cross or end.

    Attributes:
        point: (2,).
        kind: "root" at the disc, "bifurcation", "crossing" where vessels pass over each other, or "end".
    """

    point: Points
    kind: NodeKind


@dataclass(frozen=True, kw_only=True, eq=False)
class Segment:
    """A vessel between two nodes, directed away from the disc.

    Attributes:
        polyline: The centreline, (N, 2), N at least 2 unless the segment is one pixel.
        radii: The vessel's radius at each point, (N,).
        parent: Index of the segment it continues or branches from; None where a tree begins. Of a fragment several
            segments may have none: they begin at one junction.
        tree: Index of its tree.
        start: Index of the node where it begins.
        end: Index of the node where it ends.
    """

    polyline: Points
    radii: Points
    parent: int | None
    tree: int
    start: int
    end: int

    @property
    def length(self) -> float:
        """Of the polyline."""
        return polyline_length(self.polyline)

    @property
    def radius(self) -> float:
        """The median radius."""
        return float(np.median(self.radii))

    @property
    def tortuosity(self) -> float:
        """Length over the distance between the ends, 1 for a straight vessel (distance metric)."""
        chord = float(np.hypot(*(self.polyline[-1] - self.polyline[0])))
        return self.length / chord if chord > 0 else 1.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Tree:
    """Segments that hang together.

    Attributes:
        segments: Their indices, a parent before its children.
        rooted: Whether it begins at the optic disc; else it is a fragment, all that hangs together where no tree from
            the disc has come, directed by chance.
    """

    segments: tuple[int, ...]
    rooted: bool


@dataclass(frozen=True, kw_only=True, eq=False)
class Tracking:
    """All vessels of one photograph as trees; empty, with the reason, where none were found.

    Attributes:
        nodes: Where vessels begin, fork, cross or end.
        segments: The vessels between them.
        trees: Which segments hang together.
        disc: The optic disc, or None if it was not found.
        shape: Height and width of the picture.
        diameter: Of its field, in pixels.
        reason: Why there are no trees, or none with a root; empty otherwise.
    """

    nodes: tuple[Node, ...]
    segments: tuple[Segment, ...]
    trees: tuple[Tree, ...]
    disc: Disc | None
    shape: tuple[int, int]
    diameter: float
    reason: str = ""

    def in_photo(self, scaled: Scaled) -> "Tracking":
        """Return the same trees in pixels of the whole photograph.

        Args:
            scaled: What was tracked.
        """
        grown = 1 / scaled.factor
        return replace(
            self,
            nodes=tuple(replace(one, point=scaled.to_photo(one.point)) for one in self.nodes),
            segments=tuple(
                replace(one, polyline=scaled.to_photo(one.polyline), radii=one.radii * grown) for one in self.segments
            ),
            disc=self.disc
            and replace(self.disc, centre=scaled.to_photo(self.disc.centre), radius=self.disc.radius * grown),
            shape=scaled.shape,
            diameter=self.diameter * grown,
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Track:
    """One vessel followed from a point.

    Attributes:
        polyline: (N, 2), beginning at the seed; empty if there is no vessel at the seed.
        stop: Why it ended.
    """

    polyline: Points
    stop: Stop

    @property
    def length(self) -> float:
        """Of the polyline."""
        return polyline_length(self.polyline)

    def in_photo(self, scaled: Scaled) -> "Track":
        """Return the same track in pixels of the whole photograph."""
        return replace(self, polyline=scaled.to_photo(self.polyline))


def polyline_length(polyline: Points) -> float:
    """Return the length of a polyline, (N, 2); 0 for a point or none."""
    return float(np.hypot(*np.diff(polyline, axis=0).T).sum()) if len(polyline) > 1 else 0.0
