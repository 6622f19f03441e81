"""The optic disc: found on drawn eyes, whose disc is known, and nowhere on pictures without one."""

import cv2
import numpy as np
import pytest

from clearfundus.errors import QualityError
from clearfundus.fundus.field import Field
from clearfundus.fundus.phantom import Phantom, draw_phantom
from clearfundus.vessels.disc import find_disc


@pytest.fixture(scope="module")
def eye() -> Phantom:
    return draw_phantom(540, 1)


def test_the_disc_of_a_drawn_eye_is_found_within_a_quarter_of_its_radius(eye: Phantom) -> None:
    disc = find_disc(eye.photo.pixels, eye.field, eye.vessels.astype(np.float32))

    assert disc is not None
    assert np.hypot(*(disc.centre - eye.disc)) < min(eye.disc_half_axes) / 4
    assert disc.radius == pytest.approx(eye.field.diameter / 13.5)
    assert disc.contrast > 0.1  # training photographs: 0.14 to 0.39


def test_a_mirrored_eye_has_its_disc_on_the_other_side(eye: Phantom) -> None:
    pixels, vessels = eye.photo.pixels[:, ::-1], eye.vessels[:, ::-1].astype(np.float32)

    disc = find_disc(np.ascontiguousarray(pixels), Field(mask=eye.field.mask[:, ::-1]), np.ascontiguousarray(vessels))

    assert disc is not None
    assert np.hypot(*(disc.centre - [eye.disc[0], 539 - eye.disc[1]])) < min(eye.disc_half_axes) / 4


def test_vessels_lead_past_a_bright_patch_without_any(eye: Phantom) -> None:
    pixels = eye.photo.pixels.copy()
    row, column = np.ogrid[:540, :540]
    patch = np.hypot(row - (540 - eye.disc[0]) * 0.6, column - (540 - eye.disc[1])) < 25
    pixels[patch] = pixels[tuple(np.rint(eye.disc).astype(int))]  # as bright as the disc, and as large
    vessels = eye.vessels.astype(np.float32)

    disc = find_disc(pixels, eye.field, vessels * ~cv2.dilate(patch.astype(np.uint8), np.ones((25, 25))).astype(bool))

    assert disc is not None
    assert np.hypot(*(disc.centre - eye.disc)) < min(eye.disc_half_axes)


def test_grain_under_uneven_light_has_no_disc() -> None:
    random = np.random.default_rng(0)
    row, column = np.mgrid[-270:271, -270:271]
    away = np.hypot(row, column) / 270
    pixels = np.clip(0.4 - 0.15 * away[..., None] ** 2 + random.normal(0, 0.02, (541, 541, 3)), 0, 1)
    probability = cv2.GaussianBlur(random.random((541, 541)).astype(np.float32), (0, 0), 2)

    assert find_disc(pixels.astype(np.float32), Field(mask=away <= 1), probability) is None


@pytest.mark.parametrize("level", [0.0, 0.5])
def test_a_plain_picture_has_no_disc(level: float) -> None:
    field = Field(mask=np.ones((64, 64), np.bool_))

    assert find_disc(np.full((64, 64, 3), level, np.float32), field, np.zeros((64, 64), np.float32)) is None


def test_an_eye_seen_through_thick_haze_has_no_disc(eye: Phantom) -> None:
    hazy = np.clip(0.5 + 0.1 * cv2.GaussianBlur(eye.photo.pixels, (0, 0), 40), 0, 1)

    assert find_disc(hazy, eye.field, eye.vessels.astype(np.float32)) is None


def test_planes_of_another_size_are_refused() -> None:
    field = Field(mask=np.ones((64, 64), np.bool_))

    with pytest.raises(QualityError, match="one height and width"):
        find_disc(np.zeros((64, 64, 3), np.float32), field, np.zeros((32, 64), np.float32))
