import colorsys
import sys

import cv2
import numpy as np
import pytest

from clearfundus import Field, Photo, SettingsError, find_field
from clearfundus.fundus.equalization import equalize
from clearfundus.fundus.frame import crop_to_field
from clearfundus.methods.mitra2018 import (
    correct_max_min,
    find_white_levels,
    intensity,
    low_pass,
    mitra2018,
    remove_veil,
    set_intensity,
)
from drawn import blur_fundus, draw_fundus

VEIL_DEFAULTS = {"cutoff": 2.0, "bright_adjustment": 5 / 255, "dark_adjustment": 5 / 255, "adjustment_exponent": 2.0}
NO_ADJUSTMENT = {**VEIL_DEFAULTS, "bright_adjustment": 0.0, "dark_adjustment": 0.0}


def whole(shape: tuple[int, int]) -> Field:
    return Field(mask=np.ones(shape, bool))


def cropped(photo: Photo) -> tuple[Photo, Field]:
    frame = crop_to_field(photo, find_field(photo))
    return frame.photo, frame.field


def scatter(count: int = 40_000) -> np.ndarray:
    """Return colours from all over the cube, its corners and gray axis too, (200, count / 200, 3)."""
    rng = np.random.default_rng(1)
    colours = rng.random((count, 3), dtype=np.float32)
    colours[:8] = [[bits >> 2, bits >> 1 & 1, bits & 1] for bits in range(8)]
    colours[8:60] = colours[8:60, :1]
    return colours.reshape(200, -1, 3)


# stage one


@pytest.mark.parametrize(("periods", "cutoff"), [(1, 2.0), (3, 2.0), (4, 4.0), (12, 2.0)])
def test_a_cosine_loses_just_the_share_that_the_low_pass_lets_through(periods: int, cutoff: float) -> None:
    # closed form: periods / 2 cycles over the side; a side is sqrt(pi) / 2 of the diameter of the disc of its area
    side = 240
    wave = 0.2 * np.cos(np.pi * periods * (np.arange(side) + 0.5) / side)
    pixels = np.broadcast_to((0.5 + wave)[:, None, None], (side, side, 3)).astype(np.float32)
    found = remove_veil(pixels, whole((side, side)), **{**NO_ADJUSTMENT, "cutoff": cutoff})
    frequency = periods / 2 * 2 / np.sqrt(np.pi)  # cycles per diameter
    passed = np.exp(-(frequency**2) / (2 * cutoff**2))
    assert np.abs(found[:, 0, 0] - (0.5 + (1 - passed) * wave)).max() < 1e-5


def test_the_low_pass_is_a_gaussian_blur_with_mirrored_borders() -> None:
    # independent implementation: OpenCV's blur, in space; sigma = H / (2 pi f0)
    pixels = draw_fundus(160).pixels
    down, across = 2.5, 4.0
    expected = cv2.GaussianBlur(
        pixels,
        (159, 159),
        sigmaX=160 / (2 * np.pi * across),
        sigmaY=160 / (2 * np.pi * down),
        borderType=cv2.BORDER_REFLECT,
    )
    assert np.abs(low_pass(pixels, down, across) - expected).max() < 1e-3


@pytest.mark.parametrize("size", [256, 700])
@pytest.mark.parametrize(
    # least and most that is left of the veil; the adjustments, which depend on the veil, leave more of it
    ("parameters", "least", "most"),
    [(NO_ADJUSTMENT, 0.05, 0.10), (VEIL_DEFAULTS, 0.08, 0.12)],
)
def test_a_smooth_veil_of_rms_0_056_leaves_about_a_tenth(
    size: int, parameters: dict, least: float, most: float
) -> None:
    photo, field = cropped(draw_fundus(size))
    row, column = np.mgrid[: field.mask.shape[0], : field.mask.shape[1]] / max(field.mask.shape)
    veil = np.exp(-((row - 0.3) ** 2 + (column - 0.65) ** 2) / (2 * 0.3**2))
    veil = (veil - veil[field.mask].mean()) * 0.056 / veil[field.mask].std()
    clear = 0.15 + 0.6 * photo.pixels  # leaves room for the veil, so that nothing is clipped
    veiled = (clear + veil[..., None]).astype(np.float32)
    assert 0 < veiled.min() < veiled.max() < 1
    rest = remove_veil(veiled, field, **parameters) - remove_veil(clear, field, **parameters)
    assert least < rest[field.mask].std() / 0.056 < most


