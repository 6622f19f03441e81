import numpy as np
import pytest
import torch

from clearfundus.networks.norm import NORM_EPSILON, instance_norm
from clearfundus.networks.strip_norm import StripNorm


def drawn(mean: float, deviation: float) -> torch.Tensor:
    values = np.random.default_rng(0).normal(mean, deviation, (1, 3, 23, 9)) * np.array([1, 2, 4])[:, None, None]
    return torch.from_numpy(values.astype(np.float32)).contiguous(memory_format=torch.channels_last)


def gathered(features: torch.Tensor, *cuts: int) -> StripNorm:
    norm = StripNorm("instance")
    for strip in torch.tensor_split(features, cuts, dim=2):
        norm.add(strip)
    return norm


@pytest.mark.parametrize("cuts", [(), (10,), (1, 2, 22), (4, 8, 12, 16, 20)])
@pytest.mark.parametrize(("mean", "deviation"), [(0, 1), (-3, 0.5), (100, 0.1)])
def test_mean_and_variance_are_those_of_all_rows_in_float64(
    cuts: tuple[int, ...], mean: float, deviation: float
) -> None:
    features = drawn(mean, deviation)
    scale, shift = gathered(features, *cuts).scale_and_shift()
    values = features.numpy().astype(np.float64)
    deviations = np.sqrt(values.var(axis=(0, 2, 3)) + NORM_EPSILON)
    assert scale.dtype == torch.float64
    assert np.allclose(1 / scale.numpy(), deviations, rtol=2e-5)
    assert np.allclose(-(shift / scale).numpy(), values.mean(axis=(0, 2, 3)), rtol=1e-6, atol=1e-6)


def test_normalising_by_them_is_instance_norm_in_place() -> None:
    features = drawn(0.3, 2.0)
    expected = instance_norm(features)
    found = gathered(features, 7, 9).apply(features)
    assert torch.allclose(found, expected, atol=1e-5)
    assert found.data_ptr() == features.data_ptr()


def test_what_is_counted_after_a_use_counts_for_the_next() -> None:
    features = drawn(0.3, 2.0)
    norm = gathered(features[:, :, :11])
    norm.apply(features[:, :, :11].clone())
    norm.add(features[:, :, 11:])
    assert torch.equal(norm.apply(features.clone()), gathered(features, 11).apply(features.clone()))


def test_without_a_norm_features_stay_as_they_are() -> None:
    features, norm = drawn(0.3, 2.0), StripNorm("none")
    norm.add(features)
    assert torch.equal(norm.apply(features.clone()), features)


def test_a_long_strip_is_counted_as_exactly_as_a_short_one() -> None:
    values = np.random.default_rng(0).normal(10, 1, (1, 2, 512, 512)).astype(np.float32)
    norm = gathered(torch.from_numpy(values).contiguous(memory_format=torch.channels_last))
    scale, shift = (each.numpy() for each in norm.scale_and_shift())
    exact = values.astype(np.float64)
    # one sum in float32 over all pixels is off by 2e-4 here
    assert np.abs(-shift / scale - exact.mean(axis=(0, 2, 3))).max() < 1e-5
    assert np.allclose(1 / scale, np.sqrt(exact.var(axis=(0, 2, 3)) + NORM_EPSILON), rtol=1e-6)


def test_a_strip_in_bf16_is_counted_in_float32() -> None:
    features = drawn(5, 0.5).bfloat16()
    scale, _ = gathered(features, 7).scale_and_shift()
    assert np.allclose(1 / scale.numpy(), features.double().numpy().std(axis=(0, 2, 3)), rtol=1e-4)
