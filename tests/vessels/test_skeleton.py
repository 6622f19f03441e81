"""The skeleton's graph: exact on small drawings, complete and ordered on a drawn eye, radii without bias."""

from collections import Counter
from functools import cache

import cv2
import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial import cKDTree
from skimage.morphology import skeletonize

from clearfundus.errors import QualityError
from clearfundus.fundus.phantom import Phantom, draw_phantom
from clearfundus.photo import Mask
from clearfundus.vessels.skeleton import SkeletonGraph, make_graph, radius_map, skeletonise

EVERYWHERE = np.ones((3, 3), int)
Line = tuple[tuple[int, int], tuple[int, int]]


@cache
def phantom() -> Phantom:
    return draw_phantom(540, 1)


@cache
def phantom_graph() -> SkeletonGraph:
    return skeletonise(phantom().vessels)


def lines(*ends: Line, thickness: int = 3, size: int = 80) -> Mask:
    """Lines from (row, column) to (row, column)."""
    canvas = np.zeros((size, size), np.uint8)
    for first, last in ends:
        cv2.line(canvas, first[::-1], last[::-1], 1, thickness)
    return canvas > 0


def test_an_empty_mask_has_no_graph() -> None:
    graph = skeletonise(np.zeros((20, 30), bool))
    assert (graph.segments, graph.junctions, graph.shape) == ((), (), (20, 30))


def test_a_pixel_alone_is_a_segment_of_one_pixel() -> None:
    mask = np.zeros((9, 9), bool)
    mask[4, 6] = True
    (segment,) = skeletonise(mask).segments
    assert segment.pixels.tolist() == [[4, 6]]
    assert segment.junctions == (None, None)
    assert not segment.is_ring


def test_a_line_is_one_segment_in_order_to_the_pixel() -> None:
    mask = np.zeros((20, 60), bool)
    mask[10, 5:50] = True
    graph = skeletonise(mask)
    (segment,) = graph.segments
    assert segment.pixels.tolist() == [[10, column] for column in range(5, 50)]
    assert graph.junctions == ()


def test_a_line_along_the_frame_is_kept() -> None:
    mask = np.zeros((20, 60), bool)
    mask[0, :] = True
    (segment,) = skeletonise(mask).segments
    assert len(segment.pixels) == 60


def test_a_t_is_three_segments_at_one_junction() -> None:
    graph = skeletonise(lines(((40, 5), (40, 75)), ((40, 40), (75, 40))))
    (junction,) = graph.junctions
    assert len(graph.segments) == 3
    np.testing.assert_allclose(junction.centre, (40, 40), atol=1)
    assert sorted(index for index, _ in junction.ends) == [0, 1, 2]
    for index, end in junction.ends:
        segment = graph.segments[index]
        assert segment.junctions[end] == 0
        assert segment.junctions[1 - end] is None
        assert np.abs(segment.pixels[-end] - junction.centre).max() <= 2


def test_an_x_is_four_segments() -> None:
    graph = skeletonise(lines(((5, 5), (75, 75)), ((5, 75), (75, 5))))
    assert len(graph.segments) == 4
    assert sum(len(one.ends) for one in graph.junctions) == 4
    np.testing.assert_allclose(np.mean([one.centre for one in graph.junctions], axis=0), (40, 40), atol=1)


def test_a_ring_without_ends_is_one_segment_that_closes() -> None:
    canvas = np.zeros((60, 60), np.uint8)
    cv2.circle(canvas, (30, 30), 20, 1, 3)
    (segment,) = skeletonise(canvas > 0).segments
    assert segment.is_ring
    assert segment.junctions == (None, None)
    # a ring that touches side by side and corner to corner lies between these
    assert 2 * np.pi * 20 / np.sqrt(2) < len(segment.pixels) < 2 * np.pi * 20


def test_a_ring_on_a_stalk_has_both_ends_at_one_junction() -> None:
    canvas = np.zeros((60, 90), np.uint8)
    cv2.circle(canvas, (30, 30), 20, 1, 3)
    cv2.line(canvas, (50, 30), (85, 30), 1, 3)
    graph = skeletonise(canvas > 0)
    assert sorted(Counter(one.junctions for one in graph.segments).values()) == [1, 1]
    assert (0, 0) in [one.junctions for one in graph.segments]


