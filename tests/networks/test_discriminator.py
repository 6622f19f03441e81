import pytest
import torch
from torch import Tensor

from clearfundus.networks import discriminator
from clearfundus.networks.device import place
from clearfundus.networks.discriminator import Discriminator, DiscriminatorSettings


def seeded(**settings: object) -> Discriminator:
    with torch.random.fork_rng():
        torch.manual_seed(4)
        return Discriminator(DiscriminatorSettings(**settings))


def picture(side: int) -> Tensor:
    return torch.rand((1, 3, side, side), generator=torch.Generator().manual_seed(5)) * 2 - 1


def seen_by_one_patch(network: Discriminator, side: int) -> tuple[int, int]:
    """Return height and width of the part of the input that the central patch value has a gradient to."""
    x = picture(side).requires_grad_()
    patches, _ = network(x)
    patches[0, 0, patches.shape[2] // 2, patches.shape[3] // 2].backward()
    touched = x.grad.abs().sum((0, 1)) > 0
    rows, columns = touched.any(1).nonzero(), touched.any(0).nonzero()
    return int(rows.max() - rows.min()) + 1, int(columns.max() - columns.min()) + 1


# By hand, from the last layer to the first, side -> (side - 1) * stride + 3:
# strides 2 2 2 2 1: 3, 7, 15, 31, 63 (METHOD.md: 63).  strides 2 2 1 1 1: 3, 5, 7, 15, 31 (METHOD.md: 31).
READINGS = [(4, 63), (2, 31)]


@pytest.mark.parametrize(("downsamplings", "side"), READINGS)
def test_the_receptive_field_is_the_one_of_the_layers(downsamplings: int, side: int) -> None:
    assert seeded(width=4, downsamplings=downsamplings).receptive_field == side


@pytest.mark.parametrize(("downsamplings", "side"), READINGS)
def test_a_patch_has_gradient_to_just_its_receptive_field_once_the_norm_is_out_of_the_way(
    downsamplings: int, side: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # instance norm carries statistics of the whole picture into every patch; without it only convolutions connect
    monkeypatch.setattr(discriminator, "instance_norm", lambda features: features)
    assert seen_by_one_patch(seeded(width=4, downsamplings=downsamplings), 160) == (side, side)


def test_through_the_norm_a_patch_feels_the_whole_picture() -> None:
    assert seen_by_one_patch(seeded(width=4), 160) == (160, 160)


@pytest.mark.parametrize(
    ("downsamplings", "sides"),
    # input 64; each stride 2 halves
    [(4, [32, 16, 8, 4, 4]), (2, [32, 16, 16, 16, 16])],
)
def test_there_are_five_feature_maps_and_the_last_is_the_patch_map(downsamplings: int, sides: list[int]) -> None:
    patches, features = seeded(width=64, downsamplings=downsamplings)(picture(64))
    # channels 64-128-256-512-1 (paper)
    expected = [(1, c, s, s) for c, s in zip([64, 128, 256, 512, 1], sides, strict=True)]
    assert [tuple(layer.shape) for layer in features] == expected
    assert torch.equal(patches, features[-1])


def test_the_papers_discriminator_has_1555585_parameters() -> None:
    # five 3x3 convolutions with biases: 9 * in * out + out
    by_hand = (27 * 64 + 64) + (576 * 128 + 128) + (1152 * 256 + 256) + (2304 * 512 + 512) + (4608 + 1)
    assert by_hand == 1_555_585
    assert sum(parameter.numel() for parameter in seeded().parameters()) == by_hand


def test_the_linear_output_leaves_0_to_1_and_the_sigmoid_does_not() -> None:
    linear, sigmoid = seeded(width=4), seeded(width=4, output="sigmoid")
    with torch.no_grad():
        for network in (linear, sigmoid):
            network.convolutions[-1].weight.mul_(500)
        free, features = linear(picture(64))
        bounded, same = sigmoid(picture(64))
    assert free.min() < 0
    assert free.max() > 1
    assert bounded.min() >= 0
    assert bounded.max() <= 1
    assert torch.equal(same[-1], features[-1])  # the features stay linear
    assert torch.allclose(bounded, 1 / (1 + torch.exp(-free)))


def test_the_first_features_show_how_bright_the_whole_picture_is() -> None:
    # neither the input nor the first features are normed, so that level and colour get through
    network = seeded(width=8)
    with torch.no_grad():
        _, dark = network(picture(64) * 0.1 - 0.5)
        _, light = network(picture(64) * 0.1 + 0.5)
    assert (light[0] - dark[0]).abs().mean() > 0.01


def test_the_norm_stands_between_the_middle_layers_only(monkeypatch: pytest.MonkeyPatch) -> None:
    # METHOD.md: no norm on the first and the last layer, instance norm between, so after convolutions 2, 3 and 4
    normed = []

    def watch(features: Tensor) -> Tensor:
        normed.append(features.shape[1])
        return features

    monkeypatch.setattr(discriminator, "instance_norm", watch)
    seeded(width=4)(picture(64))
    assert normed == [8, 16, 32]


def test_layers_follow_from_each_other_by_hand() -> None:
    network = seeded(width=4)
    x = picture(64)
    _, features = network(x)
    for layer, convolution in enumerate(network.convolutions):
        assert torch.allclose(features[layer], convolution(x), atol=1e-6)
        normal = features[layer]
        if layer > 0:
            mean, variance = normal.mean((2, 3), keepdim=True), normal.var((2, 3), keepdim=True, correction=0)
            normal = (normal - mean) / (variance + 1e-5).sqrt()
        x = torch.where(normal > 0, normal, 0.2 * normal)  # LeakyReLU 0.2


def test_any_input_side_of_16_or_more_gives_patches() -> None:
    assert seeded(width=4)(picture(96))[0].shape == (1, 1, 6, 6)


@pytest.mark.parametrize("count", [1, 2])
def test_the_gradient_to_the_picture_is_the_slope_in_channels_last_layout(count: int) -> None:
    # this is what a generator learns from; for the trap in one picture see networks/norm.py
    network = place(seeded(width=4).double(), torch.device("cpu"))
    x = picture(64).double().expand(count, -1, -1, -1).clone().requires_grad_()
    ((network(x)[0] - 1) ** 2).mean().backward()
    for here in [(0, 0, 30, 30), (count - 1, 2, 5, 60)]:
        step = torch.zeros_like(x)
        step[here] = 1e-5
        with torch.no_grad():
            above, below = (((network(one)[0] - 1) ** 2).mean().item() for one in (x + step, x - step))
        assert x.grad[here].item() == pytest.approx((above - below) / 2e-5, rel=1e-3, abs=1e-10)
