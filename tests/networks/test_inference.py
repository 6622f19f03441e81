import numpy as np
import pytest
import torch

from clearfundus.networks.generator import Generator, GeneratorSettings
from clearfundus.networks.inference import run_generator
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
