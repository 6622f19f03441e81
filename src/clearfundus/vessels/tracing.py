"""Trace the trees of vessels in a mask, from the optic disc out.

The fact to know: no vessel is invented. What the mask leaves broken stays broken, and a piece that no tree reaches is
a tree of its own without a root.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from clearfundus.errors import QualityError
from clearfundus.fundus.field import Field
from clearfundus.fundus.smoothing import smooth
from clearfundus.photo import Gray, Mask, Pixels
from clearfundus.vessels.growth import Reached, Routes, grow
from clearfundus.vessels.junctions import End, Link, Meeting, judge, merge_junctions, take_traits
from clearfundus.vessels.roots import DISC_REACH, Roots, distances_from, find_roots
from clearfundus.vessels.scale import DIAMETER, Points
from clearfundus.vessels.skeleton import SHORTEST_SPUR, SkeletonGraph, skeletonise
from clearfundus.vessels.trees import Disc, Node, Segment, Tracking, Tree

EDGE = 4
"""Pixels at the field's edge where the mask does not count, at a field diameter of 540: the rim looks like vessel."""
SMALLEST_PIECE = 20
"""Pixels of area at a field diameter of 540 below which a piece of mask is no vessel."""
COLOUR_SIGMA = 25.0
"""Pixels at a field diameter of 540: colour is judged against its surroundings so far."""


def trace_trees(mask: Mask, pixels: Pixels, field: Field, disc: Disc | None) -> Tracking:
    """Return the vessels of a mask as trees, directed away from the optic disc.

    Args:
        mask: Vessels, (H, W).
        pixels: The photograph, RGB, (H, W, 3) in [0, 1]: arteries are brighter than veins, which helps at crossings.
        field: Its field.
        disc: The optic disc in the same pixels; None makes every tree a fragment without root.

    Returns:
        The trees in pixels of the mask. It is empty, with the reason, if there are no vessels.

    Raises:
        QualityError: If mask, photograph and field differ in size.
    """
    if not mask.shape == pixels.shape[:2] == field.mask.shape:
        raise QualityError(
            f"trace_trees: found mask {mask.shape}, photograph {pixels.shape[:2]} and field {field.mask.shape}, "
            "expected one size; give the photograph that was segmented"
        )
    scale = field.diameter / DIAMETER
    vessels = _large_pieces(mask & _traceable(field, disc), scale)
    graph = merge_junctions(skeletonise(vessels, SHORTEST_SPUR * scale), scale)
    roots = Roots(graph=graph) if disc is None else find_roots(graph, vessels, disc, scale)
    graph = roots.graph
    traits = take_traits(graph, _colour(pixels, field, scale), scale)
    meetings = [judge(junction, traits) for junction in graph.junctions]
    lengths = [len(one.pixels) / scale for one in graph.segments]
    routes = Routes(links=_by_end(meetings), traits=traits, lengths=lengths)
    reached = grow(routes, roots.ends, _spares(graph, disc), others=roots.others)
    nodes, segments = _assemble(graph, meetings, reached)
    return Tracking(
        nodes=nodes,
        segments=segments,
        trees=_trees(reached),
        disc=disc,
        shape=mask.shape[:2],
        diameter=field.diameter,
        reason=_reason(segments, roots.ends, disc),
    )


def _large_pieces(mask: Mask, scale: float) -> Mask:
    """Return the mask without what is too small for a vessel."""
    _, labels, statistics, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    large = statistics[:, cv2.CC_STAT_AREA] >= SMALLEST_PIECE * scale**2
    large[0] = False
    return np.asarray(large[labels], np.bool_)


def _traceable(field: Field, disc: Disc | None) -> Mask:
    """Return where vessels are traced: inside the field's edge and outside the disc."""
    scale = field.diameter / DIAMETER
    padded = np.pad(field.mask, 1).astype(np.uint8)
    inner = cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1] > EDGE * scale
    if disc is None:
        return np.asarray(inner, np.bool_)
    return np.asarray(inner & (distances_from(disc, field.mask.shape[:2]) > DISC_REACH * disc.radius), np.bool_)


