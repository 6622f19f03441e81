"""The spatial-entropy curve against a slow loop written from its formula."""

import numpy as np
import pytest

from clearfundus.fundus.entropy import spatial_entropy_map


def map_by_loops(levels: np.ndarray, mask: np.ndarray) -> np.ndarray:
    height, width = levels.shape
    known = np.unique(levels[mask])
    ratio = height / width
    down, across = int(np.sqrt(len(known) * ratio)), int(np.sqrt(len(known) / ratio))
    entropies = []
    for level in known:
        counts = np.zeros((down, across))
        for row, column in np.argwhere((levels == level) & mask):
            counts[row * down // height, column * across // width] += 1
        share = counts / counts.sum()
        entropies.append(-sum(p * np.log2(p) for p in share.ravel() if p > 0))
    steps = [own / (sum(entropies) - own) for own in entropies]
    curve = np.cumsum(steps) / sum(steps)
    return np.array([[curve[np.searchsorted(known, level, "right") - 1] for level in row] for row in levels])


@pytest.mark.parametrize("shape", [(40, 61), (61, 40), (50, 50)])
def test_it_agrees_with_the_formula(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(1)
    levels = (np.linspace(20, 60, shape[1]) + rng.integers(0, 8, shape)).astype(np.int64)
    mask = rng.random(shape) < 0.9
    mask[:, :2] = False
    expected = map_by_loops(levels, mask)
    found = spatial_entropy_map((levels / 255).astype(np.float32), mask)
    assert np.abs(found - expected)[mask].max() < 1e-5


def test_a_level_spread_over_the_picture_gets_a_wider_step_than_one_in_a_spot() -> None:
    levels = np.tile(np.arange(64).repeat(2), (128, 1)) % 8 + 20
    levels[:16, :16] = 40
    curve = spatial_entropy_map((levels / 255).astype(np.float32), np.ones(levels.shape, bool))
    assert curve[64, 4] - curve[64, 2] > 10 * (curve[0, 0] - curve[levels == 27].max())


@pytest.mark.parametrize("plane", [np.zeros((5, 3)), np.ones((2, 2)), np.eye(2), np.arange(6).reshape(2, 3) / 5])
def test_pictures_without_entropy_stay_in_range(plane: np.ndarray) -> None:
    found = spatial_entropy_map(plane.astype(np.float32), np.ones(plane.shape, bool))
    assert np.isfinite(found).all()
    assert found.max() == pytest.approx(1)
