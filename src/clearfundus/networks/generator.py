"""The generator of Zhao et al. (MICCAI 2019): stem, two downsamplings, residual blocks, two upsamplings, head.

One architecture serves the enhancer (`G_e` in the paper) and the blurrer (`G_b`). It normalises by statistics of the
whole picture (instance norm), so a picture cut into tiles gives another result than the picture in one piece.
"""

from typing import cast

import torch
from torch import Tensor, nn

from clearfundus.networks.initial import draw_weights
from clearfundus.networks.norm import InstanceNorm
from clearfundus.pretrained.shape import SIDE_MULTIPLE, GeneratorSettings

__all__ = ["SIDE_MULTIPLE", "Generator", "GeneratorSettings", "ResidualBlock"]

SKIP_HEAD_SCALE = 0.1  # a generator with the global skip starts near the identity: its last layer is drawn small
RESIDUAL_SCALE = 0.1  # without norm a residual branch starts small, lest the features grow from block to block


def activation(leak: float) -> nn.Module:
    """Return a ReLU, or one whose slope below 0 is `leak`."""
    return nn.LeakyReLU(leak, inplace=True) if leak > 0 else nn.ReLU(inplace=True)


def _norm(norm: str) -> nn.Module:
    return InstanceNorm() if norm == "instance" else nn.Identity()


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions, each followed by instance norm, added to the input."""

    def __init__(self, channels: int, norm: str, leak: float) -> None:
        """Build a block that keeps `channels` channels."""
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1),
            _norm(norm),
            activation(leak),
            nn.Conv2d(channels, channels, 3, padding=1),
            _norm(norm),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape."""
        return cast("Tensor", features + self.body(features))


def _down(channels: int, norm: str, leak: float) -> list[nn.Module]:
    return [
        nn.Conv2d(channels, 2 * channels, 3, stride=2, padding=1),
        _norm(norm),
        activation(leak),
    ]


def _up(channels: int, upsample: str, norm: str, leak: float) -> list[nn.Module]:
    half = channels // 2
    if upsample == "transposed":
        grow: list[nn.Module] = [nn.ConvTranspose2d(channels, half, 3, stride=2, padding=1, output_padding=1)]
    else:
        grow = [nn.Upsample(scale_factor=2, mode="nearest"), nn.Conv2d(channels, half, 3, padding=1)]
    return [*grow, _norm(norm), activation(leak)]


class Generator(nn.Module):
    """Translates a photograph: blurry to clear as enhancer, clear to blurry as blurrer."""

    def __init__(self, settings: GeneratorSettings) -> None:
        """Build the network and draw its weights with torch's current generator."""
        super().__init__()
        self.settings = settings
        width, norm, leak, upsample = settings.width, settings.norm, settings.leak, settings.upsample
        self.stem = nn.Sequential(
            nn.Conv2d(3, width, 7, padding=3, padding_mode="reflect"), _norm(norm), activation(leak)
        )
        self.down = nn.Sequential(*_down(width, norm, leak), *_down(2 * width, norm, leak))
        self.bottleneck = nn.Sequential(*(ResidualBlock(4 * width, norm, leak) for _ in range(settings.blocks)))
        self.up = nn.Sequential(*_up(4 * width, upsample, norm, leak), *_up(2 * width, upsample, norm, leak))
        self.head = nn.Conv2d(width, 6 if settings.gain else 3, 7, padding=3, padding_mode="reflect")
        draw_weights(self)
        if norm == "none":
            self._draw_without_norm()
        else:
            self._fix_biases_before_norms()
        if settings.skip:
            with torch.no_grad():
                self.head.weight.mul_(SKIP_HEAD_SCALE)

    def _draw_without_norm(self) -> None:
        """Draw weights that keep the features' scale by themselves, the residual branches small (He et al. 2015)."""
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.kaiming_normal_(layer.weight, a=self.settings.leak)
        with torch.no_grad():
            for name, weight in self.bottleneck.named_parameters():
                if name.endswith("body.3.weight"):  # the second convolution of each block
                    weight.mul_(RESIDUAL_SCALE)

    def _fix_biases_before_norms(self) -> None:
        """Train no bias that a norm takes away again: its gradient is 0 but for rounding, and is not quick to find."""
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d) and layer is not self.head and layer.bias is not None:
                layer.bias.requires_grad_(False)

    def forward(self, picture: Tensor) -> Tensor:
        """Translate pictures.

        Args:
            picture: (N, 3, H, W) in [-1, 1]; H and W multiples of 4.

        Returns:
            (N, 3, H, W), in [-1, 1]; with the skip, values beyond that range are possible.
        """
        features = self.stem(picture)  # (N, w, H, W)
        features = self.down(features)  # (N, 4w, H/4, W/4)
        features = self.bottleneck(features)
        features = self.up(features)  # (N, w, H, W)
        output: Tensor = self.head(features)  # (N, 3, H, W), with the gain (N, 6, H, W)
        return finish(picture, output, self.settings)


def finish(picture: Tensor, output: Tensor, settings: GeneratorSettings) -> Tensor:
    """Make the translated picture of what the head returns.

    Args:
        picture: (N, 3, H, W) in [-1, 1].
        output: (N, 3, H, W), with the gain (N, 6, H, W).
        settings: The generator's.
    """
    if settings.gain:
        offset, gain = output.chunk(2, dim=1)
        return picture + picture * gain + torch.tanh(offset)
    return picture + torch.tanh(output) if settings.skip else torch.tanh(output)
