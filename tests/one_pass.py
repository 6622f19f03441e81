"""What a generator's own pass over the whole picture gives: the truth for every other way through it."""

import numpy as np
import torch

from clearfundus.networks.generator import Generator
from clearfundus.networks.tensors import to_pixels, to_tensor
from clearfundus.photo import Pixels


def in_one_pass(network: Generator, pixels: Pixels) -> Pixels:
    """Translate (H, W, 3) in [0, 1] where the network is, padded by reflection and cropped again."""
    height, width = pixels.shape[:2]
    padded = np.pad(pixels, ((0, -height % 4), (0, -width % 4), (0, 0)), mode="symmetric")
    with torch.inference_mode():
        return to_pixels(network(to_tensor(padded)))[:height, :width]
