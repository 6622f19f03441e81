import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from clearfundus.training.batches import Batches, Photographs, balanced_indices, count_workers
from clearfundus.training.config import RunSettings
from clearfundus.training.data import Specimen
from clearfundus.training.distributed import Ranks
from clearfundus.training.schedule import sample_indices
from clearfundus.training.step import Batch
from tiny_run import random_batch, tiny_settings

CPU = torch.device("cpu")
NO_HAZE = {"untouched": 1.0}


def specimen(level: int) -> Specimen:
    """Return one gray photograph: its level says which one it is."""
    return Specimen(
        name=str(level),
        pixels=np.full((64, 64, 3), level, np.uint8),
        mask=np.ones((64, 64), bool),
        corners=np.zeros(1, np.int32),
    )


BLURRY, CLEAR = range(0, 5), range(100, 107)
PHOTOGRAPHS = Photographs(blurry=[specimen(one) for one in BLURRY], clear=[specimen(one) for one in CLEAR])


@contextmanager
def opened(settings: RunSettings, ranks: Ranks | None = None) -> Iterator[Batches]:
    batches = Batches(PHOTOGRAPHS, settings, ranks or Ranks(), CPU)
    try:
        yield batches
    finally:
        batches.close()


def levels(pictures: torch.Tensor) -> list[int]:
    return torch.round((pictures[:, 0, 0, 0] + 1) * 127.5).int().tolist()


def equal(one: Batch, other: Batch) -> bool:
    return all(
        right is None if left is None else torch.equal(left, right) for left, right in zip(one, other, strict=True)
    )


def test_an_unpaired_batch_holds_the_photographs_whose_turn_it_is() -> None:
    settings = tiny_settings(unpaired={"steps": 10, "batch": 2})
    with opened(settings) as batches:
        for step in range(10):
            batch = batches.at(step)
            assert levels(batch.blurry) == sample_indices(5, 2 * step, 2, settings.seed, "blurry")
            assert levels(batch.clear) == [100 + one for one in sample_indices(7, 2 * step, 2, settings.seed, "clear")]
            assert batch.blurry.shape == batch.clear.shape == (2, 3, 64, 64)
            assert len(batch.degraded) == len(batch.truth) == 0
            assert batch.noise is None


def test_a_simulated_batch_holds_clear_photographs_and_their_copies_only() -> None:
    settings = tiny_settings(simulated={"steps": 7, "batch": 3, "degrade": NO_HAZE})
    with opened(settings) as batches:
        seen = []
        for step in range(7):
            batch = batches.at(step)
            assert batch.degraded.shape == batch.truth.shape == (3, 3, 64, 64)
            assert torch.equal(batch.degraded, batch.truth)
            assert len(batch.blurry) == len(batch.clear) == 0
            seen += levels(batch.truth)
    assert np.array(seen).reshape(3, 7).tolist() != [seen[:7]] * 3
    assert [sorted(epoch) for epoch in np.array(seen).reshape(3, 7).tolist()] == [list(CLEAR)] * 3


def test_several_squares_may_come_from_each_photograph_whose_turn_it_is() -> None:
    haze = {"untouched": 0.0, "noise": 0.0, "light": 0.0, "blur": [0.0, 0.0]}
    settings = tiny_settings(simulated={"steps": 5, "batch": 6, "squares": 3, "degrade": haze}, loss={"simulated": 1})
    with opened(settings) as batches:
        for step in range(5):
            batch = batches.at(step)
            turn = [100 + one for one in sample_indices(7, 2 * step, 2, settings.seed, "simulated")]
            assert levels(batch.truth) == [turn[0]] * 3 + [turn[1]] * 3
            assert len(batch.degraded) == 6
        assert len(batches.at(5).truth) == settings.unpaired.batch  # beside the paper's losses one of each


def test_the_second_stage_starts_its_sequence_at_the_beginning() -> None:
    settings = tiny_settings(simulated={"steps": 3})
    with opened(settings) as batches:
        assert levels(batches.at(3).blurry) == sample_indices(5, 0, 1, settings.seed, "blurry")


def test_pairs_and_noise_come_along_where_the_losses_ask_for_them() -> None:
    settings = tiny_settings(
        unpaired={"batch": 2}, loss={"simulated": 1, "cycle_noise": 3}, simulated={"degrade": NO_HAZE}
    )
    with opened(settings) as batches:
        batch = batches.at(0)
    assert batch.degraded.shape == batch.truth.shape == (2, 3, 64, 64)
    assert set(levels(batch.truth)) <= set(CLEAR)
    assert set(levels(batch.blurry)) <= set(BLURRY)
    assert batch.noise.shape == (4, 3, 64, 64)
    # 3 levels of 255 on [0, 1] are 6 / 255 on [-1, 1]; 49152 draws
    assert batch.noise.std().item() == pytest.approx(6 / 255, rel=0.02)
    assert abs(batch.noise.mean().item()) < 1e-3


