"""Some rows of a convolution's output, from just the rows of its input that they need.

Each stage answers as if it had seen the whole picture: what lies beyond the picture's own border is padded as the
network pads it, what lies beyond the strip is asked for.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, NamedTuple, Protocol, Self

import torch
from torch import Tensor, nn

HEAD_HALO = 3
"""Rows on each side that a 7x7 convolution sees."""
HEAD_CHANNELS = 12
"""Of the head as it is computed on a CPU: 4 pixels of 3 channels, or 2 of 6."""

CUDA_CHANNELS = 8
"""Tensor cores take channels by so many."""


class Rows(NamedTuple):
    """Rows `first` to `last` of a picture or of its features, `last` left out."""

    first: int
    last: int


Source = Callable[[Rows], Tensor]
"""Gives the rows asked for, (1, C, last - first, W)."""


class Convolution(Protocol):
    """What `nn.Conv2d` and `nn.ConvTranspose2d` have in common, with a bias."""

    weight: Tensor
    bias: Tensor
    out_channels: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Stage(ABC):
    """A convolution, one strip of rows at a time.

    Attributes:
        weight: As in the network's own layer, or made of it; the input is converted to its type.
        bias: One number for each channel of the output.
        height: Rows of the whole output.
        leak: Slope below 0 of the activation behind it.
    """

    weight: Tensor
    bias: Tensor
    height: int
    leak: float = 0.0
    output_axis: ClassVar[int] = 0
    """Axis of the weight along which the output's channels lie."""

    @classmethod
    def of(cls, layer: Convolution, height: int, leak: float) -> Self:
        """Return the stage that stands for a layer of the network.

        Args:
            layer: The layer.
            height: Rows of its whole output.
            leak: Slope below 0 of the activation behind it.
        """
        return cls(weight=layer.weight, bias=layer.bias, height=height, leak=leak)

    @abstractmethod
    def input_rows(self, rows: Rows) -> Rows:
        """Say which rows of the input the given rows of the output need."""

    @abstractmethod
    def compute(self, features: Tensor, rows: Rows) -> Tensor:
        """Return rows of the output.

        Args:
            features: The rows `input_rows(rows)` of the input, (1, C, h, W).
            rows: The rows wanted.
        """

    def scaled(self, scale: Tensor, shift: Tensor) -> Self:
        """Return the stage whose output is `scale * output + shift`, both (C): an instance norm whose statistics are
        known is part of the convolution before it.
        """  # noqa: D205 - one sentence
        shape = [1] * self.weight.dim()
        shape[self.output_axis] = -1
        return replace(
            self,
            weight=(self.weight.double() * scale.reshape(shape)).to(self.weight.dtype),
            bias=(self.bias.double() * scale + shift).to(self.bias.dtype),
        )


class Stem(Stage):
    """7x7; its input is the picture with `HEAD_HALO` reflected pixels on each side, counted from their first row."""

    def input_rows(self, rows: Rows) -> Rows:
        """Three more on each side."""
        return Rows(rows.first, rows.last + 2 * HEAD_HALO)

    def compute(self, features: Tensor, rows: Rows) -> Tensor:
        """Convolve (1, 3, h + 6, W + 6) to (1, w, h, W)."""
        return nn.functional.conv2d(features, self.weight, self.bias)


class Down(Stage):
    """3x3, stride 2."""

    def input_rows(self, rows: Rows) -> Rows:
        """Row i sees 2 i - 1 to 2 i + 1."""
        return Rows(max(2 * rows.first - 1, 0), 2 * rows.last)

    def compute(self, features: Tensor, rows: Rows) -> Tensor:
        """Convolve (1, C, 2 h + 1, W) to (1, 2 C, h, W / 2)."""
        # Padding below would come with that above; the stride passes over it.
        padding = (1 if rows.first == 0 else 0, 1)
        return nn.functional.conv2d(features, self.weight, self.bias, stride=2, padding=padding)


