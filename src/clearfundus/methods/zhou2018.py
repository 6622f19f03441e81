"""Zhou et al. 2018: brighten by a gain from gamma correction, then equalise the lightness.

The paper's letters: V is the value of HSV, the largest channel; G is the gain matrix, V^(1/gamma) / V; L is the
lightness of CIELAB.

The fact to know: the gain lifts what is dark with everything in it, noise and JPEG blocks too, and makes a bright
photograph, such as one of an eye with a cataract, brighter still.
"""

import cv2
import numpy as np

from clearfundus.fundus.colour import lab_to_rgb, rgb_to_lab
from clearfundus.fundus.equalization import TILES, equalize
from clearfundus.fundus.field import Field
from clearfundus.methods.checks import check_number
from clearfundus.photo import Photo, Pixels

GAMMA = 2.2
CLIP_LIMIT = 3.55
"""MATLAB's default, 0.01, in units of a bin's mean height: 1 + 255 x 0.01."""
LEAST_VALUE = 1 / 255
LAB_WHITE = np.float32(100)  # L of white


def zhou2018(
    photo: Photo,
    field: Field,
    *,
    gamma: float = GAMMA,
    least_value: float = LEAST_VALUE,
    clip_limit: float = CLIP_LIMIT,
    tiles: int = TILES,
) -> Photo:
    """Brighten with hue and saturation kept, then equalise the lightness locally; the colour planes stay.

    Source: Zhou et al., Color retinal image enhancement based on luminosity and contrast adjustment, IEEE Transactions
    on Biomedical Engineering 65 (2018). The equations are the paper's; its numbers could not be confirmed.

    Args:
        photo: The cropped photograph, surround filled.
        field: Its field; not used, for the filled surround has the retina's own histogram.
        gamma: Exponent 1 / gamma of the new value; 1 leaves the light as it is. 2.2 is said to be published; not
            confirmed.
        least_value: The gain of a darker value is that of this one, which bounds the gain (at 20.5); 1/255, one 8-bit
            level, is this project's choice.
        clip_limit: Largest height of a histogram bin, in units of the mean height; 3.55 is MATLAB's default in this
            unit, the published value was not found.
        tiles: Tiles down and across; 8 is MATLAB's default, the published value was not found.

    Raises:
        SettingsError: If a number is out of range.
    """
    lab = rgb_to_lab(brighten(photo.pixels, gamma=gamma, least_value=least_value))
    lab[..., 0] = equalize(lab[..., 0] / LAB_WHITE, clip_limit=clip_limit, tiles=tiles) * LAB_WHITE
    return photo.with_pixels(
        lab_to_rgb(lab),
        method="zhou2018",
        gamma=str(gamma),
        least_value=str(least_value),
        clip_limit=str(clip_limit),
        tiles=str(tiles),
    )


def brighten(pixels: Pixels, *, gamma: float = GAMMA, least_value: float = LEAST_VALUE) -> Pixels:
    """Scale each pixel so that its largest channel V becomes V^(1/gamma): the method's first stage.

    All channels take the same gain, so hue and saturation (HSV) stay, and none exceeds V^(1/gamma), so none exceeds 1.

    Args:
        pixels: RGB, (H, W, 3), in [0, 1].
        gamma: From 0.1 to 10; above 1 brightens.
        least_value: In (0, 1]; below it V is scaled by the gain at `least_value`, since that at 0 is infinite.

    Returns:
        A new array, (H, W, 3), in [0, 1].

    Raises:
        SettingsError: If a number is out of range.
    """
    check_number("gamma", gamma, 0.1, 10)
    check_number("least_value", least_value, 0, 1, above=True)
    red, green, blue = cv2.split(pixels)  # seven times as fast as pixels.max(axis=2)
    value = np.maximum(np.maximum(np.maximum(red, green), blue), np.float32(least_value))
    gain = value ** np.float32(1 / gamma - 1)
    return np.asarray(pixels * gain[..., None], dtype=np.float32)
