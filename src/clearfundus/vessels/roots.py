"""Where trees begin: the places at which vessels leave the optic disc.

The fact to know: vessels lead away from the disc, so one that comes near it without ending there is taken for two that
begin at its nearest point. That is right where two leave the disc side by side, and where its circle took the stem of a
fork. An arcade that only grazes the disc looks the same and is cut, too: both its sides lead away from there.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter

import cv2
import numpy as np
from scipy.spatial import cKDTree

from clearfundus.photo import Mask
from clearfundus.vessels.junctions import End, groups
from clearfundus.vessels.scale import Points
from clearfundus.vessels.skeleton import Junction, SkeletonGraph, SkeletonSegment
from clearfundus.vessels.trees import Disc

DISC_REACH = 1.5
"""Radii of the disc within which vessels overlap too much to be told apart: trees begin there."""
ROOT_REACH = 1.15 * DISC_REACH
"""In radii of the disc: a vessel that comes so near begins there."""
SHORTEST_PIECE = 5.0
"""In pixels at a field diameter of 540: nearer to its end a segment is not cut, and trees begin at that end."""
TOUCHING = 1.5
"""Pixels: what comes so near to a circle reaches it; neighbouring pixels lie no farther apart."""
SWING = 5.0
"""In pixels at a field diameter of 540: a vessel that goes no farther beyond what is near and comes back is near all
the while, so that one that runs along that bound is not cut time and again."""

Cut = tuple[int, int]
"""A segment's index, and at which of its pixels it is cut."""
Beginning = tuple[list[End], list[Cut]]
"""Ends at which trees begin, and where segments are to be cut so that they begin there."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Roots:
    """A graph and where its trees begin.

    Attributes:
        graph: With segments cut where they come to the disc and go on.
        ends: The ends at the disc, the nearest first.
        others: All ends as near, the nearest first: what no tree from `ends` reaches begins at the disc even so.
    """

    graph: SkeletonGraph
    ends: tuple[End, ...] = ()
    others: tuple[End, ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class _Run:
    """Pixels of one segment in a row that lie near the disc.

    Attributes:
        segment: Its index.
        start: At which of its pixels the run begins.
        away: How far each of the run's pixels is from the disc's centre, (N,).
        ends: Those of the segment's ends that the run holds.
    """

    segment: int
    start: int
    away: Points
    ends: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class _Contact:
    """What lies near the disc and meets there: runs, and junctions with how far they are from the disc's centre."""

    runs: tuple[_Run, ...]
    junctions: tuple[tuple[float, int], ...]


def find_roots(graph: SkeletonGraph, vessels: Mask, disc: Disc, scale: float = 1.0) -> Roots:
    """Return where the trees of a graph begin.

    What lies near the disc and meets there is one contact. In each contact trees begin at the free ends; without any,
    at the point nearest to the disc: inside a segment with both sides of it, at a junction with all that meets there.
    What lies near the disc with all that hangs on it leads nowhere and has no root.

    Args:
        graph: The graph.
        vessels: The mask that it was made of, (H, W).
        disc: The disc.
        scale: The field's diameter over 540 pixels.
    """
    reach, swing = ROOT_REACH * disc.radius, SWING * scale
    away = _with_stems(graph, vessels, disc, SHORTEST_PIECE * scale)
    graph = replace(graph, segments=tuple(_begun_at(one, away) for one in graph.segments))
    leaving = _leaving(graph, away, reach)
    runs = [run for index in leaving for run in _runs(index, _along(graph.segments[index], away), reach, swing)]
    junctions = np.array([one.centre for one in graph.junctions]).reshape(-1, 2)
    from_disc = np.hypot(*(junctions - disc.centre).T)
    ends: list[End] = []
    cuts: list[Cut] = []
    for contact in _contacts(graph, runs, np.where(_are_met(graph, leaving), from_disc, np.inf), reach):
        new_ends, new_cuts = _begin(graph, contact, reach, SHORTEST_PIECE * scale)
        ends += new_ends
        cuts += new_cuts
    graph, pieces = _cut(graph, cuts)
    ends = [_last(pieces, end) for end in ends]
    ends += [(piece, end) for index in pieces for piece, end in _cut_ends(pieces[index])]

    def distance(end: End) -> float:
        """Return how far an end is from the disc: its pixel, or its junction if that is nearer."""
        segment = graph.segments[end[0]]
        junction = segment.junctions[end[1]]
        return min(float(_along(segment, away)[-end[1]]), np.inf if junction is None else float(from_disc[junction]))

    every = [(piece, end) for index in leaving for piece in pieces.get(index, [index]) for end in (0, 1)]
    others = [
        end
        for end in every
        if distance(end) <= reach
        or (distance(end) <= reach + swing and _along(graph.segments[end[0]], away).min() <= reach)
    ]
    return Roots(graph=graph, ends=tuple(sorted(ends, key=distance)), others=tuple(sorted(others, key=distance)))


