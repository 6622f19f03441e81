"""int8 by NNCF on OpenVINO, in the residual blocks alone; a network is kept only if it does what it did in fp32.

The blocks hold most of the work. With the layers before and behind them in int8, too, weights of the default's shape
differed from fp32 by twice as much on average, and four times as much in the tail.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from clearfundus.engines.exported import Exported
from clearfundus.engines.openvino_runtime import import_openvino, read_model, start, write_model
from clearfundus.engines.picture import shape_picture, translate
from clearfundus.errors import WeightsError
from clearfundus.photo import Pixels

MEAN_BOUND, TAIL_BOUND, TAIL = 0.5 / 255, 2 / 255, 0.999
"""Difference to fp32 allowed on each photograph, in [0, 1]: on average, and at this quantile of all values.
Bounds on what rounding to 8 bit does itself (0.25 on average). With the photograph quantised, too, six photographs of
the training set differed by 0.3 to 0.7 and 0.9 to 12 steps of 1/255."""

BLOCK_SIDE = 3
"""Of the kernels in the residual blocks."""


@dataclass(frozen=True, kw_only=True)
class Loss:
    """How far int8 is from fp32, in [0, 1], on the worst of the photographs.

    Attributes:
        mean: Greatest mean absolute difference.
        tail: Greatest 99.9 % quantile of the absolute difference.
    """

    mean: float
    tail: float


def quantise(exported: Exported, photographs: Sequence[Pixels]) -> tuple[Exported, Loss]:
    """Turn a generator into int8, calibrated on photographs as it will see them, and measure what that costs.

    Args:
        exported: The generator, in fp32.
        photographs: (H, W, 3) in [0, 1], at the diameter that it was trained at.

    Returns:
        The generator in OpenVINO's form, and its difference to fp32.

    Raises:
        WeightsError: If it differs by more than the bounds on any of the photographs.
    """
    import_openvino()
    import nncf

    calibration = nncf.Dataset([shape_picture(pixels) for pixels in photographs])
    nncf.set_log_level(40)  # errors
    model = read_model(exported)
    quantised = nncf.quantize(
        model,
        calibration,
        subset_size=len(photographs),
        preset=nncf.QuantizationPreset.MIXED,
        ignored_scope=nncf.IgnoredScope(names=kept_in_full(model)),
    )
    result = write_model(quantised, {**exported.description, "precision": "int8"})
    loss = measure_loss(exported, result, photographs)
    if not (loss.mean <= MEAN_BOUND and loss.tail <= TAIL_BOUND):
        raise WeightsError(
            f"int8 differs from fp32 by {255 * loss.mean:.2f}/255 on average and {255 * loss.tail:.2f}/255 at "
            f"{100 * TAIL:g} % on the worst photograph, expected {255 * MEAN_BOUND:g} and {255 * TAIL_BOUND:g} at "
            "most; nothing was written: use --precision fp32, or calibrate on more photographs like those to enhance"
        )
    return result, loss


def kept_in_full(model: Any) -> list[str]:
    """Name every convolution outside the residual blocks, and what joins the network's output to the photograph.

    In int8 the photograph itself would be coarsened. Of the convolutions with a side of 3, those of the blocks alone
    keep the number of channels.
    """
    convolutions = [one for one in model.get_ordered_ops() if one.get_type_name().startswith("Convolution")]
    shapes = [list(one.input(1).get_partial_shape().to_shape())[:3] for one in convolutions]
    outside = [one for one, (to, of, side) in zip(convolutions, shapes, strict=True) if to != of or side != BLOCK_SIDE]
    joins = [one for one in model.get_ordered_ops() if one.get_type_name() in ("Add", "Multiply", "Split", "Tanh")]
    last = [one for one in joins if one.get_type_name() == "Add"][-3:]
    chosen = [one for one in joins if one.get_type_name() != "Add" or one in last]
    return [str(one.get_friendly_name()) for one in [*outside, *chosen]]


def measure_loss(exported: Exported, quantised: Exported, photographs: Sequence[Pixels]) -> Loss:
    """Compare two forms of one generator on photographs."""
    full, reduced = start(exported), start(quantised)
    differences = [np.abs(translate(full, pixels) - translate(reduced, pixels)) for pixels in photographs]
    return Loss(
        mean=max(float(one.mean()) for one in differences),
        tail=max(float(np.quantile(one, TAIL)) for one in differences),
    )
