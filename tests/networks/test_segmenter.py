"""The W-Net: its size, its shapes, what standardising does, and that mirror images are put back."""

import numpy as np
import pytest
import torch

from clearfundus.networks.segmenter import Rise, Segmenter, SegmenterSettings, run_segmenter, standardise


@pytest.fixture(scope="module")
def network() -> Segmenter:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Segmenter(SegmenterSettings()).eval()


def picture(height: int = 38, width: int = 45) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(1)
    mask = np.ones((height, width), np.bool_)
    mask[:5] = False
    return random.uniform(0, 1, (height, width, 3)).astype(np.float32), mask


def test_it_has_the_stated_number_of_parameters(network: Segmenter) -> None:
    # 68,482 with 2x2 transposed convolutions (Galdran et al. 2022); each of the two U-Nets has two 1x1 ones in their
    # place, 3 (32 x 16 + 16 x 8) weights fewer
    found = sum(one.numel() for one in network.parameters())
    assert found == 68_482 - 2 * 3 * (32 * 16 + 16 * 8)


def test_both_logits_have_the_pictures_size(network: Segmenter) -> None:
    early, late = network(torch.zeros(2, 3, 24, 32))
    assert early.shape == late.shape == (2, 1, 24, 32)


def test_the_second_u_net_sees_what_the_first_found(network: Segmenter) -> None:
    pictures = torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    early, late = network(pictures)
    other = network.second(torch.cat([pictures, early + 1], dim=1))
    assert not torch.allclose(late, other)


def test_enlarging_after_the_1x1_convolution_is_enlarging_before_it() -> None:
    rise = Rise(6, 4)
    features = torch.randn(1, 6, 5, 7, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(rise.enlarge(rise.narrow(features)), rise.narrow(rise.enlarge(features)), atol=1e-6)


def test_standardised_channels_have_mean_0_and_deviation_1_inside_and_are_0_outside() -> None:
    pixels, mask = picture()
    found = standardise(pixels, mask)
    assert np.allclose(found[mask].mean(axis=0), 0, atol=1e-5)
    assert np.allclose(found[mask].std(axis=0), 1, atol=1e-4)
    assert not found[~mask].any()


def test_gain_and_offset_of_a_channel_play_no_part(network: Segmenter) -> None:
    pixels, mask = picture()
    changed = (pixels * np.array([0.5, 0.4, 0.3]) + np.array([0.1, 0.2, 0.3])).astype(np.float32)
    one, other = (run_segmenter(network, each, mask, flips=False) for each in (pixels, changed))
    assert np.allclose(one, other, atol=1e-4)


def test_a_plain_picture_is_not_blown_up() -> None:
    mask = np.ones((8, 8), np.bool_)
    assert not standardise(np.full((8, 8, 3), 0.5, np.float32), mask).any()


@pytest.mark.parametrize("flips", [False, True])
def test_any_size_comes_back_as_probabilities_that_are_0_outside(network: Segmenter, *, flips: bool) -> None:
    pixels, mask = picture()
    found = run_segmenter(network, pixels, mask, flips=flips)
    assert found.shape == mask.shape
    assert found.dtype == np.float32
    assert found.min() >= 0
    assert found.max() <= 1
    assert not found[~mask].any()


def test_with_flips_a_mirrored_picture_gives_the_mirrored_result(network: Segmenter) -> None:
    pixels, mask = picture(40, 48)
    mask[-5:] = False
    for axis in (0, 1):
        found = run_segmenter(network, pixels, mask, flips=True)
        mirrored = run_segmenter(network, np.flip(pixels, axis).copy(), np.flip(mask, axis).copy(), flips=True)
        assert np.allclose(np.flip(found, axis), mirrored, atol=1e-5)
    assert not np.allclose(found, run_segmenter(network, pixels, mask, flips=False), atol=1e-3)
