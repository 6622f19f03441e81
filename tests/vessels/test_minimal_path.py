"""The minimal path: tiny maps whose cheapest way can be told by hand."""

import numpy as np
import pytest

from clearfundus.errors import SettingsError
from clearfundus.photo import Gray
from clearfundus.vessels.minimal_path import OFFSET, path_between, paths_from


def _corner() -> Gray:
    """Return a map whose one vessel runs down column 2 and then along row 12."""
    probability = np.zeros((16, 24), np.float32)
    probability[1:13, 2] = 1
    probability[12, 2:21] = 1
    return probability


def test_the_path_follows_a_vessel_round_a_corner() -> None:
    track = path_between(_corner(), np.array([1.0, 2.0]), np.array([12.0, 20.0]))

    assert track.stop == "arrived"
    assert track.polyline[0].tolist() == [1, 2]
    assert track.polyline[-1].tolist() == [12, 20]
    on = _corner()[tuple(track.polyline.astype(int).T)]
    assert on.all()  # a diagonal cuts the corner without leaving the vessel
    assert track.length == pytest.approx(10 + np.sqrt(2) + 17)


def test_where_there_is_no_vessel_the_path_is_straight() -> None:
    track = path_between(np.zeros((9, 20), np.float32), np.array([4.0, 2.0]), np.array([4.0, 17.0]))

    assert track.polyline.tolist() == [[4, column] for column in range(2, 18)]


@pytest.mark.parametrize(("detour", "goes_round"), [(30, True), (65, False)])
def test_a_gap_is_crossed_where_the_way_round_costs_more(detour: int, goes_round: bool) -> None:
    # the gap's 3 bare pixels cost 1 / 0.03 each; the way round has 2 `detour` pixels more at 1 / 1.03 each
    assert (2 * detour / (1 + OFFSET) < 3 / OFFSET) == goes_round
    probability = np.zeros((detour + 5, 24), np.float32)
    probability[2, 2:22] = 1
    probability[2, 11:14] = 0
    probability[2 : detour + 3, [6, 18]] = 1
    probability[detour + 2, 6:19] = 1

    track = path_between(probability, np.array([2.0, 2.0]), np.array([2.0, 21.0]))

    assert track.polyline[:, 0].max() == (detour + 2 if goes_round else 2)


def test_many_goals_at_once_give_the_paths_of_one_by_one() -> None:
    probability = np.random.default_rng(0).random((40, 40)).astype(np.float32)
    start, goals = np.array([3.0, 3.0]), (np.array([35.0, 30.0]), np.array([20.0, 38.0]))

    together = paths_from(probability, start, goals)

    for track, goal in zip(together, goals, strict=True):
        np.testing.assert_array_equal(track.polyline, path_between(probability, start, goal).polyline)
    assert paths_from(probability, start, ()) == ()


def test_a_field_in_two_parts_has_no_path_between_them() -> None:
    field = np.ones((10, 20), np.bool_)
    field[:, 10] = False

    track = path_between(np.ones((10, 20), np.float32), np.array([5.0, 2.0]), np.array([5.0, 17.0]), field)

    assert track.stop == "no path"
    assert track.polyline.shape == (0, 2)


def test_the_path_stays_in_the_field() -> None:
    field = np.ones((10, 20), np.bool_)
    field[:8, 10] = False

    track = path_between(np.ones((10, 20), np.float32), np.array([1.0, 2.0]), np.array([1.0, 17.0]), field)

    assert field[tuple(track.polyline.astype(int).T)].all()


@pytest.mark.parametrize("point", [(-1.0, 5.0), (5.0, 20.0), (5.0, 0.0)])
def test_a_point_outside_the_field_is_refused(point: tuple[float, float]) -> None:
    field = np.ones((10, 20), np.bool_)
    field[:, 0] = False

    with pytest.raises(SettingsError, match=r"end: found row .* inside the field"):
        path_between(np.ones((10, 20), np.float32), np.array([5.0, 5.0]), np.array(point), field)