def test_the_gain_is_the_same_for_both_sides_and_differs_between_iterations() -> None:
    settings = tiny_settings(
        data={"gain_jitter": 0.1}, loss={"simulated": 1}, simulated={"degrade": NO_HAZE}, unpaired={"steps": 5}
    )
    photographs = Photographs(blurry=[specimen(100)], clear=[specimen(100)])
    batches = Batches(photographs, settings, Ranks(), CPU)
    gains = []
    for step in range(5):
        batch = batches.at(step)
        colours = torch.cat([batch.blurry, batch.clear, batch.degraded, batch.truth])[:, :, 0, 0]
        assert torch.equal(colours, colours[:1].expand(4, 3))
        gains.append(tuple(colours[0].tolist()))
    batches.close()
    assert len(set(gains)) == 5


@pytest.mark.parametrize("over", [{}, {"simulated": {"steps": 2, "batch": 1, "degrade": NO_HAZE}}])
def test_both_sides_are_shown_smaller(over: dict[str, object]) -> None:
    row, column = np.mgrid[:128, :128].astype(np.uint8)
    slope = Specimen(
        name="slope",
        pixels=np.stack([row + column] * 3, axis=2),
        mask=np.ones((128, 128), bool),
        corners=np.zeros(1, np.int32),
    )
    settings = tiny_settings(**over, unpaired={"steps": 2}, data={"shrink": 0.5, "diameter": 128})
    batches = Batches(Photographs(blurry=[slope], clear=[slope]), settings, Ranks(), CPU)
    batch = batches.at(0)
    batches.close()
    pictures = torch.cat([batch.blurry, batch.clear, batch.degraded, batch.truth])
    slopes = (pictures[..., 1:] - pictures[..., :-1]).abs().mean((1, 2, 3)) * 127.5  # 1 a pixel in the photograph
    assert len(slopes) == 2
    assert slopes.min() > 1.02
    assert slopes.max() < 2.1


@pytest.mark.parametrize("over", [{}, {"simulated": {"steps": 6}}])
def test_a_batch_is_a_function_of_the_iteration_and_not_of_the_way_there(over: dict[str, object]) -> None:
    settings = tiny_settings(**over, unpaired={"steps": 6}, data={"gain_jitter": 0.1}, loss={"cycle_noise": 1})
    with opened(settings) as one, opened(settings) as other:
        in_order = [one.at(step) for step in range(settings.steps)]
        assert equal(other.at(5), in_order[5])  # as after a resume
        assert equal(other.at(2), in_order[2])
        assert equal(other.at(2), in_order[2])
    assert not equal(in_order[4], in_order[5])


@pytest.mark.parametrize("stage", ["simulated", "unpaired"])
def test_the_processes_divide_each_epoch_among_them(stage: str) -> None:
    settings = tiny_settings(
        simulated={"steps": 7 if stage == "simulated" else 0, "degrade": NO_HAZE}, unpaired={"steps": 7, "batch": 2}
    )
    seen: list[list[int]] = []
    for rank in range(3):
        with opened(settings, Ranks(rank=rank, count=3, local=rank)) as batches:
            pictures = [batches.at(step) for step in range(7)]
        seen.append([level for one in pictures for level in levels(one.truth if stage == "simulated" else one.clear)])
    together = [level for step in range(7) for rank in range(3) for level in seen[rank][2 * step : 2 * step + 2]]
    epochs = np.array(together).reshape(6, 7)
    assert all(sorted(epoch) == list(CLEAR) for epoch in epochs.tolist())
    one_process = sample_indices(7, 0, 42, settings.seed, "simulated" if stage == "simulated" else "clear")
    assert together == [100 + one for one in one_process]


def test_processes_cut_and_turn_by_chance_of_their_own() -> None:
    settings = tiny_settings(loss={"cycle_noise": 1})
    noises = []
    for rank in range(2):
        with opened(settings, Ranks(rank=rank, count=2, local=rank)) as batches:
            noises.append(batches.at(0).noise)
    assert not torch.equal(*noises)


