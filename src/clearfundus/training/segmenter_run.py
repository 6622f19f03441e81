"""The training of the vessel segmenter, read from top to bottom: draw crops, find vessels, compare, step."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from torch.nn.utils import clip_grad_norm_

from clearfundus.errors import NonFiniteLossError
from clearfundus.networks.segmenter import Segmenter
from clearfundus.training.segmenter_data import Augmentation, Crops, Pool
from clearfundus.training.segmenter_losses import centreline_dice_loss, cross_entropy, dice_loss


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One stage of the training; a later one goes on from the weights of an earlier one.

    Attributes:
        name: In the log.
        steps: Iterations.
        rate: Greatest learning rate of Adam; it rises over the first 5 % and falls to 0 as a cosine.
        batch: Crops an iteration.
        dice: Weight of the Dice loss beside the cross entropy.
        centreline: Weight of the clDice loss beside them.
        augmentation: How crops are drawn.
        seed: Of the crops.
    """

    name: str
    steps: int
    rate: float = 0.01
    batch: int = 6
    dice: float = 0.0
    centreline: float = 0.0
    augmentation: Augmentation = field(default_factory=Augmentation)
    seed: int = 0


WARM_UP = 0.05
LARGEST_GRADIENT = 5.0


def train_stage(network: Segmenter, pool: Pool, stage: Stage) -> Iterator[tuple[int, float]]:
    """Train in place, yielding the iteration, from 1, and its loss.

    Args:
        network: On the CPU or another device; left in train mode.
        pool: The labelled photographs.
        stage: What to do.

    Raises:
        NonFiniteLossError: If a loss is NaN or infinite.
    """
    device = next(network.parameters()).device
    network.train()
    optimizer = torch.optim.Adam(network.parameters(), lr=stage.rate)
    for step in range(stage.steps):
        random = np.random.default_rng([stage.seed, step])  # chance is a function of where the run stands
        crops = pool.draw(stage.batch, stage.augmentation, random)
        for group in optimizer.param_groups:
            group["lr"] = stage.rate * rate_factor(step, stage.steps)
        loss = loss_of(network, crops, stage, device)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        clip_grad_norm_(network.parameters(), LARGEST_GRADIENT)
        optimizer.step()
        value = float(loss.detach())
        if not np.isfinite(value):
            raise NonFiniteLossError(f"stage {stage.name}, step {step + 1}: found a loss of {value}; lower the rate")
        yield step + 1, value


def loss_of(network: Segmenter, crops: Crops, stage: Stage, device: torch.device) -> torch.Tensor:
    """Return the loss of a batch: cross entropy of both U-Nets, and of the second the overlaps that the stage adds."""
    pictures = crops.pictures.to(device)
    targets, inside = crops.targets.to(device), crops.inside.to(device)
    early, late = network(pictures)
    loss = cross_entropy(early, targets, inside) + cross_entropy(late, targets, inside)
    probability = torch.sigmoid(late) * inside
    if stage.dice > 0:
        loss = loss + stage.dice * dice_loss(probability, targets)
    if stage.centreline > 0:
        loss = loss + stage.centreline * centreline_dice_loss(probability, targets)
    return loss


def rate_factor(step: int, steps: int) -> float:
    """Return the factor on the learning rate: linear to 1 over the warm-up, then a cosine to 0."""
    warm = max(1, round(WARM_UP * steps))
    if step < warm:
        return (step + 1) / warm
    return float(0.5 * (1 + np.cos(np.pi * (step - warm) / max(1, steps - warm))))
