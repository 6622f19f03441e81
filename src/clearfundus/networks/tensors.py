"""Pictures as arrays and as tensors."""

import numpy as np
import torch
from torch import Tensor

from clearfundus.photo import Pixels


def to_tensor(pixels: Pixels) -> Tensor:
    """Turn (H, W, 3) in [0, 1] into a channels_last tensor (1, 3, H, W) in [-1, 1]."""
    return spread(torch.from_numpy(np.ascontiguousarray(pixels)))


def spread(values: Tensor) -> Tensor:
    """Do what `to_tensor` does with values that are a tensor already, (H, W, 3)."""
    return (values.permute(2, 0, 1)[None] * 2 - 1).contiguous(memory_format=torch.channels_last)


def to_pixels(tensor: Tensor) -> Pixels:
    """Turn (1, 3, H, W) in [-1, 1] into (H, W, 3) in [0, 1], clipped."""
    pixels = ((tensor[0].float() + 1) / 2).clamp(0, 1).permute(1, 2, 0)
    array: Pixels = pixels.contiguous().cpu().numpy()  # laid out where it was computed: a device does that sooner
    return array
