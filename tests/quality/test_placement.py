import numpy as np
import pytest

from clearfundus.quality.placement import blocks_inside, largest_square
from drawn import field_mask


def slowly_largest(mask: np.ndarray) -> int:
    """The textbook recurrence: a square ends where its three neighbours' squares end."""
    best = np.zeros((mask.shape[0] + 1, mask.shape[1] + 1), int)
    for row, column in np.argwhere(mask):
        best[row + 1, column + 1] = 1 + min(best[row, column], best[row, column + 1], best[row + 1, column])
    return int(best.max())


@pytest.mark.parametrize("seed", range(20))
def test_the_largest_square_is_the_largest(seed: int) -> None:
    rng = np.random.default_rng(seed)
    mask = rng.random((40, 53)) > rng.uniform(0, 0.1)
    top, left, side = largest_square(mask)
    assert side == slowly_largest(mask)
    assert mask[top : top + side, left : left + side].all()


def test_it_fills_a_frame_without_surround_and_nothing_of_an_empty_one() -> None:
    assert largest_square(np.ones((30, 41), bool)) == (0, 0, 30)
    assert largest_square(np.zeros((30, 41), bool)) == (0, 0, 0)


def test_in_a_disc_it_is_the_inscribed_square() -> None:
    assert largest_square(field_mask(768, 1.0))[2] == pytest.approx(768 / np.sqrt(2), abs=2)


@pytest.mark.parametrize(("side", "count"), [(512, 12), (768, 37), (1024, 69)])
def test_as_many_blocks_fit_into_a_disc_as_were_counted(side: int, count: int) -> None:
    assert len(blocks_inside(field_mask(side, 1.0), 96)) == pytest.approx(count, abs=4)


def test_blocks_lie_in_the_field_off_its_edge_on_one_grid() -> None:
    mask = field_mask(700, 0.9)
    blocks = blocks_inside(mask, 96)
    outside = np.argwhere(~mask)
    for top, left in blocks:
        nearest = np.clip(outside, (top, left), (top + 95, left + 95))
        assert np.hypot(*(outside - nearest).T).min() > 12
        assert ((top - blocks[0][0]) % 96, (left - blocks[0][1]) % 96) == (0, 0)
        assert (top % 16, left % 16) == (0, 0)


def test_the_best_offset_holds_a_block_that_the_grid_from_the_corner_misses() -> None:
    mask = np.zeros((300, 300), bool)
    mask[80:230, 80:230] = True  # 92 to 217 are far enough off the edge
    assert blocks_inside(mask, 96) == [(96, 96)]
    mask = np.roll(mask, (20, -30), axis=(0, 1))  # 112 to 237 and 62 to 187
    assert blocks_inside(mask, 96) == [(112, 64)]


def test_the_frames_border_is_no_edge() -> None:
    assert len(blocks_inside(np.ones((200, 300), bool), 96)) == 6
    cut_off = np.ones((200, 300), bool)
    cut_off[:, :5] = False
    assert {top for top, _ in blocks_inside(cut_off, 96)} == {0, 96}


def test_a_field_too_small_holds_none() -> None:
    assert blocks_inside(field_mask(100), 96) == []
