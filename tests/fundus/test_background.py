"""The background test, the light and its unevenness."""

import numpy as np
import pytest

from clearfundus import Field
from clearfundus.fundus.background import find_background, measure_light, measure_unevenness
from drawn import draw_fundus, field_mask


def test_vessels_are_foreground_and_most_of_the_retina_is_background() -> None:
    pixels, mask = draw_fundus(256).pixels, field_mask(256)
    background = find_background(np.ascontiguousarray(pixels[..., 1]), mask, distance=1, sigma=20)
    vessel = mask & (pixels[..., 1] < 0.6 * np.median(pixels[..., 1][mask]))
    assert vessel.sum() > 200
    assert background[vessel].mean() < 0.1
    assert background[mask].mean() > 0.6
    assert not background[~mask].any()


def test_a_flat_picture_is_all_background() -> None:
    mask = field_mask(128)
    assert np.array_equal(find_background(np.full((128, 128), 0.4, np.float32), mask, distance=1, sigma=10), mask)


def test_the_light_is_that_of_the_background_alone() -> None:
    background = np.random.default_rng(0).random((100, 120)) < 0.5
    pixels = np.where(background[..., None], (0.7, 0.4, 0.0), 1.0).astype(np.float32)
    light = measure_light(pixels, background, sigma=8)
    assert np.abs(light - np.array([0.7, 0.4, 0.02])).max() < 1e-3


def test_unevenness_is_that_of_a_ramp() -> None:
    ramp = np.tile(np.linspace(0.2, 0.6, 400, dtype=np.float32)[:, None, None], (1, 400, 3))
    field = Field(mask=np.ones((400, 400), bool))
    # of the bare ramp: a uniform spread of 0.4 / sqrt(12) over a mean of 0.4; smoothing flattens its ends
    assert measure_unevenness(ramp, field) == pytest.approx(1 / np.sqrt(12), rel=0.1)
    assert measure_unevenness(ramp * np.float32(0.5), field) == pytest.approx(measure_unevenness(ramp, field), rel=1e-4)


def test_the_corner_of_a_bright_zone_is_background_among_its_own() -> None:
    # near the corner three quarters of all neighbours are dark, yet it is no vessel and no disc
    green = np.full((256, 256), 0.3, np.float32)
    green[128:, 128:] = 0.6
    background = find_background(green, np.ones(green.shape, bool), distance=1, sigma=20)
    assert background[131:136, 131:136].all()
