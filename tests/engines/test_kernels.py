import numpy as np
import pytest
import torch
from torch import Tensor, nn

from clearfundus.engines.kernels import enlarging_kernel, square_kernel


def drawn(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def taken_apart(squares: Tensor) -> Tensor:
    """DepthToSpace of ONNX, mode DCR: the channels of one pixel stand together."""
    number, channels, height, width = squares.shape
    apart = squares.reshape(number, 2, 2, channels // 4, height, width)
    return apart.permute(0, 3, 4, 1, 5, 2).reshape(number, channels // 4, 2 * height, 2 * width)


def convolve(features: np.ndarray, weight: np.ndarray, **how: int) -> Tensor:
    return nn.functional.conv2d(torch.from_numpy(features), torch.from_numpy(weight), **how)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (5, 8)])
def test_an_enlarging_kernel_does_what_enlarging_and_convolving_do(height: int, width: int) -> None:
    features, weight = drawn(2, 3, height, width), drawn(4, 3, 3, 3)
    enlarged = features.repeat(2, axis=2).repeat(2, axis=3)
    expected = convolve(enlarged, weight, padding=1)
    kernel = enlarging_kernel(weight)
    assert kernel.shape == (16, 3, 2, 2)
    found = taken_apart(convolve(features, kernel, padding=1))[..., 1:-1, 1:-1]
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("side", [3, 7])
def test_a_square_kernel_does_what_its_convolution_does_in_steps_of_one(side: int) -> None:
    padded, weight = drawn(2, 3, 10 + side - 1, 4 + side - 1), drawn(6, 3, side, side)
    kernel = square_kernel(weight)
    assert kernel.shape == (24, 3, side + 1, side + 1)
    found = taken_apart(convolve(padded, kernel, stride=2))
    torch.testing.assert_close(found, convolve(padded, weight), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("make_kernel", [enlarging_kernel, square_kernel])
def test_weights_in_fp16_are_added_up_in_fp32(make_kernel) -> None:
    weight = drawn(2, 3, 3, 3).astype(np.float16)
    assert make_kernel(weight).dtype == np.float32
    assert np.array_equal(make_kernel(weight), make_kernel(weight.astype(np.float32)))
