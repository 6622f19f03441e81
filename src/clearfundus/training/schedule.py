"""What happens at which iteration: the stage, the learning rate, and the seed of chance, each a pure function."""

from typing import Literal

import numpy as np

from clearfundus.training.config import RunSettings

Stage = Literal["simulated", "unpaired"]


def stage_at(settings: RunSettings, step: int) -> Stage:
    """Return the stage of iteration `step`, counted from 0 over both stages."""
    return "simulated" if step < settings.simulated.steps else "unpaired"


def rate_factor(settings: RunSettings, step: int) -> float:
    """Return the factor on the learning rate: 1 over the stage's first half, then linear to 0 at its end."""
    if stage_at(settings, step) == "simulated":
        done, total = step, settings.simulated.steps
    else:
        done, total = step - settings.simulated.steps, settings.unpaired.steps
    return min(1.0, 2 * (1 - done / total))


def random_at(seed: int, purpose: str, *position: int) -> np.random.Generator:
    """Return the source of chance for one purpose at one position (iteration, rank, epoch).

    Chance is a function of where the run stands, not of how it came there: a resumed run draws what the uninterrupted
    one would have drawn, and there is no random state to save.
    """
    return np.random.default_rng([seed, *purpose.encode(), *position])


def sample_indices(count: int, start: int, size: int, seed: int, side: str) -> list[int]:
    """Return which photographs positions `start` to `start + size` of an endless shuffled sequence hold.

    Each epoch is a permutation of its own, drawn for this side alone, so the two sides never go in step.

    Args:
        count: Photographs of this side.
        start: First position.
        size: How many.
        seed: The run's seed.
        side: "blurry" or "clear".
    """
    indices = []
    for position in range(start, start + size):
        order = random_at(seed, f"order of {side}", position // count).permutation(count)
        indices.append(int(order[position % count]))
    return indices
