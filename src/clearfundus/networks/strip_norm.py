"""Instance norm of a picture that comes in strips: all strips are counted before any is normalised."""

from typing import Literal

import torch
from torch import Tensor

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
        self._factors: tuple[Tensor, Tensor] | None = None

    def add(self, features: Tensor) -> None:
        """Count a strip, (1, C, h, W)."""
        if not self._counts_strips:
            return
        self._factors = None
        self._parts += count_in_parts(features.float())

    def scale_and_shift(self) -> tuple[Tensor, Tensor]:
        """Return what the norm multiplies each channel by and then adds, each (C), float64."""
        whole = merge(self._parts)
        scale = torch.rsqrt(whole.variance + NORM_EPSILON)
        return scale, -whole.mean * scale

    def apply(self, features: Tensor) -> Tensor:
        """Normalise some rows in place, (1, C, h, W), by what was counted."""
        if not self._counts_strips:
            return features
        if self._factors is None:
            scale, shift = self.scale_and_shift()
            self._factors = scale.float()[:, None, None], shift.float()[:, None, None]
        scale, shift = self._factors
        return torch.addcmul(shift, features, scale, out=features)
