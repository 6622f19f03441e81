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
from torch import Tensor
from torch.nn.functional import leaky_relu_

from clearfundus.errors import SettingsError
from clearfundus.networks.blocks import run_blocks
from clearfundus.networks.generator import SIDE_MULTIPLE, Generator, ResidualBlock, finish
from clearfundus.networks.layers import down_stages, head_stage, up_stages
from clearfundus.networks.picture import PaddedPicture
from clearfundus.networks.stages import Rows, Source, Stage, compute_rows, strips
from clearfundus.networks.strip_norm import StripNorm
from clearfundus.networks.tensors import to_pixels
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
        picture = PaddedPicture(pixels, next(network.parameters()).device)
        kept = _shrink(network, picture, rows, keep)
        blocks = cast("Iterable[ResidualBlock]", network.bottleneck)
        run_blocks(blocks, kept, rows // SIDE_MULTIPLE, network.settings)
        return _enlarge(network, picture, kept, rows, keep)


def feature_type(network: Generator) -> torch.dtype:
    """Return the type of a generator's features between stem and head."""
    return next(network.down.parameters()).dtype


def _shrink(network: Generator, picture: PaddedPicture, rows: int, keep: bool) -> Tensor:
    """Run stem and downsamplings; return (1, 4 w, H / 4 + 2, W / 4), whose first and last rows are zeros."""
    stages = down_stages(network, picture.height)
    source: Source = picture.rows_around
    if network.settings.norm == "instance":
        normal, source = _with_norms(stages[:-1], source, rows, keep)
        stages = [*normal, stages[-1]]
    norm = StripNorm(network.settings.norm)
    kept = _zeros(network, picture)
    quarter = strips(stages[-1].height, rows // SIDE_MULTIPLE)
    for strip in quarter:
        features = compute_rows(stages, source, strip)
        _inside(kept, strip).copy_(features)
        norm.add(features)
    for strip in quarter:
        leaky_relu_(norm.apply(_inside(kept, strip)), network.settings.leak)
    return kept


def _enlarge(network: Generator, picture: PaddedPicture, kept: Tensor, rows: int, keep: bool) -> Pixels:
    """Run upsamplings and head over what `_shrink` and the blocks have left; return the picture."""
    stages = up_stages(network, picture.height)
    source: Source = partial(_inside, kept)
    if network.settings.norm == "instance":
        stages, source = _with_norms(stages, source, rows, keep)
    stages = [*stages, head_stage(network, picture.height)]
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
    kind, device = features.dtype, features.device
    return torch.empty(shape, dtype=kind, device=device, memory_format=torch.channels_last)


def _normal_rows(whole: Tensor, norm: StripNorm, leak: float, rows: Rows) -> Tensor:
    """Return rows, normalised and active, while they are about to be used: so they come from memory only once."""
    wanted = whole[:, :, slice(*rows)]
    if wanted.is_cuda:
        return leaky_relu_(norm.normal(wanted), leak)
    return leaky_relu_(norm.apply(wanted.clone(memory_format=torch.channels_last)), leak)


def _zeros(network: Generator, picture: PaddedPicture) -> Tensor:
    device = network.head.weight.device
    shape = (1, SIDE_MULTIPLE * network.settings.width, picture.height // 4 + 2, picture.width // 4)
    return torch.empty(shape, dtype=feature_type(network), device=device, memory_format=torch.channels_last).zero_()


def _inside(kept: Tensor, rows: Rows) -> Tensor:
    """Return rows of features that are kept between two rows of zeros, as a view."""
    return kept[:, :, rows.first + 1 : rows.last + 1]
