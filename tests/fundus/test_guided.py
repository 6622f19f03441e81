import cv2
import numpy as np
import pytest

from clearfundus.fundus.guided import apply_affine, fit_affine
from clearfundus.photo import Pixels

RADIUS, DEVIATION = 3, 0.02


def textured(height: int, width: int, seed: int = 1) -> Pixels:
    return np.random.default_rng(seed).uniform(0.2, 0.8, (height, width, 3)).astype(np.float32)


def smooth_picture(height: int, width: int) -> Pixels:
    row, column = (np.mgrid[:height, :width] + 0.5) / [[[height]], [[width]]]
    waves = [0.5 + 0.2 * np.sin(k * row + 1) * np.cos(2 * k * column) for k in (4, 5, 6)]
    return np.stack(waves, axis=-1).astype(np.float32)


def test_a_change_that_is_affine_is_found_exactly() -> None:
    picture = textured(40, 50)
    change = np.float32([0.3, -0.2, 0.1]) * picture + np.float32([-0.1, 0.05, 0.2])
    gain, offset = fit_affine(picture, change, radius=RADIUS, deviation=1e-6)
    assert np.allclose(gain, np.float32([0.3, -0.2, 0.1]), atol=1e-5)
    assert np.allclose(offset, np.float32([-0.1, 0.05, 0.2]), atol=1e-5)


def test_a_change_of_a_flat_picture_is_all_offset() -> None:
    picture, change = np.full((30, 30, 3), 0.4, np.float32), np.full((30, 30, 3), 0.07, np.float32)
    gain, offset = fit_affine(picture, change, radius=RADIUS, deviation=DEVIATION)
    assert np.allclose(gain, 0, atol=1e-9)
    assert np.allclose(offset, 0.07, atol=1e-7)


def test_the_gain_is_halved_where_the_pictures_deviation_is_the_given_one() -> None:
    board = np.indices((60, 60)).sum(0) % 2 * 2.0 - 1  # of deviation 1
    picture = (0.5 + DEVIATION * np.repeat(board[..., None], 3, 2)).astype(np.float32)
    gain, _ = fit_affine(picture, 0.4 * picture, radius=8, deviation=DEVIATION)
    assert np.allclose(gain, 0.2, atol=0.002)  # a window of odd side holds one more of one colour


def test_it_is_the_guided_filter_of_opencv() -> None:
    picture, result = textured(45, 37)[..., :1].repeat(3, 2), textured(45, 37, seed=2)
    change = result - picture
    found = apply_affine(picture, *fit_affine(picture, change, radius=RADIUS, deviation=DEVIATION)) - picture
    guide = np.ascontiguousarray(picture[..., 0])
    for channel in range(3):
        # OpenCV's eps is added to the variance
        expected = cv2.ximgproc.guidedFilter(guide, np.ascontiguousarray(change[..., channel]), RADIUS, DEVIATION**2)
        inner = np.s_[2 * RADIUS : -2 * RADIUS, 2 * RADIUS : -2 * RADIUS]
        assert np.allclose(found[..., channel][inner], expected[inner], atol=1e-4)


def test_detail_that_only_the_full_size_shows_takes_part_in_the_gain() -> None:
    full = smooth_picture(240, 320)
    fine = 0.02 * np.sin(np.arange(320) * 2.0)[None, :, None].astype(np.float32)
    small = cv2.resize(full, (80, 60), interpolation=cv2.INTER_AREA)
    gain, offset = fit_affine(small, 0.5 * small - 0.2, radius=RADIUS, deviation=1e-6)
    assert np.allclose(apply_affine(full + fine, gain, offset), 1.5 * (full + fine) - 0.2, atol=1e-3)


def test_pixels_outside_the_mask_change_nothing_inside() -> None:
    picture, change = textured(40, 40), textured(40, 40, seed=2)
    mask = np.zeros((40, 40), bool)
    mask[8:33, 5:30] = True
    first = fit_affine(picture, change, radius=RADIUS, deviation=DEVIATION, mask=mask)
    picture[~mask], change[~mask] = 0, 9
    second = fit_affine(picture, change, radius=RADIUS, deviation=DEVIATION, mask=mask)
    for one, other in zip(first, second, strict=True):
        assert np.array_equal(one, other)
        assert one[mask].any()


def test_in_a_mask_an_affine_change_is_found_up_to_the_edge() -> None:
    picture = textured(40, 40)
    mask = np.hypot(*(np.mgrid[:40, :40] - 19.5)) < 15
    change = np.where(mask[..., None], 0.3 * picture + 0.1, 0).astype(np.float32)
    gain, offset = fit_affine(picture, change, radius=RADIUS, deviation=1e-6, mask=mask)
    assert np.allclose(gain[mask], 0.3, atol=1e-4)
    assert np.allclose(offset[mask], 0.1, atol=1e-4)
    assert not gain[0, 0].any()  # no counted pixel is near


@pytest.mark.parametrize("shape", [(1, 1), (2, 5), (7, 3)])
def test_a_picture_smaller_than_a_window_is_carried_too(shape: tuple[int, int]) -> None:
    picture = textured(*shape)
    gain, offset = fit_affine(picture, np.full_like(picture, 0.1), radius=RADIUS, deviation=DEVIATION)
    assert np.allclose(apply_affine(textured(9, 9), gain, offset), textured(9, 9) + 0.1, atol=1e-5)
