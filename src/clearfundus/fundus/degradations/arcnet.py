"""The cataract simulation that the unpaired restoration networks ArcNet and SCR-Net are trained on.

Source: H. Li et al., "An annotation-free restoration network for cataractous fundus images", IEEE Transactions on
Medical Imaging 41(7), 2022; ranges from its public implementation, done anew here, with three differences. Its blur
names deviations of 10 to 30 pixels, but its kernel of 1 to 7 pixels makes that a box: here it is a Gaussian of the
box's own deviation. Its colours are changed with blue and red exchanged; here they are not. Its haze is smoothed
over 5 pixels, which shows at its centre only and is left out.
"""

from dataclasses import dataclass
from typing import ClassVar, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from clearfundus.fundus.degradations.model import Model, blur, check_severity
from clearfundus.fundus.degradations.place import distance_from
from clearfundus.fundus.degradations.tone import brighten, saturate, stretch_contrast
from clearfundus.fundus.field import Field
from clearfundus.photo import Pixels

PUBLISHED_SIDE = 512
"""Pixels across the field in the public implementation."""
DIMMING = 0.2
HAZE = (0.6, 0.8)
OFFSET = 0.3
KERNELS = (1, 3, 5, 7)
CONTRAST = (0.9, 1.3)
BRIGHTNESS = (0.9, 1.0)
SATURATION = (0.9, 1.3)


@dataclass(frozen=True, kw_only=True)
class ArcNet(Model):
    """Haze that grows with the distance from a clear centre.

    Attributes:
        kept: Share of the clear picture that is kept.
        haze: Share of the veil, the brightest value of each channel, at the point farthest from the centre.
        centre: Where there is no haze: rows down and columns right of the field's middle, in field diameters.
        blur: Standard deviation of the Gaussian, in field diameters.
        contrast: Factor of the differences to the mean luminance.
        brightness: Factor of the brightness.
        saturation: Factor of the differences to each pixel's luminance.
    """

    name: ClassVar[str] = "arcnet"

    kept: float
    haze: float
    centre: tuple[float, float]
    blur: float
    contrast: float
    brightness: float
    saturation: float

    @classmethod
    def draw(cls, random: np.random.Generator, severity: float) -> Self:
        """Draw one degradation.

        Severity 1 has the published ranges; below, haze and blur are scaled by it, and the three factors of tone and
        the share that is kept are moved towards 1. The centre is not scaled.

        Args:
            random: Where chance comes from.
            severity: How bad, in [0, 1].
        """
        check_severity(severity)
        down, right = random.uniform(-OFFSET, OFFSET, size=2)
        kernel = int(random.choice(KERNELS))
        contrast, brightness, saturation = (
            1 + severity * (float(random.uniform(*limits)) - 1) for limits in (CONTRAST, BRIGHTNESS, SATURATION)
        )
        return cls(
            kept=1 - severity * DIMMING,
            haze=severity * float(random.uniform(*HAZE)),
            centre=(float(down), float(right)),
            blur=severity * float(np.sqrt((kernel**2 - 1) / 12)) / PUBLISHED_SIDE,
            contrast=contrast,
            brightness=brightness,
            saturation=saturation,
        )

    def degrade(self, pixels: Pixels, field: Field) -> Pixels:
        """Apply the degradation to every pixel."""
        blurred = blur(pixels, self.blur * field.diameter)
        far = distance_from(self.centre, pixels.shape[:2], field)
        share = np.float32(self.haze) * (far / far[field.mask].max())[..., None]
        seen = np.clip(np.float32(self.kept) * blurred + share * (_brightest(blurred, field) - blurred), 0, 1)
        seen = stretch_contrast(seen, self.contrast, field)
        return saturate(brighten(seen, self.brightness), self.saturation)


def _brightest(pixels: Pixels, field: Field) -> NDArray[np.float32]:
    """Return the greatest value of each channel over the field, seen at 512 pixels across, or fewer."""
    mask, factor = field.mask.astype(np.float32), min(1.0, PUBLISHED_SIDE / field.diameter)
    if factor < 1:
        size = tuple(max(1, round(length * factor)) for length in (mask.shape[1], mask.shape[0]))
        pixels = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), dtype=np.float32)
        mask = np.asarray(cv2.resize(mask, size, interpolation=cv2.INTER_AREA), dtype=np.float32)
    return np.asarray(pixels[mask >= mask.max()].max(axis=0), dtype=np.float32)
