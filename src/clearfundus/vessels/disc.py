"""Where the optic disc is: bright, and full of vessels.

The fact to know: only the centre is sought; the radius is a fixed share of the field's diameter, for vessel trees need
to know where to begin, not how large the disc is.
"""

import cv2
import numpy as np

from clearfundus.errors import QualityError
from clearfundus.fundus.field import Field
from clearfundus.fundus.smoothing import smooth
from clearfundus.photo import Gray, Mask, Pixels
from clearfundus.vessels.trees import Disc

RADIUS = 1 / 13.5
"""Of the disc, in field diameters: 40 of 540 pixels."""
BRIGHTNESS_SIGMAS = (0.5, 2.5)
VESSEL_SIGMAS = (0.8, 4.0)
"""Inner and outer deviation, in disc radii, of the Gaussians whose difference shows what stands out at that size."""
RED_SHARE = 0.5
"""Weight of the red channel beside green's 1: red is often overexposed."""
CLOSING = 0.5
"""Radius, in disc radii, of the grey closing that takes dark vessels off the bright disc."""
VESSEL_WEIGHT = 0.3
"""Of vessels beside light's 1. With 1, the Gabor bank's probability leads astray on 5 of 14 labelled training and
validation eyes, with 0.6 on 3, with 0.3 on none; on vessels drawn by experts all three find every disc."""
RIM = 0.5
"""In disc radii: so near to the field's edge no disc is sought, for there light and sums over vessels go astray."""
FINAL_SIGMA = 0.4
"""In disc radii: the disc is where a neighbourhood stands out, not one pixel."""
FLAT = 1e-5
"""Range below which a map shows nothing but rounding."""
LEAST_CONTRAST = 0.085
"""Of the disc against its surroundings, in light of range 1. Of 32 training photographs, 16 of them poor, looked at one
by one, the 25 whose disc was found have 0.09 and more; the 7 others 0.05 to 0.16, the 3 above this mostly haze."""


def find_disc(pixels: Pixels, field: Field, probability: Gray) -> Disc | None:
    """Find the optic disc.

    Args:
        pixels: RGB, (H, W, 3) in [0, 1].
        field: Its field of view.
        probability: Of a vessel, (H, W) in [0, 1]; a mask as numbers will do.

    Returns:
        The disc, or None where none stands out: no vessels, or the likeliest place is hardly brighter than what is
        around it.

    Raises:
        QualityError: If pixels, field and probability are not of one size.
    """
    shape = field.mask.shape
    if pixels.shape != (*shape, 3) or probability.shape != shape:
        raise QualityError(
            f"found pixels {pixels.shape}, field {shape} and probability {probability.shape}, expected all of one "
            "height and width; give those of one photograph at one scale"
        )
    radius = RADIUS * field.diameter
    inner = _without_rim(field.mask, RIM * radius)
    light = np.asarray((RED_SHARE * pixels[..., 0] + pixels[..., 1]) / (RED_SHARE + 1), np.float32)
    brightness = _difference(_closed(light, CLOSING * radius), field.mask, BRIGHTNESS_SIGMAS, radius)
    crowding = _difference(np.asarray(probability, np.float32), field.mask, VESSEL_SIGMAS, radius)
    if not inner.any() or min(np.ptp(brightness[inner]), np.ptp(crowding[inner])) < FLAT:
        return None
    both = _standard(brightness, inner) + VESSEL_WEIGHT * _standard(crowding, inner)
    total = smooth(np.asarray(both, np.float32), FINAL_SIGMA * radius, inner)
    row, column = np.unravel_index(int(np.where(inner, total, -np.inf).argmax()), shape)
    contrast = float(brightness[row, column])
    if contrast < LEAST_CONTRAST:
        return None
    return Disc(centre=np.array([row, column], np.float64), radius=radius, contrast=contrast)


def _difference(plane: Gray, mask: Mask, sigmas: tuple[float, float], radius: float) -> Gray:
    """Return a plane's inner mean less its outer one; the deviations are given in disc radii."""
    inner, outer = (smooth(plane, sigma * radius, mask) for sigma in sigmas)
    return inner - outer


def _standard(plane: Gray, inside: Mask) -> Gray:
    """Return a plane of mean 0 and deviation 1 inside a mask, 0 outside."""
    values = plane[inside]
    return np.asarray((plane - values.mean()) / values.std() * inside, np.float32)


def _closed(plane: Gray, radius: float) -> Gray:
    side = 2 * round(radius) + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    return np.asarray(cv2.morphologyEx(plane, cv2.MORPH_CLOSE, kernel), np.float32)


def _without_rim(mask: Mask, width: float) -> Mask:
    """Return the mask without what lies nearer to its edge; the picture's own border is an edge."""
    padded = np.pad(mask, 1).astype(np.uint8)
    depth = cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
    return np.asarray(depth > width, np.bool_)
