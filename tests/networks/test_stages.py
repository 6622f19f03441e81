import pytest
import torch
from torch import nn

from clearfundus.networks.stages import (
    CudaHead,
    Down,
    Head,
    ResizeUp,
    Rows,
    Stage,
    Stem,
    TransposedUp,
    compute_rows,
    reflect,
    strips,
)

SIDE, WIDTH = 12, 8


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).contiguous(
        memory_format=torch.channels_last
    )


def layer_of(kind: type[Stage], channels: int, outputs: int = 3) -> nn.Module:
    """Return the layers of the network that a stage stands for, as the network writes them."""
    if kind is Down:
        return nn.Sequential(nn.Conv2d(channels, 2 * channels, 3, stride=2, padding=1))
    if kind is TransposedUp:
        return nn.Sequential(nn.ConvTranspose2d(channels, channels // 2, 3, stride=2, padding=1, output_padding=1))
    if kind is ResizeUp:
        return nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(channels, channels // 2, 3, padding=1))
    return nn.Sequential(nn.Conv2d(channels, outputs, 7, padding=3, padding_mode="reflect"))


@pytest.mark.parametrize(
    ("kind", "outputs"),
    [(Stem, 3), (Down, 3), (TransposedUp, 3), (ResizeUp, 3), (Head, 3), (Head, 6), (CudaHead, 3), (CudaHead, 6)],
)
def test_any_rows_are_those_of_the_layer_over_the_whole_picture(kind: type[Stage], outputs: int) -> None:
    features, layer = drawn(1, 4, SIDE, WIDTH), layer_of(kind, 4, outputs)
    nn.init.normal_(layer[-1].bias)
    with torch.inference_mode():
        whole = layer(features)
        stage = kind.of(layer[-1], whole.shape[2], 0.0)
        if kind is Stem:
            features = nn.functional.pad(features, (3, 3, 3, 3), mode="reflect")
        for first in range(whole.shape[2]):
            for last in range(first + 1, whole.shape[2] + 1):
                found = compute_rows([stage], lambda rows: features[:, :, slice(*rows)], Rows(first, last))
                assert torch.allclose(found, whole[:, :, first:last], atol=1e-5), (first, last)


@pytest.mark.parametrize("kind", [Stem, Down, TransposedUp, ResizeUp, Head])
def test_a_stage_asks_for_no_row_that_is_not_there_and_for_few_more_than_it_needs(kind: type[Stage]) -> None:
    stage = kind(weight=torch.zeros(1), bias=torch.zeros(1), height=SIDE)
    height = {Stem: SIDE + 6, Down: 2 * SIDE, TransposedUp: SIDE // 2, ResizeUp: SIDE // 2, Head: SIDE}[kind]
    scale = {Down: 2.0, TransposedUp: 0.5, ResizeUp: 0.5}.get(kind, 1.0)
    for strip in strips(SIDE, 4):
        asked = stage.input_rows(strip)
        assert 0 <= asked.first < asked.last <= height
        assert asked.last - asked.first <= scale * 4 + 6


@pytest.mark.parametrize("kind", [Stem, TransposedUp, ResizeUp])
def test_a_scaled_stage_gives_the_scaled_and_shifted_output(kind: type[Stage]) -> None:
    features, layer = drawn(1, 4, SIDE, WIDTH), layer_of(kind, 4)[-1]
    stage = kind.of(layer, 6, 0.0)
    channels = len(layer.bias)
    scale, shift = drawn(channels, 1, 1, 1, seed=1).flatten().double(), torch.arange(channels).double()
    with torch.inference_mode():
        rows = Rows(0, 6)
        plain = compute_rows([stage], lambda rows: features[:, :, slice(*rows)], rows)
        found = compute_rows([stage.scaled(scale, shift)], lambda rows: features[:, :, slice(*rows)], rows)
    assert torch.allclose(found, plain * scale.float()[:, None, None] + shift.float()[:, None, None], atol=1e-5)
    assert torch.equal(stage.weight, kind.of(layer, 6, 0.0).weight)  # scaling it makes another one


@pytest.mark.parametrize(("height", "rows"), [(12, 4), (13, 4), (3, 8), (8, 8), (1, 1)])
def test_strips_cover_every_row_once(height: int, rows: int) -> None:
    cut = strips(height, rows)
    assert [row for strip in cut for row in range(*strip)] == list(range(height))
    assert max(strip.last - strip.first for strip in cut) <= rows


@pytest.mark.parametrize(("above", "below"), [(3, 3), (0, 3), (2, 0), (1, 2), (0, 0)])
@pytest.mark.parametrize(("height", "width"), [(4, 4), (7, 5)])
def test_reflection_is_torchs_in_channels_last_and_in_the_type_wanted(
    above: int, below: int, height: int, width: int
) -> None:
    features = drawn(1, 5, height, width).bfloat16()
    found = reflect(features, above, below, torch.float32)
    assert torch.equal(found, nn.functional.pad(features.float(), (3, 3, above, below), mode="reflect"))
    assert found.is_contiguous(memory_format=torch.channels_last)
