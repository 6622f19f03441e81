"""The anatomy of a drawn eye: where its parts lie and what colours it has, drawn from a generator before any pixel.

Lengths are field diameters; points are (row, column) with the origin at the field's centre, rows downwards. All is
drawn with the disc on the left; `mirrored` puts a point on the other side.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Side = Literal["left", "right"]
Points = NDArray[np.float64]
"""Points as (row, column), (N, 2)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Eye:
    """What is drawn first: the parts every photograph of this eye would share.

    Attributes:
        side: Which eye; a right eye has its disc on the right of the picture.
        disc: Centre of the optic disc, (2,).
        disc_half_axes: Half the disc's height and width.
        cup_share: The cup's diameter over the disc's.
        fovea: Centre of the fovea, (2,).
        arcade_heights: How far the upper and the lower arcade stand off, in distances from disc to fovea.
        retina: Colour of the evenly lit retina, RGB in [0, 1].
        pigment: How dark the macula is, about 1.
    """

    side: Side
    disc: Points
    disc_half_axes: tuple[float, float]
    cup_share: float
    fovea: Points
    arcade_heights: tuple[float, float]
    retina: tuple[float, float, float]
    pigment: float

    def mirrored(self, points: Points) -> Points:
        """Return points of the drawing, whose disc is on the left, as they lie in the picture, and back."""
        turned: Points = points * np.array([1.0, -1.0 if self.side == "right" else 1.0])
        return turned


def draw_eye(rng: np.random.Generator) -> Eye:
    """Draw an eye.

    The proportions are those of a 45 degree photograph centred between macula and disc: the disc is about an eighth
    of the field, and the fovea lies two and a half disc diameters beside it and a little below.

    Args:
        rng: Draws the eye.
    """
    side: Side = "left" if rng.random() < 0.5 else "right"
    disc = np.array([rng.uniform(-0.035, 0.02), -rng.uniform(0.29, 0.34)])
    fovea = disc + np.array([rng.uniform(0.015, 0.04), rng.uniform(0.315, 0.345)])
    height = rng.uniform(0.062, 0.070)
    warmth = rng.random()
    retina = np.array([0.900, 0.350, 0.230]) * (1 - warmth) + np.array([0.83, 0.395, 0.205]) * warmth
    return Eye(
        side=side,
        disc=disc,
        disc_half_axes=(height, height * rng.uniform(0.84, 0.95)),
        cup_share=rng.uniform(0.36, 0.52),
        fovea=fovea,
        arcade_heights=(rng.uniform(0.80, 0.98), rng.uniform(0.80, 0.98)),
        retina=(float(retina[0]), float(retina[1]), float(retina[2])),
        pigment=rng.uniform(0.85, 1.2),
    )
