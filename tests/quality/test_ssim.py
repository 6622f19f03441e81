from dataclasses import replace

import cv2
import numpy as np
import pytest
from skimage.metrics import structural_similarity

from clearfundus import Field
from clearfundus.errors import QualityError
from clearfundus.quality.ssim import measure_ssim, measure_ssim_rgb, ssim, ssim_rgb
from clearfundus.quality.view import make_view
from drawn import blur_fundus, draw_fundus, field_mask

BOTH = pytest.mark.parametrize(("function", "channels"), [(ssim, ()), (ssim_rgb, (3,))])


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def as_its_authors(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """The index map of Wang's `ssim.m` (K = 0.01, 0.03; fspecial('gaussian', 11, 1.5); 'valid'), window by window."""
    place = np.arange(11) - 5
    window = np.exp(-(place[:, None] ** 2 + place**2) / (2 * 1.5**2))
    window /= window.sum()
    first, second = (np.lib.stride_tricks.sliding_window_view(x.astype(float), (11, 11)) for x in (one, two))
    mean = [(x * window).sum((2, 3)) for x in (first, second)]
    square = [(x * x * window).sum((2, 3)) - m * m for x, m in zip((first, second), mean, strict=True)]
    product = (first * second * window).sum((2, 3)) - mean[0] * mean[1]
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    above = (2 * mean[0] * mean[1] + c1) * (2 * product + c2)
    return above / ((mean[0] ** 2 + mean[1] ** 2 + c1) * (square[0] + square[1] + c2))


@BOTH
def test_equal_pictures_give_one(function, channels: tuple[int, ...]) -> None:
    assert function(noise(40, 51, *channels), noise(40, 51, *channels)) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("seed", [1, 2])
def test_ssim_is_what_its_authors_code_computes(seed: int) -> None:
    one = cv2.GaussianBlur(noise(31, 40), (0, 0), 2)
    two = np.clip(one + np.random.default_rng(seed).normal(0, 9, one.shape), 0, 255).astype(np.uint8)
    assert ssim(one, two) == pytest.approx(as_its_authors(one, two).mean(), abs=1e-10)


def test_inside_a_field_it_is_the_authors_map_where_windows_lie_in_it() -> None:
    one, two = noise(64, 64), noise(64, 64, seed=1)
    mask = field_mask(64)
    windows = np.lib.stride_tricks.sliding_window_view(mask, (11, 11)).all((2, 3))
    assert ssim(one, two, mask) == pytest.approx(as_its_authors(one, two)[windows].mean(), abs=1e-10)


def test_ssim_rgb_is_scikit_image_by_default() -> None:
    one, two = noise(40, 51, 3), noise(40, 51, 3, seed=1)
    expected = structural_similarity(one, two, channel_axis=2, data_range=255)
    assert ssim_rgb(one, two) == pytest.approx(expected, abs=1e-12)


@BOTH
def test_of_two_flat_pictures_only_the_means_are_compared(function, channels: tuple[int, ...]) -> None:
    one, two = np.full((20, 20, *channels), 100, np.uint8), np.full((20, 20, *channels), 150, np.uint8)
    c1 = (0.01 * 255) ** 2
    assert function(one, two) == pytest.approx((2 * 100 * 150 + c1) / (100**2 + 150**2 + c1), abs=1e-6)


@BOTH
def test_what_lies_outside_the_field_does_not_count(function, channels: tuple[int, ...]) -> None:
    mask = field_mask(64)
    one, two = noise(64, 64, *channels), noise(64, 64, *channels, seed=1)
    expected = function(one, two, mask)
    two[~mask] = 255 - two[~mask]
    assert function(one, two, mask) == pytest.approx(expected, abs=1e-12)
    assert function(one, two) != pytest.approx(expected, abs=1e-4)


@BOTH
def test_a_field_without_surround_is_the_whole_picture(function, channels: tuple[int, ...]) -> None:
    one, two = noise(40, 51, *channels), noise(40, 51, *channels, seed=1)
    assert function(one, two, np.ones((40, 51), bool)) == function(one, two)


@pytest.mark.parametrize("measure", [measure_ssim, measure_ssim_rgb])
def test_more_blur_haze_and_noise_give_less(measure) -> None:
    photo, field = draw_fundus(128), Field(mask=field_mask(128))
    reference = make_view(photo, field, side=96)
    rng = np.random.default_rng(0)
    grain = rng.normal(0, 1, photo.pixels.shape)
    for changed in (
        [blur_fundus(photo, sigma=sigma, haze=0) for sigma in (0.005, 0.01, 0.03)],
        [blur_fundus(photo, sigma=0.001, haze=haze) for haze in (0.1, 0.4, 0.7)],
        [photo.with_pixels(photo.pixels + sigma * grain) for sigma in (0.01, 0.03, 0.1)],
    ):
        values = [measure(make_view(one, field, side=96), reference).value for one in changed]
        assert 1 > values[0] > values[1] > values[2] > -1


@pytest.mark.parametrize(("measure", "function"), [(measure_ssim, ssim), (measure_ssim_rgb, ssim_rgb)])
def test_the_protocol_says_what_counts(measure, function) -> None:
    photo, field = draw_fundus(128), Field(mask=field_mask(128, 0.7))
    for protocol in ("fov", "whole"):
        views = [make_view(one, field, protocol, 96) for one in (blur_fundus(photo), photo)]
        arrays = [view.gray if function is ssim else view.pixels for view in views]
        assert measure(*views).value == function(*arrays, views[0].mask if protocol == "fov" else None)


@BOTH
def test_other_arrays_are_refused(function, channels: tuple[int, ...]) -> None:
    one = noise(20, 20, *channels)
    for wrong, message in (
        (one.astype(np.float32), "type float32"),
        (noise(20, 20, 2), "shape"),
        (noise(5, 20, *channels), "20 x 5 pixels"),
    ):
        with pytest.raises(QualityError, match=message):
            function(wrong, wrong)
    with pytest.raises(QualityError, match="expected the same"):
        function(one, noise(20, 21, *channels))
    with pytest.raises(QualityError, match="expected \\(20, 20\\) and bool"):
        function(one, one, np.ones((20, 21), bool))
    with pytest.raises(QualityError, match="holds no window of"):
        function(one, one, field_mask(20, 0.2))


def test_gray_in_another_range_is_refused() -> None:
    for wrong in (noise(20, 20) / 255, noise(20, 20) * 2.0, np.full((20, 20), np.nan)):
        with pytest.raises(QualityError, match="ssim: found levels"):
            ssim(wrong, wrong)


@pytest.mark.parametrize("measure", [measure_ssim, measure_ssim_rgb])
def test_without_a_reference_it_says_so(measure) -> None:
    view = make_view(draw_fundus(64), Field(mask=field_mask(64)), side=32)
    with pytest.raises(QualityError, match="found no reference"):
        measure(view)
    assert measure(view, replace(view)).value == pytest.approx(1)
