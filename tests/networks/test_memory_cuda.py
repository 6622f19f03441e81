"""The plans for a CUDA device, as far as no device is needed: which way is chosen, and what its tensors take."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from clearfundus.errors import PhotoMemoryError
from clearfundus.networks import inference, stages, whole
from clearfundus.networks.generator import Generator, GeneratorSettings
from clearfundus.networks.inference import plan_way
from clearfundus.networks.memory import LEAST_ROWS, MEBIBYTE, Demand
from clearfundus.networks.memory_cuda import (
    MOST_NUMBERS,
    Way,
    choose_way,
    least_bytes,
    ways,
    whole_bytes,
    workspace_bytes,
)
from clearfundus.networks.precision import in_bf16
from clearfundus.networks.streaming import run_in_strips
from clearfundus.networks.whole import run_whole
from networks_live import live_bytes

PAPER = Demand(settings=GeneratorSettings(), height=4096, width=4096, item_bytes=2)
PLAIN = Demand(settings=GeneratorSettings(norm="none"), height=4096, width=4096, item_bytes=2)
CUDA = torch.device("cuda", 0)
SMALL = 2**18
"""Bytes of weights in another order, and of what is a row or two more."""


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).random((height, width, 3), dtype=np.float32)


def test_one_piece_comes_first_then_what_is_kept_then_ever_lower_strips() -> None:
    order = [way for way, _ in ways(PAPER)]
    assert order[:4] == [Way(None, True), Way(1024, True), Way(512, True), Way(256, True)]
    assert order[4:] == [Way(rows, False) for rows in (2048, 1024, 512, 256, 128, 64, 32, LEAST_ROWS)]
    assert not any(way.keep for way, _ in list(ways(PLAIN))[1:])  # without norm nothing is wanted twice


@pytest.mark.parametrize("demand", [PAPER, PLAIN], ids=["instance", "none"])
def test_each_way_is_chosen_where_it_just_fits_and_no_way_before_it_does(demand: Demand) -> None:
    below = 2**60
    for way, taken in ways(demand):
        if taken < below:  # else one that is quicker takes no more
            assert choose_way(demand, taken + 1000, held=1000) == way
            assert choose_way(demand, taken - 1 + 1000, held=1000) != way if way.rows != LEAST_ROWS else True
        below = min(below, taken)
    assert below == least_bytes(demand)


def test_a_limit_that_is_too_low_is_refused_with_the_least_that_would_do() -> None:
    held = 300 * MEBIBYTE
    with pytest.raises(PhotoMemoryError, match=r"found 1024 MiB, expected at least \d+ MiB for 4096 x 4096") as caught:
        choose_way(PAPER, 1024 * MEBIBYTE, held)
    least = int(str(caught.value).split("at least ")[1].split()[0]) * MEBIBYTE
    assert choose_way(PAPER, least, held) == Way(LEAST_ROWS, False)
    with pytest.raises(PhotoMemoryError):
        choose_way(PAPER, least - MEBIBYTE, held)


def test_no_tensor_is_larger_than_can_be_counted() -> None:
    huge = Demand(settings=GeneratorSettings(), height=8192, width=8192)
    assert MOST_NUMBERS < 64 * 8192 * 8192
    assert choose_way(huge, None) == Way(1024, True)
    assert choose_way(Demand(settings=GeneratorSettings(), height=2048, width=2048), None) == Way(None, True)


@pytest.mark.parametrize(
    ("available", "expected"),
    [
        (2 * whole_bytes(PAPER), Way(None, True)),
        (2 * whole_bytes(PAPER) - 2, Way(1024, True)),
        (least_bytes(PAPER), Way(LEAST_ROWS, False)),
    ],
    ids=["ample", "not quite", "only all of it"],
)
def test_without_a_limit_half_of_what_is_free_is_taken_or_all_if_it_must_be(
    available: int, expected: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inference, "held_bytes", lambda device: 12345)
    monkeypatch.setattr(inference, "available_bytes", lambda device: available)
    assert plan_way(PAPER, CUDA, None) == expected


def test_what_is_planned_is_what_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[object] = []
    monkeypatch.setattr(inference, "run_whole", lambda network, pixels: ran.append("whole"))
    monkeypatch.setattr(inference, "run_in_strips", lambda network, pixels, **how: ran.append(how))
    monkeypatch.setattr(inference, "next", lambda _: SimpleNamespace(device=CUDA), raising=False)
    monkeypatch.setattr(inference, "held_bytes", lambda device: 0)
    network = Generator(GeneratorSettings(width=4, blocks=1)).eval()
    demand = Demand(settings=network.settings, height=600, width=400)
    wanted = [choose_way(demand, taken) for _, taken in ways(demand)]
    for _, taken in ways(demand):
        inference.run_generator(network, noise(600, 400), memory_limit=taken)
    assert ran == ["whole" if way.rows is None else {"rows": way.rows, "keep": way.keep} for way in wanted]
    assert len(set(wanted)) > 3


@pytest.mark.parametrize("item_bytes", [4, 2])
@pytest.mark.parametrize("gain", [False, True])
@pytest.mark.parametrize("norm", ["instance", "none"])
def test_tensors_take_what_is_planned(norm, gain: bool, item_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (stages, whole):
        monkeypatch.setattr(module, "pad_by_reflection", stages.reflect)  # as on a CUDA device
    settings = GeneratorSettings(width=16, blocks=1, norm=norm, upsample="resize", skip=True, gain=gain)
    network, pixels = Generator(settings).eval(), noise(402, 330)
    if item_bytes == 2:
        network = in_bf16(network)
    demand = Demand(settings=settings, height=402, width=330, item_bytes=item_bytes)
    for way, planned in ways(demand):
        taken = live_bytes(lambda way=way: run(network, pixels, way))
        planned -= workspace_bytes(demand, way.rows or demand.padded_height)
        # the picture, which lies on a CUDA device, is not among the tensors made here
        assert taken < planned + SMALL, way
        assert planned < 1.8 * taken + SMALL, way


def run(network: Generator, pixels: np.ndarray, way: Way) -> np.ndarray:
    if way.rows is None:
        return run_whole(network, pixels)
    return run_in_strips(network, pixels, rows=way.rows, keep=way.keep)
