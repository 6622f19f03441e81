"""SSIM: how alike the local means, contrasts and patterns of two pictures are.

Higher is better; equal pictures give 1. The fact to know: two measures go by this name. `ssim` is that of its authors,
on gray under a Gaussian window; `ssim_rgb` is what scikit-image computes by default, on RGB under a plain 7 x 7
window, and what other papers on fundus photographs report. Their values do not compare.

Source: Wang, Bovik, Sheikh and Simoncelli, Image Quality Assessment: From Error Visibility to Structural Similarity,
IEEE TIP 13 (2004); computed by scikit-image.
"""

import numpy as np
from numpy.typing import NDArray
from skimage.metrics import structural_similarity

from clearfundus.photo import Mask
from clearfundus.quality.checks import check_gray
from clearfundus.quality.inside import check_inside, check_pair, check_pixels, erode, require_reference
from clearfundus.quality.measured import Measured
from clearfundus.quality.view import View

LEVELS = 255
SIGMA = 1.5
GAUSSIAN_RADIUS = 5
"""The authors' window: Gaussian of sigma 1.5 pixels, 11 x 11."""
PLAIN_RADIUS = 3
"""Scikit-image's window by default: 7 x 7, all weights equal."""
CONVENTIONS = (
    "Of the authors: on gray, Gaussian window of sigma 1.5, K1 0.01, K2 0.03, without their reduction of the size. "
    "Protocol fov: mean over pixels whose 11 x 11 window lies inside the field; whole: inside the frame, where the "
    "black surround counts as perfect. It rests on local contrast: haze lowers it, a shift by two pixels too."
)
CONVENTIONS_RGB = (
    "Scikit-image's default on R, G and B: plain 7 x 7 window, sample covariance, mean over the channels; what other "
    "papers on fundus photographs report. Protocols as for ssim. Does not compare with ssim."
)
"""For the table of metrics."""


def ssim(test: NDArray[np.generic], reference: NDArray[np.generic], inside: Mask | None = None) -> float:
    """Return the authors' SSIM of two gray pictures, in [-1, 1].

    Args:
        test: The picture to judge, (H, W), uint8 or float64, whole levels of 0 to 255, at least 11 x 11.
        reference: What it should look like, likewise.
        inside: (H, W): the mean is taken over pixels whose windows lie in it, 5 pixels off its edge. None for the
            whole picture, where the frame is the edge.

    Raises:
        QualityError: If an array is another, or no window lies inside.
    """
    first, second = (check_gray(gray, "ssim", 2 * GAUSSIAN_RADIUS + 1) for gray in (test, reference))
    check_pair(first, second, "ssim")
    counted = erode(check_inside(inside, first, "ssim"), GAUSSIAN_RADIUS, "ssim", border_is_edge=True)
    _, likeness = structural_similarity(  # type: ignore[no-untyped-call]
        first,
        second,
        data_range=LEVELS,
        gaussian_weights=True,
        sigma=SIGMA,
        use_sample_covariance=False,
        full=True,
    )
    return float(likeness[counted].mean())


def ssim_rgb(test: NDArray[np.generic], reference: NDArray[np.generic], inside: Mask | None = None) -> float:
    """Return scikit-image's default SSIM of two colour pictures, in [-1, 1]: the mean over R, G and B.

    Args:
        test: The picture to judge, RGB, uint8, (H, W, 3), at least 7 x 7.
        reference: What it should look like, likewise.
        inside: (H, W): the mean is taken over pixels whose windows lie in it, 3 pixels off its edge. None for the
            whole picture, where the frame is the edge.

    Raises:
        QualityError: If an array is another, or no window lies inside.
    """
    for pixels in (test, reference):
        check_pixels(pixels, "ssim_rgb", 2 * PLAIN_RADIUS + 1)
    check_pair(test, reference, "ssim_rgb")
    counted = erode(check_inside(inside, test, "ssim_rgb"), PLAIN_RADIUS, "ssim_rgb", border_is_edge=True)
    _, likeness = structural_similarity(  # type: ignore[no-untyped-call]
        test, reference, data_range=LEVELS, channel_axis=2, full=True
    )
    return float(likeness[counted].mean())


def measure_ssim(view: View, reference: View | None = None) -> Measured:
    """Measure the gray of a view against its reference: in "fov" inside the field, in "whole" over the frame.

    Args:
        view: The view.
        reference: The reference's, of the same field.

    Raises:
        QualityError: If there is no reference, it has another size, or the field is too small.
    """
    reference = require_reference(reference, "ssim")
    return Measured(value=ssim(view.gray, reference.gray, view.inside))


def measure_ssim_rgb(view: View, reference: View | None = None) -> Measured:
    """Measure the colours of a view against its reference; arguments and errors as in `measure_ssim`."""
    reference = require_reference(reference, "ssim_rgb")
    return Measured(value=ssim_rgb(view.pixels, reference.pixels, view.inside))
