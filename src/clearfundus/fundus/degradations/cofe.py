"""The faults of bad photographs that cofe-Net is trained on: wrong light, dust on the lens, a blur; or several.

Source: Z. Shen et al., "Modeling and enhancing low-quality retinal fundus images", IEEE Transactions on Medical
Imaging 40(3), 2021; ranges from its public implementation, done anew here. Its blurs name deviations far wider than
their kernels and so are boxes of 1 to 7 pixels: here they are Gaussians of the boxes' own deviations. The edges of
halo, hole and dust are likewise Gaussian, of the deviation that the cut-off kernels have. A third, white colour of the
halo, which the implementation can never reach, is left out.
"""

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from clearfundus.fundus.degradations.cofe_parts import (
    Halo,
    Hole,
    Spot,
    Tone,
    draw_halo,
    draw_hole,
    draw_spots,
    draw_tone,
)
from clearfundus.fundus.degradations.model import Model, blur, check_severity
from clearfundus.fundus.field import Field
from clearfundus.photo import Pixels

PUBLISHED_SIDE = 512
"""Pixels across the field in the public implementation."""
KINDS = ("light", "spots", "blur")
SUBSETS = tuple(tuple(kind for bit, kind in enumerate(KINDS) if number >> bit & 1) for number in range(1, 8))
"""The seven ways to have one fault, two or all three; one is drawn, all alike."""
NAMED_BLUR = (5.0, 15.0)
KERNEL_SHARE = (1 / 3, 1 / 2)
"""The deviation that the implementation names, in pixels, and the width of its kernel as a share of that."""


@dataclass(frozen=True, kw_only=True)
class Cofe(Model):
    """Wrong light, then dust, then a blur; each may be missing.

    Attributes:
        tone: Change of brightness, contrast and saturation; None where the light is right.
        halo: Light that falls in around the rim; None likewise.
        hole: Shadow; None likewise.
        spots: Dust, in the order it is laid on.
        blur: Standard deviations of the Gaussian across and down, in field diameters; zero where there is none.
    """

    name: ClassVar[str] = "cofe"

    tone: Tone | None
    halo: Halo | None
    hole: Hole | None
    spots: tuple[Spot, ...]
    blur: tuple[float, float]

    @classmethod
    def draw(cls, random: np.random.Generator, severity: float) -> Self:
        """Draw one degradation, with one of the seven combinations of light, dust and blur.

        Severity 1 has the published ranges. Below, it scales the changes of tone away from 1, the brightness of halo
        and dust, the depth of the hole and the blur; not which faults there are, where, and how large.

        Args:
            random: Where chance comes from.
            severity: How bad, in [0, 1].
        """
        check_severity(severity)
        kinds = SUBSETS[int(random.integers(len(SUBSETS)))]
        # all are drawn, also what is not used: so each is the same at every severity
        tone, halo, hole = draw_tone(random, severity), draw_halo(random, severity), draw_hole(random, severity)
        spots, deviations = draw_spots(random, severity), _draw_blur(random, severity)
        light = "light" in kinds
        return cls(
            tone=tone if light else None,
            halo=halo if light else None,
            hole=hole if light else None,
            spots=spots if "spots" in kinds else (),
            blur=deviations if "blur" in kinds else (0.0, 0.0),
        )

    def degrade(self, pixels: Pixels, field: Field) -> Pixels:
        """Apply the degradation to every pixel."""
        for part in (self.tone, self.halo, self.hole, *self.spots):
            if part is not None:
                pixels = part.lay_on(pixels, field)
        across, down = self.blur
        return np.clip(blur(pixels, across * field.diameter, down * field.diameter), 0, 1)


def _draw_blur(random: np.random.Generator, severity: float) -> tuple[float, float]:
    """Draw the deviations across and down: those of boxes as wide as the published kernels."""
    named = random.uniform(*NAMED_BLUR)
    across, down = np.maximum(named * random.uniform(*KERNEL_SHARE, size=2), 1)
    deviations = severity * np.sqrt((np.array([across, down]) ** 2 - 1) / 12) / PUBLISHED_SIDE
    return float(deviations[0]), float(deviations[1])
