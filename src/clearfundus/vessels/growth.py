"""Trees grow from the optic disc along the skeleton, into whichever segment is reached most cheaply first.

The fact to know: growth is directed. A segment is entered at one end and left by the other, so a path never turns
back, and at a crossing it stays on its vessel; each segment gets the label that reaches it first.

Source: roots at the disc and labels propagated over a directed graph as De, Cheng, Zhang, Lin, Li, Ong, Yu, Yu and
Ahmed, IEEE TMI (2016), propose; here the labels spread by Dijkstra's algorithm.
"""

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from clearfundus.vessels.junctions import End, Link, Traits

LARGEST_TURN = 110.0
"""Degrees from a vessel into its branch; what turns more belongs to another tree."""
STEP_COST = 0.05
LENGTH_COST = 0.002
"""For each pixel of a segment that is entered, at a field diameter of 540."""
WIDENING_COST = 4.0
LARGEST_WIDENING = 1.35
"""A branch is seldom wider than what it comes from: beyond this share of its radius, width costs."""


@dataclass(frozen=True, kw_only=True)
class Reached:
    """A segment that a tree has grown into.

    Attributes:
        segment: Its index in the graph.
        entry: The end at which it begins, 0 or 1.
        parent: Which of the reached it comes from, by position; None at the tree's beginning.
        tree: The tree's number.
        rooted: Whether that tree begins at the disc.
    """

    segment: int
    entry: int
    parent: int | None
    tree: int
    rooted: bool


def grow(routes: "Routes", roots: Sequence[End], spares: Iterable[End], *, others: Iterable[End] = ()) -> list[Reached]:
    """Return every segment with the tree it belongs to, a parent before its children.

    Args:
        routes: How segments are linked.
        roots: The ends at the disc; from all of them trees grow at the same time.
        spares: Ends in the order in which fragments may begin there, one after the other, in what no tree has reached.
            All of it that is linked is one fragment: what is linked to the end at which a segment of it begins, begins
            there as well, a child of the same parent or of none.
        others: Further ends at the disc: trees begin there, too, one after the other, in what the first ones leave.
    """
    reached: list[Reached] = []
    taken: set[int] = set()
    _spread(routes, roots, reached, taken, rooted=True)
    for end in others:
        _spread(routes, [end], reached, taken, rooted=True)
    for end in spares:
        _spread(routes, [end], reached, taken, rooted=False)
    return reached


@dataclass(frozen=True, kw_only=True, eq=False)
class Routes:
    """How segments are linked, and what a step from one to the next costs.

    Attributes:
        links: The links at each end.
        traits: Of the graph.
        lengths: Of the segments, in pixels at a field diameter of 540.
    """

    links: Mapping[End, Sequence[Link]]
    traits: Traits
    lengths: Sequence[float]

    def linked(self, end: End) -> Iterator[tuple[float, int, int]]:
        """Yield what can be entered from an end of a segment: cost, segment and the end it is entered by."""
        segment = end[0]
        for link in self.links.get(end, ()):
            child, entry = link.ends[1] if link.ends[0] == end else link.ends[0]
            if link.turn <= LARGEST_TURN and child != segment:
                widening = self.traits.radii[child] / self.traits.radii[segment] - LARGEST_WIDENING
                step = STEP_COST + LENGTH_COST * self.lengths[child] + WIDENING_COST * max(0.0, float(widening))
                yield link.cost + step, child, entry


def _spread(routes: Routes, starts: Sequence[End], reached: list[Reached], taken: set[int], *, rooted: bool) -> None:
    """Grow trees from some ends into what is not taken, cheapest path first; without a root, to the side as well."""
    # cost, order of discovery to settle ties, segment, entry, parent, tree
    waiting: list[tuple[float, int, int, int, int | None, int | None]] = [
        (0.0, order, segment, entry, None, None) for order, (segment, entry) in enumerate(starts)
    ]
    discovered = len(waiting)
    while waiting:
        cost, _, segment, entry, parent, tree = heapq.heappop(waiting)
        if segment in taken:
            continue
        taken.add(segment)
        if tree is None:
            tree = 1 + max((one.tree for one in reached), default=-1)
        here = len(reached)
        reached.append(Reached(segment=segment, entry=entry, parent=parent, tree=tree, rooted=rooted))
        ways = [(here, (segment, 1 - entry))] if rooted else [(here, (segment, 1 - entry)), (parent, (segment, entry))]
        for origin, end in ways:
            for step, child, child_entry in routes.linked(end):
                if child not in taken:
                    heapq.heappush(waiting, (cost + step, discovered, child, child_entry, origin, tree))
                    discovered += 1
