"""The Gabor bank on drawn lines: closed forms of its kernels, where it answers and where it stays silent."""

import cv2
import numpy as np
import pytest

from clearfundus.fundus.field import Field
from clearfundus.vessels.gabor import DIRECTIONS, WAVELENGTHS, find_ridges, kernels, normalise, to_probability


def ground(level: float = 0.5, noise: float = 0.003) -> np.ndarray:
    random = np.random.default_rng(0)
    return (level + random.normal(0, noise, (200, 200, 3))).astype(np.float32)


def disc() -> np.ndarray:
    row, column = np.mgrid[:200, :200] - 99.5
    return np.hypot(row, column) < 98


def with_line(turn: float, width: float, depth: float = 0.2) -> tuple[np.ndarray, np.ndarray]:
    """Return a dark line through the middle, and how far each pixel is from it."""
    row, column = np.mgrid[:200, :200] - 99.5
    away = np.abs(row * np.cos(turn) - column * np.sin(turn))
    pixels = ground() - (depth * np.exp(-0.5 * (away / (width / 2)) ** 2))[..., None].astype(np.float32)
    return np.clip(pixels, 0, 1), away


@pytest.mark.parametrize("wavelength", WAVELENGTHS)
def test_kernels_ignore_a_plain_picture_and_weigh_the_line_one(wavelength: float) -> None:
    assert len(kernels(wavelength)) == DIRECTIONS
    for kernel in kernels(wavelength):
        assert kernel.sum() == pytest.approx(0, abs=1e-5)
        assert kernel[kernel > 0].sum() == pytest.approx(1, abs=1e-5)
        assert np.allclose(kernel, kernel[::-1, ::-1], atol=1e-6)


@pytest.mark.parametrize("turn", [0.0, 0.4, 1.2, np.pi / 2, 2.5])
@pytest.mark.parametrize("width", [2.0, 4.0, 7.0])
def test_a_dark_line_of_any_direction_and_width_stands_out(turn: float, width: float) -> None:
    pixels, away = with_line(turn, width)
    mask = disc()
    ridges = find_ridges(pixels, Field(mask=mask))
    on, off = ridges[(away < 0.7) & mask], ridges[(away > 15) & mask]
    assert np.percentile(on, 5) > np.percentile(off, 99)
    assert not ridges[~mask].any()


def test_a_bright_line_is_no_vessel() -> None:
    pixels, away = with_line(0.4, 4.0)
    mask = disc()
    ridges = find_ridges(1 - pixels, Field(mask=mask))
    assert ridges[(away < 0.7) & mask].mean() < ridges[(away > 15) & mask].mean()


def test_a_plain_picture_shows_nothing() -> None:
    field = Field(mask=np.ones((200, 200), np.bool_))
    plain = find_ridges(np.full((200, 200, 3), 0.5, np.float32), field)
    assert np.abs(plain).max() < 1e-3
    assert to_probability(find_ridges(ground(noise=0.002), field), field.mask).max() < 0.5


def test_gain_of_green_hardly_matters_and_red_and_blue_not_at_all() -> None:
    pixels, _ = with_line(0.4, 4.0)
    field = Field(mask=disc())
    one = find_ridges(pixels, field)
    other = pixels.copy()
    other[..., [0, 2]] = 0.9
    assert np.array_equal(one, find_ridges(other, field))
    darker = find_ridges(0.7 * pixels, field)
    assert np.corrcoef(one[field.mask], darker[field.mask])[0, 1] > 0.98


def test_normalising_agrees_with_a_plain_gaussian_where_there_is_no_edge() -> None:
    pixels, _ = with_line(0.4, 4.0)
    field = Field(mask=np.ones((200, 200), np.bool_))
    sigma = field.diameter / 18
    green = pixels[..., 1].astype(np.float64)
    mean = cv2.GaussianBlur(green, (0, 0), sigma)
    spread = np.sqrt(cv2.GaussianBlur((green - mean) ** 2, (0, 0), sigma))
    inner = np.s_[70:130, 70:130]
    expected = np.clip((green - mean) / (spread + 0.01), -4, 4)[inner]
    assert np.abs(normalise(pixels[..., 1], field)[inner] - expected).max() < 0.1


def test_probabilities_rise_with_ridges_and_are_0_outside() -> None:
    ridges = np.array([[-3.0, 0.0, 4.46, 9.0]], np.float32)
    mask = np.array([[True, True, True, False]])
    found = to_probability(ridges, mask)
    assert found[0, 2] == pytest.approx(0.5, abs=1e-3)
    assert (np.diff(found[0, :3]) > 0).all()
    assert found[0, 3] == 0
