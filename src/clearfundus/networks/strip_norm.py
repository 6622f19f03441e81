"""Instance norm of a picture that comes in strips: all strips are counted before any is normalised."""

from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import batch_norm

from clearfundus.networks.norm import NORM_EPSILON, Moments, count_in_parts, merge


class StripNorm:
    """Counts strips in small parts in float32, and merges the parts in float64."""

    def __init__(self, norm: Literal["instance", "none"]) -> None:
        """Start with nothing counted.

        Args:
            norm: The generator's; with "none" nothing is counted and nothing changed.
        """
        self._counts_strips = norm == "instance"
        self._parts: list[Moments] = []
        self._whole: Moments | None = None

    def add(self, features: Tensor) -> None:
        """Count a strip, (1, C, h, W)."""
        if not self._counts_strips:
            return
        self._whole = None
        # a CUDA device widens what it counts by itself
        self._parts += count_in_parts(features if features.is_cuda else features.float())

    def scale_and_shift(self) -> tuple[Tensor, Tensor]:
        """Return what the norm multiplies each channel by and then adds, each (C), float64."""
        whole = self._merged()
        scale = torch.rsqrt(whole.variance + NORM_EPSILON)
        return scale, -whole.mean * scale

    def apply(self, features: Tensor) -> Tensor:
        """Normalise some rows in place, (1, C, h, W), by what was counted."""
        if not self._counts_strips:
            return features
        if features.dtype == torch.float32 and not features.is_cuda:
            scale, shift = (factor.float()[:, None, None] for factor in self.scale_and_shift())
            return torch.addcmul(shift, features, scale, out=features)
        # torch.addcmul of mixed types is 40 times slower on a CPU; on a CUDA device one call is less than ten
        return features.copy_(self.normal(features))

    def normal(self, features: Tensor) -> Tensor:
        """Return normalised rows, (1, C, h, W), as a new tensor where there is a norm."""
        if not self._counts_strips:
            return features
        mean, variance = self._merged().mean.float(), self._merged().variance.float()
        return batch_norm(features, mean, variance, training=False, eps=NORM_EPSILON)

    def _merged(self) -> Moments:
        if self._whole is None:
            self._whole = merge(self._parts)
        return self._whole
