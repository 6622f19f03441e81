"""Clear -> blurry with known parameters: scatter, defocus, uneven light, noise.

Parameters are drawn first and applied second, so that a degradation can be recorded and repeated. The scatter model is
the one of the cataract literature, `seen = clear * t + veil * (1 - t)`, with a smooth transmission `t` and the veil
between the mean and the 98th percentile of the photograph itself.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from clearfundus.fundus.field import Field
from clearfundus.fundus.frame import fill_surround
from clearfundus.photo import Gray, Photo, Pixels

MAP_KNOTS = 4  # knots a side of the smooth random maps: structure of about a third of the field and larger
VEIL_PERCENTILE = 98
VEIL_SAMPLES = 128  # samples across the field that the veil's colour is taken from; more change it by less than 1/255


@dataclass(frozen=True, kw_only=True)
class DegradeSettings:
    """Ranges that degradations are drawn from; each value is drawn uniformly between low and high.

    Attributes:
        transmission: Range of the least and of the greatest transmission of the scatter map, in [0, 1].
        veil: Range of the veil's colour between the mean (0) and the 98th percentile (1).
        blur: Range of the Gaussian blur's standard deviation, in field diameters.
        light: Greatest relative change of the illumination, up or down.
        noise: Greatest standard deviation of the noise, on the scale [0, 1].
        untouched: Share of draws that change nothing, so that a clear photograph is learnt to be left alone.
        tint: Greatest relative change of each channel of the veil, up or down: light from the side has its own colour.
    """

    transmission: tuple[float, float] = (0.2, 1.0)
    veil: tuple[float, float] = (0.0, 1.0)
    blur: tuple[float, float] = (0.2 / 512, 2.2 / 512)
    light: float = 0.3
    noise: float = 0.012
    untouched: float = 0.05
    tint: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Degradation:
    """One drawn degradation; applying it twice gives the same picture.

    Attributes:
        transmission_low: Least transmission over the field, in [0, 1].
        transmission_high: Greatest transmission over the field, in [0, 1].
        veil: Colour of the veil between the photograph's mean (0) and 98th percentile (1).
        blur: Standard deviation of the Gaussian blur, in field diameters.
        light: Relative change of the illumination at its extremes.
        noise: Standard deviation of the noise, on the scale [0, 1].
        seed: Seed of the two smooth maps and of the noise.
        tint: Factor of each channel of the veil.
    """

    transmission_low: float
    transmission_high: float
    veil: float
    blur: float
    light: float
    noise: float
    seed: int
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)


def draw_degradation(random: np.random.Generator, settings: DegradeSettings | None = None) -> Degradation:
    """Draw one degradation.

    Args:
        random: Where chance comes from.
        settings: The ranges; the defaults if None.
    """
    settings = settings or DegradeSettings()
    low, high = np.sort(random.uniform(*settings.transmission, size=2))
    touched = float(random.random() >= settings.untouched)
    drawn = Degradation(
        transmission_low=float(1 - touched * (1 - low)),
        transmission_high=float(1 - touched * (1 - high)),
        veil=float(random.uniform(*settings.veil)),
        blur=touched * float(random.uniform(*settings.blur)),
        light=touched * float(random.uniform(0, settings.light)),
        noise=touched * float(random.uniform(0, settings.noise)),
        seed=int(random.integers(2**31)),
    )
    if settings.tint == 0:
        return drawn  # without a draw
    red, green, blue = random.uniform(1 - settings.tint, 1 + settings.tint, size=3)
    return replace(drawn, tint=(float(red), float(green), float(blue)))


def degrade(photo: Photo, field: Field, degradation: Degradation) -> Photo:
    """Apply a degradation inside the field; outside it nothing changes.

    Args:
        photo: The clear photograph.
        field: Its field of view.
        degradation: What to apply.

    Returns:
        The photograph with the degradation, of the same size.
    """
    # the surround must not blur into the rim: the camera's stop stays sharp and black however blurred the retina is
    pixels = degrade_pixels(fill_surround(photo.pixels, field.mask), field, degradation)
    return photo.with_pixels(np.where(field.mask[..., None], pixels, photo.pixels), degradation=repr(degradation))


def degrade_pixels(pixels: Pixels, field: Field, degradation: Degradation) -> Pixels:
    """Apply a degradation to every pixel, as `degrade` does inside the field.

    Args:
        pixels: RGB, (H, W, 3) in [0, 1], its surround filled so that the blur finds no black at the rim.
        field: The field of view of the same picture.
        degradation: What to apply.

    Returns:
        RGB, (H, W, 3), float32 in [0, 1].
    """
    random = np.random.default_rng(degradation.seed)
    stride = max(1, round(field.diameter / VEIL_SAMPLES))
    inside = pixels[::stride, ::stride][field.mask[::stride, ::stride]]
    bright = np.percentile(inside, VEIL_PERCENTILE, axis=0)
    veil = (inside.mean(0) * (1 - degradation.veil) + bright * degradation.veil) * degradation.tint
    veil = veil.astype(np.float32)

    sigma = degradation.blur * field.diameter
    blurred = cv2.GaussianBlur(pixels, (0, 0), sigma) if sigma > 0 else pixels
    transmission = _smooth_map(pixels.shape[:2], field, random)
    transmission = degradation.transmission_low + transmission * (
        degradation.transmission_high - degradation.transmission_low
    )
    light = 1 + degradation.light * (2 * _smooth_map(pixels.shape[:2], field, random) - 1)
    hazy = (blurred * transmission[..., None] + veil * (1 - transmission[..., None])) * light[..., None]
    if degradation.noise > 0:
        hazy = hazy + degradation.noise * random.standard_normal(pixels.shape, dtype=np.float32)
    clipped: Pixels = np.clip(hazy, 0, 1).astype(np.float32)
    return clipped


def _smooth_map(shape: tuple[int, ...], field: Field, random: np.random.Generator) -> Gray:
    """Draw a smooth map that spans exactly [0, 1] over the field's bounding box: a few random knots, cubic between."""
    top, left, bottom, right = field.box
    knots = random.random((MAP_KNOTS, MAP_KNOTS), dtype=np.float32)
    inner = cv2.resize(knots, (right - left, bottom - top), interpolation=cv2.INTER_CUBIC)
    low, high = float(inner.min()), float(inner.max())
    inner = (inner - low) / (high - low)
    margins = (top, shape[0] - bottom, left, shape[1] - right)
    return np.asarray(cv2.copyMakeBorder(inner, *margins, cv2.BORDER_REPLICATE), dtype=np.float32)
