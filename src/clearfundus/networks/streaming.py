"""A picture of any size through a generator in bounded memory, with the result of one pass over the whole picture.

Instance norm needs statistics of the whole picture, so tiles, each normalised by itself, give another result. Here the
network goes layer by layer, each layer in strips of full-width rows with the neighbouring rows it needs, and a norm is
applied only when all strips have been counted. Features at quarter scale are kept in two buffers. Those at full and
half scale are kept where the memory allows it, and else computed anew each time they are needed.
"""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import leaky_relu_

from clearfundus.errors import SettingsError
from clearfundus.networks.blocks import run_blocks
from clearfundus.networks.generator import SIDE_MULTIPLE, Generator, ResidualBlock, finish
from clearfundus.networks.stages import (
    HEAD_HALO,
    Convolution,
    Down,
    Head,
    ResizeUp,
    Rows,
    Source,
    Stage,
    Stem,
    TransposedUp,
    compute_rows,
    strips,
)
from clearfundus.networks.strip_norm import StripNorm
from clearfundus.networks.tensors import to_pixels, to_tensor
from clearfundus.photo import Pixels


def run_in_strips(network: Generator, pixels: Pixels, *, rows: int, keep: bool = False) -> Pixels:
    """Translate one picture in strips; the result is that of one pass, but for rounding.

    Args:
        network: A generator in eval mode; its device and its types are used, see `networks.precision`.
        pixels: RGB, (H, W, 3) in [0, 1], any size; padded by reflection to multiples of 4 and cropped again.
        rows: Rows of the picture in a strip, a multiple of 4; `clearfundus.networks.memory` chooses them.
        keep: Whether to keep features at full and half scale, which instance norm wants twice: faster, and three
            times the memory. Without norm nothing is wanted twice, and nothing kept.

    Returns:
        RGB, (H, W, 3), float32 in [0, 1].

    Raises:
        SettingsError: If `rows` is no positive multiple of 4.
    """
    if rows < SIDE_MULTIPLE or rows % SIDE_MULTIPLE:
        raise SettingsError(f"rows in a strip: found {rows}, expected a positive multiple of {SIDE_MULTIPLE}")
    with torch.inference_mode():
        picture = _Picture(pixels, next(network.parameters()).device)
        kept = _shrink(network, picture, rows, keep)
        blocks = cast("Iterable[ResidualBlock]", network.bottleneck)
        run_blocks(blocks, kept, rows // SIDE_MULTIPLE, network.settings)
        return _enlarge(network, picture, kept, rows, keep)


def feature_type(network: Generator) -> torch.dtype:
    """Return the type of a generator's features between stem and head."""
    return next(network.down.parameters()).dtype


class _Picture:
    """Rows of a picture that is padded to multiples of 4, without a padded copy of it."""

    def __init__(self, pixels: Pixels, device: torch.device) -> None:
        self.pixels = pixels
        self.device = device
        self._rows, self._columns = (
            np.pad(np.arange(side), (0, -side % SIDE_MULTIPLE), mode="symmetric") for side in pixels.shape[:2]
        )
        self.height, self.width = len(self._rows), len(self._columns)
        self._rows_around, self._columns_around = (
            np.pad(index, HEAD_HALO, mode="reflect") for index in (self._rows, self._columns)
        )

    def rows(self, rows: Rows) -> Tensor:
        """Return (1, 3, h, W) in [-1, 1]."""
        return self._take(self._rows[slice(*rows)], self._columns)

    def rows_around(self, rows: Rows) -> Tensor:
        """Return (1, 3, h, W + 6): rows of the picture with a reflected margin, as the stem wants it."""
        return self._take(self._rows_around[slice(*rows)], self._columns_around)

    def _take(self, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> Tensor:
        strip = np.asarray(self.pixels[rows[:, None], columns], dtype=np.float32)
        return to_tensor(strip).to(self.device)


def _shrink(network: Generator, picture: _Picture, rows: int, keep: bool) -> Tensor:
    """Run stem and downsamplings; return (1, 4 w, H / 4 + 2, W / 4), whose first and last rows are zeros."""
    heights = [picture.height, picture.height // 2, picture.height // SIDE_MULTIPLE]
    layers = [network.stem[0], network.down[0], network.down[3]]
    kinds: list[type[Stage]] = [Stem, Down, Down]
    stages = [_stage(*each, network.settings.leak) for each in zip(kinds, layers, heights, strict=True)]
    source: Source = picture.rows_around
    if network.settings.norm == "instance":
        normal, source = _with_norms(stages[:-1], source, rows, keep)
        stages = [*normal, stages[-1]]
    norm = StripNorm(network.settings.norm)
    kept = _zeros(network, picture)
    quarter = strips(heights[-1], rows // SIDE_MULTIPLE)
    for strip in quarter:
        features = compute_rows(stages, source, strip)
        _inside(kept, strip).copy_(features)
        norm.add(features)
    for strip in quarter:
        leaky_relu_(norm.apply(_inside(kept, strip)), network.settings.leak)
    return kept


def _enlarge(network: Generator, picture: _Picture, kept: Tensor, rows: int, keep: bool) -> Pixels:
    """Run upsamplings and head over what `_shrink` and the blocks have left; return the picture."""
    up = TransposedUp if network.settings.upsample == "transposed" else ResizeUp
    convolutions = [layer for layer in network.up if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)]
    stages: list[Stage] = [
        _stage(up, layer, picture.height // scale, network.settings.leak)
        for layer, scale in zip(convolutions, (2, 1), strict=True)
    ]
    source: Source = partial(_inside, kept)
    if network.settings.norm == "instance":
        stages, source = _with_norms(stages, source, rows, keep)
    stages = [*stages, _stage(Head, network.head, picture.height)]
    height, width = picture.pixels.shape[:2]
    result = np.empty((height, width, 3), np.float32)
    for strip in strips(picture.height, rows):
        output = finish(picture.rows(strip), compute_rows(stages, source, strip), network.settings)
        last = min(strip.last, height)
        result[strip.first : last] = to_pixels(output)[: last - strip.first, :width]
    return result


def _with_norms(stages: Sequence[Stage], source: Source, rows: int, keep: bool) -> tuple[list[Stage], Source]:
    """Count the outputs of stages for the instance norms behind them.

    Args:
        stages: One after the other, none at a scale below a half.
        source: Gives the first stage's input.
        rows: Rows of the picture in a strip.
        keep: Whether to keep what the stages return.

    Returns:
        The stages that are left to compute, their norms a part of them, and what gives their input: if all is kept,
        no stage, and what the last one returned, normalised and active.
    """
    normal: list[Stage] = []
    picture_rows = max(stage.height for stage in stages)
    for stage in stages:
        norm, whole = StripNorm("instance"), None
        for strip in strips(stage.height, rows * stage.height // picture_rows):
            features = compute_rows([*normal, stage], source, strip)
            norm.add(features)
            if keep:
                whole = _whole(features, stage.height) if whole is None else whole
                whole[:, :, slice(*strip)] = features
        if whole is None:
            normal.append(stage.scaled(*norm.scale_and_shift()))
        else:
            source = partial(_normal_rows, whole, norm, stage.leak)
    return normal, source


def _whole(features: Tensor, height: int) -> Tensor:
    """Return room for features of which some rows are given."""
    shape = (1, features.shape[1], height, features.shape[3])
    return features.new_empty(shape).contiguous(memory_format=torch.channels_last)


def _normal_rows(whole: Tensor, norm: StripNorm, leak: float, rows: Rows) -> Tensor:
    """Return rows, normalised and active, while they are about to be used: so they come from memory only once."""
    return leaky_relu_(norm.apply(whole[:, :, slice(*rows)].clone(memory_format=torch.channels_last)), leak)


def _stage(kind: type[Stage], layer: nn.Module, height: int, leak: float = 0.0) -> Stage:
    return kind.of(cast("Convolution", layer), height, leak)


def _zeros(network: Generator, picture: _Picture) -> Tensor:
    device = network.head.weight.device
    shape = (1, SIDE_MULTIPLE * network.settings.width, picture.height // 4 + 2, picture.width // 4)
    return torch.empty(shape, dtype=feature_type(network), device=device, memory_format=torch.channels_last).zero_()


def _inside(kept: Tensor, rows: Rows) -> Tensor:
    """Return rows of features that are kept between two rows of zeros, as a view."""
    return kept[:, :, rows.first + 1 : rows.last + 1]
