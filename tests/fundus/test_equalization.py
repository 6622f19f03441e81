import tracemalloc

import cv2
import numpy as np
import pytest

from clearfundus import SettingsError
from clearfundus.fundus.equalization import equalize


def smooth_noise(shape: tuple[int, int]) -> np.ndarray:
    """Return a plane with structure at several scales, its levels exact multiples of 1/255."""
    rng = np.random.default_rng(3)
    plane = cv2.GaussianBlur(rng.random(shape, dtype=np.float32), (0, 0), 3)
    plane = (plane - plane.min()) / np.ptp(plane) * 0.6 + 0.1
    return np.rint(plane * 255).astype(np.uint8)


@pytest.mark.parametrize("shape", [(512, 512), (509, 603), (512, 603), (40, 25)])
@pytest.mark.parametrize(("clip_limit", "tiles"), [(2.0, 8), (3.55, 8), (40.0, 4)])
def test_it_agrees_with_opencv_on_8_bit_planes(shape: tuple[int, int], clip_limit: float, tiles: int) -> None:
    levels = smooth_noise(shape)
    expected = cv2.createCLAHE(clip_limit, (tiles, tiles)).apply(levels)
    found = equalize(levels.astype(np.float32) / 255, clip_limit=clip_limit, tiles=tiles) * 255
    # OpenCV rounds each map to whole levels, and then the blend of four maps: half a level each
    assert np.abs(found - expected).max() <= 1.001


def test_levels_between_two_8_bit_levels_keep_their_order() -> None:
    row = np.linspace(0.3, 0.4, 512, dtype=np.float32)  # 26 levels at 8 bit, 512 values
    found = equalize(np.tile(row, (64, 1)), tiles=1)[0]
    assert np.all(np.diff(found) > 0)


def test_one_unclipped_tile_is_the_histogram_s_running_sum_read_between_the_levels() -> None:
    plane = np.random.default_rng(1).beta(2, 5, (96, 80)).astype(np.float32)
    running = np.cumsum(np.bincount(np.rint(plane.ravel() * np.float32(255)).astype(int), minlength=256)) / plane.size
    expected = np.interp(plane * 255, np.arange(256), running)
    np.testing.assert_allclose(equalize(plane, clip_limit=256, tiles=1), expected, atol=1e-5)


def test_flat_planes_stay_flat() -> None:
    found = equalize(np.full((64, 64), 0.5, np.float32))
    assert np.ptp(found) < 1e-6


def test_no_value_leaves_0_to_1() -> None:
    rng = np.random.default_rng(2)
    plane = np.where(rng.random((130, 170)) < 0.5, rng.random((130, 170)), 1).astype(np.float32)
    found = equalize(plane, clip_limit=256)
    assert found.dtype == np.float32
    assert found.min() >= 0
    assert found.max() == 1  # white stays white


def test_the_result_does_not_depend_on_the_number_of_threads_and_the_plane_stays() -> None:
    plane = smooth_noise((301, 407)).astype(np.float32) / 255
    before, threads = plane.copy(), cv2.getNumThreads()
    try:
        cv2.setNumThreads(1)
        one = equalize(plane)
        cv2.setNumThreads(4)
        assert np.array_equal(one, equalize(plane))
    finally:
        cv2.setNumThreads(threads)
    assert np.array_equal(plane, before)


def test_it_takes_four_planes_of_memory_at_most() -> None:
    plane = np.random.default_rng(4).random((1000, 1200), dtype=np.float32)
    equalize(plane[:100, :100])
    tracemalloc.start()
    equalize(plane)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 4 * plane.nbytes


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"clip_limit": 0.0}, "clip_limit: found 0.0, expected a number above 0"),
        ({"clip_limit": float("nan")}, "clip_limit: found nan"),
        ({"clip_limit": float("inf")}, "clip_limit: found inf"),
        ({"clip_limit": 256.5}, "clip_limit: found 256.5, expected a number above 0 and at most 256"),
        ({"tiles": 0}, "tiles: found 0, expected 1 to 64"),
    ],
)
def test_numbers_out_of_range_are_named(parameters: dict, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        equalize(np.zeros((8, 8), np.float32), **parameters)
