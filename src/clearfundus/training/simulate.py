"""A degraded copy of a clear photograph: the scatter of `fundus/degrade.py`, or one of `fundus/degradations/`."""

import numpy as np

from clearfundus.fundus.degradations import DEGRADATIONS
from clearfundus.fundus.degrade import degrade_pixels, draw_degradation
from clearfundus.fundus.field import Field
from clearfundus.photo import Pixels
from clearfundus.training.config import SimulatedSettings


def simulate(pixels: Pixels, field: Field, settings: SimulatedSettings, random: np.random.Generator) -> Pixels:
    """Degrade a photograph by a model, and with parameters, that are drawn.

    Args:
        pixels: RGB, (H, W, 3) in [0, 1], its surround filled.
        field: Its field of view.
        settings: `mix` says how often which model is drawn, `degrade` and `mix.severity` how strong.
        random: Where chance comes from.

    Returns:
        RGB, (H, W, 3), float32 in [0, 1].
    """
    name = _draw_model(settings, random)
    if name is None:
        return degrade_pixels(pixels, field, draw_degradation(random, settings.degrade))
    severity = float(random.uniform(*settings.mix.severity))
    return DEGRADATIONS[name].draw(random, severity).degrade(pixels, field)


def _draw_model(settings: SimulatedSettings, random: np.random.Generator) -> str | None:
    shares = settings.mix.shares
    if not any(shares.values()):
        return None  # without a draw
    left = random.random()
    for name, share in shares.items():
        left -= share
        if left < 0:
            return name
    return None
