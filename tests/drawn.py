"""A fundus photograph drawn by arithmetic, for tests: small, quick, and the same for the same generator."""

import cv2
import numpy as np
from numpy.typing import NDArray

from clearfundus.photo import Gray, Mask, Photo, Pixels

RETINA = (0.75, 0.38, 0.18)
"""An orange close to the mean retina of the photographs this package is made for."""
DISC = (0.98, 0.80, 0.50)
VESSEL_DEPTH = (0.25, 0.50, 0.35)
"""What a vessel's centre takes off red, green and blue: most contrast in green, as in life."""
VEIL = (0.62, 0.52, 0.40)


def field_mask(size: int = 128, share: float = 0.96) -> Mask:
    """Return the disc that `draw_fundus` lights, (size, size): `share` of the side in diameter, centred."""
    row, column = np.mgrid[:size, :size] - (size - 1) / 2
    inside: Mask = np.hypot(row, column) < share * size / 2
    return inside


def draw_fundus(size: int = 128, rng: np.random.Generator | None = None) -> Photo:
    """Draw a clear square photograph: vignetted retina, macula, optic disc, vessels, black surround.

    Args:
        size: Height and width in pixels.
        rng: Draws the eye: side, vessels, noise. None gives the same eye each time.
    """
    rng = rng or np.random.default_rng(0)
    row, column = (np.mgrid[:size, :size] - (size - 1) / 2) / (size / 2)
    side = rng.choice([-1, 1])
    disc = np.array([rng.uniform(-0.1, 0.1), side * rng.uniform(0.4, 0.5)])
    light = 1 - 0.35 * (row**2 + column**2)
    light -= 0.25 * _spot(row, column, centre=(0.05, -side * 0.1), width=0.16)
    pixels = light[..., None] * np.array(RETINA)
    glow = _spot(row, column, centre=(disc[0], disc[1]), width=0.12)[..., None]
    pixels += np.minimum(1.5 * glow, 1) * (np.array(DISC) - pixels)
    pixels *= 1 - _vessels(size, disc, rng)[..., None] * np.array(VESSEL_DEPTH)
    pixels += rng.normal(0, 0.004, pixels.shape)
    pixels *= field_mask(size)[..., None]
    return Photo(pixels=np.clip(pixels, 0, 1).astype(np.float32), name=f"drawn_{size}")


def blur_fundus(photo: Photo, *, sigma: float = 0.012, haze: float = 0.45) -> Photo:
    """Blur a drawn photograph and lay a pale veil over it, inside its field only.

    Args:
        photo: As `draw_fundus` made it.
        sigma: Width of the Gaussian blur, in sides of the picture.
        haze: Share of the veil, in [0, 1]; contrast is scaled by the rest.
    """
    size = photo.pixels.shape[0]
    inside = field_mask(size)[..., None].astype(np.float32)
    # Blur within the field: light and mask are blurred alike and divided.
    blurred = cv2.GaussianBlur(photo.pixels * inside, (0, 0), sigma * size)
    weight = np.maximum(cv2.GaussianBlur(inside, (0, 0), sigma * size), 1e-6)[..., None]
    hazed: Pixels = (1 - haze) * blurred / weight + haze * np.array(VEIL, dtype=np.float32)
    return photo.with_pixels(hazed * inside)


def _spot(row: Gray, column: Gray, *, centre: tuple[float, float], width: float) -> Gray:
    """Return a Gaussian spot of height 1; centre and width in half sides of the picture."""
    squared = (row - centre[0]) ** 2 + (column - centre[1]) ** 2
    spot: Gray = np.exp(-squared / (2 * width**2))
    return spot


def _vessels(size: int, disc: NDArray[np.float64], rng: np.random.Generator) -> Gray:
    """Return how dark the vessels make each pixel, (size, size) in [0, 1]: curves that leave the disc."""
    drawn = np.zeros((size * 4, size * 4), dtype=np.uint8)
    along = np.linspace(0, 1, 60)
    for turn in np.linspace(0, 2 * np.pi, 8, endpoint=False) + rng.uniform(0, 0.5):
        bend = rng.uniform(-1.2, 1.2)
        angle = turn + bend * along
        path = disc + 1.6 * along[:, None] * np.stack([np.sin(angle), np.cos(angle)], axis=1)
        corners = np.round((path[:, ::-1] + 1) * size * 2).astype(np.int32)
        width = rng.uniform(0.012, 0.03) * size * 4
        for start in range(0, 59):
            thickness = max(1, round(width * (1 - 0.7 * along[start])))
            cv2.line(drawn, corners[start].tolist(), corners[start + 1].tolist(), 255, thickness)
    small = cv2.resize(drawn, (size, size), interpolation=cv2.INTER_AREA)
    vessels: Gray = small.astype(np.float32) / 255
    return vessels
