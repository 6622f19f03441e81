"""Xiong's reconstruction: what it undoes, what it leaves, and the bounds that keep it from noise and clipping."""

from functools import cache

import cv2
import numpy as np
import pytest
import skimage.data

from clearfundus import Field, Photo, SettingsError, find_field
from clearfundus.fundus.foreground import Layers, measure_contrast, take_apart
from clearfundus.fundus.frame import Frame, crop_to_field
from clearfundus.methods.xiong2017 import bound_transmission, clear_up, even_light, xiong2017
from drawn import blur_fundus, draw_fundus


@cache
def retina(side: int = 700) -> Frame:
    pixels = skimage.data.retina().astype(np.float32) / 255
    photo = Photo(pixels=cv2.resize(pixels, (side, side), interpolation=cv2.INTER_AREA))
    return crop_to_field(photo, find_field(photo))


def hazed(frame: Frame, transmission: float) -> Photo:
    layers = take_apart(frame.photo.pixels, frame.field)
    light = cv2.resize(layers.light, frame.photo.pixels.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    return Photo(pixels=transmission * frame.photo.pixels + (1 - np.float32(transmission)) * light)


def test_the_formula_undoes_the_model() -> None:
    rng = np.random.default_rng(0)
    light = rng.uniform(0.3, 0.8, (12, 15, 3)).astype(np.float32)
    reflectance = rng.uniform(0.5, 1.2, (12, 15, 3)).astype(np.float32)
    transmission = rng.uniform(0.3, 1, (12, 15)).astype(np.float32)
    scattered = light * (reflectance * transmission[..., None] + 1 - transmission[..., None])
    assert np.abs(clear_up(scattered, light, light, transmission) - light * reflectance).max() < 1e-5


def test_a_clear_vivid_picture_passes_almost_unchanged() -> None:
    frame = retina()
    vivid = measure_contrast(frame.photo, frame.field) / 2
    result = xiong2017(frame.photo, frame.field, clear_contrast=vivid, evenness=0, least_brightness=0)
    assert np.abs(result.pixels - frame.photo.pixels)[frame.field.mask].mean() < 0.005


def test_haze_is_undone() -> None:
    frame = retina()
    hazy, clear = hazed(frame, 0.5), measure_contrast(frame.photo, frame.field)
    result = xiong2017(hazy, frame.field, clear_contrast=clear, evenness=0, least_brightness=0)
    before = np.abs(hazy.pixels - frame.photo.pixels)[frame.field.mask].mean()
    after = np.abs(result.pixels - frame.photo.pixels)[frame.field.mask].mean()
    assert after < 0.5 * before
    assert measure_contrast(result, frame.field) == pytest.approx(clear, rel=0.15)


def test_the_light_becomes_even_and_keeps_its_mean_colour() -> None:
    frame = retina()
    layers = take_apart(frame.photo.pixels, frame.field)
    light = layers.light[layers.mask]
    target = even_light(layers, evenness=1, least_brightness=0, gain_limit=2.5)[layers.mask]
    assert (target.std(0) < 0.5 * light.std(0)).all()
    assert np.abs(target.mean(0) - light.mean(0)).max() < 0.03


@pytest.mark.parametrize("picture", ["retina", "hazy", "drawn", "dark"])
def test_the_bounds_keep_the_result_in_range_before_it_is_clipped(picture: str) -> None:
    frame = retina()
    if picture == "drawn":
        drawn = blur_fundus(draw_fundus(300))
        frame = crop_to_field(drawn, find_field(drawn))
    pixels = hazed(frame, 0.4).pixels if picture == "hazy" else frame.photo.pixels
    layers = take_apart(pixels * np.float32(0.4 if picture == "dark" else 1), frame.field)
    target = even_light(layers, evenness=1, least_brightness=0.5, gain_limit=2.5)
    wanted = np.full(layers.mask.shape, 0.3, np.float32)
    transmission = bound_transmission(wanted, layers, target, amplification_limit=6)
    result = clear_up(layers.pixels, layers.light, target, transmission)[layers.mask]
    unbound = clear_up(layers.pixels, layers.light, target, wanted)[layers.mask]
    assert result.min() > -1e-4
    assert result.max() < 1 + 1e-4
    assert unbound.min() < -0.01 or unbound.max() > 1.01 or picture in ("hazy", "drawn")


def flat_layers(light: np.ndarray, pixels: np.ndarray) -> Layers:
    mask, nothing = np.ones(light.shape[:2], bool), np.zeros(light.shape[:2], np.float32)
    return Layers(pixels=pixels, mask=mask, diameter=100, light=light, contrast=nothing)


def test_light_and_contrast_together_are_amplified_no_more_than_allowed() -> None:
    light = np.full((100, 100, 3), 0.1, np.float32)
    layers = flat_layers(light, light)
    wanted = np.full((100, 100), 0.3, np.float32)
    found = bound_transmission(wanted, layers, light * 2, amplification_limit=5)
    assert found == pytest.approx(np.full((100, 100), 2 / 5), abs=1e-5)


def test_a_bright_spot_in_dim_light_is_not_pushed_above_1() -> None:
    light = np.full((100, 100, 3), 0.8, np.float32)
    light[:, :20] = 0.4
    pixels = light.copy()
    pixels[50, 10] = 0.9
    target = even_light(flat_layers(light, pixels), evenness=1, least_brightness=0.5, gain_limit=2.5)
    assert (pixels * target / light).max() <= 1 + 1e-5
    assert target[0, 5, 0] > 0.7


@pytest.mark.parametrize(
    ("brightness", "gain_limit", "expected"),
    [(0.5, 4.0, 0.5), (0.5, 2.0, 0.4), (0.3, 4.0, 0.3), (0.1, 4.0, 0.2)],
    ids=["raised", "raised as far as the limit", "raised less", "bright enough"],
)
def test_a_dark_picture_is_raised_to_the_least_brightness(
    brightness: float, gain_limit: float, expected: float
) -> None:
    slope = np.linspace(0.8, 1.2, 100, dtype=np.float32)[:, None, None]
    light = np.broadcast_to(slope * np.array([0.2, 0.1, 0.05], np.float32), (100, 100, 3)).copy()
    numbers = {"least_brightness": brightness, "gain_limit": gain_limit}
    target = even_light(flat_layers(light, light), evenness=0, **numbers)
    assert target.mean((0, 1)) == pytest.approx(np.array([1, 0.5, 0.25]) * expected, rel=1e-5)
    pixels = np.full((60, 60, 3), [0.2, 0.1, 0.05], np.float32)
    result = xiong2017(Photo(pixels=pixels), Field(mask=np.ones((60, 60), bool)), **numbers).pixels
    assert result == pytest.approx(pixels * (expected / 0.2), abs=1e-4)


def test_no_light_is_raised_beyond_the_limit_and_the_mean_is_not_raised_beyond_it_either() -> None:
    light = np.linspace(0.16, 0.24, 101, dtype=np.float32)[:, None, None] * np.ones((1, 100, 3), np.float32)
    target = even_light(flat_layers(light, light), evenness=1, least_brightness=0.5, gain_limit=2)
    gain = target / light
    assert gain[0] == pytest.approx(2)
    assert gain[-1] == pytest.approx(2 * 0.2 / 0.24, rel=1e-5)


def test_a_dark_blob_is_neither_crushed_nor_filled_with_coloured_noise() -> None:
    rng = np.random.default_rng(0)
    pixels = blur_fundus(draw_fundus(400)).pixels.copy()
    row, column = np.mgrid[:400, :400]
    blob = np.hypot(row - 280, column - 200)
    pixels *= np.clip((blob - 40) / 20, 0.03, 1)[..., None].astype(np.float32)
    pixels = np.clip(pixels + rng.normal(0, 0.003, pixels.shape), 0, 1).astype(np.float32)
    result = xiong2017(Photo(pixels=pixels), Field(mask=np.ones((400, 400), bool))).pixels
    noise = result[blob < 25].std(axis=0) / 0.003
    assert noise.max() < 3
    assert noise.min() > 1  # unbound, the blob would be crushed to black
    assert noise.max() < 1.5 * noise.min()  # the same in all channels: no colour


@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_a_flat_picture_stays_flat(level: float) -> None:
    photo = Photo(pixels=np.full((90, 131, 3), level, np.float32))
    result = xiong2017(photo, Field(mask=np.ones((90, 131), bool)))
    assert np.ptp(result.pixels) < 1e-3


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"distance": 0.0}, "distance: found 0.0, expected a number above 0 and at most 10"),
        ({"clear_contrast": float("nan")}, "clear_contrast: found nan"),
        ({"least_transmission": 0.0}, "least_transmission: found 0.0"),
        ({"evenness": 1.5}, "evenness: found 1.5"),
        ({"gain_limit": 0.5}, "gain_limit: found 0.5"),
        ({"amplification_limit": 0.0}, "amplification_limit: found 0.0"),
        ({"window": 0.0}, "window: found 0.0"),
        ({"least_brightness": -1.0}, "least_brightness: found -1.0"),
    ],
)
def test_numbers_out_of_range_are_named(parameters: dict, message: str) -> None:
    photo = Photo(pixels=np.zeros((8, 8, 3), np.float32))
    with pytest.raises(SettingsError, match=message):
        xiong2017(photo, Field(mask=np.ones((8, 8), bool)), **parameters)
