"""A picture through a generator in one piece: each layer once, by as few calls as there are layers.

For devices where a call costs more than the memory it saves. Types are those of `run_in_strips`: what lies between stem
and head is in the type of its weights, all else in float32.
"""

from collections.abc import Iterable
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu_

from clearfundus.networks.generator import Generator, GeneratorSettings, ResidualBlock, finish
from clearfundus.networks.layers import down_stages, head_stage, up_stages
from clearfundus.networks.norm import instance_norm
from clearfundus.networks.picture import PaddedPicture
from clearfundus.networks.stages import HEAD_HALO, Rows, Stage, pad_by_reflection
from clearfundus.networks.tensors import to_pixels
from clearfundus.photo import Pixels


def run_whole(network: Generator, pixels: Pixels) -> Pixels:
    """Translate one picture; the result is that of the network's own pass, but for rounding.

    Args:
        network: A generator in eval mode; its device and its types are used, see `networks.precision`.
        pixels: RGB, (H, W, 3) in [0, 1], any size; padded by reflection to multiples of 4 and cropped again.

    Returns:
        RGB, (H, W, 3), float32 in [0, 1].
    """
    height, width = pixels.shape[:2]
    with torch.inference_mode():
        picture = PaddedPicture(pixels, next(network.parameters()).device)
        output = translate(network, picture.rows(Rows(0, picture.height)))
        return to_pixels(output[:, :, :height, :width])


def translate(network: Generator, picture: Tensor) -> Tensor:
    """Translate one picture on the device where it lies; nothing here waits for the device.

    Args:
        network: A generator in eval mode, on the same device.
        picture: (1, 3, H, W) in [-1, 1], channels_last; H and W multiples of 4.

    Returns:
        (1, 3, H, W), as from `Generator.forward`.
    """
    height, settings = picture.shape[2], network.settings
    features = pad_by_reflection(picture, HEAD_HALO, HEAD_HALO, picture.dtype)
    for stage in down_stages(network, height):
        features = _active(_computed(stage, features), settings)
    for block in cast("Iterable[ResidualBlock]", network.bottleneck):
        features = _through_block(block, features, settings)
    for stage in up_stages(network, height):
        features = _active(_computed(stage, features), settings)
    # the head widens its input to float32 while it pads it
    output = head_stage(network, height).compute(features, Rows(0, height))
    return finish(picture, output, settings)


def _computed(stage: Stage, features: Tensor) -> Tensor:
    return stage.compute(features.to(stage.weight.dtype), Rows(0, stage.height))


def _normal(features: Tensor, settings: GeneratorSettings) -> Tensor:
    return instance_norm(features) if settings.norm == "instance" else features


def _active(features: Tensor, settings: GeneratorSettings) -> Tensor:
    return leaky_relu_(_normal(features, settings), settings.leak)


def _through_block(block: ResidualBlock, features: Tensor, settings: GeneratorSettings) -> Tensor:
    """Replace features by what a block makes of them."""
    first, second = cast("nn.Conv2d", block.body[0]), cast("nn.Conv2d", block.body[3])
    branch = _active(_convolve(first, features), settings)
    branch = _convolve(second, branch)
    return features.add_(_normal(branch, settings))


def _convolve(layer: nn.Conv2d, features: Tensor) -> Tensor:
    return nn.functional.conv2d(features, layer.weight, layer.bias, padding=1)
