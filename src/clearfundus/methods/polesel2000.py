"""Polesel, Ramponi and Mathews (2000): unsharp masking whose strength adapts to the detail around each pixel.

The paper's letters: x plane, y result; z_x, z_y second differences across and down; lambda_x, lambda_y their weights;
g a Laplacian, which measures detail; G = (g(z_x), g(z_y)), with autocorrelation R; v variance in 3 x 3 pixels; tau1,
tau2 its thresholds `low_variance`, `high_variance`; alpha the wanted gain of detail: 1 where v is low, alpha_dh
`medium_gain` between, alpha_dl `strong_gain` where v is high; mu `step`; beta `forgetting`.

A fundus is far smoother than the pictures that the thresholds were published for: with them some 97 % of its pixels or
more count as flat, and the photograph comes back nearly unchanged. By default they are read off the photograph. The
weights take 10 to 20 pixels to fall back after an edge, so a strong edge trails noise to its right.
"""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from clearfundus.fundus.colour import luminance
from clearfundus.fundus.field import Field
from clearfundus.methods.checks import check_choice, check_number
from clearfundus.photo import Gray, Mask, Photo, Pixels

LEVELS = 255.0
"""The published numbers are for planes in [0, 255]; in [0, 1] the regularisation would swamp the data."""
SECOND_DIFFERENCE = np.array([[-1.0, 2.0, -1.0]])
DETAIL = np.array([[-1.0, -1.0, -1.0], [-1.0, 8.0, -1.0], [-1.0, -1.0, -1.0]])
NOISE = np.array([[1.0, -2.0, 1.0], [-2.0, 4.0, -2.0], [1.0, -2.0, 1.0]])
"""Immerkaer's kernel: blind to constant, linear and quadratic light; on white noise of deviation s it gives 6 s."""
DARKEST = 1e-6
"""Least luminance to divide by; below it a pixel is black whatever its gain."""
LEAST_REGULARISATION = 1e-6
"""Gray levels squared. The autocorrelation reaches 4e7: beside it 1e-9 is lost in rounding, and what is to be inverted
singular on a checkerboard."""
HIGHEST_GAIN = 100.0
"""What no gain may exceed; far beyond any use."""
LARGEST_DIAMETER = 100_000
"""Greatest working diameter in pixels: no photograph is as large, so none is reduced."""

Plane = NDArray[np.float64]
"""(H, W). Double precision, at the working size only: the recursion along a row gathers rounding errors."""


