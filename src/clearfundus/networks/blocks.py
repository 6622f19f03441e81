"""Residual blocks over features kept in two buffers, in strips of rows and in place."""

from collections.abc import Iterable
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu_

from clearfundus.networks.generator import GeneratorSettings, ResidualBlock
from clearfundus.networks.stages import Rows, strips
from clearfundus.networks.strip_norm import StripNorm


def run_blocks(blocks: Iterable[ResidualBlock], kept: Tensor, rows: int, settings: GeneratorSettings) -> None:
    """Run residual blocks one after the other, each layer over the whole height before the next.

    Args:
        blocks: The network's.
        kept: (1, C, H + 2, W), features between two rows of zeros; replaced by what the last block returns.
        rows: Rows in a strip.
        settings: The network's.
    """
    branch = torch.empty_like(kept)  # keeps the layout
    cut = strips(kept.shape[2] - 2, rows)
    for block in blocks:
        first, second = cast("nn.Conv2d", block.body[0]), cast("nn.Conv2d", block.body[3])
        before, after = StripNorm(settings.norm), StripNorm(settings.norm)
        _first_convolution(first, kept, branch, cut, before)
        _second_convolution(second, branch, cut, before, after, settings.leak)
        for strip in cut:
            kept[:, :, strip.first + 1 : strip.last + 1].add_(after.apply(branch[:, :, strip.first : strip.last]))


def _first_convolution(layer: nn.Conv2d, kept: Tensor, branch: Tensor, cut: list[Rows], after: StripNorm) -> None:
    """Write the convolution of `kept` into `branch`, between two rows of zeros."""
    branch[:, :, 0].zero_()
    branch[:, :, -1].zero_()
    for strip in cut:
        features = _convolve(layer, kept[:, :, strip.first : strip.last + 2])
        branch[:, :, strip.first + 1 : strip.last + 1] = features
        after.add(features)


def _second_convolution(
    layer: nn.Conv2d, branch: Tensor, cut: list[Rows], before: StripNorm, after: StripNorm, leak: float
) -> None:
    """Normalise `branch` and replace it by its convolution, moved up by one row.

    Row i of the result stands where row i - 1 stood, which no later strip needs: so one buffer does.
    """
    height = branch.shape[2] - 2
    done = 1  # rows of the buffer that are normalised, counted from 0
    for strip in cut:
        until = min(strip.last + 1, height) + 1
        leaky_relu_(before.apply(branch[:, :, done:until]), leak)
        done = until
        features = _convolve(layer, branch[:, :, strip.first : strip.last + 2])
        branch[:, :, strip.first : strip.last] = features
        after.add(features)


def _convolve(layer: nn.Conv2d, features: Tensor) -> Tensor:
    """Return one row fewer above and below, and as many columns."""
    return nn.functional.conv2d(features, layer.weight, layer.bias, padding=(0, 1))
