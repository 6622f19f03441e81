"""A generator that computes in bf16, and whether it may be used in place of the one in fp32.

bf16 has 8 bits of a number, so a picture itself would be banded by it. Only features between stem and head are in bf16,
which is where the time goes; the picture, both 7x7 convolutions and the sum are in fp32.
"""

from copy import deepcopy

import numpy as np
import torch

from clearfundus.errors import SettingsError
from clearfundus.networks.device import Precision, use_bf16
from clearfundus.networks.generator import Generator
from clearfundus.networks.memory import KEPT_ROWS
from clearfundus.networks.streaming import feature_type, run_in_strips
from clearfundus.networks.whole import run_whole
from clearfundus.photo import Pixels

MOST_DIFFERENCE = 1.5 / 255
"""Greatest difference from fp32 in any value of the trial picture, on the scale [0, 1]; below it bf16 is accepted."""


def in_bf16(network: Generator) -> Generator:
    """Return a copy of a generator with all layers between stem and head in bf16; `run_generator` runs it."""
    converted = deepcopy(network)
    for part in (converted.down, converted.bottleneck, converted.up):
        part.to(torch.bfloat16)
    return converted


def is_in_bf16(network: Generator) -> bool:
    """Say whether a generator came from `in_bf16`."""
    return feature_type(network) == torch.bfloat16


def settle_precision(network: Generator, precision: Precision, trial: Pixels) -> Generator:
    """Return the generator in the precision that is asked for.

    Args:
        network: A generator in eval mode, in fp32.
        precision: "auto" (bf16 where the device computes it in hardware and these weights bear it), "fp32" or "bf16".
        trial: RGB, (H, W, 3) in [0, 1]: the picture on which bf16 is compared with fp32.

    Raises:
        DeviceError: If bf16 is named and the device has none.
        SettingsError: If bf16 is named and the weights do not bear it.
    """
    if not use_bf16(precision, next(network.parameters()).device):
        return network
    converted = in_bf16(network)
    difference = greatest_difference(network, converted, trial)
    if difference < MOST_DIFFERENCE:
        return converted
    if precision == "bf16":
        raise SettingsError(
            f"precision bf16: with these weights found a difference of {255 * difference:.1f}/255 from fp32 on a drawn "
            f"picture, expected less than {255 * MOST_DIFFERENCE:.1f}/255; use fp32 or auto"
        )
    return network


def greatest_difference(network: Generator, converted: Generator, trial: Pixels) -> float:
    """Return the greatest difference of any value between the results of two generators, on the scale [0, 1]."""
    first, second = (_run(each, trial) for each in (network, converted))
    return float(np.abs(first - second).max())


def _run(network: Generator, trial: Pixels) -> Pixels:
    if next(network.parameters()).device.type == "cuda":
        return run_whole(network, trial)
    return run_in_strips(network, trial, rows=KEPT_ROWS, keep=True)
