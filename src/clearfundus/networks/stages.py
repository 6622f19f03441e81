"""Some rows of a convolution's output, from just the rows of its input that they need.

Each stage answers as if it had seen the whole picture: what lies beyond the picture's own border is padded as the
network pads it, what lies beyond the strip is asked for.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, NamedTuple, Self

from torch import Tensor, nn

HEAD_HALO = 3
"""Rows on each side that a 7x7 convolution sees."""


class Rows(NamedTuple):
    """Rows `first` to `last` of a picture or of its features, `last` left out."""

    first: int
    last: int


Source = Callable[[Rows], Tensor]
"""Gives the rows asked for, (1, C, last - first, W)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Stage(ABC):
    """A convolution, one strip of rows at a time.

    Attributes:
        weight: As in the network's own layer.
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

    def input_rows(self, rows: Rows) -> Rows:
        """Half as many, and one below."""
        return Rows(rows.first // 2, min(rows.last // 2 + 1, self.height // 2))

    def compute(self, features: Tensor, rows: Rows) -> Tensor:
        """Enlarge (1, C, h, W) to (1, C / 2, ~2 h, 2 W)."""
        grown = nn.functional.conv_transpose2d(features, self.weight, self.bias, stride=2, padding=1, output_padding=1)
        first = 2 * self.input_rows(rows).first
        return grown[:, :, rows.first - first : rows.last - first]


class ResizeUp(Stage):
    """Nearest x2, then 3x3."""

    def input_rows(self, rows: Rows) -> Rows:
        """Half as many, and one on each side."""
        return Rows(max(rows.first - 1, 0) // 2, min(rows.last // 2 + 1, self.height // 2))

    def compute(self, features: Tensor, rows: Rows) -> Tensor:
        """Enlarge (1, C, h, W) to (1, C / 2, ~2 h, 2 W)."""
        grown = nn.functional.interpolate(features, scale_factor=2, mode="nearest")
        convolved = nn.functional.conv2d(grown, self.weight, self.bias, padding=1)
        # Rows beside an edge that is not the picture's have seen zeros there; they are among those left out.
        first = 2 * self.input_rows(rows).first
        return convolved[:, :, rows.first - first : rows.last - first]


class Head(Stage):
    """7x7, reflecting at the picture's border."""

    def input_rows(self, rows: Rows) -> Rows:
        """Three more on each side, where there are so many."""
        return Rows(max(rows.first - HEAD_HALO, 0), min(rows.last + HEAD_HALO, self.height))

    def compute(self, features: Tensor, rows: Rows) -> Tensor:
        """Convolve (1, w, h + up to 6, W) to (1, 3 or 6, h, W)."""
        have = self.input_rows(rows)
        above = HEAD_HALO - (rows.first - have.first)
        below = HEAD_HALO - (have.last - rows.last)
        padded = nn.functional.pad(features, (HEAD_HALO, HEAD_HALO, above, below), mode="reflect")
        return nn.functional.conv2d(padded, self.weight, self.bias)


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
        return stage.compute(source(needed), rows)
    features = nn.functional.leaky_relu_(compute_rows(before, source, needed), before[-1].leak)
    return stage.compute(features, rows)


def strips(height: int, rows: int) -> list[Rows]:
    """Cut `height` rows into strips of `rows`; the last may be lower."""
    return [Rows(first, min(first + rows, height)) for first in range(0, height, rows)]
