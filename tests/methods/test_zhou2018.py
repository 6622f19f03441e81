import colorsys

import cv2
import numpy as np
import pytest
from skimage.color import rgb2hsv
from skimage.data import retina

from clearfundus import Field, Photo, SettingsError, find_field
from clearfundus.fundus.colour import rgb_to_lab
from clearfundus.fundus.frame import crop_to_field
from clearfundus.fundus.smoothing import smooth
from clearfundus.methods.clahe import clahe
from clearfundus.methods.zhou2018 import brighten, zhou2018
from clearfundus.photo import Pixels
from drawn import blur_fundus, draw_fundus


def noise(shape: tuple[int, int] = (60, 50), low: float = 0.0) -> Pixels:
    return np.random.default_rng(1).uniform(low, 1, (*shape, 3)).astype(np.float32)


def whole(pixels: Pixels) -> tuple[Photo, Field]:
    return Photo(pixels=pixels), Field(mask=np.ones(pixels.shape[:2], bool))


def test_brightening_keeps_hue_and_saturation() -> None:
    pixels = noise()
    brightened = brighten(pixels)
    before = np.array([colorsys.rgb_to_hsv(*pixel) for pixel in pixels.reshape(-1, 3).tolist()])
    after = np.array([colorsys.rgb_to_hsv(*pixel) for pixel in brightened.reshape(-1, 3).tolist()])
    turn = (after[:, 0] - before[:, 0] + 0.5) % 1 - 0.5
    # float32 rounds a channel by 6e-8 of itself: 60 degrees times that over the saturation
    assert np.abs(turn * 360 * before[:, 1]).max() < 1.5e-5
    assert np.abs(after[:, 1] - before[:, 1]).max() < 2e-7
    assert np.abs(after[:, 2] - before[:, 2]).max() > 0.1


def test_brightening_a_real_photograph_keeps_its_hue_and_saturation() -> None:
    pixels = (retina() / 255).astype(np.float32)[::7, ::7]
    before, after = (rgb2hsv(one.astype(np.float64)) for one in (pixels, brighten(pixels)))
    turn = (after[..., 0] - before[..., 0] + 0.5) % 1 - 0.5
    assert np.abs(turn * 360 * before[..., 1]).max() < 1.5e-5
    assert np.abs(after[..., 1] - before[..., 1]).max() < 2e-7


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.2, 10.0])
def test_brightening_raises_the_largest_channel_to_one_over_gamma(gamma: float) -> None:
    pixels = noise(low=0.01)
    expected = pixels.max(axis=2).astype(np.float64) ** (1 / gamma)
    assert brighten(pixels, gamma=gamma).max(axis=2) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("gamma", [0.1, 1.0, 1.8, 2.2, 10.0])
def test_brightening_never_exceeds_1(gamma: float) -> None:
    # the 100,000 greatest float32 values up to 1, and 100,000 more of all sizes
    close = (np.float32(1).view(np.int32) - np.arange(100_000, dtype=np.int32)).view(np.float32)
    values = np.concatenate([close, np.random.default_rng(2).random(100_000, dtype=np.float32)])
    pixels = np.repeat(values.reshape(400, 500, 1), 3, axis=2)
    assert brighten(pixels, gamma=gamma).max() <= 1


def test_the_floor_of_the_value_bounds_the_gain_at_20_5() -> None:
    pixels = np.full((4, 4, 3), 1e-4, np.float32)
    gain = brighten(pixels) / pixels
    # 255^(1 - 1/2.2)
    assert gain == pytest.approx(20.54, abs=0.01)
    assert brighten(pixels, least_value=1e-4) / pixels == pytest.approx(1e4 ** (1 - 1 / 2.2), rel=1e-5)
    assert brighten(np.zeros((4, 4, 3), np.float32)).max() == 0


def test_with_a_gamma_of_1_only_the_equalisation_is_left() -> None:
    photo, field = whole(draw_fundus(96).pixels)
    expected = clahe(photo, field, clip_limit=3.55)
    assert np.abs(zhou2018(photo, field, gamma=1.0).pixels - expected.pixels).max() < 1e-6


def test_the_lightness_is_that_of_opencvs_equalisation_of_the_brightened_picture() -> None:
    pixels = cv2.GaussianBlur(noise((160, 160)), (0, 0), 4)
    pixels = (0.05 + 0.4 * (pixels - pixels.min()) / np.ptp(pixels)).astype(np.float32)
    brightened = pixels * (pixels.max(axis=2) ** (1 / 2.2 - 1))[..., None]
    lab = rgb_to_lab(brightened)
    levels = np.rint(lab[..., 0] * 2.55).astype(np.uint8)
    expected = cv2.createCLAHE(3.55, (8, 8)).apply(levels) / 2.55
    result = zhou2018(*whole(pixels)).pixels
    in_gamut = (result > 0.001).all(axis=2) & (result < 0.999).all(axis=2)
    found = rgb_to_lab(result)
    assert in_gamut.mean() > 0.8
    # the oracle rounds L to half a level, which the maps steepen 3.55 times, then the maps and their blend: 2.8 levels
    assert np.abs(found[..., 0] - expected)[in_gamut].max() < 1.1
    assert np.abs(found[..., 0] - expected)[in_gamut].mean() < 0.4
    assert np.abs(found - lab)[..., 1:][in_gamut].max() < 0.3


def test_a_dark_and_hazy_photograph_becomes_brighter_and_more_evenly_lit() -> None:
    blurry = blur_fundus(draw_fundus(256))
    frame = crop_to_field(blurry.with_pixels(blurry.pixels * 0.6), find_field(blurry))
    mask = frame.field.mask
    result = zhou2018(frame.photo, frame.field)
    light = [smooth(one.pixels[..., 1], frame.field.diameter / 12, mask)[mask] for one in (frame.photo, result)]
    assert light[1].mean() > 1.3 * light[0].mean()
    assert light[1].std() / light[1].mean() < 0.8 * light[0].std() / light[0].mean()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"gamma": 0.0}, "gamma: found 0.0, expected 0.1 or more and at most 10"),
        ({"gamma": float("nan")}, "gamma: found nan"),
        ({"gamma": float("inf")}, "gamma: found inf"),
        ({"least_value": 0.0}, "least_value: found 0.0, expected a number above 0 and at most 1"),
        ({"least_value": 2.0}, "least_value: found 2.0"),
        ({"clip_limit": 0.0}, "clip_limit: found 0.0"),
        ({"tiles": 0}, "tiles: found 0"),
    ],
)
def test_numbers_out_of_range_are_named(parameters: dict, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        zhou2018(*whole(noise((8, 8))), **parameters)
