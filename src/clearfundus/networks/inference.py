"""One picture through a generator: from [0, 1] arrays of any size to tensors and back."""

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from clearfundus.networks.generator import SIDE_MULTIPLE
from clearfundus.photo import Pixels


def to_tensor(pixels: Pixels) -> Tensor:
    """Turn (H, W, 3) in [0, 1] into a channels_last tensor (1, 3, H, W) in [-1, 1]."""
    tensor = torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1)[None]
    return (tensor * 2 - 1).contiguous(memory_format=torch.channels_last)


def to_pixels(tensor: Tensor) -> Pixels:
    """Turn (1, 3, H, W) in [-1, 1] into (H, W, 3) in [0, 1], clipped."""
    pixels = ((tensor[0].float() + 1) / 2).clamp(0, 1).permute(1, 2, 0)
    return np.ascontiguousarray(pixels.cpu().numpy())


def run_generator(network: nn.Module, pixels: Pixels) -> Pixels:
    """Translate one picture in one piece.

    Args:
        network: A generator in eval mode; its device is used.
        pixels: RGB, (H, W, 3) in [0, 1], any size; padded by reflection to multiples of 4 and cropped again.

    Returns:
        RGB, (H, W, 3), float32 in [0, 1].
    """
    height, width = pixels.shape[:2]
    below, right = -height % SIDE_MULTIPLE, -width % SIDE_MULTIPLE
    padded = cv2.copyMakeBorder(pixels, 0, below, 0, right, cv2.BORDER_REFLECT)
    device = next(network.parameters()).device
    with torch.inference_mode():
        output = network(to_tensor(np.asarray(padded, dtype=np.float32)).to(device))
    return to_pixels(output)[:height, :width]
