"""Defocus: a Gaussian blur and a little noise, nothing else.

The blur is a true Gaussian of the stated deviation. Public code often blurs with a kernel far narrower than the
deviation it names, which is a box of the kernel's width.
"""

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from clearfundus.fundus.degradations.model import Model, blur, check_severity
from clearfundus.fundus.degradations.texture import noise
from clearfundus.fundus.field import Field
from clearfundus.photo import Pixels

GREATEST_BLUR = 4 / 540
"""In field diameters; vessels of a fixed segmenter are all but lost there. Chosen here."""
NOISE = 0.01
FULL_NOISE = 0.25
"""The severity from which on the noise is full, so that a severity of 0.25 is the first of four even steps of blur."""


@dataclass(frozen=True, kw_only=True)
class Focus(Model):
    """A photograph out of focus.

    Attributes:
        blur: Standard deviation of the Gaussian, in field diameters.
        noise: Standard deviation of the noise, on the scale [0, 1], in grains of 1/540 diameters.
        seed: Seed of the noise.
    """

    name: ClassVar[str] = "focus"

    blur: float
    noise: float
    seed: int

    @classmethod
    def draw(cls, random: np.random.Generator, severity: float) -> Self:
        """Draw one degradation.

        Severities of 0.25, 0.5, 0.75 and 1 are deviations of 1, 2, 3 and 4 pixels at a field of 540. Only the noise is
        left to chance.

        Args:
            random: Where chance comes from.
            severity: How bad, in [0, 1].
        """
        check_severity(severity)
        return cls(
            blur=severity * GREATEST_BLUR,
            noise=NOISE * min(1.0, severity / FULL_NOISE),
            seed=int(random.integers(2**31)),
        )

    def degrade(self, pixels: Pixels, field: Field) -> Pixels:
        """Apply the degradation to every pixel."""
        blurred = blur(pixels, self.blur * field.diameter)
        if self.noise > 0:
            random = np.random.default_rng(self.seed)
            blurred = blurred + noise(pixels.shape[:2], field, self.noise, random)
        return np.clip(blurred, 0, 1)
