import cv2
import numpy as np
import pytest

from clearfundus.quality.matlab_resize import half_size


def as_matlab(line: np.ndarray) -> np.ndarray:
    """Halve one line as `contributions` in MATLAB's imresize.m says it, index by index, from 1."""
    found = []
    for x in range(1, -(-len(line) // 2) + 1):
        u = x / 0.5 + 0.5 * (1 - 1 / 0.5)
        places = np.floor(u - 4) + np.arange(10)
        distance = np.abs(0.5 * (u - places))
        near = 1.5 * distance**3 - 2.5 * distance**2 + 1
        far = -0.5 * distance**3 + 2.5 * distance**2 - 4 * distance + 2
        weights = near * (distance <= 1) + far * ((distance > 1) & (distance <= 2))
        mirrored = [*range(len(line)), *range(len(line) - 1, -1, -1)]
        values = [line[mirrored[int(place - 1) % (2 * len(line))]] for place in places]
        found.append(np.dot(weights, values) / weights.sum())
    return np.array(found)


@pytest.mark.parametrize("shape", [(8, 8), (5, 6), (11, 9), (40, 31)])
def test_it_is_what_matlab_does(shape: tuple[int, int]) -> None:
    plane = np.random.default_rng(0).uniform(0, 255, shape)
    down = np.apply_along_axis(as_matlab, 0, plane)
    expected = np.apply_along_axis(as_matlab, 1, down)
    np.testing.assert_allclose(half_size(plane), expected, atol=1e-10)


def test_it_neither_clips_nor_rounds() -> None:
    plane = np.zeros((32, 32))
    plane[:, 16:] = 255
    half = half_size(plane)
    assert half.min() < -1
    assert half.max() > 256
    assert not np.array_equal(half, np.rint(half))


def test_a_constant_stays_one() -> None:
    np.testing.assert_allclose(half_size(np.full((21, 34), 7.0)), np.full((11, 17), 7.0), atol=1e-12)


def test_it_is_not_what_opencv_calls_cubic() -> None:
    plane = np.random.default_rng(1).uniform(0, 255, (64, 64))
    other = cv2.resize(plane, (32, 32), interpolation=cv2.INTER_CUBIC)
    assert np.abs(half_size(plane) - other).max() > 10
