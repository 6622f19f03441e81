"""Roots: where vessels leave the disc, on drawings small enough to say where that is."""

from itertools import pairwise

import cv2
import numpy as np
import pytest

from clearfundus.photo import Mask
from clearfundus.vessels.junctions import merge_junctions
from clearfundus.vessels.roots import Roots, find_roots
from clearfundus.vessels.scale import Points
from clearfundus.vessels.skeleton import skeletonise
from clearfundus.vessels.trees import Disc

SIZE = 300
CENTRE = np.array([150.0, 60.0])
RADIUS = 40.0
REACH = 1.725
"""In radii of the disc: what comes so near begins there."""


def drawn(*lines: tuple[tuple[float, float], ...]) -> Mask:
    """Return vessels 3 pixels wide along lines of (row, column), without the disc's circle."""
    canvas = np.zeros((SIZE, SIZE), np.uint8)
    for line in lines:
        for start, end in pairwise(line):
            cv2.line(canvas, _xy(start), _xy(end), 1, 3)
    row, column = np.ogrid[:SIZE, :SIZE]
    return np.asarray((canvas > 0) & (np.hypot(row - CENTRE[0], column - CENTRE[1]) > 1.5 * RADIUS), np.bool_)


def _xy(point: tuple[float, float]) -> tuple[int, int]:
    return round(point[1]), round(point[0])


def at(radii: float, degrees: float = 0.0) -> tuple[float, float]:
    """Return the point so many radii of the disc away, to the right and down by an angle."""
    angle = np.deg2rad(degrees)
    return float(CENTRE[0] + RADIUS * radii * np.sin(angle)), float(CENTRE[1] + RADIUS * radii * np.cos(angle))


def roots(mask: Mask) -> Roots:
    return find_roots(merge_junctions(skeletonise(mask)), mask, Disc(centre=CENTRE, radius=RADIUS, contrast=9.0))


def points(found: Roots) -> Points:
    """Return where the roots lie, (N, 2)."""
    ends = [found.graph.segments[index].pixels[-end] for index, end in found.ends]
    return np.array(ends, np.float64).reshape(-1, 2)


def away(found: Roots) -> list[float]:
    return [float(one) for one in np.hypot(*(points(found) - CENTRE).T) / RADIUS]


@pytest.mark.parametrize("fork", [1.72, 1.75, 1.8, 2.0])
def test_a_vessel_that_forks_near_the_disc_has_one_root_at_its_stem(fork: float) -> None:
    found = roots(drawn((at(0), at(fork)), (at(fork), at(5, -40)), (at(fork), at(5, 40))))

    assert away(found) == pytest.approx([1.5], abs=0.06)
    assert len(found.graph.segments) == 3


@pytest.mark.parametrize("fork", [1.58, 1.62, 1.66, 1.68])
def test_where_the_stem_of_a_fork_is_too_short_to_be_left_all_its_branches_begin(fork: float) -> None:
    found = roots(drawn((at(0), at(fork)), (at(fork), at(5, -40)), (at(fork), at(5, 40)), (at(fork), at(5))))

    assert len(found.graph.segments) == len(found.ends) == 3
    assert away(found) == pytest.approx([fork] * 3, abs=0.12)


def test_a_fork_whose_stem_the_disc_took_is_cut_at_its_apex() -> None:
    found = roots(drawn((at(5, -40), at(1.55), at(5, 40))))

    assert away(found) == pytest.approx([1.55, 1.55], abs=0.06)
    np.testing.assert_array_equal(*points(found))
    # both lead on from there
    assert sorted(len(one.pixels) for one in found.graph.segments) == pytest.approx([130, 130], abs=20)
    assert [end for _, end in sorted(found.ends)] == [1, 0]


def test_at_a_junction_nearest_to_the_disc_all_that_meets_there_begins() -> None:
    found = roots(drawn((at(1.6), at(5, -50)), (at(1.6), at(5, 50)), (at(1.6), at(5))))

    (junction,) = found.graph.junctions
    assert len(junction.ends) == 3
    assert set(found.ends) == set(junction.ends)


@pytest.mark.parametrize(("nearest", "expected"), [(1.6, 2), (1.7, 2), (1.9, 0)])
def test_a_vessel_that_grazes_the_disc_is_cut_where_it_is_nearest(nearest: float, expected: int) -> None:
    row, column = at(nearest)
    found = roots(drawn(((10, column), (row, column), (290, column))))

    assert away(found) == pytest.approx([nearest] * expected, abs=0.04)
    assert len(found.graph.segments) == max(1, expected)


def test_a_vessel_that_runs_along_the_bound_is_cut_once() -> None:
    way = [at(REACH + 0.05 * np.cos(angle / 5), angle) for angle in range(-60, 61)]
    found = roots(drawn((at(5, -70), *way, at(5, 70))))

    assert len(found.ends) == 2


def test_a_vessel_that_comes_to_the_disc_twice_is_cut_twice() -> None:
    found = roots(drawn((at(5, -70), at(1.6, -50), at(3), at(1.6, 50), at(5, 70))))

    assert len(found.graph.segments) == 3
    assert len(found.ends) == 4
    assert away(found) == pytest.approx([1.6] * 4, abs=0.06)
    assert {one.junctions for one in found.graph.segments} == {(None, None)}


def test_the_junctions_of_a_cut_segment_are_those_it_had() -> None:
    fork = at(3, 40)
    found = roots(drawn((at(3, -40), at(1.6), fork), (fork, at(6, 30)), (fork, at(6, 50))))

    (junction,) = found.graph.junctions
    for index, end in junction.ends:
        assert found.graph.segments[index].junctions[end] == 0
        near = found.graph.segments[index].pixels[-end]
        assert np.hypot(*(near - junction.centre)) < 5
    assert len(junction.ends) == 3


def test_what_does_not_lead_away_from_the_disc_has_no_root() -> None:
    found = roots(drawn((at(1.6, -20), at(1.62), at(1.6, 20))))

    assert len(found.graph.segments) == 1
    assert found.ends == found.others == ()


def test_a_ring_that_comes_to_the_disc_begins_at_its_nearest_point() -> None:
    canvas = np.zeros((SIZE, SIZE), np.uint8)
    cv2.circle(canvas, (200, 150), 75, 1, 3)
    found = roots(canvas > 0)

    (segment,) = found.graph.segments
    assert segment.is_ring
    assert segment.pixels[0] == pytest.approx([150, 125], abs=2)
    assert found.ends[0] == (0, 0)


def test_all_ends_near_the_disc_are_named_the_nearest_first() -> None:
    # an arc along the disc's circle, from which two vessels lead away, and a vessel far away
    arc = [at(1.65, angle) for angle in range(-40, 41, 2)]
    found = roots(drawn(tuple(arc), (arc[8], at(5, -30)), (arc[32], at(5, 30)), ((20, 200), (20, 290))))

    ends = [found.graph.segments[index].pixels[-end] for index, end in found.others]
    distances = np.hypot(*(np.array(ends) - CENTRE).T) / RADIUS
    assert len(found.ends) == 2
    assert len(found.others) == 8  # both ends of the arc's three parts, and the near ones of the two vessels
    assert set(found.ends) < set(found.others)
    assert distances.max() < REACH + 0.1
    assert distances[0] == distances.min()
