import itertools

import pytest
import torch
from torch import Tensor

from clearfundus.networks.norm import InstanceNorm, count_in_bands, instance_norm, merge

FORMATS = (torch.contiguous_format, torch.channels_last)


def by_arithmetic(features: Tensor) -> Tensor:
    variance, mean = torch.var_mean(features, (2, 3), keepdim=True, correction=0)
    return (features - mean) / (variance + 1e-5).sqrt()  # eps 1e-5: METHOD.md


def drawn(count: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 3 * torch.randn((count, 4, 6, 5), dtype=torch.float64, generator=generator) + 1


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize(("of_input", "of_gradient"), list(itertools.product(FORMATS, FORMATS)))
def test_values_and_gradient_are_those_of_arithmetic_in_every_layout(
    count: int, of_input: torch.memory_format, of_gradient: torch.memory_format
) -> None:
    wanted = drawn(count, 0).requires_grad_()
    by_arithmetic(wanted).backward(drawn(count, 1))
    found = drawn(count, 0).contiguous(memory_format=of_input).requires_grad_()
    normal = instance_norm(found)
    assert torch.allclose(normal, by_arithmetic(found))
    normal.backward(drawn(count, 1).contiguous(memory_format=of_gradient))
    assert torch.allclose(found.grad, wanted.grad)


@pytest.mark.parametrize("count", [1, 2])
def test_the_gradient_survives_what_a_layer_behind_changes_in_place(count: int) -> None:
    wanted, found = drawn(count, 0).requires_grad_(), drawn(count, 0).requires_grad_()
    by_arithmetic(wanted).relu().backward(drawn(count, 1))
    gradient = drawn(count, 1).contiguous(memory_format=torch.channels_last)
    torch.nn.ReLU(inplace=True)(InstanceNorm()(found)).backward(gradient)
    assert torch.allclose(found.grad, wanted.grad)


def test_a_channel_without_contrast_becomes_0() -> None:
    assert instance_norm(torch.full((1, 2, 4, 4), 0.3)).abs().max() < 1e-4  # rounding, over the root of eps


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("layout", FORMATS)
def test_without_a_gradient_it_is_the_same(count: int, layout: torch.memory_format) -> None:
    with torch.inference_mode():
        found = instance_norm(drawn(count, 0).contiguous(memory_format=layout))
        assert torch.allclose(found, by_arithmetic(drawn(count, 0)))


def test_in_fp32_a_large_picture_is_normalised_as_exactly_as_a_small_one() -> None:
    # all pixels summed at once, as torch's batch norm does in this layout, would be off by more than 1e-4
    large = 3 * torch.randn((1, 4, 1024, 1024), generator=torch.Generator().manual_seed(0)) + 10
    with torch.inference_mode():
        found = instance_norm(large.contiguous(memory_format=torch.channels_last))
        assert found.is_contiguous(memory_format=torch.channels_last)
        assert (found - by_arithmetic(large.double())).abs().max() < 5e-6


@pytest.mark.parametrize(("most", "bands"), [(1, 6), (5, 6), (14, 3), (20, 2), (2**24, 1)])
def test_bands_of_whole_rows_together_are_the_picture(most: int, bands: int) -> None:
    picture = drawn(1, 0)  # 6 rows of 5
    parts = list(count_in_bands(picture, most))
    assert len(parts) == bands
    merged = merge(parts)
    variance, mean = torch.var_mean(picture, (0, 2, 3), correction=0)
    assert merged.pixels == 30
    assert torch.allclose(merged.mean, mean)
    assert torch.allclose(merged.variance, variance)