def polesel2000(  # noqa: PLR0913 - a method's numbers are its arguments
    photo: Photo,
    field: Field,
    *,
    thresholds: str = "auto",
    low_variance: float = 60.0,
    high_variance: float = 200.0,
    low_percentile: float = 68.0,
    high_percentile: float = 84.0,
    noise_floor: float = 4.0,
    medium_gain: float = 4.0,
    strong_gain: float = 3.0,
    step: float = 0.1,
    forgetting: float = 0.5,
    regularisation: float = 1.0,
    working_diameter: int = 540,
    least_colour_gain: float = 0.25,
    most_colour_gain: float = 4.0,
) -> Photo:
    """Sharpen edges of the luminance, those of medium contrast most and flat areas not at all.

    Hues stay, unless a channel reaches 1 and is clipped.

    Source: Polesel, Ramponi, Mathews, Image Enhancement via Adaptive Unsharp Masking, IEEE Transactions on Image
    Processing 9(3) (2000). It treats gray pictures; the colour, the automatic thresholds and the working size are
    this project's.

    Args:
        photo: The cropped photograph, surround filled.
        field: Its field; the automatic thresholds are read inside it.
        thresholds: "auto" reads the two variances off the photograph (this project's choice), "published" takes
            the next two numbers.
        low_variance: Variance below which a pixel is flat, in gray levels squared; not in the paper's text as known
            here, 60 is reconstructed. Only for "published". Infinite, it leaves everything as it is,
            and needs an infinite `high_variance`.
        high_variance: Variance from which a pixel has strong contrast; 200 as in public implementations. At least
            `low_variance`. Only for "published".
        low_percentile: Percentile of the variance in the field that takes the place of `low_variance`; 68 is where 60
            falls on ordinary test pictures. Only for "auto", like the next two.
        high_percentile: The same for `high_variance`; 84 is where 200 falls.
        noise_floor: Least low threshold in units of the noise's variance, the least high threshold being twice that, so
            that noise counts as flat; 4 is this project's choice.
        medium_gain: Wanted gain of detail at medium contrast; 4 as in public implementations.
        strong_gain: Wanted gain of detail at strong contrast; 3 as in public implementations.
        step: How fast the weights follow; 0.1 as in public implementations. At most `forgetting`, for beyond
            it they overshoot more at each pixel.
        forgetting: Share of the newest pixel in the autocorrelation; 0.5 as in public implementations.
        regularisation: Added to the autocorrelation's diagonal, in gray levels squared; 1 is this project's choice. At
            least 1e-6: far below, rounding loses it beside strong detail, and the matrix cannot be inverted.
        working_diameter: Field diameter in pixels above which a reduced picture is sharpened and the change enlarged;
            540 is this project's choice, near the size of the paper's pictures. From 16 to 100000.
        least_colour_gain: Least factor on a pixel's red, green and blue; 0.25 is this project's choice.
        most_colour_gain: Greatest such factor; 4 is this project's choice.

    Raises:
        SettingsError: If a number is out of range.
    """
    parameters = {name: value for name, value in locals().items() if name not in ("photo", "field")}
    _check(**parameters)
    light = luminance(photo.pixels)
    plane, mask = reduce_to_diameter(light, field, working_diameter)
    variance = local_variance(plane)
    limits = low_variance, high_variance
    if thresholds == "auto":
        limits = automatic_thresholds(plane, mask, (low_percentile, high_percentile), noise_floor)
    gain = np.where(variance < limits[0], 1.0, np.where(variance < limits[1], medium_gain, strong_gain))
    sharp = sharpen(plane, gain, step=step, forgetting=forgetting, regularisation=regularisation)
    change = ((sharp - plane) / LEVELS).astype(np.float32)
    change = np.asarray(cv2.resize(change, light.shape[::-1], interpolation=cv2.INTER_CUBIC), np.float32)
    pixels = add_light(photo.pixels, light, change, (least_colour_gain, most_colour_gain))
    return photo.with_pixels(pixels, method="polesel2000", **{name: str(value) for name, value in parameters.items()})


def _check(thresholds: str, **numbers: float) -> None:
    """Refuse a word or number out of range; two numbers also bound another."""
    check_choice("thresholds", thresholds, ("auto", "published"))
    check_number("forgetting", numbers["forgetting"], 0, 1, above=True)
    check_number("regularisation", numbers["regularisation"], LEAST_REGULARISATION, LEVELS**2)
    ranges = {
        "low_variance": (0, math.inf),
        "high_variance": (numbers["low_variance"], math.inf),
        "low_percentile": (0, 100),
        "high_percentile": (numbers["low_percentile"], 100),
        "noise_floor": (0, math.inf),
        "medium_gain": (0, HIGHEST_GAIN),
        "strong_gain": (0, HIGHEST_GAIN),
        "step": (0, numbers["forgetting"]),
        "working_diameter": (16, LARGEST_DIAMETER),
        "least_colour_gain": (0, 1),
        "most_colour_gain": (1, HIGHEST_GAIN),
    }
    for name, (low, high) in ranges.items():
        check_number(name, numbers[name], low, high)