def distances_from(disc: Disc, shape: tuple[int, int]) -> Points:
    """Return how far each pixel of a picture is from the disc's centre, (H, W)."""
    row, column = np.ogrid[: shape[0], : shape[1]]
    away: Points = np.hypot(row - disc.centre[0], column - disc.centre[1])
    return away


def _with_stems(graph: SkeletonGraph, vessels: Mask, disc: Disc, longest: float) -> Points:
    """Return how far each pixel is from the disc; the pixel that a lost stem stood on is as near as that stem was.

    A stem that is lost is a part of the mask that comes to the circle around the disc and has left no skeleton, for it
    was as short as a spur.
    """
    away = distances_from(disc, vessels.shape)
    _, labels = cv2.connectedComponents((vessels & (away <= ROOT_REACH * disc.radius)).astype(np.uint8), connectivity=8)
    parts = np.asarray(labels)
    skeleton = np.concatenate([np.zeros((0, 2), np.int64), *(one.pixels for one in graph.segments)])
    for part in np.setdiff1d(parts, [0, *parts[tuple(skeleton.T)]]) if len(skeleton) else ():
        places = np.argwhere(parts == part)
        nearest = away[tuple(places.T)].min()
        gaps = cKDTree(places).query(skeleton)[0]
        if nearest <= DISC_REACH * disc.radius + TOUCHING and gaps.min() <= longest:
            away[tuple(skeleton[gaps.argmin()])] = nearest
    return away


def _along(segment: SkeletonSegment, away: Points) -> Points:
    """Return how far each pixel of a segment is from the disc, (N,)."""
    distances: Points = away[tuple(segment.pixels.T)]
    return distances


def _begun_at(segment: SkeletonSegment, away: Points) -> SkeletonSegment:
    """Return a ring turned so that its first pixel is the nearest; anything else as it is."""
    if not segment.is_ring:
        return segment
    turn = -int(_along(segment, away).argmin())
    return replace(segment, pixels=np.roll(segment.pixels, turn, axis=0), radii=np.roll(segment.radii, turn))


def _leaving(graph: SkeletonGraph, away: Points, reach: float) -> list[int]:
    """Return the segments that hang together with something farther away."""
    count = len(graph.segments)
    connections = [
        (index, count + junction)
        for index, one in enumerate(graph.segments)
        for junction in one.junctions
        if junction is not None
    ]
    found: list[int] = []
    for members in groups(count + len(graph.junctions), connections):
        own = [index for index in members if index < count]
        if any(_along(graph.segments[index], away).max() > reach for index in own):
            found += own
    return found


def _are_met(graph: SkeletonGraph, segments: Sequence[int]) -> Mask:
    """Return whether some of the segments end at each junction, (J,)."""
    return np.array([any(segment in segments for segment, _ in one.ends) for one in graph.junctions], np.bool_)


