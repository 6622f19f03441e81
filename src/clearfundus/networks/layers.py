"""The convolutions of a generator as stages, in the order in which they are computed."""

from typing import cast

from torch import nn

from clearfundus.networks.generator import SIDE_MULTIPLE, Generator
from clearfundus.networks.stages import Convolution, CudaHead, Down, Head, ResizeUp, Stage, Stem, TransposedUp


def down_stages(network: Generator, height: int) -> list[Stage]:
    """Return stem and downsamplings.

    Args:
        network: The generator.
        height: Rows of the picture, a multiple of 4.
    """
    heights = [height, height // 2, height // SIDE_MULTIPLE]
    layers = [network.stem[0], network.down[0], network.down[3]]
    kinds: list[type[Stage]] = [Stem, Down, Down]
    return [_stage(*each, network.settings.leak) for each in zip(kinds, layers, heights, strict=True)]


def up_stages(network: Generator, height: int) -> list[Stage]:
    """Return the upsamplings; arguments as of `down_stages`."""
    up = TransposedUp if network.settings.upsample == "transposed" else ResizeUp
    convolutions = [layer for layer in network.up if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)]
    return [
        _stage(up, layer, height // scale, network.settings.leak)
        for layer, scale in zip(convolutions, (2, 1), strict=True)
    ]


def head_stage(network: Generator, height: int) -> Stage:
    """Return the head; arguments as of `down_stages`."""
    return _stage(CudaHead if network.head.weight.is_cuda else Head, network.head, height)


def _stage(kind: type[Stage], layer: nn.Module, height: int, leak: float = 0.0) -> Stage:
    return kind.of(cast("Convolution", layer), height, leak)
