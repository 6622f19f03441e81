"""The vessel segmenter: a W-Net, two small U-Nets one after the other (Galdran et al. 2022, 8-16-32 channels).

The second U-Net sees the photograph beside what the first one found. The facts to know: upsampling is bilinear, for
transposed convolutions drew checkerboards on degraded photographs; and the network wants each channel standardised
inside the field of view, so that it sees neither the exposure nor the colour of the camera.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from clearfundus.photo import Gray, Mask, Pixels

SIDE_MULTIPLE = 4  # two poolings
LEAST_DEVIATION = 1e-3
"""A channel with less deviation than this, on the scale [0, 1], shows nothing and is not blown up."""


@dataclass(frozen=True, kw_only=True)
class SegmenterSettings:
    """Shape of a segmenter.

    Attributes:
        widths: Channels at full, half and quarter scale.
    """

    widths: tuple[int, int, int] = (8, 16, 32)


class Block(nn.Module):
    """Twice 3x3 convolution, ReLU, batch norm, with a 1x1 convolution beside them."""

    def __init__(self, channels: int, width: int) -> None:
        """Build a block from `channels` to `width` channels."""
        super().__init__()
        self.body = nn.Sequential(*_convolve(channels, width), *_convolve(width, width))
        self.shortcut = nn.Sequential(nn.Conv2d(channels, width, 1, bias=False), nn.BatchNorm2d(width))

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, channels, H, W) to (N, width, H, W)."""
        return cast("Tensor", self.body(features) + self.shortcut(features))


class Rise(nn.Module):
    """One step up: the lower features enlarged, the higher ones through a convolution beside them, and a block."""

    def __init__(self, channels: int, width: int) -> None:
        """Build the step from `channels` to `width` channels."""
        super().__init__()
        # a 1x1 convolution and a bilinear enlargement commute; in this order it costs a quarter
        self.narrow = nn.Conv2d(channels, width, 1)
        self.enlarge = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
        self.bridge = nn.Sequential(*_convolve(width, width))
        self.block = Block(2 * width, width)

    def forward(self, features: Tensor, beside: Tensor) -> Tensor:
        """Map (N, channels, H, W) and (N, width, 2H, 2W) to (N, width, 2H, 2W)."""
        enlarged = self.enlarge(self.narrow(features))
        return cast("Tensor", self.block(torch.cat([enlarged, self.bridge(beside)], dim=1)))


class UNet(nn.Module):
    """A U-Net of three scales that returns one logit a pixel."""

    def __init__(self, channels: int, widths: Sequence[int]) -> None:
        """Build the network for pictures of `channels` channels."""
        super().__init__()
        self.pool = nn.MaxPool2d(2)
        self.down = nn.ModuleList(
            Block(before, width) for before, width in zip((channels, *widths), widths, strict=False)
        )
        rising = list(reversed(widths))
        self.up = nn.ModuleList(Rise(before, width) for before, width in pairwise(rising))
        self.head = nn.Conv2d(widths[0], 1, 1)

    def forward(self, picture: Tensor) -> Tensor:
        """Map (N, channels, H, W) to logits (N, 1, H, W)."""
        features, kept = self.down[0](picture), []
        for block in self.down[1:]:
            kept.append(features)
            features = block(self.pool(features))
        for rise in self.up:
            features = rise(features, kept.pop())
        return cast("Tensor", self.head(features))


class Segmenter(nn.Module):
    """The W-Net: the second U-Net gets the photograph and the first one's logits."""

    def __init__(self, settings: SegmenterSettings) -> None:
        """Build the network and draw its weights (He et al. 2015, by outputs) with torch's current generator."""
        super().__init__()
        self.settings = settings
        self.first = UNet(3, settings.widths)
        self.second = UNet(4, settings.widths)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)

    def forward(self, picture: Tensor) -> tuple[Tensor, Tensor]:
        """Find vessels.

        Args:
            picture: (N, 3, H, W), standardised inside the field, 0 outside; H and W multiples of 4.

        Returns:
            The logits of both U-Nets, each (N, 1, H, W); the second's are the result, the first's are for training.
        """
        early = self.first(picture)
        return early, self.second(torch.cat([picture, early], dim=1))


def _convolve(channels: int, width: int) -> list[nn.Module]:
    return [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(inplace=True), nn.BatchNorm2d(width)]


def standardise(pixels: Pixels, mask: Mask) -> Pixels:
    """Return each channel less its mean over its standard deviation, both inside the field; 0 outside.

    Args:
        pixels: RGB, (H, W, 3) in [0, 1].
        mask: (H, W), true on the retina.
    """
    inside = pixels[mask]
    deviation = np.maximum(inside.std(axis=0), LEAST_DEVIATION)
    standardised = (pixels - inside.mean(axis=0)) / deviation
    return np.asarray(standardised * mask[..., None], dtype=np.float32)


def run_segmenter(network: nn.Module, pixels: Pixels, mask: Mask, *, flips: bool) -> Gray:
    """Return the probability of a vessel at each pixel.

    Args:
        network: A segmenter in eval mode; its device is used.
        pixels: RGB, (H, W, 3) in [0, 1], of the field diameter the network was trained at.
        mask: (H, W), true on the retina.
        flips: Whether to take the mean over the four mirror images, at four times the cost.

    Returns:
        (H, W), float32 in [0, 1]; 0 outside the field.
    """
    height, width = mask.shape
    below, right = -height % SIDE_MULTIPLE, -width % SIDE_MULTIPLE
    padded = np.pad(standardise(pixels, mask), ((0, below), (0, right), (0, 0)))
    device = next(network.parameters()).device
    picture = torch.from_numpy(padded).permute(2, 0, 1)[None].to(device, memory_format=torch.channels_last)
    axes: list[list[int]] = [[], [2], [3], [2, 3]] if flips else [[]]
    with torch.inference_mode():
        # one picture at a time: four at once are no faster on a CPU and take four times the memory
        found = [torch.sigmoid(network(picture.flip(one))[1]).flip(one) for one in axes]
        probability = torch.stack(found).mean(dim=0)[0, 0, :height, :width].float().cpu().numpy()
    return np.asarray(probability * mask, dtype=np.float32)
