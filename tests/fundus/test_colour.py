"""The oracle is scikit-image, which computes every pixel in float64."""

import numpy as np
import pytest
from skimage.color import rgb2lab, rgb2luv

from clearfundus.fundus.colour import lab_to_rgb, luminance, luv_to_rgb, rgb_to_lab, rgb_to_luv
from clearfundus.photo import Pixels


@pytest.fixture
def colours() -> Pixels:
    """Every fifteenth 8-bit level of each channel, and 20,000 colours between."""
    levels = np.arange(0, 256, 15) / 255
    grid = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1).reshape(-1, 3)
    between = np.random.default_rng(5).random((20_000, 3))
    return np.concatenate([grid, between])[None].astype(np.float32)


def test_lab_agrees_with_scikit_image(colours: Pixels) -> None:
    # What remains is the rounding of OpenCV's matrix, largest where the cube root meets its linear piece.
    difference = np.abs(rgb_to_lab(colours) - rgb2lab(colours.astype(np.float64)))
    assert difference.max() < 0.03
    assert difference.mean() < 0.002


def test_known_colours_have_their_lab_values() -> None:
    # Lindbloom's CIE colour calculator, sRGB, D65: red, green, blue, white, black.
    rgb = np.array([[[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1], [0, 0, 0]]], dtype=np.float32)
    expected = [[53.24, 80.09, 67.20], [87.73, -86.18, 83.18], [32.30, 79.19, -107.86], [100, 0, 0], [0, 0, 0]]
    np.testing.assert_allclose(rgb_to_lab(rgb)[0], expected, atol=0.05)


def test_there_and_back_gives_the_same_colour(colours: Pixels) -> None:
    np.testing.assert_allclose(lab_to_rgb(rgb_to_lab(colours)), colours, atol=0.0003)


def test_a_colour_outside_srgb_is_clipped() -> None:
    clipped = lab_to_rgb(np.array([[[50, 120, -120], [100, 80, 80]]], dtype=np.float32))
    assert clipped.min() >= 0
    assert clipped.max() <= 1


def test_lab_keeps_the_steps_of_a_16_bit_photograph() -> None:
    gray = np.repeat(np.linspace(0.5, 0.51, 50, dtype=np.float32)[None, :, None], 3, axis=2)
    lightness = rgb_to_lab(gray)[0, :, 0]
    assert lightness.dtype == np.float32
    assert len(np.unique(lightness)) == 50  # OpenCV's conversion straight from sRGB gives 6, 8-bit Lab 3


def test_luv_and_back_moves_a_value_by_at_most_a_thousandth() -> None:
    pixels = np.random.default_rng(0).random((64, 64, 3), dtype=np.float32)
    assert np.abs(luv_to_rgb(rgb_to_luv(pixels)) - pixels).max() < 1e-3


def test_luv_agrees_with_an_independent_implementation() -> None:
    pixels = np.random.default_rng(1).random((32, 32, 3), dtype=np.float32)
    assert np.abs(rgb_to_luv(pixels) - rgb2luv(pixels)).max() < 0.1


def test_luminance_is_that_of_rec_601() -> None:
    pixels = np.eye(3, dtype=np.float32)[None]
    assert np.allclose(luminance(pixels), [[0.299, 0.587, 0.114]])
