import math

import pytest
import torch
from torch import nn

from clearfundus import SettingsError
from clearfundus.networks.device import place
from clearfundus.networks.generator import Generator, GeneratorSettings
from clearfundus.networks.norm import InstanceNorm


def seeded(**settings: object) -> Generator:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return Generator(GeneratorSettings(**settings))


def picture(height: int = 32, width: int = 32) -> torch.Tensor:
    return torch.rand((2, 3, height, width), generator=torch.Generator().manual_seed(5)) * 2 - 1


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_the_papers_generator_has_11378179_parameters() -> None:
    # METHOD.md: 11.378 M; the same figure as the reference CycleGAN prints for its 9-block generator, which has this
    # table of layers. By hand: kernel area * in * out + out, for every row of the table.
    stem, head = 7 * 7 * 3 * 64 + 64, 7 * 7 * 64 * 3 + 3
    down = (3 * 3 * 64 * 128 + 128) + (3 * 3 * 128 * 256 + 256)
    blocks = 9 * 2 * (3 * 3 * 256 * 256 + 256)
    up = (3 * 3 * 256 * 128 + 128) + (3 * 3 * 128 * 64 + 64)
    assert stem + down + blocks + up + head == 11_378_179
    assert count(seeded(width=64, blocks=9)) == 11_378_179


def test_both_ways_of_upsampling_have_the_same_number_of_parameters() -> None:
    assert count(seeded(width=4, upsample="resize")) == count(seeded(width=4, upsample="transposed"))


@pytest.mark.parametrize("upsample", ["transposed", "resize"])
@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize(("height", "width"), [(32, 32), (20, 44), (64, 36)])
def test_the_output_has_the_shape_of_the_input(upsample: str, skip: bool, height: int, width: int) -> None:
    network = seeded(width=4, blocks=1, upsample=upsample, skip=skip)
    assert network(picture(height, width)).shape == (2, 3, height, width)


def test_the_layers_are_those_of_the_table() -> None:
    # METHOD.md "Networks": channels after each stage at width 64, and the scale
    network = seeded(width=64, blocks=2)
    shapes = []
    hooks = [
        stage.register_forward_hook(lambda _, __, output: shapes.append(tuple(output.shape[1:])))
        for stage in (network.stem, network.down, network.bottleneck, network.up, network.head)
    ]
    network(picture(16, 24))
    for hook in hooks:
        hook.remove()
    assert shapes == [(64, 16, 24), (256, 4, 6), (256, 4, 6), (64, 16, 24), (3, 16, 24)]


def test_upsampling_by_resizing_repeats_pixels_before_it_convolves() -> None:
    kinds = [type(layer) for layer in seeded(width=4, upsample="resize").up]
    assert nn.ConvTranspose2d not in kinds
    grown = seeded(width=4, upsample="resize").up[0](torch.tensor([[[[1.0, 2.0]]]]))
    assert grown.tolist() == [[[[1, 1, 2, 2], [1, 1, 2, 2]]]]


def test_without_the_skip_the_output_lies_in_minus_1_to_1_whatever_the_weights() -> None:
    network = seeded(width=4, blocks=1)
    with torch.no_grad():
        network.head.weight.mul_(1000)
        output = network(picture())
    assert output.abs().max() <= 1
    assert output.abs().max() > 0.99  # the bound is reached, so the test is no tautology


def test_with_the_skip_it_starts_near_the_identity_and_without_it_does_not() -> None:
    x = picture()
    with torch.no_grad():
        near = (seeded(width=16, blocks=2, skip=True)(x) - x).abs().mean()
        far = (seeded(width=16, blocks=2)(x) - x).abs().mean()
    # f(x) has standard deviation of about 0.02 * 0.1 * sqrt(49 * 16 / 2) = 0.04, for half of the normed inputs of the
    # head's 49 * 16 weights pass the ReLU; the input's mean distance from anything centred is 0.5
    assert near < 0.08
    assert far > 0.4


def test_the_skip_adds_the_input_to_what_the_layers_make() -> None:
    plain, skipping = seeded(width=4, blocks=1), seeded(width=4, blocks=1, skip=True)
    skipping.load_state_dict(plain.state_dict())
    x = picture()
    assert torch.allclose(skipping(x), x + plain(x))


def test_the_gain_multiplies_the_input_beside_the_skip() -> None:
    network, x = seeded(width=4, blocks=1, skip=True, gain=True), picture()
    with torch.no_grad():
        network.head.weight.zero_()
        network.head.bias.copy_(torch.tensor([0.1, -0.2, 0.3, 0.5, 1.0, -0.25]))  # three offsets, then three gains
        output = network(x)
    for channel, (offset, gain) in enumerate([(0.1, 0.5), (-0.2, 1.0), (0.3, -0.25)]):
        assert torch.allclose(output[:, channel], x[:, channel] * (1 + gain) + math.tanh(offset), atol=1e-6)


