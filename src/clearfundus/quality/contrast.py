"""Three plain measures of contrast and sharpness: RMS contrast, vessel contrast, Tenengrad.

They follow cataract grades well, and so say how clear a photograph is. The fact to know: they are to be reported, never
optimised: each rewards sharpening, noise or stretched contrast without end. They look inside the field in both
protocols, for the field's edge would outweigh the retina; the protocol only changes the scale.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from clearfundus.fundus.background import LEAST_LIGHT
from clearfundus.fundus.field import Field
from clearfundus.fundus.foreground import measure_contrast
from clearfundus.fundus.frame import crop_to_field
from clearfundus.fundus.smoothing import smooth
from clearfundus.photo import Mask, Photo
from clearfundus.quality.checks import check_gray
from clearfundus.quality.inside import check_inside, check_pixels, erode
from clearfundus.quality.measured import Measured
from clearfundus.quality.view import View

BACKGROUND_SIGMA = 1 / 30
"""Sigma in field diameters of the Gaussian that takes the background: wider than any vessel; chosen here."""
SOBEL_SCALE = 1 / 8
"""Makes the Sobel kernels a derivative: a ramp of one level a pixel gives 1. Raw kernels give 64 times the value."""
TENENGRAD_EDGE = 12
"""Pixels off the field's edge that do not count, as in NIQE: the rim's own slope is no structure."""
SMALLEST_SIDE = 2
"""A field must have so many rows and columns for its contrast to be taken apart."""
FOOLED = "Inside the field in both protocols. To be reported, never optimised: it rewards over-sharpening and noise."
CONVENTIONS_RMS = (
    "Root mean square of (G - background) / background, the background being green under a Gaussian of 1/30 field "
    f"diameters. {FOOLED}"
)
CONVENTIONS_VESSELS = (
    "By how much vessels are darker than the light around them in green, median over the field: 0.06 with a marked "
    f"cataract, 0.17 to 0.30 in clear eyes. {FOOLED}"
)
CONVENTIONS_TENENGRAD = (
    "Mean squared Sobel gradient of gray, in squared 8-bit levels a pixel: kernels divided by 8, so raw ones give 64 "
    f"times the value. It depends on the side and counts from 12 pixels off the field's edge. {FOOLED}"
)
"""For the table of metrics."""


def rms_contrast(pixels: NDArray[np.generic], inside: Mask | None = None) -> float:
    """Return the root mean square of (G - background) / background.

    The background is green under a Gaussian of 1/30 field diameters, averaged inside only. It
    divides by 0.02 at least.

    Args:
        pixels: RGB, uint8, (H, W, 3).
        inside: (H, W), true on the retina; None for all.

    Raises:
        QualityError: If an array is another, or nothing is inside.
    """
    check_pixels(pixels, "rms_contrast", SMALLEST_SIDE)
    counted = check_inside(inside, pixels, "rms_contrast")
    green = pixels[..., 1].astype(np.float32) / np.float32(255)
    background = smooth(green, BACKGROUND_SIGMA * Field(mask=counted).diameter, counted)[counted].astype(np.float64)
    contrast = (green[counted] - background) / np.maximum(background, LEAST_LIGHT)
    return float(np.sqrt(np.mean(contrast * contrast)))


def vessel_contrast(pixels: NDArray[np.generic], inside: Mask | None = None) -> float:
    """Return by how much vessels are darker than the light around them: the median over the field, in [0, 1].

    About 0.06 with a marked cataract, 0.17 to 0.30 in clear eyes.

    Args:
        pixels: RGB, uint8, (H, W, 3).
        inside: (H, W), true on the retina; None for all.

    Raises:
        QualityError: If an array is another, or nothing is inside.
    """
    check_pixels(pixels, "vessel_contrast", SMALLEST_SIDE)
    counted = check_inside(inside, pixels, "vessel_contrast")
    photo = Photo(pixels=pixels.astype(np.float32) / np.float32(255))
    frame = crop_to_field(photo, Field(mask=counted))
    return measure_contrast(frame.photo, frame.field)


def tenengrad(gray: NDArray[np.generic], inside: Mask | None = None) -> float:
    """Return the mean squared Sobel gradient, in squared 8-bit levels a pixel.

    Args:
        gray: (H, W), uint8 or float64, whole levels of 0 to 255.
        inside: (H, W): pixels 12 off its edge count. None for all whose 3 x 3 window lies in the frame.

    Raises:
        QualityError: If an array is another, or nothing is left inside.
    """
    plane = check_gray(gray, "tenengrad", 3)
    radius = 1 if inside is None else TENENGRAD_EDGE
    counted = erode(check_inside(inside, gray, "tenengrad"), radius, "tenengrad", border_is_edge=True)
    down = cv2.Sobel(plane, cv2.CV_64F, 0, 1, scale=SOBEL_SCALE)[counted]
    across = cv2.Sobel(plane, cv2.CV_64F, 1, 0, scale=SOBEL_SCALE)[counted]
    return float(np.mean(down * down + across * across))


def measure_rms_contrast(view: View, reference: View | None = None) -> Measured:
    """Measure a view inside its field.

    Args:
        view: The view.
        reference: Not used.
    """
    del reference
    return Measured(value=rms_contrast(view.pixels, view.mask))


def measure_vessel_contrast(view: View, reference: View | None = None) -> Measured:
    """Measure a view inside its field; arguments as in `measure_rms_contrast`."""
    del reference
    return Measured(value=vessel_contrast(view.pixels, view.mask))


def measure_tenengrad(view: View, reference: View | None = None) -> Measured:
    """Measure a view inside its field; arguments as in `measure_rms_contrast`.

    Raises:
        QualityError: If the field is too small.
    """
    del reference
    return Measured(value=tenengrad(view.gray, view.mask))
