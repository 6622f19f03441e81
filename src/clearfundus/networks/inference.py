"""One picture through a generator: each layer once where the memory allows it, else some of them again."""

import cv2
import numpy as np
import torch
from torch import nn

from clearfundus.networks.budget import available_bytes, held_bytes
from clearfundus.networks.generator import SIDE_MULTIPLE, Generator
from clearfundus.networks.memory import KEPT_ROWS, LEAST_ROWS, Demand, choose_rows, one_pass_bytes, peak_bytes
from clearfundus.networks.memory_cuda import Way, choose_way, least_bytes
from clearfundus.networks.streaming import feature_type, run_in_strips
from clearfundus.networks.tensors import to_pixels, to_tensor
from clearfundus.networks.whole import run_whole
from clearfundus.photo import Pixels

DEFAULT_SHARE = 0.5
"""Share of the available memory that is taken without asking: the rest is other programs'."""


def run_generator(network: nn.Module, pixels: Pixels, memory_limit: int | None = None) -> Pixels:
    """Translate one picture, as one pass over the whole of it does.

    Args:
        network: A generator in eval mode; its device is used, and the precision of its features.
        pixels: RGB, (H, W, 3) in [0, 1], any size; padded by reflection to multiples of 4 and cropped again.
        memory_limit: Bytes of the device's memory that the process may hold in all. None takes up to half of what is
            available now, or, where only that is enough, all of it. Other networks than a `Generator` take what
            they take.

    Returns:
        RGB, (H, W, 3), float32 in [0, 1].

    Raises:
        PhotoMemoryError: If the limit is too low for any way; it names the least that would do.
    """
    device = next(network.parameters()).device
    if not isinstance(network, Generator):
        return _run_in_one_pass(network, pixels, device)
    height, width = pixels.shape[:2]
    item_bytes = feature_type(network).itemsize
    demand = Demand(settings=network.settings, height=height, width=width, item_bytes=item_bytes)
    way = plan_way(demand, device, memory_limit)
    if way.rows is None:
        return run_whole(network, pixels)
    return run_in_strips(network, pixels, rows=way.rows, keep=way.keep)


def plan_way(demand: Demand, device: torch.device, memory_limit: int | None) -> Way:
    """Return the way a picture goes; `run_generator` goes it.

    Args:
        demand: Network and picture.
        device: Where it is to run.
        memory_limit: As of `run_generator`.
    """
    if device.type == "cuda":
        held = held_bytes(device)
        limit = _settle_limit(device, memory_limit, held, least_bytes(demand))
        return choose_way(demand, limit, held)
    rows = plan_rows(demand, device, memory_limit)
    return Way(rows or KEPT_ROWS, keep=rows is None)


def plan_rows(demand: Demand, device: torch.device, memory_limit: int | None) -> int | None:
    """Return the rows of a strip on a CPU, or None where all can be kept."""
    held = held_bytes(device)
    limit = _settle_limit(device, memory_limit, held, peak_bytes(demand, LEAST_ROWS))
    if limit is None or held + one_pass_bytes(demand) <= limit:
        return None
    return choose_rows(demand, limit, held)


def _settle_limit(device: torch.device, memory_limit: int | None, held: int, least: int) -> int | None:
    """Return the limit that holds; None if none is given and the system does not tell what is available."""
    if memory_limit is not None:
        return memory_limit
    available = available_bytes(device)
    return None if available is None else held + max(int(available * DEFAULT_SHARE), min(available, least))


def _run_in_one_pass(network: nn.Module, pixels: Pixels, device: torch.device) -> Pixels:
    height, width = pixels.shape[:2]
    below, right = -height % SIDE_MULTIPLE, -width % SIDE_MULTIPLE
    padded = cv2.copyMakeBorder(pixels, 0, below, 0, right, cv2.BORDER_REFLECT)
    with torch.inference_mode():
        output = network(to_tensor(np.asarray(padded, dtype=np.float32)).to(device))
    return to_pixels(output)[:height, :width]