def _colour(pixels: Pixels, field: Field, scale: float) -> Gray:
    """Return red and green against their surroundings: higher in arteries than in veins."""
    light = np.asarray(pixels[..., 0] + pixels[..., 1], np.float32)
    around = smooth(light, COLOUR_SIGMA * scale, field.mask)
    return np.asarray(light / (around + 1 / 255), np.float32)


def _spares(graph: SkeletonGraph, disc: Disc | None) -> list[End]:
    """Return all ends, those first at which a fragment most likely begins.

    That is the one nearest to the disc; without a disc, free ends of wide vessels.
    """

    def likelihood(end: End) -> tuple[bool, float]:
        segment = graph.segments[end[0]]
        if disc is None:
            return segment.junctions[end[1]] is not None, -float(np.median(segment.radii))
        return False, float(np.hypot(*(segment.pixels[-end[1]] - disc.centre)))

    return sorted(((index, end) for index in range(len(graph.segments)) for end in (0, 1)), key=likelihood)


def _by_end(meetings: Sequence[Meeting]) -> dict[End, list[Link]]:
    links: dict[End, list[Link]] = {}
    for meeting in meetings:
        for link in meeting.links:
            for end in link.ends:
                links.setdefault(end, []).append(link)
    return links


def _assemble(
    graph: SkeletonGraph, meetings: Sequence[Meeting], reached: Sequence[Reached]
) -> tuple[tuple[Node, ...], tuple[Segment, ...]]:
    """Return nodes and directed segments."""
    nodes: list[Node] = []
    places: dict[int, int] = {}  # of junctions among the nodes
    segments = []
    for one in reached:
        source = graph.segments[one.segment]
        way = slice(None, None, 1 if one.entry == 0 else -1)
        polyline, radii = source.pixels[way].astype(np.float64), source.radii[way]
        if source.is_ring:
            polyline, radii = np.concatenate([polyline, polyline[:1]]), np.concatenate([radii, radii[:1]])
        ends = []
        for position, end in enumerate((one.entry, 1 - one.entry)):
            junction = source.junctions[end]
            is_root = position == 0 and one.parent is None and one.rooted
            if junction is not None and not is_root:
                polyline, radii = _joined(polyline, radii, graph.junctions[junction].centre, position)
                if junction not in places:
                    places[junction] = len(nodes)
                    nodes.append(Node(point=graph.junctions[junction].centre, kind=meetings[junction].kind))
                ends.append(places[junction])
            elif position == 1 and source.is_ring:
                ends.append(ends[0])
            else:
                ends.append(len(nodes))
                nodes.append(Node(point=polyline[-position], kind="root" if is_root else "end"))
        segments.append(
            Segment(polyline=polyline, radii=radii, parent=one.parent, tree=one.tree, start=ends[0], end=ends[1])
        )
    return tuple(nodes), tuple(segments)


def _joined(polyline: Points, radii: Points, point: Points, position: int) -> tuple[Points, Points]:
    """Return a polyline led on to a point, before its first (position 0) or after its last (1), pixel by pixel."""
    way = slice(None, None, 1 if position == 1 else -1)
    ahead = point - polyline[-position]
    steps = max(1, int(np.ceil(np.abs(ahead).max())))
    added = polyline[-position] + np.arange(1, steps + 1)[:, None] / steps * ahead
    led_on = np.concatenate([polyline[way], added])[way]
    return led_on, np.concatenate([radii[way], np.repeat(radii[-position], steps)])[way]


def _trees(reached: Sequence[Reached]) -> tuple[Tree, ...]:
    members: dict[int, list[int]] = {}
    for index, one in enumerate(reached):
        members.setdefault(one.tree, []).append(index)
    return tuple(Tree(segments=tuple(own), rooted=reached[own[0]].rooted) for own in members.values())


def _reason(segments: Sequence[Segment], roots: Sequence[End], disc: Disc | None) -> str:
    """Return why there are no trees, or none with a root; empty if there are."""
    if not segments:
        return "no vessels"
    if disc is None:
        return "no optic disc was found, so no tree has a root"
    return "" if roots else "no vessel reaches the optic disc, so no tree has a root"
