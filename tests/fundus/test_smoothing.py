"""Gaussian smoothing against scipy, and what a mask changes."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from clearfundus.fundus.smoothing import smooth


@pytest.fixture
def plane() -> np.ndarray:
    return np.random.default_rng(0).random((90, 121), dtype=np.float32)


def test_a_narrow_gaussian_agrees_with_scipy(plane: np.ndarray) -> None:
    assert np.abs(smooth(plane, 3) - gaussian_filter(plane, 3, mode="mirror")).max() < 2e-3


def test_a_wide_gaussian_agrees_with_scipy() -> None:
    row, column = np.mgrid[:300, :401] / 50
    plane = (0.5 + 0.3 * np.sin(row) * np.cos(column)).astype(np.float32)
    inside = np.s_[60:-60, 60:-60]  # at the border they mirror about different places
    assert np.abs(smooth(plane, 20)[inside] - gaussian_filter(plane, 20, mode="mirror")[inside]).max() < 5e-3


@pytest.mark.parametrize("sigma", [2.0, 30.0])
def test_a_constant_stays_whatever_the_mask(sigma: float) -> None:
    mask = np.zeros((120, 131), bool)
    mask[30:90, 40:100] = True
    result = smooth(np.full((120, 131, 3), 0.4, np.float32), sigma, mask)
    assert np.abs(result[mask] - 0.4).max() < 1e-3


@pytest.mark.parametrize("sigma", [2.0, 30.0])
def test_pixels_outside_the_mask_do_not_count(plane: np.ndarray, sigma: float) -> None:
    mask = np.zeros(plane.shape, bool)
    mask[20:70, 20:100] = True
    other = np.where(mask, plane, 1 - plane)
    assert np.abs(smooth(plane, sigma, mask) - smooth(other, sigma, mask)).max() < 1e-6


def test_far_from_every_counted_pixel_the_result_is_0() -> None:
    mask = np.zeros((400, 60), bool)
    mask[:10] = True
    assert np.abs(smooth(np.ones((400, 60), np.float32), 3, mask)[-50:]).max() == 0


def test_the_input_stays_and_sigma_0_copies(plane: np.ndarray) -> None:
    before = plane.copy()
    same = smooth(plane, 0)
    smooth(plane, 15, plane > 0.5)
    assert np.array_equal(plane, before)
    assert np.array_equal(same, plane)
    assert same is not plane
