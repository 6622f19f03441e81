"""A stronger enhancer as the teacher of a smaller one: what it makes of a picture is the truth to be learnt."""

import torch

from clearfundus.errors import SettingsError
from clearfundus.networks.generator import Generator
from clearfundus.networks.weights import LoadedWeights, load_weights
from clearfundus.training.config import RunSettings
from clearfundus.training.step import Batch


def load_teacher(settings: RunSettings, device: torch.device) -> LoadedWeights | None:
    """Load the weights that the settings name as the teacher; None if they name none.

    Raises:
        SettingsError: If it was trained at another field diameter, or with another surround.
        WeightsError: If there are no such weights.
    """
    if not settings.simulated.teacher:
        return None
    teacher = load_weights(settings.simulated.teacher, device=device)
    found, expected = (teacher.diameter, teacher.surround), (settings.data.diameter, settings.data.surround)
    if found != expected:
        raise SettingsError(
            f"teacher {teacher.name}: found diameter and surround {found}, expected the run's {expected}"
        )
    teacher.network.requires_grad_(False)
    return teacher


def taught(batch: Batch, teacher: Generator) -> Batch:
    """Return the batch with what the teacher makes of the degraded pictures in place of their truth."""
    with torch.no_grad():
        return batch._replace(truth=teacher(batch.degraded).float())
