"""The parts of the cofe-Net degradation: tone, halo, hole and dust.

Lengths and places are in field diameters; the public implementation has them in pixels of a field of 512.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from clearfundus.fundus.degradations.place import distance_from, window_around
from clearfundus.fundus.degradations.tone import brighten, saturate, stretch_contrast
from clearfundus.fundus.field import Field
from clearfundus.photo import Gray, Pixels

BRIGHTNESS, CONTRAST, SATURATION = (0.7, 1.2), (0.6, 1.4), (0.6, 1.4)
HALO_COLOURS = ((141 / 255, 238 / 255, 238 / 255), (177 / 255, 195 / 255, 147 / 255))
HALO_OFFSET = 1 / 8
HALO_INNER = (0.75, 1.0)
DISC_IN_SQUARE = np.pi / 4
"""The implementation's mean brightness is that of the square picture with its black corners."""
CUT_OFF = 0.28
"""Deviation of a Gaussian kernel over its width, if that cuts it off at 0.6 to 0.8 deviations; a box has 0.289."""
HOLE_DIAMETER = (0.4, 0.7)
HOLE_DOWN, HOLE_RIGHT = 1 / 8, 1 / 4
HOLE_KERNEL = (0.55, 0.75)
HOLE_DEPTH, HOLE_SHARE = (0.26, 0.262), (0.05, 0.06)
HOLE_LEAST_LIGHT = 0.25
SPOT_NUMBERS = (5, 10)
SPOT_SIZE = (0.01, 0.05)
SPOT_UNIT = 25 / 512
SPOT_KERNEL = (1 / 5, 1 / 4)
BOX = 1 / np.sqrt(12)
"""Deviation of a box over its width."""
REACH = 4
"""Deviations beyond its edge at which a spot ends."""


@dataclass(frozen=True, kw_only=True)
class Tone:
    """Factors of brightness, contrast and saturation, in the order they are applied."""

    brightness: float
    contrast: float
    saturation: float

    def lay_on(self, pixels: Pixels, field: Field) -> Pixels:
        """Return the picture with this tone."""
        return saturate(stretch_contrast(brighten(pixels, self.brightness), self.contrast, field), self.saturation)


@dataclass(frozen=True, kw_only=True)
class Halo:
    """A ring of light around the rim.

    Attributes:
        centre: Rows down and columns right of the field's middle.
        inner: Radius where it begins.
        outer: Radius where it ends; mostly outside the field.
        softness: Standard deviation of its edges.
        colour: RGB in [0, 1].
        strength: Its brightness over the mean brightness of the photograph.
    """

    centre: tuple[float, float]
    inner: float
    outer: float
    softness: float
    colour: tuple[float, float, float]
    strength: float

    def lay_on(self, pixels: Pixels, field: Field) -> Pixels:
        """Return the picture with the halo."""
        distance = distance_from(self.centre, pixels.shape[:2], field)
        ring = _disc(distance, self.outer, self.softness) - _disc(distance, self.inner, self.softness)
        ring *= np.float32(self.strength * pixels[field.mask].mean(dtype=np.float64))
        return np.clip(pixels + ring[..., None] * np.array(self.colour, dtype=np.float32), 0, 1)


@dataclass(frozen=True, kw_only=True)
class Hole:
    """A round shadow; a photograph of a mean brightness of 0.25 or less gets none, as published.

    Attributes:
        centre: Rows down and columns right of the field's middle.
        radius: Its radius.
        softness: Standard deviation of its edge.
        depth: What it takes off every channel, on the scale [0, 1].
        share: What it takes off besides, over the mean brightness of the photograph.
    """

    centre: tuple[float, float]
    radius: float
    softness: float
    depth: float
    share: float

    def lay_on(self, pixels: Pixels, field: Field) -> Pixels:
        """Return the picture with the hole."""
        light = float(pixels[field.mask].mean(dtype=np.float64))
        if light <= HOLE_LEAST_LIGHT:
            return pixels
        shadow = _disc(distance_from(self.centre, pixels.shape[:2], field), self.radius, self.softness)
        return np.clip(pixels - np.float32(self.depth + self.share * light) * shadow[..., None], 0, 1)


