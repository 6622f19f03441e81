"""Measures of vessels against closed forms: lines, arcs, circles and squares whose measures are known."""

from dataclasses import fields

import numpy as np
import pytest

from clearfundus.fundus.field import Field
from clearfundus.photo import Mask, Photo
from clearfundus.vessels.measure import (
    MEASURES,
    VesselMeasures,
    curvature,
    fractal_dimension,
    measure_vessels,
    median_width,
    smoothed,
    tortuosity,
)
from clearfundus.vessels.scale import DIAMETER, Points, scale_to_vessels
from clearfundus.vessels.segment import Segmentation
from clearfundus.vessels.tracing import trace_trees
from clearfundus.vessels.trees import Disc, Segment


def line(length: float, angle: float) -> Points:
    """Return a straight line in whole pixels, as thinning leaves one."""
    along = np.arange(0, length, 1.0)
    return _whole(np.outer(along, (np.sin(angle), np.cos(angle))))


def arc(radius: float, turn: float) -> Points:
    angle = np.linspace(0, turn, round(2 * radius * turn))
    return _whole(radius * np.stack([np.sin(angle), np.cos(angle)], axis=1))


def _whole(points: Points) -> Points:
    pixels = np.rint(points)
    kept = np.concatenate([[True], np.any(np.diff(pixels, axis=0) != 0, axis=1)])
    return pixels[kept].astype(np.float64)


def vessel(polyline: Points, radius: float) -> Segment:
    return Segment(polyline=polyline, radii=np.full(len(polyline), radius), parent=None, tree=0, start=0, end=1)


@pytest.mark.parametrize("degrees", [0, 10, 22.5, 45, 80])
def test_a_straight_vessel_is_not_tortuous_in_whatever_direction(degrees: float) -> None:
    straight = smoothed(line(200, np.radians(degrees)))
    assert tortuosity([straight]) == pytest.approx(1, abs=0.001)
    assert curvature([straight]) == pytest.approx(0, abs=1.1)  # what is left of the pixels; vessels have 3 and more


def test_half_a_circle_is_tortuous_by_half_of_pi() -> None:
    assert tortuosity([smoothed(arc(60, np.pi))]) == pytest.approx(np.pi / 2, rel=0.01)


@pytest.mark.parametrize("radius", [30.0, 60.0, 120.0])
def test_the_curvature_of_a_circle_is_the_diameter_over_its_radius(radius: float) -> None:
    assert curvature([smoothed(arc(radius, np.pi))]) == pytest.approx(DIAMETER / radius, rel=0.015)


def test_an_s_turns_as_much_as_its_two_halves_though_it_ends_where_it_is_headed() -> None:
    half = arc(60, np.pi)
    other = half[-1] + (half[-1] - half[::-1])
    assert curvature([smoothed(np.concatenate([half, other[1:]]))]) == pytest.approx(DIAMETER / 60, rel=0.015)


def test_the_mean_tortuosity_weighs_by_length() -> None:
    straight, bent = np.array([[0.0, 0], [0, 300]]), np.array([[0.0, 0], [0, 50], [50, 50]])
    expected = (300 * 1 + 100 * np.sqrt(2)) / 400
    assert tortuosity([straight, bent]) == pytest.approx(expected)


def test_a_ring_and_nothing_have_no_tortuosity() -> None:
    assert tortuosity([arc(60, 2 * np.pi)]) is None
    assert tortuosity([]) is None
    assert curvature([]) is None
    assert curvature([np.array([[0.0, 0], [0, 3]])]) is None


def test_smoothing_keeps_the_ends() -> None:
    bent = arc(20, np.pi)
    assert smoothed(bent)[[0, -1]] == pytest.approx(bent[[0, -1]])
    assert len(smoothed(bent[:2])) == 2


@pytest.mark.parametrize(("drawn", "dimension"), [("square", 2.0), ("line", 1.0), ("diagonal", 1.0), ("point", 0.0)])
def test_the_dimension_of_a_square_is_two_of_a_line_one_and_of_a_point_none(drawn: str, dimension: float) -> None:
    mask = np.zeros((512, 512), np.bool_)
    if drawn == "square":
        mask[:] = True
    elif drawn == "line":
        mask[100] = True
    elif drawn == "diagonal":
        np.fill_diagonal(mask, True)
    else:
        mask[7, 9] = True
    assert fractal_dimension(mask) == (pytest.approx(dimension, abs=1e-9), pytest.approx(1))