class TransposedUp(Stage):
    """3x3 transposed, stride 2: row 2 i is made of row i, row 2 i + 1 of rows i and i + 1."""

    output_axis: ClassVar[int] = 1
    output_padding: ClassVar[int] = 1

    def input_rows(self, rows: Rows) -> Rows:
        """Half as many, and one below."""
        return Rows(rows.first // 2, min(rows.last // 2 + 1, self.height // 2))

    def compute(self, features: Tensor, rows: Rows) -> Tensor:
        """Enlarge (1, C, h, W) to (1, C / 2, ~2 h, 2 W)."""
        grown = nn.functional.conv_transpose2d(
            features, self.weight, self.bias, stride=2, padding=1, output_padding=self.output_padding
        )
        # Rows beside an edge that is not the picture's have seen zeros there; they are among those left out.
        first = 2 * self.input_rows(rows).first
        return grown[:, :, rows.first - first : rows.last - first]


class ResizeUp(TransposedUp):
    """Nearest x2, then 3x3, as one 4x4 transposed convolution: less than half of the arithmetic."""

    output_padding: ClassVar[int] = 0

    @classmethod
    def of(cls, layer: Convolution, height: int, leak: float) -> Self:
        """Add up the weights that meet the same pixel of the input."""
        weight = layer.weight.float()  # (C / 2, C, 3, 3)
        spread = nn.functional.pad(weight.flip(2, 3), (1, 1, 1, 1)).unfold(2, 2, 1).unfold(3, 2, 1).sum((4, 5))
        return cls(weight=_placed(spread.transpose(0, 1), layer.weight), bias=layer.bias, height=height, leak=leak)

    def input_rows(self, rows: Rows) -> Rows:
        """Half as many, and one on each side."""
        return Rows(max(rows.first - 1, 0) // 2, min(rows.last // 2 + 1, self.height // 2))


class Head(Stage):
    """7x7, reflecting at the picture's border; its result is in float32.

    Libraries compute 16 channels in the time of 3. So some pixels that stand side by side are made at once, as
    channels, by a kernel that is wider by as many columns and goes in steps as wide.
    """

    @classmethod
    def of(cls, layer: Convolution, height: int, leak: float) -> Self:
        """Lay one kernel beside the other."""
        together = HEAD_CHANNELS // layer.out_channels
        shifted = [nn.functional.pad(layer.weight, (step, together - 1 - step)) for step in range(together)]
        weight = torch.stack(shifted, 1).flatten(0, 1)  # (channels x together, w, 7, 7 + together - 1)
        bias = layer.bias.repeat_interleave(together)
        return cls(weight=_placed(weight, layer.weight), bias=bias, height=height, leak=leak)

    def input_rows(self, rows: Rows) -> Rows:
        """Three more on each side, where there are so many."""
        return Rows(max(rows.first - HEAD_HALO, 0), min(rows.last + HEAD_HALO, self.height))

    def compute(self, features: Tensor, rows: Rows) -> Tensor:
        """Convolve (1, w, h + up to 6, W) to (1, 3 or 6, h, W); W must be a multiple of 4, as any picture's here is."""
        have = self.input_rows(rows)
        above = HEAD_HALO - (rows.first - have.first)
        below = HEAD_HALO - (have.last - rows.last)
        return self._convolve(pad_by_reflection(features, above, below, self.weight.dtype))

    def _convolve(self, padded: Tensor) -> Tensor:
        together = self.weight.shape[3] - 2 * HEAD_HALO
        made = nn.functional.conv2d(padded, self.weight, self.bias, stride=(1, together))
        apart: Tensor = made.unflatten(1, (-1, together))
        return apart.permute(0, 1, 3, 4, 2).flatten(3)  # (1, channels, h, W / together, together), then (..., W)


class CudaHead(Head):
    """The same for cuDNN, which has no fast kernel for steps of several pixels, but one for 8 channels."""

    @classmethod
    def of(cls, layer: Convolution, height: int, leak: float) -> Self:
        """Add channels of zeros."""
        weight = nn.functional.pad(layer.weight, (0, 0, 0, 0, 0, 0, 0, -layer.out_channels % CUDA_CHANNELS))
        return cls(weight=_placed(weight, layer.weight), bias=layer.bias, height=height, leak=leak)

    def _convolve(self, padded: Tensor) -> Tensor:
        made = nn.functional.conv2d(padded, self.weight)
        return made[:, : len(self.bias)] + self.bias[:, None, None]


def pad_by_reflection(features: Tensor, above: int, below: int, kind: torch.dtype) -> Tensor:
    """Reflect some rows above and below and `HEAD_HALO` columns on each side, and convert (1, C, H, W) to a type."""
    if features.is_cuda:
        return reflect(features, above, below, kind)
    return nn.functional.pad(features.to(kind), (HEAD_HALO, HEAD_HALO, above, below), mode="reflect")


def reflect(features: Tensor, above: int, below: int, kind: torch.dtype) -> Tensor:
    """Do that in channels_last layout, with one copy of the features; torch's own makes three on a CUDA device."""
    channels, height, width = features.shape[1:]
    shape = (1, channels, above + height + below, HEAD_HALO + width + HEAD_HALO)
    padded = torch.empty(shape, dtype=kind, device=features.device, memory_format=torch.channels_last)
    inside = padded[:, :, above : above + height]
    inside[..., HEAD_HALO:-HEAD_HALO] = features
    inside[..., :HEAD_HALO] = features[..., 1 : HEAD_HALO + 1].flip(3)
    inside[..., -HEAD_HALO:] = features[..., -HEAD_HALO - 1 : -1].flip(3)
    if above:
        padded[:, :, :above] = inside[:, :, 1 : above + 1].flip(2)
    if below:
        padded[:, :, -below:] = inside[:, :, -below - 1 : -1].flip(2)
    return padded


def _placed(weight: Tensor, like: Tensor) -> Tensor:
    return weight.to(like.dtype).contiguous(memory_format=torch.channels_last)


def compute_rows(stages: Sequence[Stage], source: Source, rows: Rows) -> Tensor:
    """Compute rows of the last stage's output, and what lies before it anew, activated between any two stages.

    Args:
        stages: One after the other.
        source: Gives the first stage's input.
        rows: The rows wanted of the last stage's output.
    """
    *before, stage = stages
    needed = stage.input_rows(rows)
    if not before:
        return stage.compute(source(needed).to(stage.weight.dtype), rows)
    features = nn.functional.leaky_relu_(compute_rows(before, source, needed), before[-1].leak)
    return stage.compute(features.to(stage.weight.dtype), rows)


def strips(height: int, rows: int) -> list[Rows]:
    """Cut `height` rows into strips of `rows`; the last may be lower."""
    return [Rows(first, min(first + rows, height)) for first in range(0, height, rows)]
