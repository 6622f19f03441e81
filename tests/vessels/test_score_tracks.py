"""Scores of tracks and paths: tracks laid by hand on true trees, so that each score is known."""

from itertools import pairwise

import numpy as np
import pytest

from clearfundus.errors import QualityError
from clearfundus.photo import Mask
from clearfundus.vessels.labels import Labels
from clearfundus.vessels.scale import Points
from clearfundus.vessels.score_tracks import find_paths, follow_seeds, score_paths, score_tracks, wrong_parts
from clearfundus.vessels.trees import Track
from clearfundus.vessels.truth import Seed, TrueTree, TrueTrees, true_trees

SIZE = 160
EVERYWHERE: Mask = np.ones((SIZE, SIZE), np.bool_)
EAST = np.array([0.0, 1.0])


def line(*corners: tuple[float, float]) -> Points:
    """Return points a pixel apart along corners (row, column), in steps along rows and columns."""
    pieces = [np.array(corners[:1], np.float64)]
    for start, end in pairwise(corners):
        steps = int(max(abs(end[0] - start[0]), abs(end[1] - start[1])))
        pieces.append(np.linspace(start, end, steps + 1)[1:])
    return np.concatenate(pieces)


STRAIGHT = line((80, 20), (80, 140))
TREE = TrueTree("artery", STRAIGHT, (STRAIGHT,))
TRUTH = TrueTrees(trees=(TREE,), shape=(SIZE, SIZE))
SEED = Seed(point=STRAIGHT[0], heading=EAST, tree=0, remaining=120.0)


def track(*corners: tuple[float, float]) -> Track:
    return Track(polyline=line(*corners), stop="lost")


def test_a_track_along_its_tree_is_all_right() -> None:
    right = track((82, 20), (82, 140))

    scores = score_tracks([right], [SEED], TRUTH)

    assert not wrong_parts(right, TREE).any()
    assert (scores.wrong_share, scores.correct_fraction, scores.wrong_per_1000) == (0, 1, 0)
    assert (scores.tracks, scores.length) == (1, 120)


def test_a_track_that_leaves_counts_as_right_up_to_there() -> None:
    stray = track((80, 20), (80, 80), (120, 80))  # 5 pixels on after the turn it lies more than 4 away

    scores = score_tracks([stray], [SEED], TRUTH)

    assert np.flatnonzero(wrong_parts(stray, TREE)).tolist() == list(range(65, 101))
    assert scores.wrong_share == 1
    assert scores.correct_fraction == pytest.approx(65 / 120)
    assert scores.wrong_per_1000 == pytest.approx(1000 / 100)


@pytest.mark.parametrize(("length", "wrong"), [(11, False), (12, True)])
def test_only_a_run_of_twelve_pixels_is_wrong(length: int, wrong: bool) -> None:
    stray = track((80, 20), (80, 60), (84, 60), (85, 60), (85, 60 + length), (84, 60 + length), (80, 60 + length))

    assert wrong_parts(stray, TREE).any() == wrong


def test_runs_are_judged_apart() -> None:
    stray = track((80, 20), (80, 50), (86, 50), (86, 58), (80, 58), (80, 64), (90, 64), (90, 100), (80, 100), (80, 120))

    wrong = wrong_parts(stray, TREE)

    off = np.abs(stray.polyline[:, 0] - 80) > 4
    second = np.arange(len(off)) > 55
    np.testing.assert_array_equal(wrong, off & second)


def test_a_track_that_stops_early_is_short_but_not_wrong() -> None:
    scores = score_tracks([track((80, 20), (80, 50)), Track(polyline=np.empty((0, 2)), stop="lost")], [SEED] * 2, TRUTH)

    assert scores.wrong_share == 0
    assert scores.correct_fraction == pytest.approx((30 / 120 + 0) / 2)


def test_more_than_the_rest_of_the_path_counts_as_all_of_it() -> None:
    short = Seed(point=STRAIGHT[0], heading=EAST, tree=0, remaining=60.0)

    assert score_tracks([track((80, 20), (80, 140))], [short], TRUTH).correct_fraction == 1


def test_a_track_is_judged_by_its_own_tree_only() -> None:
    other = TrueTree("vein", line((100, 20), (100, 140)), ())
    both = TrueTrees(trees=(TREE, other), shape=(SIZE, SIZE))

    scores = score_tracks([track((80, 20), (80, 60), (100, 60), (100, 140))], [SEED], both)

    assert scores.wrong_share == 1
    assert scores.correct_fraction == pytest.approx(45 / 120)


def test_without_tracks_nothing_can_be_said() -> None:
    scores = score_tracks([], [], TRUTH)

    assert scores.tracks == 0
    assert np.isnan([scores.wrong_share, scores.correct_fraction, scores.wrong_per_1000]).all()
    assert np.isnan(score_paths([], TrueTrees(trees=(), shape=(SIZE, SIZE))).success)


def test_as_many_tracks_as_seeds_are_asked_for() -> None:
    with pytest.raises(QualityError, match="1 tracks and 2 seeds"):
        score_tracks([track((80, 20), (80, 50))], [SEED, SEED], TRUTH)
    with pytest.raises(QualityError, match="0 paths, expected 1"):
        score_paths([], TRUTH)


@pytest.mark.parametrize(
    ("corners", "found"),
    [
        (((80, 20), (80, 140)), True),
        (((80, 20), (80, 128)), True),  # the true path's last 8 of 121 points lie farther than 4
        (((80, 20), (80, 100)), False),  # a third of the true path is missing
        (((80, 20), (80, 140), (95, 140)), True),  # 11 of 136 points beyond
        (((80, 20), (80, 140), (110, 140)), False),
    ],
)
def test_a_path_is_found_if_a_tenth_at_most_is_off_either_way(corners: tuple[tuple[int, int]], found: bool) -> None:
    assert score_paths([track(*corners)], TRUTH).success == float(found)


def test_tracks_and_paths_on_a_mask_of_one_vessel_are_all_right() -> None:
    mask: Mask = np.zeros((SIZE, SIZE), np.bool_)
    mask[79:82, 20:141] = True
    none = np.zeros_like(mask)
    truth = true_trees(Labels(vessels=mask, arteries=mask, veins=none, crossings=none), EVERYWHERE, None)
    seeds, probability = truth.seeds(), mask.astype(np.float32)

    tracks = follow_seeds(probability, EVERYWHERE, [*seeds, seeds[0]])
    scores = score_tracks(tracks, [*seeds, seeds[0]], truth)

    assert scores.tracks == 4
    assert tracks[3] is tracks[0]  # the same seed is followed once
    assert scores.wrong_share == 0
    assert scores.correct_fraction > 0.96
    assert score_paths(find_paths(probability, EVERYWHERE, truth), truth).success == 1
    assert follow_seeds(probability, EVERYWHERE, ()) == ()
