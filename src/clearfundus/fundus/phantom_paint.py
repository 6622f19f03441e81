"""The colours of a drawn photograph: retina with its textures, macula, disc and cup, blood, uneven light, the camera.

Positions and textures are functions of the place in the field, so one eye looks the same at every size; only the
camera's noise belongs to the pixels.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from scipy.special import expit

from clearfundus.fundus.phantom_eye import Eye
from clearfundus.fundus.phantom_raster import Raster
from clearfundus.photo import Gray, Mask, Pixels

ARTERY_ABSORPTION = np.array([0.20, 0.88, 0.66], dtype=np.float32)
VEIN_ABSORPTION = np.array([0.44, 1.10, 0.78], dtype=np.float32)
"""Optical depth of the widest artery's and vein's middle in red, green and blue: haemoglobin takes most green, and
blood without oxygen takes more red."""
ARTERY_REFLEX, VEIN_REFLEX = 0.62, 0.22
"""Share of the absorption that the reflex along the middle gives back."""
CUP = np.array([0.985, 0.93, 0.76], dtype=np.float32)
RIM = np.array([0.96, 0.66, 0.40], dtype=np.float32)
"""Colours of the disc's pale cup and of its pink rim."""
PIGMENT = np.array([0.28, 0.66, 0.66], dtype=np.float32)
"""What the fovea's pigment takes off red, green and blue at its darkest."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Canvas:
    """The place of every pixel in the drawing.

    Attributes:
        row: (H, W), in field diameters from the field's centre.
        column: (H, W), likewise, towards the right with the disc on the left.
        mirrored: Whether the picture shows the drawing mirrored.
        size: Height and width in pixels.
        scale: Pixels of a field diameter.
    """

    row: Gray
    column: Gray
    mirrored: bool
    size: int
    scale: float

    def clouds(self, rng: np.random.Generator, cells: int) -> Gray:
        """Return smooth noise of unit variance before it is smoothed, with `cells` values across the picture."""
        drawn = rng.standard_normal((cells, cells), dtype=np.float32)
        if self.mirrored:
            drawn = np.ascontiguousarray(drawn[:, ::-1])
        way = cv2.INTER_CUBIC if cells < self.size else cv2.INTER_AREA
        return np.asarray(cv2.resize(drawn, (self.size, self.size), interpolation=way), dtype=np.float32)

    def spot(self, centre: tuple[float, float], width: float) -> Gray:
        """Return a Gaussian of height 1."""
        squared = (self.row - centre[0]) ** 2 + (self.column - centre[1]) ** 2
        return np.asarray(np.exp(-squared / (2 * width**2)), dtype=np.float32)


def make_canvas(size: int, scale: float, mirrored: bool) -> Canvas:
    """Return the canvas of a square picture whose field is centred."""
    row, column = ((np.mgrid[:size, :size] - (size - 1) / 2) / scale).astype(np.float32)
    return Canvas(row=row, column=-column if mirrored else column, mirrored=mirrored, size=size, scale=scale)


def paint(canvas: Canvas, eye: Eye, arteries: Raster, veins: Raster, rng: np.random.Generator) -> Pixels:
    """Paint the retina as the camera's lens delivers it, the field not yet cut out.

    Args:
        canvas: The place of every pixel.
        eye: Its anatomy.
        arteries: The arteries in pixels.
        veins: The veins in pixels.
        rng: Draws textures and light.

    Returns:
        (H, W, 3), not clipped.
    """
    pixels = _retina(canvas, eye, rng)
    nearness, cup = _disc(canvas, eye, rng)
    pixels = _with_disc(pixels, canvas, eye, nearness, cup)
    blood = _blood(arteries, ARTERY_ABSORPTION, ARTERY_REFLEX)
    # where an artery lies on a vein, some of the vein's darkness is hidden
    blood += _blood(veins, VEIN_ABSORPTION, VEIN_REFLEX) * (1 - 0.45 * np.minimum(2 * arteries.blood, 1))[..., None]
    dive = 1 - 0.7 * canvas.spot((eye.disc[0], eye.disc[1] - 0.016), 0.014)[..., None]
    pixels *= np.exp(-blood * dive)
    pixels += (0.05 * arteries.reflex + 0.02 * veins.reflex)[..., None] * np.array([1, 0.8, 0.6], dtype=np.float32)
    return np.asarray(pixels * _light(canvas, rng), dtype=np.float32)


def expose(pixels: Pixels, canvas: Canvas, field: Mask, rng: np.random.Generator) -> Pixels:
    """Cut out the field and add the camera's noise.

    Args:
        pixels: As painted.
        canvas: The place of every pixel.
        field: (H, W), what the camera's stop lets through.
        rng: Draws the noise, pixel by pixel.

    Returns:
        (H, W, 3) in [0, 1].
    """
    radius = np.hypot(canvas.row, canvas.column)
    # the rim is a little darker, as the stop is out of focus
    stop = field * np.clip((0.5 - radius) / 0.004 + 0.35, 0.35, 1)
    noise = rng.standard_normal(pixels.shape, dtype=np.float32)
    noise = 0.6 * noise + 0.6 * noise.mean(axis=2, keepdims=True)
    noise = cv2.GaussianBlur(noise, (0, 0), 0.6) * 1.6
    lit = np.maximum(pixels, 0) * stop[..., None]
    lit += noise * np.array([0.0075, 0.0065, 0.010], dtype=np.float32) * np.sqrt(0.15 + lit)
    return np.asarray(np.clip(lit + 0.006, 0, 1), dtype=np.float32)


def _retina(canvas: Canvas, eye: Eye, rng: np.random.Generator) -> Pixels:
    """Return the retina without disc and vessels."""
    to_fovea = np.hypot(canvas.row - eye.fovea[0], canvas.column - eye.fovea[1])
    outer = np.clip(to_fovea / 0.22, 0, 1)
    patches = 0.030 * canvas.clouds(rng, 7) + 0.026 * canvas.clouds(rng, 19) + 0.016 * canvas.clouds(rng, 48)
    grain = 0.016 * canvas.clouds(rng, 130) + 0.018 * canvas.clouds(rng, 300)
    lanes = np.exp(-((canvas.clouds(rng, 34) / 0.33) ** 2)) - 0.4
    tone = patches + grain + 0.032 * lanes * outer + _fibres(canvas, eye, rng)
    drift = 0.03 * canvas.clouds(rng, 5)
    texture = np.stack([0.45 * tone + 0.3 * drift, 1.15 * tone - drift, 1.05 * tone - 1.2 * drift], axis=-1)
    pigment = 0.36 * canvas.spot((eye.fovea[0], eye.fovea[1]), 0.085) + 0.40 * canvas.spot(
        (eye.fovea[0], eye.fovea[1]), 0.030
    )
    pigment += 0.16 * canvas.spot((eye.fovea[0], eye.fovea[1]), 0.010)
    absorbed = 1 - eye.pigment * pigment[..., None] * PIGMENT
    reflex = 0.05 * canvas.spot((eye.fovea[0] + 0.001, eye.fovea[1] + 0.001), 0.0032)[..., None]
    retina = np.array(eye.retina, dtype=np.float32) * (1 + texture) * absorbed + reflex
    return np.asarray(retina, dtype=np.float32)


def _fibres(canvas: Canvas, eye: Eye, rng: np.random.Generator) -> Gray:
    """Return the nerve fibres' sheen: fine streaks from the disc that bend round the macula and fade outwards."""
    down, across = canvas.row - eye.disc[0], canvas.column - eye.disc[1]
    distance = np.hypot(down, across)
    angle = np.arctan2(down, across)
    angle = angle + 1.7 * distance * np.sin(angle)
    drawn = rng.standard_normal((220, 14), dtype=np.float32)
    drawn = np.concatenate([drawn, drawn[:4]])
    streaks = cv2.remap(
        drawn,
        (1 + 11 * np.clip(distance, 0, 1)).astype(np.float32),
        (np.mod(angle / (2 * np.pi), 1) * 220).astype(np.float32),
        cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REFLECT,
    )
    strength = np.exp(-((distance / 0.26) ** 2)) * (0.35 + 0.65 * np.sin(angle) ** 2)
    return np.asarray(strength * (0.024 * streaks + 0.09), dtype=np.float32)


