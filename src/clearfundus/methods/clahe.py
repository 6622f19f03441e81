"""CLAHE on the lightness plane: the usual baseline."""

import numpy as np

from clearfundus.fundus.colour import lab_to_rgb, rgb_to_lab
from clearfundus.fundus.equalization import CLIP_LIMIT, TILES, equalize
from clearfundus.fundus.field import Field
from clearfundus.photo import Photo

LAB_WHITE = np.float32(100)  # L of white


def clahe(photo: Photo, field: Field, *, clip_limit: float = CLIP_LIMIT, tiles: int = TILES) -> Photo:
    """Equalise the lightness locally, with limited contrast; the colour planes stay.

    Source: Zuiderveld, Contrast Limited Adaptive Histogram Equalization, Graphics Gems IV (1994); on L of Lab
    (this project's choice of plane).

    Args:
        photo: The cropped photograph, surround filled.
        field: Its field; not used, for the filled surround has the retina's own histogram.
        clip_limit: Largest height of a histogram bin, in units of the mean height; 2.0 is this project's
            choice (MATLAB's default is 3.55 in this unit; OpenCV's, 40, is far too strong here).
        tiles: Tiles down and across; 8 in MATLAB, OpenCV and Zuiderveld's examples.

    Raises:
        SettingsError: If a number is out of range.
    """
    lab = rgb_to_lab(photo.pixels)
    lab[..., 0] = equalize(lab[..., 0] / LAB_WHITE, clip_limit=clip_limit, tiles=tiles) * LAB_WHITE
    return photo.with_pixels(lab_to_rgb(lab), method="clahe", clip_limit=str(clip_limit), tiles=str(tiles))
