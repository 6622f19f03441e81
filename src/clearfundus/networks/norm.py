"""Instance norm without affine terms: fast in channels_last layout, with a gradient that is right in every layout.

`torch.nn.functional.instance_norm` (2.13, CPU) leaves the channels_last layout, in which convolutions are fast, takes
six times as long there, and returns a wrong gradient, without a word, for a batch of one picture if the gradient it is
handed is in that layout. Batch norm of one picture is instance norm and has none of these faults; but in channels_last
and fp32 it sums all pixels at once, which is 0.004 off at 2048 x 2048. So without a gradient, where pictures may be
large, the pixels are counted in parts. On a CUDA device it goes on from mean to mean (Welford), in float32, and many
threads do so at a time: there large parts are as exact. The tests of this module compare all of it with arithmetic.
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn

NORM_EPSILON = 1e-5
PART_PIXELS = 4096
"""Pixels that are summed in float32 at a time: the sum's relative error grows with their number, 1e-6 for so many."""

CUDA_PART_PIXELS = 2**24
"""Pixels that are counted at a time on a CUDA device, a picture of 4096 x 4096: each part is a call."""


class Moments(NamedTuple):
    """Of some pixels; float32 or wider."""

    pixels: int
    mean: Tensor
    """(C)"""
    variance: Tensor
    """(C), of the pixels themselves, not of what they are a sample of"""


def instance_norm(features: Tensor) -> Tensor:
    """Give each channel of each picture mean 0 and variance 1.

    Args:
        features: (N, C, H, W), more than one pixel.

    Returns:
        The same shape.
    """
    with_gradient = torch.is_grad_enabled() and features.requires_grad
    pictures = [_normal(picture, with_gradient) for picture in features.split(1)]
    return pictures[0] if len(pictures) == 1 else torch.cat(pictures)


def _normal(picture: Tensor, with_gradient: bool) -> Tensor:
    if with_gradient or (picture.is_cuda and picture[0, 0].numel() > 1):  # of one pixel it refuses to take statistics
        return nn.functional.batch_norm(picture, None, None, training=True, eps=NORM_EPSILON)
    whole = merge(list(count_in_parts(picture)))
    kind = torch.promote_types(picture.dtype, torch.float32)
    mean, variance = whole.mean.to(kind), whole.variance.to(kind)
    return nn.functional.batch_norm(picture, mean, variance, training=False, eps=NORM_EPSILON)


def count_in_parts(picture: Tensor) -> Iterator[Moments]:
    """Yield the moments of parts of a picture, (1, C, H, W), that together are all of it."""
    if picture.is_cuda:
        yield from count_in_bands(picture, CUDA_PART_PIXELS)
        return
    pixels = picture.permute(0, 2, 3, 1).reshape(-1, picture.shape[1])  # (H W, C), a view if channels_last
    for part in pixels.split(PART_PIXELS):
        # torch.var_mean finds the same, 30 times slower on a CPU where channels stand side by side
        yield Moments(len(part), *torch.batch_norm_update_stats(part.t()[None, :, None], None, None, 0.0))


def count_in_bands(picture: Tensor, most: int) -> Iterator[Moments]:
    """Yield the moments of bands of whole rows with at most so many pixels each, but one row at least."""
    for band in picture.split(max(most // picture.shape[3], 1), dim=2):
        yield Moments(band.shape[2] * band.shape[3], *torch.batch_norm_update_stats(band, None, None, 0.0))


def merge(parts: list[Moments]) -> Moments:
    """Return the moments of all parts together, in float64."""
    means = torch.stack([part.mean for part in parts]).double()
    variances = torch.stack([part.variance for part in parts]).double()
    counts = torch.tensor([part.pixels for part in parts], dtype=torch.float64)
    shares = (counts / counts.sum())[:, None].to(means.device, non_blocking=True)
    mean = (shares * means).sum(0)
    return Moments(int(counts.sum()), mean, (shares * (variances + (means - mean) ** 2)).sum(0))


class InstanceNorm(nn.Module):
    """`instance_norm` as a layer; it has no weights."""

    def forward(self, features: Tensor) -> Tensor:
        """Normalise (N, C, H, W)."""
        return instance_norm(features)