def test_an_error_in_the_thread_that_makes_batches_reaches_the_caller() -> None:
    broken = Photographs(blurry=[], clear=PHOTOGRAPHS.clear)
    batches = Batches(broken, tiny_settings(), Ranks(), CPU)
    with pytest.raises(ZeroDivisionError):
        batches.at(0)
    batches.close()


def test_every_source_comes_equally_often_and_each_of_its_photographs_too() -> None:
    sources = ["a"] * 6 + ["b"] + ["c"] * 3
    drawn = balanced_indices(sources, 0, 3 * 12, 0, "blurry")
    counts = [drawn.count(index) for index in range(len(sources))]
    assert counts == [2] * 6 + [12] + [4] * 3  # 12 of each source
    rounds = [sorted(sources[index] for index in drawn[start : start + 3]) for start in range(0, 36, 3)]
    assert rounds == [["a", "b", "c"]] * 12
    assert len({tuple(sources[index] for index in drawn[start : start + 3]) for start in range(0, 36, 3)}) > 1


def test_balanced_turns_are_a_function_of_the_position_the_side_and_the_seed() -> None:
    sources = ["a"] * 6 + ["b"] * 2
    whole = balanced_indices(sources, 0, 24, 0, "blurry")
    assert balanced_indices(sources, 9, 15, 0, "blurry") == whole[9:]
    assert balanced_indices(sources, 0, 24, 1, "blurry") != whole
    assert balanced_indices(sources, 0, 24, 0, "clear") != whole


def test_balanced_batches_hold_each_source_of_each_side_in_turn() -> None:
    named = [replace(specimen(level), name=f"{'few' if level == 100 else 'many'}_{level}") for level in CLEAR]
    photographs = Photographs(blurry=PHOTOGRAPHS.blurry, clear=named)
    settings = tiny_settings(data={"balanced": True}, unpaired={"steps": 6, "batch": 2})
    batches = Batches(photographs, settings, Ranks(), CPU)
    found = [batches.at(step) for step in range(6)]
    batches.close()
    assert [sum(level == 100 for level in levels(batch.clear)) for batch in found] == [1] * 6
    # photographs without a source are one source
    assert sorted(level for batch in found for level in levels(batch.blurry))[::2] == [0, 0, 1, 2, 3, 4]
    again = Batches(photographs, settings, Ranks(), CPU)
    assert equal(again.at(4), found[4])
    again.close()


@pytest.mark.parametrize("steps", [[0, 1, 2, 3, 4, 5], [4, 5], [0, 3, 1, 5, 0]])
def test_batches_made_by_several_threads_are_those_of_one(steps: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    settings = tiny_settings(unpaired={"steps": 6, "batch": 2}, loss={"cycle_noise": 1}, data={"gain_jitter": 0.3})
    with opened(settings) as alone:
        expected = [alone.at(step) for step in steps]
    monkeypatch.setattr("clearfundus.training.batches.count_workers", lambda *_: 4)
    with opened(settings) as several:
        for step, batch in zip(steps, expected, strict=True):
            assert equal(several.at(step), batch)
            assert max(several.made, default=step) <= min(step + 4, 5)  # ahead, but not beyond the end


@pytest.mark.parametrize(
    ("device", "processors", "processes", "workers"),
    [("cpu", 16, 1, 1), ("cuda", 8, 1, 7), ("cuda", 8, 4, 1), ("cuda", 1, 1, 1), ("cuda", 192, 2, 16)],
)
def test_a_gpu_gets_the_threads_that_the_machine_can_spare(
    device: str, processors: int, processes: int, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clearfundus.training.batches.count_cores", lambda: processors)
    # as many processes again on another machine take nothing from this one
    assert count_workers(Ranks(count=2 * processes, local_count=processes), torch.device(device)) == workers


def test_batches_are_made_at_one_time_and_opencv_gets_its_threads_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clearfundus.training.batches.count_workers", lambda *_: 3)
    together, found = threading.Barrier(3, timeout=10), []

    def make(batches: Batches, step: int) -> Batch:
        if step < 3:
            together.wait()  # for two more: one thread alone would wait in vain
        found.append(cv2.getNumThreads())
        return random_batch(seed=step)

    monkeypatch.setattr(Batches, "_make", make)
    before = cv2.getNumThreads()
    cv2.setNumThreads(5)
    try:
        with opened(tiny_settings(unpaired={"steps": 5})) as batches:
            for step in range(5):
                assert equal(batches.at(step), random_batch(seed=step))
        assert found == [1] * 5
        assert cv2.getNumThreads() == 5
    finally:
        cv2.setNumThreads(before)
