"""The front door of tracking: what is found lies on the drawn vessels, in pixels of the photograph of any size."""

from dataclasses import replace
from itertools import pairwise

import cv2
import numpy as np
import pytest
from scipy.spatial import cKDTree

import clearfundus as cf
from clearfundus.fundus.phantom import Phantom, draw_phantom
from clearfundus.photo import Photo
from clearfundus.vessels.scale import scale_to_vessels
from clearfundus.vessels.segment import Segmentation
from clearfundus.vessels.track import trace_segmented, track_between, track_from

SIZE = 800  # so that the photograph's pixels are not those of the scale of vessels


@pytest.fixture(scope="module")
def phantom() -> Phantom:
    return draw_phantom(SIZE, 5)


@pytest.fixture(scope="module")
def found(phantom: Phantom) -> Segmentation:
    """What a perfect segmenter would find."""
    scaled = scale_to_vessels(phantom.photo, phantom.field)
    probability = scaled.plane_of_photo(phantom.vessels) * scaled.field.mask
    mask = np.asarray(probability >= 0.5)
    return Segmentation(scaled=scaled, probability=probability, mask=mask, threshold=0.5, segmenter="drawn", weights="")


def away_from_vessels(phantom: Phantom, points: np.ndarray) -> np.ndarray:
    """Return the distance of each point from the nearest centreline, in pixels of the photograph."""
    lines = [dense(line) for line in phantom.centrelines]
    distance: np.ndarray = cKDTree(np.concatenate(lines)).query(points)[0]
    return distance


def dense(line: np.ndarray) -> np.ndarray:
    steps = np.linspace(0, 1, 9)[:, None]
    return np.concatenate([start + steps * (end - start) for start, end in pairwise(line)])


def test_trees_lie_on_the_drawn_vessels_of_the_photograph(found: Segmentation, phantom: Phantom) -> None:
    tracking = trace_segmented(found)
    points = np.concatenate([segment.polyline for segment in tracking.segments])
    assert tracking.shape == (SIZE, SIZE)
    assert np.percentile(away_from_vessels(phantom, points), 95) < 3
    assert tracking.disc is not None
    assert np.hypot(*(tracking.disc.centre - phantom.disc)) < tracking.disc.radius
    longest = max(tracking.segments, key=lambda one: one.length)
    assert longest.radius < 12


def test_a_seed_on_a_vessel_is_followed_both_ways_along_it(found: Segmentation, phantom: Phantom) -> None:
    line = max(phantom.centrelines, key=len)
    row, column = line[len(line) // 2]
    tracks = track_from(found, (float(row), float(column)))
    assert len(tracks) == 2
    for track in tracks:
        assert track.length > 60
        assert np.percentile(away_from_vessels(phantom, track.polyline), 90) < 3
    first, second = (track.polyline[min(10, len(track.polyline) - 1)] - (row, column) for track in tracks)
    assert first @ second < 0


def test_a_path_joins_its_two_points_along_vessels(found: Segmentation, phantom: Phantom) -> None:
    line = max(phantom.centrelines, key=len)
    start, end = (tuple(float(one) for one in line[index]) for index in (0, -1))
    path = track_between(found, start, end)
    assert np.hypot(*(path.polyline[0] - start)) < 2
    assert np.hypot(*(path.polyline[-1] - end)) < 2
    assert np.percentile(away_from_vessels(phantom, path.polyline), 90) < 3


@pytest.mark.parametrize("point", [(1.0, 1.0), (-5.0, 400.0), (400.0, 5000.0)])
def test_a_point_outside_the_field_is_refused_with_the_size(found: Segmentation, point: tuple[float, float]) -> None:
    with pytest.raises(cf.SettingsError, match=r"lies outside the field of view; the photograph has 800 rows and 800"):
        track_from(found, point)
    with pytest.raises(cf.SettingsError, match="lies outside"):
        track_between(found, (400.0, 400.0), point)


def test_a_hazy_photograph_without_vessels_gives_an_empty_tracking_and_the_segmenters_reason() -> None:
    row, column = np.mgrid[:300, :300] - 149.5
    away = np.hypot(row, column)
    haze = cv2.GaussianBlur(np.random.default_rng(0).normal(0, 1, (300, 300)), (0, 0), 40)
    light = np.clip((0.6 - 0.1 * away / 145 + 2 * haze) * (away < 145), 0, 1)
    photo = Photo(pixels=np.asarray(light[..., None] * (1.0, 0.8, 0.5), np.float32))
    tracking = cf.track(photo, "gabor")
    assert tracking.trees == tracking.segments == tracking.nodes == ()
    assert tracking.reason.startswith("no vessels: the greatest probability is")
    assert tracking.shape == (300, 300)


def test_without_vessels_a_seed_leads_nowhere(found: Segmentation) -> None:
    empty = replace(found, probability=np.zeros_like(found.probability), mask=np.zeros_like(found.mask), reason="none")
    assert all(len(track.polyline) == 0 for track in track_from(empty, (400.0, 400.0)))
    assert trace_segmented(empty).reason == "none"
