"""Where traced trees begin: at the disc, and, of what no tree reaches, once for all that hangs together."""

import numpy as np
import pytest

from clearfundus.vessels.trees import Disc
from drawn_vessels import CROSS, Line, disc_at, lines, trace


@pytest.mark.parametrize("fork", [152, 158, 164, 168, 172, 185])
def test_all_that_hangs_on_a_fork_beside_the_disc_is_rooted_there(fork: int) -> None:
    arms: list[Line] = [((280, fork), (280 + side, 300)) for side in (-80, 80)]
    twigs: list[Line] = [((280 + side, 300), (280 + side + way, 410)) for side in (-80, 80) for way in (-60, 20)]
    tracking = trace(lines(((280, 110), (280, fork)), *arms, *twigs), disc_at(280, 100))
    assert all(tree.rooted for tree in tracking.trees)
    begins = [one.polyline[0] for one in tracking.segments if one.parent is None]
    assert np.hypot(*(np.array(begins) - (280, 100)).T).max() < 1.725 * 40 + 5
    for segment in tracking.segments:  # none leads back
        first, last = np.hypot(*(segment.polyline[[0, -1]] - (280, 100)).T)
        assert first < last


def test_a_vessel_past_the_disc_is_two_trees_and_one_farther_away_is_none() -> None:
    near, far = (trace(lines(((80, column), (480, column))), disc_at(280, 100)) for column in (165, 175))
    assert [tree.rooted for tree in near.trees] == [True, True]
    assert [one.polyline[0].tolist() for one in near.segments] == [[280, 165]] * 2
    assert sum(one.length for one in near.segments) == pytest.approx(404, abs=5)
    assert [tree.rooted for tree in far.trees] == [False]


def test_a_sharp_branch_beside_the_disc_that_no_tree_reaches_begins_there() -> None:
    # it turns by 125 degrees from the stem
    stem: Line = ((280, 100), (280, 400))
    tracking = trace(lines(stem, ((280, 166), (380, 96))), disc_at(280, 100))
    assert all(tree.rooted for tree in tracking.trees)
    assert len(tracking.trees) == 2


@pytest.mark.parametrize("place", [None, disc_at(280, 60)])
def test_a_part_without_a_root_is_one_fragment_though_it_begins_at_a_fork(place: Disc | None) -> None:
    upright: Line = ((220, 250), (340, 250))
    tracking = trace(lines(upright, ((280, 250), (280, 400))), place)
    assert [tree.rooted for tree in tracking.trees] == [False]
    assert len(tracking.segments) == 3
    for segment in tracking.segments:
        if segment.parent is not None:
            assert tracking.segments[segment.parent].end == segment.start
    if place is not None:  # it begins at the fork, which is nearest
        assert {one.start for one in tracking.segments if one.parent is None} == {tracking.segments[0].start}
        assert [one.parent for one in tracking.segments] == [None] * 3


def test_two_vessels_that_cross_away_from_the_disc_are_two_fragments() -> None:
    tracking = trace(lines(*CROSS), disc_at(100, 500))
    assert [tree.rooted for tree in tracking.trees] == [False, False]
