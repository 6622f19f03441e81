from collections.abc import Callable

import numpy as np
import pytest
import torch

from clearfundus.errors import PhotoMemoryError
from clearfundus.networks import inference
from clearfundus.networks.generator import Generator, GeneratorSettings
from clearfundus.networks.inference import plan_rows, run_generator
from clearfundus.networks.memory import KEPT_ROWS, LEAST_ROWS, Demand, one_pass_bytes, peak_bytes
from clearfundus.networks.streaming import run_in_strips
from clearfundus.networks.tensors import to_pixels, to_tensor


class Remembers(torch.nn.Module):
    """The identity, or a constant, that remembers what it was shown."""

    def __init__(self, gain: float = 1.0) -> None:
        super().__init__()
        self.gain = torch.nn.Parameter(torch.tensor(gain))
        self.shown: torch.Tensor | None = None

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        self.shown = picture
        return picture * self.gain


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).random((height, width, 3), dtype=np.float32)


def test_pixels_become_a_tensor_in_minus_1_to_1_and_come_back() -> None:
    pixels = np.array([[[0, 0.5, 1], [0.25, 0.75, 0.125]]], dtype=np.float32)
    tensor = to_tensor(pixels)
    assert tensor.shape == (1, 3, 1, 2)
    assert tensor[0, :, 0, 0].tolist() == [-1, 0, 1]  # 2 v - 1
    assert tensor[0, :, 0, 1].tolist() == [-0.5, 0.5, -0.75]
    assert np.array_equal(to_pixels(tensor), pixels)


def test_what_leaves_the_range_is_clipped() -> None:
    pixels = run_generator(Remembers(gain=3.0), noise(8, 8))
    assert pixels.min() == 0
    assert pixels.max() == 1
    assert pixels.dtype == np.float32


@pytest.mark.parametrize(("height", "width"), [(8, 8), (9, 14), (11, 7), (5, 6)])
def test_any_size_is_padded_by_reflection_to_multiples_of_4_and_cropped_again(height: int, width: int) -> None:
    network, pixels = Remembers(), noise(height, width)
    output = run_generator(network, pixels)
    assert np.allclose(output, pixels, atol=1e-6)
    assert all(side % 4 == 0 for side in network.shown.shape[2:])
    padded = np.pad(pixels, ((0, -height % 4), (0, -width % 4), (0, 0)), mode="symmetric")
    assert np.allclose(to_pixels(network.shown), padded, atol=1e-6)


def test_a_generator_runs_without_a_gradient() -> None:
    network = Generator(GeneratorSettings(width=4, blocks=1)).eval()
    output = run_generator(network, noise(30, 21))
    assert output.shape == (30, 21, 3)
    assert all(parameter.grad is None for parameter in network.parameters())


def test_little_memory_means_strips_and_the_same_result(monkeypatch: pytest.MonkeyPatch) -> None:
    network, pixels = Generator(GeneratorSettings(width=16, blocks=1)).eval(), noise(300, 260)
    demand = Demand(settings=network.settings, height=300, width=260)
    heights: list[tuple[int, bool]] = []

    def remember(network: Generator, pixels: np.ndarray, *, rows: int, keep: bool) -> np.ndarray:
        heights.append((rows, keep))
        return run_in_strips(network, pixels, rows=rows, keep=keep)

    monkeypatch.setattr(inference, "run_in_strips", remember)
    monkeypatch.setattr(inference, "held_bytes", lambda device: 1000)
    whole = run_generator(network, pixels, memory_limit=1000 + one_pass_bytes(demand))
    assert heights == [(KEPT_ROWS, True)]
    strips = run_generator(network, pixels, memory_limit=1000 + peak_bytes(demand, 64))
    assert heights[1:] == [(64, False)]
    assert np.abs(strips - whole).max() < 1e-4
    with pytest.raises(PhotoMemoryError, match="expected at least"):
        run_generator(network, pixels, memory_limit=1000 + peak_bytes(demand, LEAST_ROWS) - 1)


@pytest.mark.parametrize(
    ("available", "expected"),
    [
        (lambda demand: 2 * one_pass_bytes(demand), None),
        (lambda demand: 2 * one_pass_bytes(demand) - 2, 256),
        (lambda demand: 2 * peak_bytes(demand, 64), 64),
        (lambda demand: peak_bytes(demand, LEAST_ROWS), LEAST_ROWS),
        (lambda demand: None, None),
    ],
    ids=["ample", "not quite", "half for strips", "only all of it", "not told"],
)
def test_without_a_limit_half_of_what_is_available_is_taken_or_all_if_it_must_be(
    available: Callable[[Demand], int | None], expected: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    demand = Demand(settings=GeneratorSettings(), height=600, width=5000)
    monkeypatch.setattr(inference, "held_bytes", lambda device: 12345)
    monkeypatch.setattr(inference, "available_bytes", lambda device: available(demand))
    assert plan_rows(demand, torch.device("cpu"), None) == expected


def test_a_picture_for_which_there_is_no_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    demand = Demand(settings=GeneratorSettings(), height=600, width=5000)
    monkeypatch.setattr(inference, "available_bytes", lambda device: peak_bytes(demand, LEAST_ROWS) - 1)
    with pytest.raises(PhotoMemoryError, match="expected at least"):
        plan_rows(demand, torch.device("cpu"), None)