def _runs(index: int, away: Points, reach: float, swing: float) -> Iterator[_Run]:
    """Yield the runs of one segment in which it is near the disc."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], away <= reach + swing, [False]]).astype(np.int8)))
    for start, stop in edges.reshape(-1, 2).tolist():
        if away[start:stop].min() <= reach:
            held = tuple(end for end, is_held in enumerate((start == 0, stop == len(away))) if is_held)
            yield _Run(segment=index, start=start, away=away[start:stop], ends=held)


def _contacts(graph: SkeletonGraph, runs: Sequence[_Run], away: Points, reach: float) -> Iterator[_Contact]:
    """Yield the runs and the near junctions that meet, together; `away` is of the junctions."""
    connections = [
        (number, len(runs) + junction)
        for number, run in enumerate(runs)
        for end in run.ends
        if (junction := graph.segments[run.segment].junctions[end]) is not None
    ]
    for members in groups(len(runs) + len(graph.junctions), connections):
        own = tuple(runs[number] for number in members if number < len(runs))
        met = [number - len(runs) for number in members if number >= len(runs)]
        near = tuple((float(away[number]), number) for number in met if away[number] <= reach)
        if own or near:
            yield _Contact(runs=own, junctions=near)


def _begin(graph: SkeletonGraph, contact: _Contact, reach: float, shortest: float) -> Beginning:
    """Return how trees begin in one contact."""
    free = [
        (run.segment, end)
        for run in contact.runs
        for end in run.ends
        if graph.segments[run.segment].junctions[end] is None and run.away[-end] <= reach
    ]
    if free:
        return free, []
    begun: list[tuple[float, Beginning]] = [
        *((away, (list(graph.junctions[number].ends), [])) for away, number in contact.junctions),
        *((float(run.away.min()), _begin_in(graph, run, shortest)) for run in contact.runs),
    ]
    return min(begun, key=itemgetter(0))[1]


def _begin_in(graph: SkeletonGraph, run: _Run, shortest: float) -> Beginning:
    """Return how they begin if its nearest point is that of one run."""
    segment = graph.segments[run.segment]
    position = run.start + int(run.away.argmin())
    behind = len(segment.pixels) - 1 - position
    if min(position, behind) >= shortest:
        return [], [(run.segment, position)]
    end = int(behind < position)
    junction = segment.junctions[end]
    return [(run.segment, end)] if junction is None else list(graph.junctions[junction].ends), []


def _cut(graph: SkeletonGraph, cuts: Sequence[Cut]) -> tuple[SkeletonGraph, dict[int, list[int]]]:
    """Return the graph with some segments cut, and the pieces of each of them in order; a cut's pixel is in both."""
    segments = list(graph.segments)
    pieces: dict[int, list[int]] = {}
    for index in sorted({index for index, _ in cuts}):
        whole = graph.segments[index]
        bounds = [0, *sorted(position for at, position in cuts if at == index), len(whole.pixels) - 1]
        pieces[index] = [index, *range(len(segments), len(segments) + len(bounds) - 2)]
        segments += [whole] * (len(bounds) - 2)
        for number, piece in enumerate(pieces[index]):
            part = slice(bounds[number], bounds[number + 1] + 1)
            junctions = (
                whole.junctions[0] if number == 0 else None,
                whole.junctions[1] if number == len(bounds) - 2 else None,
            )
            segments[piece] = SkeletonSegment(pixels=whole.pixels[part], radii=whole.radii[part], junctions=junctions)
    junctions_of_pieces = tuple(_renamed(one, pieces) for one in graph.junctions)
    return replace(graph, segments=tuple(segments), junctions=junctions_of_pieces), pieces


def _renamed(junction: Junction, pieces: Mapping[int, Sequence[int]]) -> Junction:
    return replace(junction, ends=tuple(_last(pieces, end) for end in junction.ends))


def _last(pieces: Mapping[int, Sequence[int]], end: End) -> End:
    """Return what an end is called after the cuts: a last one is that of the last piece."""
    index, side = end
    return (pieces[index][-1], side) if side == 1 and index in pieces else end


def _cut_ends(pieces: Sequence[int]) -> list[End]:
    """Return the ends that cuts have made."""
    return [(piece, 1) for piece in pieces[:-1]] + [(piece, 0) for piece in pieces[1:]]
