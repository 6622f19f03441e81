"""Training the segmenter on a drawn photograph: crops keep label and picture together, chance repeats, it learns."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from clearfundus.errors import NonFiniteLossError
from clearfundus.networks.segmenter import Segmenter, SegmenterSettings
from clearfundus.training.segmenter_data import Augmentation, Labelled, Pool
from clearfundus.training.segmenter_run import Stage, rate_factor, train_stage

SMALL = Augmentation(side=48)
PLAIN = Augmentation(side=48, gain=(1, 1), shift=0, tint=0)


def labelled(seed: int, source: str = "drawn") -> Labelled:
    """Draw dark stripes on a bright disc, with the stripes as labels."""
    random = np.random.default_rng(seed)
    row, column = np.mgrid[:96, :96]
    inside = np.hypot(row - 47.5, column - 47.5) < 46
    stripes = (np.abs((column + 11 * seed) % 24 - 12) < 2) & inside
    pixels = (0.6 - 0.25 * stripes[..., None] + random.normal(0, 0.02, (96, 96, 3))) * inside[..., None]
    clear = np.clip(pixels, 0, 1).astype(np.float32)
    return Labelled(
        pixels=clear, inside=inside, target=stripes.astype(np.float32), source=source, degraded=(1 - clear,)
    )


@pytest.fixture(scope="module")
def pool() -> Pool:
    return Pool.of([labelled(0), labelled(1), labelled(2, "other")])


def network() -> Segmenter:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Segmenter(SegmenterSettings(widths=(4, 4, 4)))


def test_a_crop_and_its_label_lie_on_each_other(pool: Pool) -> None:
    crops = pool.draw(8, PLAIN, np.random.default_rng(0))
    vessel, ground = crops.targets > 0.9, (crops.targets < 0.1) & (crops.inside > 0)
    green = crops.pictures[:, 1:2]
    assert float(green[vessel].mean()) < float(green[ground].mean()) - 1
    assert not crops.pictures[(crops.inside == 0).expand(-1, 3, -1, -1)].any()
    assert not crops.targets[crops.inside == 0].any()


def test_the_share_of_degraded_crops_is_what_is_asked(pool: Pool) -> None:
    # the degraded version is the negative, in which stripes are bright
    for share in (0.0, 1.0):
        crops = pool.draw(6, replace(PLAIN, degraded_share=share), np.random.default_rng(0))
        vessel, ground = crops.targets > 0.9, (crops.targets < 0.1) & (crops.inside > 0)
        green = crops.pictures[:, 1:2]
        assert (float(green[vessel].mean()) > float(green[ground].mean())) == (share == 1.0)


def test_the_same_chance_draws_the_same_crops_and_other_chance_others(pool: Pool) -> None:
    one, same, other = (pool.draw(2, SMALL, np.random.default_rng(seed)).pictures for seed in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_data_sets_are_drawn_as_often_as_the_root_of_their_number_says() -> None:
    pool = Pool.of([*(labelled(index) for index in range(4)), labelled(4, "few")])
    few = replace(pool, targets=tuple(np.full((96, 96), index == 4, np.float32) for index in range(5)))
    crops = few.draw(300, replace(PLAIN, side=8), np.random.default_rng(0))
    share = float((crops.targets.amax(dim=(1, 2, 3)) > 0).float().mean())
    assert share == pytest.approx(1 / 3, abs=0.09)  # roots of 4 and 1; three deviations of 300 draws


def test_the_rate_rises_and_falls_to_nothing() -> None:
    factors = [rate_factor(step, 100) for step in range(100)]
    assert factors[0] == pytest.approx(0.2)
    assert max(factors) == factors[4] == factors[5] == 1
    assert factors[52] == pytest.approx(0.5, abs=0.02)
    assert factors[-1] < 0.001


@pytest.mark.parametrize("overlaps", [{}, {"dice": 0.5, "centreline": 0.5}])
def test_training_lowers_the_loss_and_repeats_itself(pool: Pool, overlaps: dict[str, float]) -> None:
    stage = Stage(name="short", steps=25, batch=4, augmentation=SMALL, **overlaps)
    losses = [value for _, value in train_stage(network(), pool, stage)]
    assert np.mean(losses[-5:]) < 0.6 * np.mean(losses[:3])
    again = train_stage(network(), pool, stage)
    assert [next(again)[1] for _ in range(3)] == losses[:3]


def test_a_loss_that_is_no_number_stops_the_training(pool: Pool) -> None:
    bad = network()
    with torch.no_grad():
        bad.second.head.bias.fill_(float("inf"))
    with pytest.raises(NonFiniteLossError, match="step 1"):
        next(train_stage(bad, pool, Stage(name="bad", steps=1, batch=1, augmentation=SMALL)))