def test_the_adjustments_are_added_where_the_veil_is_brightest_and_taken_where_it_is_darkest() -> None:
    side = 200
    wave = 0.2 * np.cos(np.pi * (np.arange(side) + 0.5) / side)
    pixels = np.broadcast_to((0.5 + wave)[:, None, None], (side, side, 3)).astype(np.float32)
    plain = remove_veil(pixels, whole((side, side)), **NO_ADJUSTMENT)[:, 0, 0]
    adjusted = remove_veil(
        pixels,
        whole((side, side)),
        cutoff=2.0,
        bright_adjustment=0.03,
        dark_adjustment=0.05,
        adjustment_exponent=2.0,
    )[:, 0, 0]
    position = wave / wave.max()
    expected = np.where(position > 0, -0.03, 0.05) * position**2
    assert np.abs(adjusted - plain - expected).max() < 1e-4


def test_stage_one_keeps_the_mean_of_each_channel_over_the_field() -> None:
    photo, field = cropped(blur_fundus(draw_fundus(300)))
    found = remove_veil(photo.pixels, field, **NO_ADJUSTMENT)
    assert np.abs(found[field.mask].mean(axis=0) - photo.pixels[field.mask].mean(axis=0)).max() < 0.005


def test_the_veil_of_the_reduced_copy_is_that_of_the_full_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    photo, field = cropped(draw_fundus(800))
    reduced = remove_veil(photo.pixels, field, **VEIL_DEFAULTS)
    monkeypatch.setattr(sys.modules[remove_veil.__module__], "WORKING_SIDE", 10_000)
    full = remove_veil(photo.pixels, field, **VEIL_DEFAULTS)
    difference = np.abs(reduced - full).max()
    assert 0 < difference < 0.002


# stage two


def test_the_target_intensity_is_met_and_no_value_leaves_the_gamut() -> None:
    pixels = scatter()
    target = np.random.default_rng(2).random(pixels.shape[:2], dtype=np.float32)
    target[:2], target[2:4] = 0, 1
    found = set_intensity(pixels, target)
    assert found.min() >= 0
    assert found.max() <= 1
    assert np.abs(found.mean(axis=2, dtype=np.float64) - target).max() <= 1e-6


def test_setting_the_intensity_keeps_the_hue() -> None:
    pixels = scatter()
    target = 0.05 + 0.9 * np.random.default_rng(3).random(pixels.shape[:2], dtype=np.float32)
    found = set_intensity(pixels, target)
    checked = 0
    for before, after in zip(pixels.reshape(-1, 3)[::7], found.reshape(-1, 3)[::7], strict=True):
        if np.ptp(before) > 0.05 and np.ptp(after) > 0.05:  # the hue of gray is noise
            turn = colorsys.rgb_to_hsv(*map(float, before))[0] - colorsys.rgb_to_hsv(*map(float, after))[0]
            assert abs((turn + 0.5) % 1 - 0.5) < 2e-6
            checked += 1
    assert checked > 4000


def test_the_intensity_that_is_there_already_changes_nothing() -> None:
    pixels = scatter()
    assert np.abs(set_intensity(pixels, intensity(pixels)) - pixels).max() < 3e-7


# stage three


@pytest.mark.parametrize("limits", ["joint", "per_channel"])
def test_the_white_levels_are_the_percentiles_within_the_mask(limits: str) -> None:
    photo, field = cropped(draw_fundus(256))
    pixels = photo.pixels.copy()
    pixels[~field.mask] = 1  # must not count
    inside = photo.pixels[field.mask]
    expected = np.percentile(inside, 99.5, axis=0 if limits == "per_channel" else None)
    found = find_white_levels(pixels, field.mask, limits=limits, clipped_share=0.005)
    assert found.shape == (3,)
    assert np.abs(found - expected).max() < 2e-3
    assert (np.ptp(found) == 0) == (limits == "joint")


@pytest.mark.parametrize("level", [0.3, 0.45])
def test_the_power_brings_the_mean_of_the_field_to_the_wanted_level(level: float) -> None:
    photo, field = cropped(draw_fundus(256))
    levels = np.array([0.9, 0.7, 0.5])
    found = correct_max_min(
        photo.pixels, field.mask, black_level=0.02, white_levels=levels, mean=level, gamma_limit=4.0
    )
    assert found[field.mask].mean(dtype=np.float64) == pytest.approx(level, abs=1e-4)


def test_a_power_limit_of_one_leaves_the_plain_stretch() -> None:
    pixels = scatter()
    levels = np.array([0.9, 0.7, 0.5])
    found = correct_max_min(
        pixels, np.ones(pixels.shape[:2], bool), black_level=0.1, white_levels=levels, mean=0.1, gamma_limit=1.0
    )
    expected = np.clip((pixels - 0.1) / (levels - 0.1), 0, 1)
    assert np.abs(found - expected).max() < 1e-6


# the whole method


