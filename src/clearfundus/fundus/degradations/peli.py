"""Scattering by a cataract, after Peli and Peli (1989): blurred retina seen through a veil of scattered light.

Source of the form: E. Peli and T. Peli, "Restoration of retinal images obtained through cataracts", IEEE Transactions
on Medical Imaging 8(4), 1989: seen = alpha * light * reflectance * t + light * (1 - t). All numbers are chosen here.
With a known transmission and veil the haze can be undone exactly, but for noise: `Peli.unveil` is the bound that no
method can pass by removing haze alone.
"""

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from clearfundus.fundus.degradations.model import Model, blur, check_severity
from clearfundus.fundus.degradations.texture import noise, smooth_map
from clearfundus.fundus.field import Field
from clearfundus.fundus.frame import crop_to_field
from clearfundus.photo import Gray, Photo, Pixels

LEVELS = {"clear": 0.0, "mild": 1 / 3, "medium": 2 / 3, "severe": 1.0}
"""Severities with a name; between them, transmission and blur are interpolated."""
TRANSMISSIONS = (1.0, 0.6, 0.4, 0.25)
BLURS = (0.0, 1 / 540, 1.5 / 540, 2 / 540)
"""Mean transmission, and standard deviation of the blur in field diameters, at the levels above."""
ATTENUATION = 0.9
UNEVENNESS = 0.15
NOISE = 0.008
"""Attenuation of the light that reaches the retina, swing of the transmission and noise, from mild on."""
VEIL = (0.75, 0.62, 0.45)
"""Colour of the scattered light of the flash."""
LEAST_TRANSMISSION = 0.05
MAP_SIGMA = 1 / 6
"""Smoothness of the transmission, in field diameters."""


@dataclass(frozen=True, kw_only=True)
class Peli(Model):
    """Scattering with an uneven transmission.

    Attributes:
        transmission: Middle of the transmission's range over the field, in [0, 1].
        unevenness: How far the transmission swings to both sides; it is kept in [0.05, 1].
        attenuation: Share of the light that the cataract lets through to the retina.
        veil: Colour of the scattered light, RGB in [0, 1].
        blur: Standard deviation of the Gaussian, in field diameters.
        noise: Standard deviation of the noise, on the scale [0, 1], in grains of 1/540 diameters.
        seed: Seed of the transmission's map and of the noise.
    """

    name: ClassVar[str] = "peli"

    transmission: float
    unevenness: float
    attenuation: float
    veil: tuple[float, float, float]
    blur: float
    noise: float
    seed: int

    @classmethod
    def draw(cls, random: np.random.Generator, severity: float) -> Self:
        """Draw one degradation.

        Severities of 1/3, 2/3 and 1 are the levels mild, medium and severe: mean transmissions of 0.6, 0.4 and 0.25,
        blurs of 1, 1.5 and 2 pixels at a field of 540. Where it is thick, and the noise, are left to chance.

        Args:
            random: Where chance comes from.
            severity: How bad, in [0, 1].
        """
        check_severity(severity)
        places, share = list(LEVELS.values()), min(1.0, severity / LEVELS["mild"])
        return cls(
            transmission=float(np.interp(severity, places, TRANSMISSIONS)),
            unevenness=share * UNEVENNESS,
            attenuation=1 - share * (1 - ATTENUATION),
            veil=VEIL,
            blur=float(np.interp(severity, places, BLURS)),
            noise=share * NOISE,
            seed=int(random.integers(2**31)),
        )

    def degrade(self, pixels: Pixels, field: Field) -> Pixels:
        """Apply the degradation to every pixel."""
        random = np.random.default_rng(self.seed)
        passed = self._transmission(pixels.shape[:2], field, random)[..., None]
        seen = np.float32(self.attenuation) * passed * blur(pixels, self.blur * field.diameter)
        seen += (1 - passed) * np.array(self.veil, dtype=np.float32)
        if self.noise > 0:
            seen += noise(pixels.shape[:2], field, self.noise, random)
        return np.asarray(np.clip(seen, 0, 1), dtype=np.float32)

    def unveil(self, photo: Photo, field: Field) -> Photo:
        """Undo the haze with its own transmission and veil; blur and noise stay, and the noise grows.

        Args:
            photo: A photograph that this degradation was applied to.
            field: Its field of view, the one it was degraded with.
        """
        frame = crop_to_field(photo, field)
        top, left, bottom, right = frame.box
        random = np.random.default_rng(self.seed)
        passed = self._transmission(frame.field.mask.shape, frame.field, random)[..., None]
        haze = (1 - passed) * np.array(self.veil, dtype=np.float32)
        found = (frame.photo.pixels - haze) / (np.float32(self.attenuation) * passed)
        pixels = photo.pixels.copy()
        np.copyto(pixels[top:bottom, left:right], found, where=frame.field.mask[..., None])
        return photo.with_pixels(pixels, unveiled=self.name)

    def _transmission(self, shape: tuple[int, int], field: Field, random: np.random.Generator) -> Gray:
        """Return the share of light that passes straight through, (H, W)."""
        swing = np.float32(self.unevenness) * smooth_map(shape, field, MAP_SIGMA, random)
        passed = np.clip(np.float32(self.transmission) + swing, LEAST_TRANSMISSION, 1)
        return np.asarray(passed, dtype=np.float32)
