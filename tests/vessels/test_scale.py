"""The scale of vessels: points and planes go there and back, and labels keep their kinds."""

from functools import cache

import numpy as np
import pytest

from clearfundus import Photo
from clearfundus.fundus.field import Field, find_field
from clearfundus.fundus.phantom import Phantom, draw_phantom
from clearfundus.vessels.labels import Labels
from clearfundus.vessels.scale import DIAMETER, Scaled, scale_to_vessels


@cache
def phantom() -> Phantom:
    return draw_phantom(700, 2)


@cache
def scaled(diameter: float = DIAMETER) -> Scaled:
    return scale_to_vessels(phantom().photo, phantom().field, diameter)


def test_the_field_is_540_pixels_wide() -> None:
    assert scaled().field.diameter == pytest.approx(540, rel=0.002)
    assert scaled().pixels.shape[:2] == scaled().field.mask.shape
    assert scaled().pixels.dtype == np.float32
    assert scaled().factor == pytest.approx(540 / phantom().field.diameter, rel=0.005)


def test_a_photograph_that_is_smaller_is_enlarged() -> None:
    small = draw_phantom(128, 0)
    assert scale_to_vessels(small.photo, small.field).field.diameter == pytest.approx(540, rel=0.01)


def test_a_photograph_at_the_scale_already_stays_as_it_is() -> None:
    drawn = phantom()
    same = scale_to_vessels(drawn.photo, drawn.field, drawn.field.diameter)
    assert same.factor == 1
    top, left, bottom, right = same.frame.box
    np.testing.assert_array_equal(same.field.mask, drawn.field.mask[top:bottom, left:right])
    inside = same.field.mask
    np.testing.assert_array_equal(same.pixels[inside], drawn.photo.pixels[top:bottom, left:right][inside])


@pytest.mark.parametrize("diameter", [270.0, 540.0, 1080.0])
def test_points_come_back(diameter: float) -> None:
    points = np.random.default_rng(0).uniform(0, 700, (50, 2))
    there = scaled(diameter).from_photo(points)
    np.testing.assert_allclose(scaled(diameter).to_photo(there), points, atol=1e-9)
    np.testing.assert_allclose(scaled(diameter).from_photo(points[3]), there[3])


def test_a_point_goes_where_the_picture_goes() -> None:
    photo = phantom().photo.pixels.copy()
    photo[:] = 0.2
    photo[200:206, 431:437] = 1.0  # centred on 202.5, 433.5
    marked = scale_to_vessels(phantom().photo.with_pixels(photo), phantom().field)
    light = marked.pixels[..., 0] - 0.2
    rows, columns = np.indices(light.shape)
    centre = [float((light * axis).sum() / light.sum()) for axis in (rows, columns)]
    np.testing.assert_allclose(marked.from_photo(np.array([202.5, 433.5])), centre, atol=0.02)


def test_the_corner_of_the_crop_is_taken_into_account() -> None:
    field = np.zeros((300, 500), bool)
    rows, columns = np.indices(field.shape)
    field[np.hypot(rows - 150, columns - 330) <= 100] = True
    photo = Photo(pixels=np.where(field[..., None], 0.5, 0.0).astype(np.float32) * np.ones(3, np.float32))
    one = scale_to_vessels(photo, Field(mask=field))
    middle = np.argwhere(one.field.mask).mean(axis=0)
    np.testing.assert_allclose(one.to_photo(middle), (150, 330), atol=0.1)


def test_a_plane_comes_back_to_the_photograph_and_is_nothing_outside_the_field() -> None:
    rows, columns = np.indices(phantom().vessels.shape)
    plane = (rows / 700 + columns / 1400).astype(np.float32)
    there = scaled().plane_of_photo(plane)
    assert there.shape == scaled().field.mask.shape
    back = scaled().plane_in_photo(there)
    assert back.shape == plane.shape
    inside = phantom().field.mask
    # the field's edge falls on the frame of the crop, where interpolation has nothing beyond
    np.testing.assert_allclose(back[inside], plane[inside], atol=0.003)
    assert back[~inside].max() == 0


def test_a_reduced_plane_holds_means_of_areas() -> None:
    vessels = phantom().vessels
    half = scale_to_vessels(phantom().photo, phantom().field, phantom().field.diameter / 2)
    reduced = half.plane_of_photo(vessels)
    top, left, bottom, right = half.frame.box
    assert (bottom - top) % 2 == (right - left) % 2 == 0
    crop = vessels[top:bottom, left:right]
    blocks = crop.reshape(crop.shape[0] // 2, 2, crop.shape[1] // 2, 2).mean(axis=(1, 3))
    np.testing.assert_allclose(reduced, blocks, atol=1e-6)


def test_labels_keep_their_kinds_and_exclude_each_other() -> None:
    drawn = phantom()
    both = drawn.arteries & drawn.veins
    labels = Labels(
        vessels=drawn.vessels, arteries=drawn.arteries & ~both, veins=drawn.veins & ~both, crossings=both
    ).scaled_to(scaled())
    assert labels.arteries is not None
    assert labels.veins is not None
    assert labels.crossings is not None
    kinds = labels.arteries.astype(int) + labels.veins + labels.crossings
    np.testing.assert_array_equal(kinds, labels.vessels.astype(int))
    share = scaled().plane_of_photo(drawn.arteries)
    assert labels.arteries[share > 0.95].mean() > 0.85  # the rest are crossings
    assert not labels.arteries[share == 0].any()


def test_labels_without_kinds_stay_without() -> None:
    labels = Labels(vessels=phantom().vessels).scaled_to(scaled())
    assert (labels.arteries, labels.veins, labels.crossings) == (None, None, None)
    np.testing.assert_array_equal(
        labels.vessels, (scaled().plane_of_photo(phantom().vessels) >= 0.5) & scaled().field.mask
    )


def test_a_field_found_serves_as_well_as_the_true_one() -> None:
    drawn = phantom()
    found = scale_to_vessels(drawn.photo, find_field(drawn.photo))
    place = np.array([[350.0, 350.0], [200.0, 500.0]])
    np.testing.assert_allclose(found.to_photo(found.from_photo(place)), place)
    assert found.field.diameter == pytest.approx(540, rel=0.002)