def test_the_dimension_of_a_sierpinski_carpet_is_near_the_exact_one() -> None:
    mask = np.ones((1, 1), np.bool_)
    for _ in range(6):
        mask = np.block([[mask, mask], [mask, np.zeros_like(mask)]])  # a triangle of 64 pixels, doubled each time
    mask = np.kron(mask, np.ones((8, 8), np.bool_))
    dimension, _ = fractal_dimension(mask) or (0, 0)
    assert dimension == pytest.approx(np.log(3) / np.log(2), abs=0.1)


def test_an_empty_mask_has_no_dimension() -> None:
    assert fractal_dimension(np.zeros((64, 64), np.bool_)) is None


def test_widths_are_weighed_by_length() -> None:
    thin, wide = vessel(line(300, 0.0), 2.0), vessel(line(100, 0.0), 4.5)
    assert median_width([thin, wide]) == pytest.approx(4.0)
    assert median_width([wide]) == pytest.approx(9.0)
    assert median_width([]) is None


def test_widths_within_a_ring_only() -> None:
    near, far = vessel(line(20, 0.0), 2.0), vessel(line(300, 0.0) + np.array([0, 100]), 4.0)
    assert median_width([near, far], ring=(np.zeros(2), 0.0, 50.0)) == pytest.approx(4.0)
    assert median_width([near, far], ring=(np.zeros(2), 500.0, 600.0)) is None


def segmented(mask: Mask, inside: Mask) -> Segmentation:
    """Return a segmentation of a photograph whose vessels are given, at the photograph's own size."""
    photo = Photo(pixels=np.full((*mask.shape, 3), 0.5, np.float32) * inside[..., None])
    scaled = scale_to_vessels(photo, Field(mask=inside))
    small = scaled.plane_of_photo(mask) >= 0.5
    probability = small.astype(np.float32)
    return Segmentation(scaled=scaled, probability=probability, mask=small, threshold=0.5, segmenter="x", weights="")


@pytest.mark.parametrize("times", [1, 2])
def test_a_cross_of_two_bars_measures_what_was_drawn(times: int) -> None:
    row, column = (np.mgrid[: 600 * times, : 600 * times] + 0.5) / times - 300
    inside = np.hypot(row, column) < 270
    bars = ((np.abs(row) < 4) & (np.abs(column) < 200)) | ((np.abs(column) < 4) & (np.abs(row) < 200))
    found = segmented(bars, inside)
    scaled = found.scaled
    tracking = trace_trees(found.mask, scaled.pixels, scaled.field, None).in_photo(scaled)
    measures = measure_vessels(found, tracking)
    assert measures.density == pytest.approx((2 * 400 * 8 - 64) / (np.pi * 270**2), rel=0.02)
    assert measures.length == pytest.approx(800 / DIAMETER, rel=0.03)
    assert measures.length_density == pytest.approx(800 / DIAMETER / (np.pi / 4), rel=0.03)
    assert measures.width == pytest.approx(8 * times, rel=0.05)
    assert measures.width_zone_b is None  # for there is no disc
    assert measures.tortuosity == pytest.approx(1, abs=0.01)
    assert (measures.trees, measures.fragments, measures.crossings, measures.bifurcations) == (0, 2, 1, 0)


def test_near_the_disc_only_the_vessels_in_zone_b_are_wide_or_thin() -> None:
    row, column = np.mgrid[:560, :560] - 279.5
    wide = (column > -165) & (column < -125)  # about as far as zone B reaches
    bar = (np.abs(row) < np.where(wide, 5, 2)) & (np.abs(column) < 200)
    found = segmented(bar, np.hypot(row, column) < 270)
    disc = Disc(centre=np.array([270.0, 60.0]), radius=30.0, contrast=1.0)  # zone B: columns 120 to 150
    tracking = trace_trees(found.mask, found.scaled.pixels, found.scaled.field, disc).in_photo(found.scaled)
    measures = measure_vessels(found, tracking)
    assert measures.width_zone_b == pytest.approx(10, rel=0.1)
    assert measures.width == pytest.approx(4, rel=0.1)


def test_no_vessels_measure_nothing() -> None:
    inside = Field(mask=np.hypot(*(np.mgrid[:200, :200] - 99.5)) < 95)
    found = segmented(np.zeros((200, 200), np.bool_), inside.mask)
    tracking = trace_trees(found.mask, found.scaled.pixels, found.scaled.field, None).in_photo(found.scaled)
    measures = measure_vessels(found, tracking)
    assert (measures.density, measures.length, measures.trees, measures.fragments) == (0, 0, 0, 0)
    assert measures.width is measures.tortuosity is measures.curvature is measures.fractal_dimension is None


def test_every_measure_has_its_unit_and_convention() -> None:
    assert set(MEASURES) == {field.name for field in fields(VesselMeasures)}
    assert all(one.unit and one.convention.endswith(".") for one in MEASURES.values())
