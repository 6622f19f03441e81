"""Which precision is chosen; the processor is made to look as if it had bf16, which torch computes on any."""

import numpy as np
import pytest
import torch

from clearfundus.errors import DeviceError, SettingsError
from clearfundus.networks import device, precision
from clearfundus.networks.generator import Generator, GeneratorSettings
from clearfundus.networks.precision import in_bf16, is_in_bf16, settle_precision
from clearfundus.networks.streaming import run_in_strips

TRIAL = np.random.default_rng(0).random((24, 20, 3), dtype=np.float32)


def tame(head: float) -> Generator:
    """Return a generator that hardly changes a picture if the head's weights are small, and much if they are large."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = Generator(GeneratorSettings(width=4, blocks=1, skip=True)).eval()
    with torch.no_grad():
        network.head.weight.mul_(head)
    return network


@pytest.fixture
def hardware(monkeypatch: pytest.MonkeyPatch):
    def have(bf16: bool) -> None:
        monkeypatch.setattr(device, "has_bf16", lambda device: bf16)

    return have


@pytest.mark.parametrize(
    ("bf16", "head", "chosen", "expected"),
    [
        (True, 0.1, "auto", True),
        (True, 0.1, "bf16", True),
        (True, 0.1, "fp32", False),
        (True, 100.0, "auto", False),  # the check fails
        (False, 0.1, "auto", False),
        (False, 0.1, "fp32", False),
    ],
)
def test_bf16_is_taken_where_it_is_there_and_the_weights_bear_it(
    bf16: bool, head: float, chosen, expected: bool, hardware
) -> None:
    hardware(bf16)
    network = tame(head)
    settled = settle_precision(network, chosen, TRIAL)
    assert is_in_bf16(settled) == expected
    assert not is_in_bf16(network)  # it is a copy that is converted


def test_named_bf16_is_refused_where_the_weights_do_not_bear_it(hardware) -> None:
    hardware(True)
    with pytest.raises(
        SettingsError, match=r"found a difference of \d+\.\d/255 from fp32 .* expected less than 1.5/255"
    ):
        settle_precision(tame(100.0), "bf16", TRIAL)


def test_named_bf16_is_refused_where_there_is_none(hardware) -> None:
    hardware(False)
    with pytest.raises(DeviceError, match="cpu has no bf16 arithmetic"):
        settle_precision(tame(0.1), "bf16", TRIAL)


def test_the_difference_is_the_greatest_of_any_value() -> None:
    first, second = tame(0.1), tame(0.1)
    with torch.no_grad():
        second.head.bias[1] = 0.02  # green alone: tanh(0.02 + f) - tanh(f) of [-1, 1], half of it of [0, 1]
    inside = np.full((8, 8, 3), 0.5, np.float32)
    assert precision.greatest_difference(first, second, inside) == pytest.approx(0.01, rel=1e-2)


def test_neither_the_picture_nor_the_result_is_rounded_to_bf16() -> None:
    network = tame(0.1)
    ramp = np.broadcast_to(np.linspace(0.5, 1, 512, dtype=np.float32)[None, :, None], (8, 512, 3))
    with torch.no_grad():
        network.head.weight.zero_()
    found = run_in_strips(in_bf16(network), np.ascontiguousarray(ramp), rows=8)
    assert np.abs(found - ramp).max() < 1e-6  # bf16 has steps of 1/512 here
