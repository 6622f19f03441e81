"""What the camera adds to a simulated pair: spots of stray light, and the loss of a JPEG file.

Both belong to the blurry photograph only in part. A spot lies before the haze, sharp where the retina is not, and it is
in the truth as well, at the same strength: an enhancer shall neither take it away, for it may be a lesion, nor deepen
it as if it lay behind the haze. A file's blocks and rounding are in the degraded copy alone.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from clearfundus.fundus.degradations.place import distance_from, window_around
from clearfundus.fundus.field import Field
from clearfundus.photo import Pixels
from clearfundus.training.config import CameraSettings

MOST_SPOTS = 4
GHOST_OFFSET = 0.08
"""How far, each way, the first spot lies from the field's middle at most, in field diameters; there the camera's own
light is mirrored. The others lie anywhere."""
GHOST_RADIUS = (0.012, 0.035)
DUST_RADIUS = (0.003, 0.012)
"""In field diameters; ghosts seen on blurry training photographs measure about 0.02, dust half of that or less."""
SOFTNESS = (0.1, 0.5)
"""Width of a spot's edge, as a share of its radius."""
STRENGTH = (0.01, 0.06)
TINT = (0.3, 1.0)
"""A spot adds this much light, times a tint for each channel, on the scale [0, 1]."""


@dataclass(frozen=True, kw_only=True)
class Spot:
    """A disc of stray light.

    Attributes:
        centre: Rows down and columns right of the field's middle, in field diameters.
        radius: In field diameters.
        softness: Width of its edge, as a share of the radius.
        light: What it adds to each channel, on the scale [0, 1].
    """

    centre: tuple[float, float]
    radius: float
    softness: float
    light: tuple[float, float, float]


def photograph(
    degraded: Pixels, clear: Pixels, field: Field, settings: CameraSettings, random: np.random.Generator
) -> tuple[Pixels, Pixels]:
    """Add what the camera adds to a simulated pair.

    Args:
        degraded: The degraded picture, (H, W, 3) in [0, 1].
        clear: Its truth, the same shape.
        field: Their field of view.
        settings: How often what happens. Where it is never, no chance is drawn.
        random: Where chance comes from.

    Returns:
        The degraded picture and the truth, float32 in [0, 1].
    """
    if settings.spots > 0 and random.random() < settings.spots:
        for spot in draw_spots(random):
            degraded, clear = (add_spot(one, field, spot) for one in (degraded, clear))
    if settings.jpeg > 0 and random.random() < settings.jpeg:
        degraded = compress(degraded, round(random.uniform(*settings.quality)))
    return degraded, clear


def draw_spots(random: np.random.Generator) -> list[Spot]:
    """Draw one ghost near the middle and up to three grains of dust."""
    count = int(random.integers(1, MOST_SPOTS + 1))
    return [_draw_spot(random, ghost=index == 0) for index in range(count)]


def _draw_spot(random: np.random.Generator, *, ghost: bool) -> Spot:
    reach = GHOST_OFFSET if ghost else 0.5
    down, right = random.uniform(-reach, reach, size=2)
    red, green, blue = random.uniform(*STRENGTH) * random.uniform(*TINT, size=3)
    return Spot(
        centre=(float(down), float(right)),
        radius=float(random.uniform(*(GHOST_RADIUS if ghost else DUST_RADIUS))),
        softness=float(random.uniform(*SOFTNESS)),
        light=(float(red), float(green), float(blue)),
    )


def add_spot(pixels: Pixels, field: Field, spot: Spot) -> Pixels:
    """Return a picture with a disc of light: full up to its soft edge, half at its radius, none beyond."""
    reach = spot.radius * (1 + spot.softness)
    window = window_around(spot.centre, reach, pixels.shape[:2], field)
    far = distance_from(spot.centre, pixels.shape[:2], field, window)
    share = np.clip((reach - far) / (2 * spot.softness * spot.radius), 0, 1)
    lit: Pixels = pixels.copy()
    lit[window] = np.clip(lit[window] + share[..., None] * np.asarray(spot.light, dtype=np.float32), 0, 1)
    return lit


def compress(pixels: Pixels, quality: int) -> Pixels:
    """Return what a JPEG file of a quality keeps of a picture, colour at half resolution, as cameras write it.

    Args:
        pixels: RGB, (H, W, 3) in [0, 1].
        quality: From 1 to 100.
    """
    eight_bit = np.rint(np.clip(pixels[..., ::-1], 0, 1) * 255).astype(np.uint8)  # OpenCV's order is blue first
    _, encoded = cv2.imencode(".jpg", eight_bit, [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR), dtype=np.uint8)
    return np.ascontiguousarray(decoded[..., ::-1]).astype(np.float32) / np.float32(255)
