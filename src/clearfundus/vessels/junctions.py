"""What happens at a junction: which vessels fork there, and which pass over each other.

The fact to know: everything is judged from pairs of branches. Two branches continue each other if the turn between
them is small and they are alike in width and colour; a junction of four or more whose branches pair off is a crossing.

Source: crossing by matching is our own, after the question that De, Cheng, Zhang, Lin, Li, Ong, Yu, Yu and Ahmed, A
graph-theoretical approach for tracing filamentary structures in neuronal and retinal images, IEEE TMI (2016), leave
open: a path may not switch vessels where they cross.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal

import numpy as np

from clearfundus.photo import Gray
from clearfundus.vessels.scale import Points
from clearfundus.vessels.skeleton import Junction, SkeletonGraph, SkeletonSegment

End = tuple[int, int]
"""A segment's index, and 0 for its first or 1 for its last pixel."""

SHORTEST_CONNECTION = 5.0
"""Junctions joined by a line of so many pixels or fewer are one, at a field diameter of 540."""
CONNECTION_SHARE = 1.1
"""So are those joined by a line no longer than this share of the vessel's width: thinning splits most crossings."""
LONGEST_OVERLAP = 40.0
"""Pixels at a field diameter of 540: two vessels that cross at a small angle lie on each other no longer than this."""
LARGEST_OVERLAP_TURN = 60.0
"""Degrees: where two vessels begin to lie on each other, both bend less than this into the common line."""
DIRECTION_LENGTH = 12.0
"""Over how many pixels of a branch its direction is taken, at a field diameter of 540."""
TURN_UNIT = 45.0
"""Degrees of turn that cost 1."""
RADIUS_WEIGHT = 1.0
COLOUR_WEIGHT = 0.6
"""What a difference in radius of half the mean radius costs, and one in colour of a standard deviation over all
segments. Chosen, as CONNECTION_SHARE, on manual masks of HRF and LES-AV for links that join one kind of vessel."""
LARGEST_PAIR_TURN = 50.0
"""Degrees: what turns more does not pass straight through a crossing."""
UNPAIRED_COST = 3.0
"""Of a branch without partner; pairs that cost more than twice this stay apart."""
MOST_EXHAUSTIVE = 8
"""Branches: up to so many, all ways to pair them are tried (764); beyond, the cheapest pairs are taken in turn."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Traits:
    """What pairs of branches are judged by.

    Attributes:
        radii: The median radius of each segment, (S,).
        colours: The median of a colour map along each segment, in standard deviations over the segments, (S,).
        directions: The unit vector from each end into its segment, (S, 2, 2).
    """

    radii: Points
    colours: Points
    directions: Points


@dataclass(frozen=True, kw_only=True)
class Link:
    """Two ends that may belong to one vessel.

    Attributes:
        ends: The two ends.
        turn: By how much the way from one to the other bends, in degrees, 0 to 180.
        cost: How unlike they are, from 0.
    """

    ends: tuple[End, End]
    turn: float
    cost: float


@dataclass(frozen=True, kw_only=True)
class Meeting:
    """A junction as judged.

    Attributes:
        kind: "crossing": only the pairs that pass through are linked; "bifurcation": all pairs are.
        links: The pairs.
    """

    kind: Literal["crossing", "bifurcation"]
    links: tuple[Link, ...]


def merge_junctions(graph: SkeletonGraph, scale: float = 1.0) -> SkeletonGraph:
    """Return the graph with junctions that lie close together made one, and the lines between them left out.

    Args:
        graph: The graph.
        scale: The field's diameter over 540 pixels.
    """
    merged = _without(graph, [_is_connection(segment, graph, scale) for segment in graph.segments])
    return _without(merged, _overlaps(merged, scale))


def _without(graph: SkeletonGraph, joined: Sequence[bool]) -> SkeletonGraph:
    """Return the graph without some of its segments, the junctions that each of them joins made one."""
    connections = [one.junctions for one, is_joined in zip(graph.segments, joined, strict=True) if is_joined]
    merged = groups(len(graph.junctions), connections)
    place = {member: number for number, members in enumerate(merged) for member in members}
    segments: list[SkeletonSegment] = []
    ends: list[list[End]] = [[] for _ in merged]
    for segment, is_joined in zip(graph.segments, joined, strict=True):
        if is_joined:
            continue
        first, last = (None if old is None else place[old] for old in segment.junctions)
        for end, number in enumerate((first, last)):
            if number is not None:
                ends[number].append((len(segments), end))
        segments.append(replace(segment, junctions=(first, last)))
    junctions = tuple(
        Junction(
            centre=np.mean([graph.junctions[member].centre for member in members], axis=0),
            radius=max(graph.junctions[member].radius for member in members),
            ends=tuple(touching),
        )
        for members, touching in zip(merged, ends, strict=True)
    )
    return SkeletonGraph(segments=tuple(segments), junctions=junctions, shape=graph.shape)


def take_traits(graph: SkeletonGraph, colour: Gray, scale: float = 1.0) -> Traits:
    """Return what pairs of branches are judged by.

    Args:
        graph: The graph.
        colour: (H, W), higher in arteries than in veins.
        scale: The field's diameter over 540 pixels.
    """
    radii = np.array([np.median(one.radii) for one in graph.segments])
    colours = np.array([np.median(colour[tuple(one.pixels.T)]) for one in graph.segments], np.float64)
    spread = float(colours.std()) if len(colours) else 0.0
    directions = np.array([[_direction(one, end, graph, scale) for end in (0, 1)] for one in graph.segments])
    return Traits(radii=radii, colours=colours / (spread or 1.0), directions=directions.reshape(-1, 2, 2))


def judge(junction: Junction, traits: Traits) -> Meeting:
    """Return whether vessels cross at a junction or fork, and which branches belong together.

    Args:
        junction: With its ends.
        traits: Of the whole graph.
    """
    links = {frozenset((one, other)): _link(one, other, traits) for one, other in combinations(junction.ends, 2)}
    if len(junction.ends) >= 4:
        pairs = _best_pairs(junction.ends, links)
        if len(pairs) >= 2:
            paired = {end for link in pairs for end in link.ends}
            for left in (end for end in junction.ends if end not in paired):
                pairs.append(min((links[frozenset((left, end))] for end in paired), key=lambda link: link.cost))
            return Meeting(kind="crossing", links=tuple(pairs))
    return Meeting(kind="bifurcation", links=tuple(links.values()))


def groups(count: int, connections: Iterable[tuple[int | None, int | None]]) -> list[list[int]]:
    """Return which of so many things are connected, directly or over others.

    Args:
        count: How many there are.
        connections: Two of them each; one with None connects nothing.
    """
    owner = list(range(count))

    def find(index: int) -> int:
        while owner[index] != index:
            index = owner[index]
        return index

    for first, last in connections:
        if first is not None and last is not None:
            owner[find(first)] = find(last)
    groups: dict[int, list[int]] = {}
    for index in range(count):
        groups.setdefault(find(index), []).append(index)
    return list(groups.values())


def _is_connection(segment: SkeletonSegment, graph: SkeletonGraph, scale: float) -> bool:
    """Return whether a segment is so short a line between two junctions that they are one."""
    first, last = segment.junctions
    if first is None or last is None:
        return False
    radius = max(graph.junctions[first].radius, graph.junctions[last].radius)
    return len(segment.pixels) <= max(SHORTEST_CONNECTION * scale, CONNECTION_SHARE * 2 * radius)


def _overlaps(graph: SkeletonGraph, scale: float) -> list[bool]:
    """Return which segments are two vessels on each other.

    Both their ends are then forks whose branches run into them. A vessel that forks twice looks otherwise: one of the
    forks opens towards the segment.
    """
    return [_is_overlap(index, graph, scale) for index in range(len(graph.segments))]


def _is_overlap(index: int, graph: SkeletonGraph, scale: float) -> bool:
    """Return whether a segment is two vessels on each other."""
    segment = graph.segments[index]
    first, last = segment.junctions
    if first is None or last is None or first == last or len(segment.pixels) > LONGEST_OVERLAP * scale:
        return False
    for end, number in enumerate((first, last)):
        ends = graph.junctions[number].ends
        if len(ends) != 3:
            return False
        ahead = _direction(segment, end, graph, scale)
        for other, other_end in ends:
            if other != index:
                back = _direction(graph.segments[other], other_end, graph, scale)
                if -float(ahead @ back) < np.cos(np.radians(LARGEST_OVERLAP_TURN)):
                    return False
    return True


def _direction(segment: SkeletonSegment, end: int, graph: SkeletonGraph, scale: float) -> Points:
    """Return the unit vector from an end into its segment, along the line that fits its pixels best.

    The pixels nearest to the end are skipped: thinning bends the skeleton where vessels meet.
    """
    pixels = (segment.pixels if end == 0 else segment.pixels[::-1]).astype(np.float64)
    junction = segment.junctions[end]
    radius = graph.junctions[junction].radius if junction is not None else float(segment.radii[-end])
    skip = round(scale + radius / 2)
    chosen = pixels[skip : skip + round(DIRECTION_LENGTH * scale)]
    if len(chosen) < 3:
        chosen = pixels[-3:]
    if len(chosen) < 2 and junction is not None:
        chosen = np.stack([graph.junctions[junction].centre, pixels[0]])
    ahead: Points = chosen[-1] - chosen[0]
    if len(chosen) > 2:
        _, _, axes = np.linalg.svd(chosen - chosen.mean(axis=0))
        ahead = axes[0] * (1 if axes[0] @ ahead >= 0 else -1)
    length = float(np.hypot(*ahead))
    unit: Points = ahead / length if length > 0 else np.array([0.0, 1.0])
    return unit


def _link(one: End, other: End, traits: Traits) -> Link:
    """Return a pair of ends with its turn and cost."""
    cosine = float(-traits.directions[one] @ traits.directions[other])
    turn = float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))
    radius, other_radius = traits.radii[one[0]], traits.radii[other[0]]
    unlike = 4 * abs(radius - other_radius) / (radius + other_radius)
    apart = traits.colours[one[0]] - traits.colours[other[0]]
    cost = (turn / TURN_UNIT) ** 2 + RADIUS_WEIGHT * unlike**2 + COLOUR_WEIGHT * apart**2
    return Link(ends=(one, other), turn=turn, cost=float(cost))


def _best_pairs(ends: tuple[End, ...], links: dict[frozenset[End], Link]) -> list[Link]:
    """Return the pairs that pass through a junction at the least cost, each end in one pair at most."""
    allowed = {key: link for key, link in links.items() if link.turn <= LARGEST_PAIR_TURN}
    if len(ends) <= MOST_EXHAUSTIVE:
        return _cheapest(ends, allowed)[1]
    pairs: list[Link] = []
    taken: set[End] = set()
    for key, link in sorted(allowed.items(), key=lambda item: item[1].cost):
        if not key & taken and link.cost < 2 * UNPAIRED_COST:
            pairs.append(link)
            taken |= key
    return pairs


def _cheapest(ends: tuple[End, ...], allowed: dict[frozenset[End], Link]) -> tuple[float, list[Link]]:
    """Return the least cost of pairing some of the ends, and those pairs, by trying all ways."""
    if not ends:
        return 0.0, []
    first, rest = ends[0], ends[1:]
    cost, pairs = _cheapest(rest, allowed)
    best = (cost + UNPAIRED_COST, pairs)
    for position, partner in enumerate(rest):
        link = allowed.get(frozenset((first, partner)))
        if link is None:
            continue
        cost, pairs = _cheapest(rest[:position] + rest[position + 1 :], allowed)
        if cost + link.cost < best[0]:
            best = (cost + link.cost, [link, *pairs])
    return best