def reduce_to_diameter(light: Gray, field: Field, diameter: float) -> tuple[Plane, Mask]:
    """Return the luminance in [0, 255] and the mask, reduced until the field has the diameter; never enlarged.

    Args:
        light: (H, W) in [0, 1].
        field: Its field.
        diameter: In pixels.
    """
    height, width = light.shape
    scale = min(1.0, diameter / field.diameter)
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    reduced = cv2.resize(light, size, interpolation=cv2.INTER_AREA).astype(np.float64) * LEVELS
    mask = cv2.resize(field.mask.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0
    return np.asarray(reduced, dtype=np.float64), np.asarray(mask, dtype=np.bool_)


def local_variance(plane: Plane) -> Plane:
    """Return the variance (over 9, not 8) in the 3 x 3 pixels around each; the border is repeated outwards."""
    mean = cv2.blur(plane, (3, 3), borderType=cv2.BORDER_REPLICATE)
    squares = cv2.blur(plane * plane, (3, 3), borderType=cv2.BORDER_REPLICATE)
    return np.asarray(np.maximum(squares - mean * mean, 0), dtype=np.float64)


def noise_deviation(plane: Plane, mask: Mask) -> float:
    """Return the standard deviation of white noise: Immerkaer, Fast Noise Variance Estimation, CVIU 64(2) (1996).

    Fine structure counts as noise too, so it is too high rather than too low.

    Args:
        plane: (H, W).
        mask: (H, W), where to look; not empty.
    """
    return float(np.sqrt(np.pi / 2) / 6 * np.abs(_filtered(plane, NOISE))[mask].mean())


def automatic_thresholds(
    plane: Plane, mask: Mask, percentiles: tuple[float, float], noise_floor: float
) -> tuple[float, float]:
    """Return the variances from which contrast is medium and strong: percentiles, but not below the noise's.

    Args:
        plane: (H, W) in [0, 255].
        mask: (H, W), where to look; not empty.
        percentiles: Of the local variance, in [0, 100].
        noise_floor: Least low threshold in units of the noise's variance; the least high one is twice that.
    """
    low, high = np.percentile(local_variance(plane)[mask], percentiles)
    floor = noise_floor * noise_deviation(plane, mask) ** 2
    return max(float(low), floor), max(float(high), 2 * floor)


def sharpen(plane: Plane, gain: Plane, *, step: float, forgetting: float, regularisation: float) -> Plane:
    """Add second differences, with weights that follow the wanted gain of detail along each row, left to right.

    Rows are independent, so all are filtered at once, column by column.

    Args:
        plane: (H, W) in [0, 255].
        gain: (H, W), the wanted gain of detail; 1 wants no change.
        step: How fast the weights follow, a Gauss-Newton step of twice this.
        forgetting: Share of the newest pixel in the autocorrelation.
        regularisation: The autocorrelation's start, and added to it at each inversion.

    Returns:
        (H, W), not clipped.
    """
    across, down = _filtered(plane, SECOND_DIFFERENCE), _filtered(plane, SECOND_DIFFERENCE.T)
    # columns become rows of memory: the loop reads one at a time
    wanted = np.ascontiguousarray(((gain - 1) * _filtered(plane, DETAIL)).T)
    detail_across = np.ascontiguousarray(_filtered(across, DETAIL).T)
    detail_down = np.ascontiguousarray(_filtered(down, DETAIL).T)
    weight_across, weight_down = np.zeros_like(wanted), np.zeros_like(wanted)
    height = len(plane)
    # R = [[first, mixed], [mixed, last]], one for each row of the plane
    first, mixed, last = (
        np.full(height, float(regularisation)),
        np.zeros(height),
        np.full(height, float(regularisation)),
    )
    for column in range(len(wanted) - 1):
        a, d = detail_across[column], detail_down[column]
        error = wanted[column] - (weight_across[column] * a + weight_down[column] * d)
        first += forgetting * (a * a - first)
        mixed += forgetting * (a * d - mixed)
        last += forgetting * (d * d - last)
        top, bottom = first + regularisation, last + regularisation
        rate = 2 * step * error / (top * bottom - mixed * mixed)
        weight_across[column + 1] = weight_across[column] + rate * (bottom * a - mixed * d)
        weight_down[column + 1] = weight_down[column] + rate * (top * d - mixed * a)
    return plane + weight_across.T * across + weight_down.T * down


def add_light(pixels: Pixels, light: Gray, change: Gray, gains: tuple[float, float]) -> Pixels:
    """Return the colours, each pixel's scaled so that its luminance changes by what is wanted, within limits.

    Args:
        pixels: RGB, (H, W, 3) in [0, 1].
        light: Their luminance, (H, W).
        change: What to add to it, (H, W).
        gains: Least and greatest factor on a pixel.
    """
    factor = np.clip(1 + change / np.maximum(light, np.float32(DARKEST)), *gains, dtype=np.float32)
    scaled: Pixels = pixels * factor[..., None]
    return scaled


def _filtered(plane: Plane, kernel: Plane) -> Plane:
    """Return the plane filtered, in double precision; its border is repeated outwards."""
    return np.asarray(cv2.filter2D(plane, cv2.CV_64F, kernel, borderType=cv2.BORDER_REPLICATE), dtype=np.float64)
