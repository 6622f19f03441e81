"""Xiong et al. 2017: undo the scattering of a hazy eye with its background light and transmission; a reconstruction.

The paper's letters: A, background illuminance (`light`); rho, reflectance relative to the background; t, transmission;
I_c = A_c (rho_c t + 1 - t) for each channel c. Of the paper only the abstract was known here. The background test
and the entropy map are published; how t comes from the foreground, and how the light is evened, is this project's own
reading: the contrast of vessels and other dark structures is t times what it is in clear eyes.
"""

import cv2
import numpy as np

from clearfundus.fundus.background import DISTANCE, WINDOW
from clearfundus.fundus.field import Field
from clearfundus.fundus.foreground import Layers, take_apart
from clearfundus.methods.checks import check_number
from clearfundus.photo import Gray, Photo, Pixels

GUARD = 1 / 40
"""Radius in field diameters around a pixel in which it holds the strength back, so that nothing leaves [0, 1]."""
LEAST_HEADROOM = 1e-3
"""Of 1 / A* - 1, where white light leaves none."""


def xiong2017(  # noqa: PLR0913 - a method's numbers are its arguments
    photo: Photo,
    field: Field,
    *,
    distance: float = DISTANCE,
    window: float = WINDOW,
    clear_contrast: float = 0.30,
    least_transmission: float = 0.3,
    evenness: float = 1.0,
    least_brightness: float = 0.5,
    gain_limit: float = 2.5,
    amplification_limit: float = 6.0,
) -> Photo:
    """Divide the foreground's contrast by the transmission, and even the light. A reconstruction.

    Source: Xiong, Li and Xu, An enhancement method for color retinal images based on image formation model,
    Computer Methods and Programs in Biomedicine 143 (2017), of which only the abstract was known; Foracchia et al. 2005
    and Celik 2014 for its parts.

    Args:
        photo: The cropped photograph, surround filled.
        field: Its field.
        distance: Mahalanobis distance below which a pixel is background; 1 is Foracchia's, not confirmed.
        window: Standard deviation, in field diameters, of the neighbourhood of the background test and of
            the light's smoothing; chosen here.
        clear_contrast: Foreground contrast at which an eye counts as clear; measured here: the medians of 13
            clear eyes lie between 0.17 and 0.30. With 1, t is 1 - min(I / A), the dark prior's form.
        least_transmission: Least t; 0.3 bounds the gain of contrast at 3.3; chosen here.
        evenness: How far the light is evened: 0 leaves it, 1 evens it out; chosen here.
        least_brightness: Mean light of the brightest channel below which the picture is brightened; chosen here.
        gain_limit: Largest factor, up or down, on the light; chosen here.
        amplification_limit: Largest factor on contrast and light together, for noise's sake; chosen here.

    Raises:
        SettingsError: If a number is out of range.
    """
    parameters = {
        "distance": distance,
        "window": window,
        "clear_contrast": clear_contrast,
        "least_transmission": least_transmission,
        "evenness": evenness,
        "least_brightness": least_brightness,
        "gain_limit": gain_limit,
        "amplification_limit": amplification_limit,
    }
    _check(parameters)
    layers = take_apart(photo.pixels, field, distance=distance, window=window)
    target = even_light(layers, evenness=evenness, least_brightness=least_brightness, gain_limit=gain_limit)
    wanted = np.clip(layers.contrast / np.float32(clear_contrast), np.float32(least_transmission), 1)
    transmission = bound_transmission(wanted, layers, target, amplification_limit=amplification_limit)
    pixels = clear_up(photo.pixels, layers.light, target, transmission)
    return photo.with_pixels(pixels, method="xiong2017", **{name: str(value) for name, value in parameters.items()})


def even_light(layers: Layers, *, evenness: float, least_brightness: float, gain_limit: float) -> Pixels:
    """Return the light A* that the result is to have, (h, w, 3): even, of the old mean colour, bright enough.

    Where it would push a pixel above 1 even without any gain of contrast, all channels yield alike.
    """
    mean = layers.light[layers.mask].mean(axis=0)
    lift = np.clip(least_brightness / mean.max(), 1, gain_limit)
    gain = np.clip(lift * (mean / layers.light) ** np.float32(evenness), 1 / gain_limit, gain_limit)
    peak = _guard((layers.pixels * gain).max(axis=2), layers)
    return np.asarray(layers.light * gain / np.maximum(peak, 1)[..., None], dtype=np.float32)


def bound_transmission(wanted: Gray, layers: Layers, target: Pixels, *, amplification_limit: float) -> Gray:
    """Raise t, (h, w), where a lower one would amplify noise too far or push a pixel out of [0, 1]."""
    relative = layers.pixels / layers.light
    headroom = np.maximum(1 / target - 1, np.float32(LEAST_HEADROOM))
    least = _guard(np.maximum((relative - 1) / headroom, 1 - relative).max(axis=2), layers)
    noise = target[..., 1] / layers.light[..., 1] / np.float32(amplification_limit)
    return np.asarray(np.minimum(np.maximum(np.maximum(wanted, noise), least), 1), dtype=np.float32)


def clear_up(pixels: Pixels, light: Pixels, target: Pixels, transmission: Gray) -> Pixels:
    """Return J = A* (1 - (1 - I / A) / t), not clipped, as a gain and an offset that are enlarged to full size.

    Both vary slowly, so linear interpolation serves, and cannot leave [0, 1] where the bounds hold.
    """
    size = (pixels.shape[1], pixels.shape[0])
    strength = 1 / transmission[..., None]
    gain = np.asarray(cv2.resize(target / light * strength, size, interpolation=cv2.INTER_LINEAR), np.float32)
    gain *= pixels
    gain += cv2.resize(target * (1 - strength), size, interpolation=cv2.INTER_LINEAR)
    return gain


def _guard(plane: Gray, layers: Layers) -> Gray:
    """Return a smooth plane that is nowhere in the field below the given one: its local maximum, smoothed."""
    radius = max(int(GUARD * layers.diameter), 1)
    size = 2 * radius + 1
    inside = np.where(layers.mask, plane, np.float32(0))
    highest = cv2.dilate(inside, np.ones((size, size), np.uint8))
    # the Gaussian reaches no farther than the maximum did
    return np.asarray(cv2.GaussianBlur(highest, (size, size), radius / 2), dtype=np.float32)


def _check(parameters: dict[str, float]) -> None:
    check_number("distance", parameters["distance"], 0, 10, above=True)
    check_number("window", parameters["window"], 0.01, 1)
    check_number("clear_contrast", parameters["clear_contrast"], 0, 1, above=True)
    check_number("least_transmission", parameters["least_transmission"], 0.01, 1)
    check_number("evenness", parameters["evenness"], 0, 1)
    check_number("least_brightness", parameters["least_brightness"], 0, 1)
    check_number("gain_limit", parameters["gain_limit"], 1, 10)
    check_number("amplification_limit", parameters["amplification_limit"], 1, 100)