def test_with_the_gain_it_starts_near_the_identity_too() -> None:
    x = picture()
    for norm in ("instance", "none"):
        with torch.no_grad():
            change = (seeded(width=16, blocks=2, skip=True, gain=True, norm=norm)(x) - x).abs().mean()
        assert 0 < change < 0.15, norm


def test_a_gain_without_the_skip_is_refused() -> None:
    with pytest.raises(SettingsError, match="found gain without skip; set skip = true"):
        GeneratorSettings(gain=True)


def test_the_norm_is_over_each_picture_alone_and_learns_nothing() -> None:
    # METHOD.md: instance norm without affine terms, eps 1e-5
    network, x = seeded(width=4, blocks=1), picture()
    assert torch.allclose(network(x)[:1], network(x[:1]), atol=1e-6)
    norms = [layer for layer in network.modules() if isinstance(layer, InstanceNorm)]
    assert len(norms) == 1 + 2 + 2 + 2  # stem, down, one block, up; none after the head
    assert not any(list(norm.state_dict()) for norm in norms)


def test_the_border_is_padded_by_reflection() -> None:
    network = seeded(width=4, blocks=1)
    x = picture()
    mirrored = nn.functional.pad(x, (3, 3, 3, 3), mode="reflect")
    bare = nn.functional.conv2d(mirrored, network.stem[0].weight, network.stem[0].bias)
    assert torch.allclose(network.stem[0](x), bare, atol=1e-6)


def test_weights_are_drawn_with_deviation_0_02_and_biases_are_0() -> None:
    network = seeded(width=16, blocks=2)
    weights = torch.cat([value.flatten() for name, value in network.named_parameters() if name.endswith("weight")])
    # 170,000 draws: three standard errors of a standard deviation are 0.02 * 3 / sqrt(2 * 170000) = 0.0001
    assert abs(weights.std() - 0.02) < 1e-4
    assert abs(weights.mean()) < 2e-4
    assert all(not value.any() for name, value in network.named_parameters() if name.endswith("bias"))


def test_the_same_seed_gives_the_same_network() -> None:
    one, other = seeded(width=4).state_dict(), seeded(width=4).state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_without_norm_the_network_sees_level_and_contrast_and_keeps_the_features_scale() -> None:
    network = seeded(width=16, blocks=6, norm="none")
    assert not [layer for layer in network.modules() if isinstance(layer, InstanceNorm)]
    x = picture()
    with torch.no_grad():
        deep = network.bottleneck(network.down(network.stem(x)))
        faint = network.bottleneck(network.down(network.stem(x / 2)))
    # He et al. 2015: the mean square of the features is kept from layer to layer; 0.33 is a uniform picture's
    assert 0.1 < float((deep**2).mean()) / float((x**2).mean()) < 10
    assert torch.allclose(faint, deep / 2, atol=1e-5)  # with norm both would be the same


def test_with_a_leak_what_lies_below_0_still_answers() -> None:
    x = picture()
    for leak, answers in ((0.0, False), (0.1, True)):
        network = seeded(width=4, blocks=1, norm="none", leak=leak)
        with torch.no_grad():
            network.up[-3].bias.fill_(-100)  # the last convolution before the head
            assert bool(network(x).std((2, 3)).max() > 1e-3) is answers


@pytest.mark.parametrize("norm", ["instance", "none"])
@pytest.mark.parametrize("count", [1, 2])
def test_the_gradient_is_the_slope_in_channels_last_layout_for_one_picture_and_for_more(norm: str, count: int) -> None:
    # in torch 2.13 it was not, for one picture: see networks/norm.py
    network = place(seeded(width=4, blocks=1, norm=norm).double(), torch.device("cpu"))
    x = picture(16, 16)[:count].double()

    def loss() -> torch.Tensor:
        return (network(x) ** 2).mean()

    loss().backward()
    for weight in (network.stem[0].weight, network.down[0].weight, network.bottleneck[0].body[0].weight):
        step, here = 1e-5, (1, 2, 1, 1)
        with torch.no_grad():
            weight[here] += step
            above = loss()
            weight[here] -= 2 * step
            below = loss()
            weight[here] += step
        slope = (above - below).item() / (2 * step)
        assert weight.grad[here].item() == pytest.approx(slope, rel=1e-3, abs=1e-9)


@pytest.mark.parametrize("norm", ["instance", "none"])
def test_a_bias_is_trained_where_no_norm_takes_it_away(norm: str) -> None:
    network, x = seeded(width=4, blocks=1, norm=norm), picture()
    before = network(x)
    for name, bias in network.named_parameters():
        if not name.endswith("bias"):
            continue
        with torch.no_grad():
            bias += 0.5
        matters = not torch.allclose(network(x), before, atol=1e-4)
        assert bias.requires_grad is matters, name
        with torch.no_grad():
            bias -= 0.5
