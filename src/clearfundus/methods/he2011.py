"""He et al. 2011: remove haze by the dark channel prior, a method for outdoor photographs.

The paper's letters: I is the hazy picture, J the clear one, A the airlight (the haze's own colour), t the transmission
(the share of light that passes), I = J t + A (1 - t); omega is the share of the haze to remove, t0 the least t.

The fact to know: the prior, that every patch of a clear picture holds a pixel with one channel near black, says
nothing about haze on a retina, where blue is always near black and the disc is taken for airlight. The result is
darker, redder and less evenly lit, and a photograph without blue does not change. That is the method's own failure,
and it is left so.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from clearfundus.fundus.colour import luminance
from clearfundus.fundus.field import Field
from clearfundus.methods.checks import check_number
from clearfundus.photo import Gray, Mask, Photo, Pixels

LEAST_GUIDE_VARIANCE = 1e-5  # OpenCV computes the variance in float32; near its rounding error the filter gives NaN
Colour = NDArray[np.float32]
"""RGB of one colour, (3,), in [0, 1]."""


def he2011(  # noqa: PLR0913 - a method's numbers are its arguments
    photo: Photo,
    field: Field,
    *,
    patch: float = 0.025,
    removed_share: float = 0.95,
    least_transmission: float = 0.1,
    brightest_share: float = 0.001,
    least_airlight: float = 0.05,
    guide_radius: float = 0.1,
    guide_variance: float = 1e-3,
) -> Photo:
    """Remove what looks like haze: find its colour, then how much of it lies over each pixel, and take it off.

    Source: He, Sun and Tang, Single image haze removal using dark channel prior, IEEE Transactions on Pattern Analysis
    and Machine Intelligence 33 (2011). The transmission is refined by the guided filter that He, Sun and Tang published
    later (2013), guided by luminance, in place of the paper's soft matting. "Published" below is what citations and
    public implementations give as the paper's numbers.

    Args:
        photo: The cropped photograph, surround filled.
        field: Its field; the airlight is sought inside only.
        patch: Side of the square in which the darkest pixel is sought, in field diameters; the published 15 pixels in
            pictures of 600 x 400. In pixels it is rounded to an odd number, at least 3.
        removed_share: The share of the haze that is removed (omega); 0.95 is published.
        least_transmission: Where less passes, this is taken instead (t0), for noise grows with 1 / t; 0.1 is published.
        brightest_share: The share of the field, brightest in the dark channel, that may hold the airlight; 0.001 is
            published.
        least_airlight: Least value of each channel of the airlight, which divides; this project's choice.
        guide_radius: Radius of the guided filter, in field diameters; 60 pixels at 600, from public implementations.
        guide_variance: Variance of luminance above which an edge is kept (the guided filter's epsilon); 0.001 is from
            public implementations. At least 1e-5.

    Raises:
        SettingsError: If a number is out of range.
    """
    numbers = {
        "patch": patch,
        "removed_share": removed_share,
        "least_transmission": least_transmission,
        "brightest_share": brightest_share,
        "least_airlight": least_airlight,
        "guide_radius": guide_radius,
        "guide_variance": guide_variance,
    }
    check_number("guide_variance", guide_variance, LEAST_GUIDE_VARIANCE, 1)
    for name, number in numbers.items():
        check_number(name, number, 0, 1, above=name != "removed_share")
    side = 2 * max(round((patch * field.diameter - 1) / 2), 1) + 1
    airlight = find_airlight(photo.pixels, field.mask, side, brightest_share=brightest_share)
    airlight = np.maximum(airlight, np.float32(least_airlight))
    transmission = estimate_transmission(photo.pixels, airlight, side, removed_share=removed_share)
    radius = max(round(guide_radius * field.diameter), 1)
    refined = cv2.ximgproc.guidedFilter(luminance(photo.pixels), transmission, radius, guide_variance)
    clear = photo.pixels - airlight
    clear /= np.maximum(refined, np.float32(least_transmission))[..., None]
    clear += airlight
    return photo.with_pixels(clear, method="he2011", **{name: str(number) for name, number in numbers.items()})


def find_airlight(pixels: Pixels, mask: Mask, side: int, *, brightest_share: float = 0.001) -> Colour:
    """Return the colour of the haze: of the pixels of the mask brightest in the dark channel, the brightest itself.

    Args:
        pixels: RGB, (H, W, 3), in [0, 1].
        mask: (H, W), where to look, not empty.
        side: Side of the patch in pixels, odd.
        brightest_share: Share of the mask's pixels that are looked at, at least one pixel. All that tie with the last
            of them are looked at too, so that their order does not matter.

    Returns:
        RGB, (3,): that of the single pixel with the highest mean of its channels; of several, the one with most red,
            then most green, wherever they lie.
    """
    dark = _darkest_in_patch(pixels, side)
    dark_inside = dark[mask]
    rank = dark_inside.size - max(round(brightest_share * dark_inside.size), 1)
    candidates = pixels[mask & (dark >= np.partition(dark_inside, rank)[rank])]
    red, green, blue = candidates.T
    return np.asarray(candidates[np.lexsort((blue, green, red, candidates.mean(axis=1)))[-1]], dtype=np.float32)


def estimate_transmission(pixels: Pixels, airlight: Colour, side: int, *, removed_share: float = 0.95) -> Gray:
    """Return the share of light that passes, before refinement: 1 - omega times the least of I / A in each patch.

    Args:
        pixels: RGB, (H, W, 3), in [0, 1].
        airlight: The colour of the haze, (3,), above 0.
        side: Side of the patch in pixels, odd.
        removed_share: The share of the haze to remove, omega; at 1 the result is exact where the prior holds.

    Returns:
        (H, W), at most 1; below 0 where a whole patch is brighter than the airlight.
    """
    darkest = _darkest_in_patch(np.asarray(pixels / airlight, dtype=np.float32), side)
    return np.asarray(1 - np.float32(removed_share) * darkest, dtype=np.float32)


def _darkest_in_patch(pixels: Pixels, side: int) -> Gray:
    """Return the dark channel, (H, W): the least channel of any pixel of the patch, which is cut off at the border."""
    red, green, blue = cv2.split(pixels)  # seven times as fast as pixels.min(axis=2)
    darkest = np.minimum(np.minimum(red, green), blue)
    return np.asarray(cv2.erode(darkest, np.ones((side, side), dtype=np.uint8)), dtype=np.float32)
