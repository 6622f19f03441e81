import numpy as np
import pytest

from clearfundus.training.config import RunSettings, SimulatedSettings, UnpairedSettings
from clearfundus.training.schedule import random_at, rate_factor, sample_indices, stage_at

TWO_STAGES = RunSettings(name="run", simulated=SimulatedSettings(steps=8), unpaired=UnpairedSettings(steps=4))


def test_the_stages_follow_each_other() -> None:
    assert [stage_at(TWO_STAGES, step) for step in range(12)] == ["simulated"] * 8 + ["unpaired"] * 4
    assert TWO_STAGES.steps == 12


def test_a_run_may_have_one_stage_only() -> None:
    paper = RunSettings(name="run", unpaired=UnpairedSettings(steps=2))
    assert stage_at(paper, 0) == "unpaired"
    pairs = RunSettings(name="run", simulated=SimulatedSettings(steps=2), unpaired=UnpairedSettings(steps=0))
    assert [stage_at(pairs, step) for step in (0, 1)] == ["simulated"] * 2


def test_the_rate_is_constant_over_the_first_half_of_a_stage_and_falls_to_0_over_the_second() -> None:
    # METHOD.md. By hand: of 8 iterations the first 5 (at 0, 1/8 .. 4/8) at full rate, then 2 (1 - done / 8);
    # of 4 the first 3, then 2 (1 - 3/4)
    expected = [1, 1, 1, 1, 1, 3 / 4, 2 / 4, 1 / 4, 1, 1, 1, 2 / 4]
    assert [rate_factor(TWO_STAGES, step) for step in range(12)] == expected


def test_the_papers_rate_at_a_few_points() -> None:
    paper = RunSettings(name="paper")  # 110,000 iterations
    assert rate_factor(paper, 0) == 1
    assert rate_factor(paper, 55_000) == 1
    assert rate_factor(paper, 82_500) == pytest.approx(0.5)
    assert rate_factor(paper, 109_999) == pytest.approx(2 / 110_000)


def test_the_rate_is_never_0_nor_above_1() -> None:
    for steps in (1, 2, 3, 7):
        settings = RunSettings(name="run", unpaired=UnpairedSettings(steps=steps))
        assert all(0 < rate_factor(settings, step) <= 1 for step in range(steps))


def test_chance_depends_on_where_the_run_stands_and_not_on_how_it_came_there() -> None:
    expected = random_at(3, "batch", 5, 0).random(4)
    random_at(3, "batch", 4, 0).random(100)
    np.random.default_rng(0).random(10)
    assert np.array_equal(random_at(3, "batch", 5, 0).random(4), expected)


def test_chance_differs_between_seeds_purposes_and_positions() -> None:
    places = [
        (3, "batch", 5, 0),
        (4, "batch", 5, 0),
        (3, "pool", 5, 0),
        (3, "batch", 6, 0),
        (3, "batch", 5, 1),
        (3, "batch", 0, 5),
        (3, "batch", 5),
        (3, "batch"),
        (3, "order of blurry", 0),
        (3, "order of clear", 0),
        (3 + 2**32, "batch", 5, 0),
    ]
    assert len({random_at(seed, purpose, *position).random() for seed, purpose, *position in places}) == len(places)


@pytest.mark.parametrize("side", ["blurry", "clear", "simulated"])
def test_each_epoch_holds_every_photograph_once_and_no_two_epochs_are_alike(side: str) -> None:
    epochs = np.reshape(sample_indices(7, 0, 7 * 20, seed=1, side=side), (20, 7))
    assert all(sorted(epoch) == list(range(7)) for epoch in epochs.tolist())
    assert len({tuple(epoch) for epoch in epochs.tolist()}) > 15  # of 5040 orders


def test_any_part_of_the_sequence_is_the_same_however_it_is_cut() -> None:
    whole = sample_indices(5, 0, 23, seed=1, side="clear")
    assert [sample_indices(5, place, 1, seed=1, side="clear")[0] for place in range(23)] == whole
    assert sample_indices(5, 4, 9, seed=1, side="clear") == whole[4:13]


def test_sides_of_equal_size_are_never_paired_by_index() -> None:
    # 20 photographs a side, 200 epochs. Drawn independently, a position pairs equal indices with probability 1/20:
    # 4000 draws give 200 with a standard deviation of about 14. In step, they would all be equal.
    blurry = np.array(sample_indices(20, 0, 4000, seed=1, side="blurry"))
    clear = np.array(sample_indices(20, 0, 4000, seed=1, side="clear"))
    assert 140 < int((blurry == clear).sum()) < 260
    # and no fixed relabelling pairs them either: of the 400 pairs each comes about 10 times
    _, times = np.unique(blurry * 20 + clear, return_counts=True)
    assert len(times) > 395
    assert times.max() < 30


def test_a_photograph_meets_another_one_of_the_other_side_in_each_epoch() -> None:
    blurry = np.reshape(sample_indices(8, 0, 8 * 50, seed=2, side="blurry"), (50, 8))
    clear = np.reshape(sample_indices(8, 0, 8 * 50, seed=2, side="clear"), (50, 8))
    partners = [int(clear[epoch, list(blurry[epoch]).index(0)]) for epoch in range(50)]
    assert set(partners) == set(range(8))  # one is missed with probability 8 (7/8)^50 = 1 %; seeded


def test_sides_of_different_size_keep_their_own_epochs() -> None:
    assert sorted(sample_indices(3, 3, 3, seed=0, side="blurry")) == [0, 1, 2]
    assert sorted(sample_indices(10, 10, 10, seed=0, side="clear")) == list(range(10))