@dataclass(frozen=True, kw_only=True)
class Spot:
    """A bright speck of dust.

    Attributes:
        centre: Rows down and columns right of the field's middle.
        radius: Its radius.
        softness: Standard deviation of its edge.
        strength: What it adds to every channel, on the scale [0, 1].
    """

    centre: tuple[float, float]
    radius: float
    softness: float
    strength: float

    def lay_on(self, pixels: Pixels, field: Field) -> Pixels:
        """Return the picture with the speck."""
        shape = pixels.shape[:2]
        window = window_around(self.centre, self.radius + REACH * self.softness, shape, field)
        disc = _disc(distance_from(self.centre, shape, field, window), self.radius, self.softness)
        spotted: Pixels = pixels.copy()
        spotted[window] = np.clip(pixels[window] + np.float32(self.strength) * disc[..., None], 0, 1)
        return spotted


def draw_tone(random: np.random.Generator, severity: float) -> Tone:
    """Draw brightness, contrast and saturation; severity moves them away from 1."""
    brightness, contrast, saturation = (
        1 + severity * (float(random.uniform(*limits)) - 1) for limits in (BRIGHTNESS, CONTRAST, SATURATION)
    )
    return Tone(brightness=brightness, contrast=contrast, saturation=saturation)


def draw_halo(random: np.random.Generator, severity: float) -> Halo:
    """Draw a halo; severity scales its strength."""
    down, right = (float(offset) for offset in random.uniform(-HALO_OFFSET, HALO_OFFSET, size=2))
    inner = float(random.uniform(*HALO_INNER))
    far_down, far_right = 0.5 + abs(down), 0.5 + abs(right)
    outer = float(random.uniform(1, 2 * np.hypot(far_down, far_right))) + abs(max(down, right) + 0.5)
    return Halo(
        centre=(down, right),
        inner=inner / 2,
        outer=outer / 2,
        softness=CUT_OFF * abs(2 * max(far_down, far_right) - inner),
        colour=HALO_COLOURS[int(random.integers(len(HALO_COLOURS)))],
        strength=severity * DISC_IN_SQUARE,
    )


def draw_hole(random: np.random.Generator, severity: float) -> Hole:
    """Draw a hole; severity scales its depth."""
    diameter = float(random.uniform(*HOLE_DIAMETER))
    return Hole(
        centre=(float(random.uniform(-HOLE_DOWN, HOLE_DOWN)), float(random.uniform(-HOLE_RIGHT, HOLE_RIGHT))),
        radius=diameter / 2,
        softness=CUT_OFF * diameter * float(random.uniform(*HOLE_KERNEL)),
        depth=severity * float(random.uniform(*HOLE_DEPTH)),
        share=severity * float(random.uniform(*HOLE_SHARE)),
    )


def draw_spots(random: np.random.Generator, severity: float) -> tuple[Spot, ...]:
    """Draw 5 to 10 specks; severity scales their strength."""
    number = int(random.integers(SPOT_NUMBERS[0], SPOT_NUMBERS[1] + 1))
    return tuple(_draw_spot(random, severity) for _ in range(number))


def _draw_spot(random: np.random.Generator, severity: float) -> Spot:
    """Draw one speck: the larger, the brighter and the softer."""
    size = float(random.uniform(*SPOT_SIZE))
    relative = size / SPOT_UNIT
    opacity = 1 - float(np.exp(-(0.5 + relative) * 0.3 * relative))
    named = 2 * (5 + 20 * relative) / 512  # deviation that the implementation names; its kernel is far narrower
    down, right = (float(offset) for offset in random.uniform(size - 0.5, 0.5 - size, size=2))
    return Spot(
        centre=(down, right),
        radius=size / 2,
        softness=named * float(random.uniform(*SPOT_KERNEL)) * float(BOX),
        strength=severity * (14 / 25 + 1 - relative) * opacity,
    )


def _disc(distance: Gray, radius: float, softness: float) -> Gray:
    """Return a disc of height 1 whose edge falls off as a blurred straight edge does."""
    return np.asarray(ndtr((np.float32(radius) - distance) / np.float32(max(softness, 1e-6))), dtype=np.float32)
