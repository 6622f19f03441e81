"""Instance norm of a picture that comes in strips: all strips are counted before any is normalised."""

from typing import Literal

import torch
from torch import Tensor

from clearfundus.networks.norm import NORM_EPSILON

PART_PIXELS = 4096
"""Pixels that are summed in float32 at a time: the sum's relative error grows with their number, 1e-6 for so many."""


class StripNorm:
    """Counts strips in small parts in float32, and merges the parts in float64."""

    def __init__(self, norm: Literal["instance", "none"]) -> None:
        """Start with nothing counted.

        Args:
            norm: The generator's; with "none" nothing is counted and nothing changed.
        """
        self._counts_strips = norm == "instance"
        self._counts: list[int] = []
        self._means: list[Tensor] = []
        self._variances: list[Tensor] = []
        self._factors: tuple[Tensor, Tensor] | None = None

    def add(self, features: Tensor) -> None:
        """Count a strip, (1, C, h, W)."""
        if not self._counts_strips:
            return
        self._factors = None
        pixels = (
            features.float().permute(0, 2, 3, 1).reshape(-1, features.shape[1])
        )  # (h W, C), a view if channels_last
        for part in pixels.split(PART_PIXELS):
            # torch.var_mean finds the same, 30 times slower on a CPU where channels stand side by side
            mean, variance = torch.batch_norm_update_stats(part.t()[None, :, None], None, None, 0.0)
            self._counts.append(len(part))
            self._means.append(mean)
            self._variances.append(variance)

    def scale_and_shift(self) -> tuple[Tensor, Tensor]:
        """Return what the norm multiplies each channel by and then adds, each (C), float64."""
        means, variances = torch.stack(self._means).double(), torch.stack(self._variances).double()
        counts = torch.tensor(self._counts, dtype=torch.float64, device=means.device)
        shares = (counts / counts.sum())[:, None]
        mean = (shares * means).sum(0)
        variance = (shares * (variances + (means - mean) ** 2)).sum(0)
        scale = torch.rsqrt(variance + NORM_EPSILON)
        return scale, -mean * scale

    def apply(self, features: Tensor) -> Tensor:
        """Normalise some rows in place, (1, C, h, W), by what was counted."""
        if not self._counts_strips:
            return features
        if self._factors is None:
            scale, shift = self.scale_and_shift()
            self._factors = scale.float()[:, None, None], shift.float()[:, None, None]
        scale, shift = self._factors
        return torch.addcmul(shift, features, scale, out=features)
