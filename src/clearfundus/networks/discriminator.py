"""The PatchGAN discriminator of Zhao et al. (MICCAI 2019); it judges patches, and its features hold the cycle.

"4 times downsampling" is read as four stride-2 layers (receptive field 63 pixels); two (31 pixels) is the option.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from clearfundus.networks.initial import draw_weights
from clearfundus.networks.norm import instance_norm

LAYERS = 5
KERNEL = 3
LEAK = 0.2


@dataclass(frozen=True, kw_only=True)
class DiscriminatorSettings:
    """Shape of a discriminator.

    Attributes:
        width: Channels of the first convolution; 64 in the paper (64-128-256-512-1).
        downsamplings: How many of the first four convolutions have stride 2: 4, or 2 for the other reading.
        output: "linear", or "sigmoid" as the paper writes it (which starves a least-squares gradient).
    """

    width: int = 64
    downsamplings: Literal[2, 4] = 4
    output: Literal["linear", "sigmoid"] = "linear"


class Discriminator(nn.Module):
    """Judges which patches of a picture are real."""

    def __init__(self, settings: DiscriminatorSettings) -> None:
        """Build the network and draw its weights with torch's current generator."""
        super().__init__()
        self.settings = settings
        channels = [3, *(settings.width * 2**i for i in range(LAYERS - 1)), 1]
        self.convolutions = nn.ModuleList(
            nn.Conv2d(channels[i], channels[i + 1], KERNEL, stride=self._stride(i), padding=1) for i in range(LAYERS)
        )
        draw_weights(self)

    def _stride(self, layer: int) -> int:
        return 2 if layer < self.settings.downsamplings else 1

    def forward(self, picture: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Judge pictures.

        Args:
            picture: (N, 3, H, W) in [-1, 1].

        Returns:
            The patch map, (N, 1, h, w), 1 meaning real; and the output of each of the five convolutions, before its
            norm and activation, shallow to deep (the last is the patch map before the optional sigmoid).
        """
        features: list[Tensor] = []
        for layer, convolution in enumerate(self.convolutions):
            output = convolution(picture)
            features.append(output)
            if layer < LAYERS - 1:
                # no norm after the first convolution: what it sees of level and colour must get through
                normal = output if layer == 0 else instance_norm(output)
                picture = nn.functional.leaky_relu(normal, LEAK)
        patches = features[-1]
        return (torch.sigmoid(patches) if self.settings.output == "sigmoid" else patches), features

    @property
    def receptive_field(self) -> int:
        """Side in pixels of the square of the input that one value of the patch map sees."""
        side = 1
        for layer in reversed(range(LAYERS)):
            side = (side - 1) * self._stride(layer) + KERNEL
        return side
