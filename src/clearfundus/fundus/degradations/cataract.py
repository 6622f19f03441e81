"""Cataract as the training of the shipped weights draws it: scatter, defocus, uneven light and noise.

The model is that of `clearfundus.fundus.degrade`; here severity says where in its ranges the values are drawn. Its
noise is per pixel, not per length: at a larger size it is finer.
"""

from dataclasses import asdict, dataclass
from typing import ClassVar, Self

import numpy as np

from clearfundus.fundus.degradations.model import Model, check_severity
from clearfundus.fundus.degrade import Degradation, DegradeSettings, degrade_pixels, draw_degradation
from clearfundus.fundus.field import Field
from clearfundus.photo import Pixels

RANGES = DegradeSettings()
LEAST_SHARE = 0.5
"""At a severity, transmission and blur are drawn between this share of the greatest loss and all of it."""


@dataclass(frozen=True, kw_only=True)
class Cataract(Degradation, Model):
    """Scatter with a smooth transmission, defocus, uneven light and noise; see `Degradation` for its parameters."""

    name: ClassVar[str] = "cataract"

    @classmethod
    def draw(cls, random: np.random.Generator, severity: float) -> Self:
        """Draw one degradation.

        Severity scales the loss of transmission, the blur, the light's unevenness and the noise. At 1, transmission
        lies in [0.2, 0.6] and the blur in [1.1, 2.2] / 512 diameters; no value leaves the ranges of training.

        Args:
            random: Where chance comes from.
            severity: How bad, in [0, 1].
        """
        check_severity(severity)
        loss, blur = severity * (1 - RANGES.transmission[0]), severity * RANGES.blur[1]
        settings = DegradeSettings(
            transmission=(1 - loss, 1 - LEAST_SHARE * loss),
            veil=RANGES.veil,
            blur=(LEAST_SHARE * blur, blur),
            light=severity * RANGES.light,
            noise=severity * RANGES.noise,
            untouched=0,
        )
        return cls(**asdict(draw_degradation(random, settings)))

    def degrade(self, pixels: Pixels, field: Field) -> Pixels:
        """Apply the degradation to every pixel."""
        return degrade_pixels(pixels, field, self)
