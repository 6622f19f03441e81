"""Losses of the vessel segmenter, all inside the field of view: cross entropy, Dice, and clDice for connectedness."""

import torch
from torch import Tensor
from torch.nn import functional

SMOOTH = 1.0
"""Added above and below in Dice and clDice, so that an empty crop has a loss."""
THINNINGS = 3
"""Rounds of the soft skeleton: vessels up to twice as many pixels wide, and two more, become thin."""


def cross_entropy(logits: Tensor, target: Tensor, inside: Tensor) -> Tensor:
    """Return the mean binary cross entropy inside the field.

    Args:
        logits: (N, 1, H, W).
        target: (N, 1, H, W) in [0, 1]: the share of each pixel that is vessel.
        inside: (N, 1, H, W), 1 inside the field and 0 outside.
    """
    every = functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    return (every * inside).sum() / inside.sum().clamp(min=1)


def dice_loss(probability: Tensor, target: Tensor) -> Tensor:
    """Return 1 less the Dice overlap of the whole batch; both (N, 1, H, W) in [0, 1], 0 outside the field."""
    both = (probability * target).sum()
    return 1 - (2 * both + SMOOTH) / (probability.sum() + target.sum() + SMOOTH)


def centreline_dice_loss(probability: Tensor, target: Tensor) -> Tensor:
    """Return 1 less the soft clDice of Shit et al. (CVPR 2021): vessels in one piece count, their width does not.

    Args:
        probability: (N, 1, H, W) in [0, 1], 0 outside the field.
        target: Likewise.
    """
    found, true = soft_skeleton(probability), soft_skeleton(target)
    precision = ((found * target).sum() + SMOOTH) / (found.sum() + SMOOTH)
    sensitivity = ((true * probability).sum() + SMOOTH) / (true.sum() + SMOOTH)
    return 1 - 2 * precision * sensitivity / (precision + sensitivity)


def soft_skeleton(plane: Tensor, thinnings: int = THINNINGS) -> Tensor:
    """Return the soft skeleton: what each erosion would lose for good, added up; (N, 1, H, W) to the same."""
    skeleton = functional.relu(plane - _opened(plane))
    for _ in range(thinnings):
        plane = _eroded(plane)
        lost = functional.relu(plane - _opened(plane))
        skeleton = skeleton + functional.relu(lost - skeleton * lost)
    return skeleton


def _eroded(plane: Tensor) -> Tensor:
    down = -functional.max_pool2d(-plane, (3, 1), 1, (1, 0))
    across = -functional.max_pool2d(-plane, (1, 3), 1, (0, 1))
    return torch.minimum(down, across)


def _opened(plane: Tensor) -> Tensor:
    return functional.max_pool2d(_eroded(plane), 3, 1, 1)
