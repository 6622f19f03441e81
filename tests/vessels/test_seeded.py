"""The seeded tracker: lines, arcs and crossings drawn by formula, where the right track is known."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from clearfundus.errors import SettingsError
from clearfundus.photo import Gray, Mask
from clearfundus.vessels.scale import Points
from clearfundus.vessels.seeded import DEFAULTS, follow_both_ways, follow_vessel, follow_vessels

SIZE = 160
EVERYWHERE: Mask = np.ones((SIZE, SIZE), np.bool_)
EAST = np.array([0.0, 1.0])


def vessel(*lines: list[tuple[float, float]], width: float = 5) -> Gray:
    """Return a map of vessels along lines of (row, column), soft at the sides."""
    drawn = np.zeros((SIZE, SIZE), np.uint8)
    for line in lines:
        points = np.round(np.array(line)[:, ::-1] * 16).astype(np.int32)
        cv2.polylines(drawn, [points], isClosed=False, color=255, thickness=round(width), shift=4)
    return np.asarray(cv2.GaussianBlur(drawn, (0, 0), 1), np.float32) / 255


def arc(radius: float, start: float, stop: float) -> list[tuple[float, float]]:
    angles = np.deg2rad(np.linspace(start, stop, 60))
    return [(80 + radius * np.sin(angle), 80 + radius * np.cos(angle)) for angle in angles]


def test_a_straight_vessel_is_followed_along_its_middle_to_its_end() -> None:
    track = follow_vessel(vessel([(80, 20), (80, 120)]), EVERYWHERE, np.array([80.0, 20.0]), EAST)

    assert track.stop == "lost"
    np.testing.assert_array_equal(track.polyline[0], [80, 20])
    assert np.abs(track.polyline[:, 0] - 80).max() < 0.5
    assert track.polyline[-1, 1] == pytest.approx(122, abs=3)  # the line's end is round


def test_a_seed_beside_the_middle_is_drawn_to_it() -> None:
    track = follow_vessel(vessel([(80, 20), (80, 120)]), EVERYWHERE, np.array([82.0, 20.0]), EAST)

    assert np.abs(track.polyline[8:, 0] - 80).max() < 0.6


@pytest.mark.parametrize("radius", [25, 60])
def test_a_vessel_along_an_arc_is_followed_within_a_pixel(radius: int) -> None:
    start = np.array([80.0, 80.0 + radius])

    track = follow_vessel(vessel(arc(radius, 0, 270)), EVERYWHERE, start, np.array([1.0, 0.0]))

    assert np.abs(np.hypot(*(track.polyline - 80).T) - radius).max() < 1.2
    assert track.length == pytest.approx(np.deg2rad(270) * radius, rel=0.05)


@pytest.mark.parametrize("angle", [30, 60, 90, 120, 150])
def test_a_crossing_is_passed_straight_on(angle: int) -> None:
    way = 70 * np.array([np.sin(np.deg2rad(angle)), np.cos(np.deg2rad(angle))])
    other = [tuple(80 - way), tuple(80 + way)]

    track = follow_vessel(vessel([(80, 10), (80, 150)], other), EVERYWHERE, np.array([80.0, 12.0]), EAST)

    assert np.abs(track.polyline[:, 0] - 80).max() < 4
    assert track.polyline[-1, 1] > 145


@pytest.mark.parametrize(("gap", "reached"), [(4, True), (24, False)])
def test_a_short_gap_is_crossed_and_a_long_one_ends_the_track(gap: int, reached: bool) -> None:
    broken = vessel([(80, 10), (80, 70)], [(80, 75 + gap), (80, 140)])

    track = follow_vessel(broken, EVERYWHERE, np.array([80.0, 12.0]), EAST)

    assert (track.polyline[-1, 1] > 130) == reached
    if not reached:  # and what was walked in the gap is dropped
        assert track.polyline[-1, 1] < 75


def test_the_field_ends_a_track() -> None:
    field = EVERYWHERE.copy()
    field[:, 100:] = False

    track = follow_vessel(vessel([(80, 10), (80, 150)]), field, np.array([80.0, 12.0]), EAST)

    assert track.stop == "edge"
    assert 96 < track.polyline[-1, 1] < 100


def test_a_track_ends_at_the_greatest_length() -> None:
    settings = replace(DEFAULTS, longest=40)

    track = follow_vessel(vessel([(80, 10), (80, 150)]), EVERYWHERE, np.array([80.0, 12.0]), EAST, settings=settings)

    assert track.stop == "longest"
    assert 36 <= track.length <= 41


def test_patience_is_how_many_poor_steps_are_borne() -> None:
    broken = vessel([(80, 10), (80, 70)], [(80, 91), (80, 140)])

    ends = [
        follow_vessel(
            broken, EVERYWHERE, np.array([80.0, 12.0]), EAST, settings=replace(DEFAULTS, patience=patience)
        ).polyline[-1, 1]
        for patience in (3, 12)
    ]

    assert ends[0] < 75
    assert ends[1] > 130


def test_where_there_is_no_vessel_the_track_is_empty() -> None:
    for heading in (None, EAST):
        track = follow_vessel(np.zeros((SIZE, SIZE), np.float32), EVERYWHERE, np.array([80.0, 80.0]), heading)

        assert track.stop == "lost"
        assert track.polyline.shape == (0, 2)
        assert track.length == 0


@pytest.mark.parametrize("angle", [0, 40, 110, 165])
def test_without_a_heading_both_ways_along_the_vessel_are_found(angle: int) -> None:
    way = np.array([np.sin(np.deg2rad(angle)), np.cos(np.deg2rad(angle))])
    beside = np.array([-way[1], way[0]])
    ground = vessel([tuple(80 - 60 * way), tuple(80 + 60 * way)])

    tracks = follow_both_ways(ground, EVERYWHERE, 80 + 3 * beside)  # a click 3 pixels beside

    reached = sorted(float((track.polyline[-1] - 80) @ way) for track in tracks)
    assert reached == pytest.approx([-61, 61], abs=5)
    for track in tracks:
        assert np.abs((track.polyline - 80) @ beside).max() < 3
    alone = follow_vessel(ground, EVERYWHERE, 80 + 3 * beside)
    np.testing.assert_array_equal(alone.polyline, tracks[0].polyline)


def test_many_at_once_are_followed_as_one_by_one() -> None:
    ground = vessel([(80, 10), (80, 150)], arc(50, 0, 300), [(20, 20), (140, 140)])
    seeds = np.array([[80.0, 12.0], [80.0, 130.0], [25.0, 25.0]])
    headings = np.array([[0.0, 3.0], [1.0, 0.0], [1.0, 1.0]])

    together = follow_vessels(ground, EVERYWHERE, seeds, headings)

    for track, seed, heading in zip(together, seeds, headings, strict=True):
        alone = follow_vessel(ground, EVERYWHERE, seed, heading)
        np.testing.assert_allclose(track.polyline, alone.polyline)
        assert track.stop == alone.stop


def test_a_turned_picture_gives_the_turned_track() -> None:
    ground = vessel([(80, 10), (60, 70), (90, 140)])
    seed, heading = np.array([79.0, 13.0]), np.array([-0.3, 1.0])

    def turned(points: Points) -> Points:
        return np.stack([SIZE - 1 - points[..., 1], points[..., 0]], axis=-1)

    straight = follow_vessel(ground, EVERYWHERE, seed, heading)
    other = follow_vessel(
        np.ascontiguousarray(np.rot90(ground)), EVERYWHERE, turned(seed), np.array([-heading[1], heading[0]])
    )

    assert straight.length > 100
    np.testing.assert_allclose(other.polyline, turned(straight.polyline), atol=1)


@pytest.mark.parametrize("seed", [(-1.0, 5.0), (5.0, 160.0), (5.0, 0.0)])
def test_a_seed_outside_the_field_is_refused(seed: tuple[float, float]) -> None:
    field = EVERYWHERE.copy()
    field[:, 0] = False

    for heading in (None, EAST):
        with pytest.raises(SettingsError, match="inside the field"):
            follow_vessel(vessel([(80, 10), (80, 150)]), field, np.array(seed), heading)


def test_a_heading_without_direction_is_refused() -> None:
    with pytest.raises(SettingsError, match="length 0"):
        follow_vessel(vessel([(80, 10), (80, 150)]), EVERYWHERE, np.array([80.0, 20.0]), np.zeros(2))


def mask(*lines: list[tuple[float, float]], width: float) -> Gray:
    return np.asarray(vessel(*lines, width=width) > 0.5, np.float32)


@pytest.mark.parametrize("width", [5, 9, 13])
@pytest.mark.parametrize("east", [1.0, -1.0])
def test_a_vessel_of_a_mask_is_as_probable_all_over_and_pulls_to_no_side(width: int, east: float) -> None:
    seed = np.array([80.0, 80 - 60 * east])

    track = follow_vessel(mask([(80, 10), (80, 150)], width=width), EVERYWHERE, seed, EAST * east)

    assert track.length > 110
    assert np.abs(track.polyline[:, 0] - 80).max() < 1e-6


def test_a_click_inside_a_wide_vessel_of_a_mask_stays_where_it_is() -> None:
    ground = mask([(80, 10), (80, 150)], width=13)

    for row in (78.0, 80.0, 83.0):
        track = follow_vessel(ground, EVERYWHERE, np.array([row, 80.0]))
        np.testing.assert_array_equal(track.polyline[0], [row, 80])


@pytest.mark.parametrize("turn", [45, 52, 57, 60])
def test_the_way_back_is_sought_to_both_sides_alike(turn: int) -> None:
    # forth to the left, the longer and so the better way; back to the right and up, or down, by an angle
    bent = 60 * np.array([np.sin(np.deg2rad(turn)), np.cos(np.deg2rad(turn))])
    ends = []
    for side in (1, -1):
        ground = vessel([(80, 5), (80, 80), (80 + side * bent[0], 80 + bent[1])])
        _, back = follow_both_ways(ground, EVERYWHERE, np.array([80.0, 80.0]))
        ends.append(back.polyline[1] - [80, 80])

    assert ends[0] == pytest.approx(ends[1] * [-1, 1], abs=0.05)
