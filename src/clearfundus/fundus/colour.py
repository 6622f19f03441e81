"""Colour spaces in float: CIELAB of sRGB under D65. Never through 8-bit Lab, which rounds a and b to whole units."""

import cv2
import numpy as np

from clearfundus.photo import Pixels

Lab = Pixels
"""CIELAB, (H, W, 3) float32: L in [0, 100], a and b in about [-128, 128]."""


def rgb_to_lab(pixels: Pixels) -> Lab:
    """Convert sRGB-coded RGB to CIELAB (CIE 1976, white point D65), within 0.5 of the exact values.

    OpenCV interpolates a table of 33 x 33 x 33 colours; there and back an RGB value moves by at most 0.005.

    Args:
        pixels: RGB, (H, W, 3), in [0, 1].
    """
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2LAB), dtype=np.float32)


def lab_to_rgb(lab: Lab) -> Pixels:
    """Convert CIELAB to sRGB-coded RGB; a colour outside sRGB is clipped to [0, 1].

    Args:
        lab: (H, W, 3), L in [0, 100].
    """
    return np.asarray(np.clip(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB), 0, 1), dtype=np.float32)