def _disc(canvas: Canvas, eye: Eye, rng: np.random.Generator) -> tuple[Gray, Gray]:
    """Return how far out of the disc's and of the cup's centre each pixel is; 1 at their edges."""
    down = (canvas.row - eye.disc[0]) / eye.disc_half_axes[0]
    across = (canvas.column - eye.disc[1]) / eye.disc_half_axes[1]
    angle = np.arctan2(down, across)
    uneven = sum(rng.normal(0, 0.016) * np.cos(turns * angle + rng.uniform(0, 2 * np.pi)) for turns in (2, 3, 4, 5))
    nearness = np.hypot(down, across) * (1 + uneven)
    cup = np.hypot(down - 0.02, across - 0.10) / eye.cup_share * (1 + 2 * uneven)
    return nearness.astype(np.float32), cup.astype(np.float32)


def _with_disc(pixels: Pixels, canvas: Canvas, eye: Eye, nearness: Gray, cup: Gray) -> Pixels:
    """Lay disc, cup, the halo round them and the dark crescent beside them over the retina."""
    temporal = np.clip((canvas.column - eye.disc[1]) / eye.disc_half_axes[1], -1, 1)[..., None]
    halo = np.exp(-((np.maximum(nearness - 1, 0) / 0.28) ** 2))[..., None] * (0.13 + 0.05 * temporal)
    pixels = pixels + halo * (np.array([0.99, 0.68, 0.42], dtype=np.float32) - pixels)
    rim = RIM * (1 + 0.07 * temporal * np.array([0.2, 1, 1.3], dtype=np.float32))
    pallor = (expit((1 - cup) / 0.16))[..., None]
    disc = rim + pallor * (CUP - rim)
    # the rim keeps some of the retina's texture
    disc = disc * (0.86 + 0.14 * pixels / np.array(eye.retina, dtype=np.float32))
    edge = (expit((1 - nearness) / 0.045))[..., None]
    crescent = np.exp(-(((nearness - 1.07) / 0.045) ** 2))[..., None] * np.clip(temporal, 0, 1) ** 2
    pixels = pixels * (1 - 0.16 * crescent)
    return np.asarray(pixels + edge * (disc - pixels), dtype=np.float32)


def _blood(vessels: Raster, absorption: Pixels, reflex: float) -> Pixels:
    """Return the optical depth of vessels, (H, W, 3)."""
    depth = vessels.blood * (1 - reflex * vessels.reflex)
    return np.asarray(depth[..., None] * absorption, dtype=np.float32)


def _light(canvas: Canvas, rng: np.random.Generator) -> Pixels:
    """Return the flash: brighter on one side, falling off outwards, less so in red; (H, W, 3) about 1."""
    turn, lean = rng.uniform(0, 2 * np.pi), rng.uniform(0.05, 0.16)
    squared = canvas.row**2 + canvas.column**2
    lit = 1.08 - rng.uniform(0.7, 1.1) * squared - 1.1 * squared**2
    lit += lean * (canvas.row * np.sin(turn) + canvas.column * np.cos(turn))
    lit += 0.035 * canvas.clouds(rng, 4)
    glow = rng.uniform(0.03, 0.09) * canvas.spot((float(rng.normal(0, 0.1)), float(rng.normal(0.15, 0.1))), 0.16)
    lit = np.maximum(lit + glow, 0.2)[..., None]
    return np.asarray(lit ** np.array([0.62, 1.0, 1.05], dtype=np.float32), dtype=np.float32)