@pytest.mark.parametrize(("length", "segments"), [(5, 1), (14, 3)])
def test_a_short_side_branch_goes_and_a_long_one_stays(length: int, segments: int) -> None:
    mask = np.zeros((60, 80), bool)
    mask[40, 5:75] = True
    mask[40 - length : 40, 40] = True
    graph = skeletonise(mask)
    assert len(graph.segments) == segments
    assert sum(len(one.pixels) for one in graph.segments) >= 68


def test_of_a_small_star_two_branches_stay() -> None:
    star = lines(((20, 20), (14, 20)), ((20, 20), (24, 26)), ((20, 20), (24, 14)), thickness=1, size=40)
    (segment,) = skeletonise(star).segments
    assert len(segment.pixels) >= 9


def test_every_pixel_belongs_to_one_part_and_neighbours_touch() -> None:
    mask = phantom().vessels
    skeleton = np.asarray(skeletonize(mask))
    graph = make_graph(skeleton, radius_map(mask))
    seen = Counter(tuple(pixel) for one in graph.segments for pixel in one.pixels.tolist())
    crowded = ndimage.convolve(skeleton.astype(int), EVERYWHERE, mode="constant") >= 4
    assert set(seen) == set(map(tuple, np.argwhere(skeleton & ~crowded).tolist()))
    assert set(seen.values()) == {1}
    assert len(graph.junctions) == ndimage.label(skeleton & crowded, EVERYWHERE)[1]
    assert len(graph.segments) == ndimage.label(skeleton & ~crowded, EVERYWHERE)[1]
    for segment in graph.segments:
        assert (np.abs(np.diff(segment.pixels, axis=0)).max(axis=1) == 1).all()


def test_ends_and_junctions_name_each_other() -> None:
    graph = phantom_graph()
    from_junctions = {(end, number) for number, one in enumerate(graph.junctions) for end in one.ends}
    from_segments = {
        ((index, end), number)
        for index, one in enumerate(graph.segments)
        for end, number in enumerate(one.junctions)
        if number is not None
    }
    assert from_junctions == from_segments
    assert len(from_segments) > 300


def test_no_short_spur_is_left_where_three_meet() -> None:
    graph = phantom_graph()
    for junction in graph.junctions:
        free = [len(graph.segments[i].pixels) for i, _ in junction.ends if None in graph.segments[i].junctions]
        assert sum(length < 8 for length in free) <= max(0, 2 - (len(junction.ends) - len(free))) + 1


def test_the_radius_of_drawn_vessels_is_right_on_the_average() -> None:
    graph = skeletonise(phantom().arteries)
    edges = [edge for edge in phantom().graph.edges if edge.kind == "artery"]
    owner = np.repeat(np.arange(len(edges)), [len(edge.polyline) for edge in edges])
    tree = cKDTree(np.concatenate([edge.polyline for edge in edges]))
    errors = []
    for segment in graph.segments:
        edge, count = Counter(owner[tree.query(segment.pixels)[1]].tolist()).most_common(1)[0]
        if len(segment.pixels) >= 15 and count > 0.9 * len(segment.pixels):
            errors.append(np.median(segment.radii) - edges[edge].radius)
    assert len(errors) > 50
    assert abs(np.mean(errors)) < 0.06
    assert np.abs(errors).max() < 0.6


def test_the_radius_map_is_zero_outside_and_falls_to_the_frame() -> None:
    radii = radius_map(np.ones((21, 41), bool))
    # ten pixels and one to the first centre outside, less the offset
    assert radii[10, 20] == pytest.approx(11 - 0.12)
    assert radii[0, 20] == pytest.approx(1 - 0.12)
    assert radius_map(np.zeros((5, 5), bool)).max() == 0


@pytest.mark.parametrize("mask", [np.zeros((5, 5)), np.zeros((5, 5, 3), bool)])
def test_what_is_no_mask_is_refused(mask: np.ndarray) -> None:
    with pytest.raises(QualityError, match="expected bool"):
        skeletonise(mask)