@pytest.mark.parametrize("limits", ["joint", "per_channel"])
@pytest.mark.parametrize("blurry", [False, True])
def test_the_mean_intensity_of_the_field_is_the_photographs_own(limits: str, *, blurry: bool) -> None:
    drawn = draw_fundus(256)
    photo, field = cropped(blur_fundus(drawn) if blurry else drawn)
    # so pale a picture needs a power of more than 2
    result = mitra2018(photo, field, limits=limits, gamma_limit=4.0 if blurry else 2.0)
    before, after = (one.pixels[field.mask].mean(dtype=np.float64) for one in (photo, result))
    assert after == pytest.approx(before, abs=1e-4)


def test_the_power_stops_at_its_limit() -> None:
    photo, field = cropped(blur_fundus(draw_fundus(256)))
    means = [
        mitra2018(photo, field, gamma_limit=limit).pixels[field.mask].mean(dtype=np.float64)
        for limit in (1.0, 2.0, 4.0)
    ]
    assert means[0] > means[1] + 0.01 > means[2] + 0.02


def test_joint_limits_keep_the_colour_that_limits_per_channel_take_away() -> None:
    photo, field = cropped(blur_fundus(draw_fundus(256)))
    joint, each = (
        mitra2018(photo, field, limits=limits).pixels[field.mask].mean(axis=0) for limits in ("joint", "per_channel")
    )
    before = photo.pixels[field.mask].mean(axis=0)
    assert joint[0] / joint[2] >= before[0] / before[2]
    assert each[0] / each[2] < 0.8 * before[0] / before[2]


def test_the_intensity_is_equalised_between_the_other_two_stages() -> None:
    # the expected picture is put together from the stages; the first one's and the last one's numbers are the defaults
    photo, field = cropped(draw_fundus(128))
    pixels = remove_veil(photo.pixels, field, **VEIL_DEFAULTS)
    pixels = set_intensity(pixels, equalize(pixels.mean(axis=2), clip_limit=3.5, tiles=4))
    levels = find_white_levels(pixels, field.mask, limits="joint", clipped_share=0.005)
    mean = float(photo.pixels[field.mask].mean())
    expected = correct_max_min(pixels, field.mask, black_level=0.0, white_levels=levels, mean=mean, gamma_limit=2.0)
    assert np.abs(mitra2018(photo, field, clip_limit=3.5, tiles=4).pixels - expected).max() < 1e-4


def test_a_photograph_lit_from_one_side_becomes_evenly_lit() -> None:
    drawn = draw_fundus(256)
    ramp = np.linspace(0.5, 1, 256, dtype=np.float32)[None, :, None]
    photo, field = cropped(Photo(pixels=drawn.pixels * ramp))
    result = mitra2018(photo, field)
    half = field.mask.shape[1] // 2
    before, after = (
        np.median(one.pixels[:, half:][field.mask[:, half:]]) / np.median(one.pixels[:, :half][field.mask[:, :half]])
        for one in (photo, result)
    )
    assert before > 1.25
    assert abs(after - 1) < 0.3 * (before - 1)


@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_pictures_of_one_level_but_for_one_pixel_pass(level: float) -> None:
    pixels = np.full((64, 64, 3), level, np.float32)
    pixels[30, 30] = 0.7
    result = mitra2018(Photo(pixels=pixels), whole((64, 64)))
    assert np.isfinite(result.pixels).all()


def test_a_black_picture_stays_nearly_black() -> None:
    result = mitra2018(Photo(pixels=np.zeros((256, 256, 3), np.float32)), whole((256, 256)))
    assert result.pixels.max() < 0.05


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"cutoff": 0.0}, "cutoff: found 0.0, expected 0.1 or more and at most 20"),
        ({"cutoff": float("nan")}, "cutoff: found nan"),
        ({"bright_adjustment": 1.5}, "bright_adjustment: found 1.5"),
        ({"dark_adjustment": -0.1}, "dark_adjustment: found -0.1"),
        ({"adjustment_exponent": 0.0}, "adjustment_exponent: found 0.0"),
        ({"clip_limit": 0.0}, "clip_limit: found 0.0"),
        ({"tiles": 0}, "tiles: found 0"),
        ({"clipped_share": 0.6}, "clipped_share: found 0.6"),
        ({"black_level": 0.6}, "black_level: found 0.6"),
        ({"gamma_limit": 0.5}, "gamma_limit: found 0.5, expected 1 or more and at most 10"),
        ({"limits": "pooled"}, "limits: found 'pooled', expected one of: joint, per_channel"),
    ],
)
def test_parameters_out_of_range_are_named(parameters: dict, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        mitra2018(draw_fundus(32), whole((32, 32)), **parameters)
