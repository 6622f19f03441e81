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
"""Inner and outer deviation, in disc radii, of the Gaussians whose difference tells what stands out at a disc's size."""
RED_SHARE = 0.5
"""Weight of the red channel beside green's 1: red is often overexposed."""
CLOSING = 0.5
"""Radius, in disc radii, of the grey closing that takes dark vessels off the bright disc."""
RIM = 0.5
"""In disc radii: so near to the field's edge no disc is sought, for there light and sums over vessels go astray."""
FINAL_SIGMA = 0.4
"""In disc radii: the disc is where a neighbourhood stands out, not one pixel."""
LEAST_CONTRAST = 2.5
"""In deviations of the map: a centre that stands out less is no disc."""


def find_disc(pixels: Pixels, field: Field, probability: Gray) -> Disc | None:
    """Find the optic disc.

    Args:
        pixels: RGB, (H, W, 3) in [0, 1].
        field: Its field of view.
        probability: Of a vessel, (H, W) in [0, 1]; a mask as numbers will do.

    Returns:
        The disc, or None where nothing stands out: no light, no vessels, or neither in one place.

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
    vessels = np.asarray(probability, np.float32)
    parts = [
        _standing_out(plane, field.mask, inner, tuple(sigma * radius for sigma in sigmas))
        for plane, sigmas in ((_closed(light, CLOSING * radius), BRIGHTNESS_SIGMAS), (vessels, VESSEL_SIGMAS))
    ]
    if any(part is None for part in parts):
        return None
    total = smooth(np.asarray(sum(part for part in parts if part is not None), np.float32), FINAL_SIGMA * radius, inner)
    inside = total[inner]
    row, column = np.unravel_index(int(np.where(inner, total, -np.inf).argmax()), shape)
    contrast = float((total[row, column] - inside.mean()) / inside.std())
    if contrast < LEAST_CONTRAST:
        return None
    return Disc(centre=np.array([row, column], np.float64), radius=radius, contrast=contrast)


def _standing_out(plane: Gray, mask: Mask, inner: Mask, sigmas: tuple[float, ...]) -> Gray | None:
    """Return a plane's inner mean less its outer one, of mean 0 and deviation 1; None where it is flat."""
    difference = smooth(plane, sigmas[0], mask) - smooth(plane, sigmas[1], mask)
    inside = difference[inner]
    if not inside.size or inside.std() < np.finfo(np.float32).eps * 10:
        return None
    return np.asarray((difference - inside.mean()) / inside.std() * inner, np.float32)


def _closed(plane: Gray, radius: float) -> Gray:
    side = 2 * round(radius) + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    return np.asarray(cv2.morphologyEx(plane, cv2.MORPH_CLOSE, kernel), np.float32)


def _without_rim(mask: Mask, width: float) -> Mask:
    """Return the mask without what lies nearer to its edge; the picture's own border is an edge."""
    padded = np.pad(mask, 1).astype(np.uint8)
    depth = cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
    return np.asarray(depth > width, np.bool_)
