"""One picture through an engine: from [0, 1] arrays of any size to the engine's arrays and back."""

import os
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from clearfundus.cores import count_cores
from clearfundus.photo import Pixels
from clearfundus.pretrained.shape import SIDE_MULTIPLE

Run = Callable[[NDArray[np.float32]], NDArray[Any]]
"""From (1, 3, H, W) in [-1, 1], H and W multiples of 4, to the same shape."""
THREADS = "OMP_NUM_THREADS"
"""Environment variable that limits torch's threads; the engines are held to the same number."""


def translate(run: Run, pixels: Pixels) -> Pixels:
    """Translate one picture in one piece, as `networks.inference.run_generator` does.

    Args:
        run: An engine with a generator.
        pixels: RGB, (H, W, 3) in [0, 1], any size; padded by reflection to multiples of 4 and cropped again.

    Returns:
        RGB, (H, W, 3), float32 in [0, 1].
    """
    height, width = pixels.shape[:2]
    output = run(shape_picture(pixels))
    cropped = output[0, :, :height, :width].transpose(1, 2, 0)
    return np.ascontiguousarray(np.clip((cropped + 1) / 2, 0, 1), np.float32)


def shape_picture(pixels: Pixels) -> NDArray[np.float32]:
    """Turn (H, W, 3) in [0, 1] into (1, 3, H, W) in [-1, 1], padded by reflection to multiples of 4."""
    height, width = pixels.shape[:2]
    below, right = -height % SIDE_MULTIPLE, -width % SIDE_MULTIPLE
    padded = np.asarray(cv2.copyMakeBorder(pixels, 0, below, 0, right, cv2.BORDER_REFLECT), np.float32)
    return np.ascontiguousarray(padded.transpose(2, 0, 1)[None] * 2 - 1)


def count_threads() -> int:
    """Return how many threads an engine may use: OMP_NUM_THREADS, else the cores this process may run on."""
    asked = os.environ.get(THREADS, "")
    if asked.isdecimal() and int(asked) > 0:
        return int(asked)
    return count_cores()
