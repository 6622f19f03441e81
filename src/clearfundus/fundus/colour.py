"""Colour spaces in float: CIELAB of sRGB under D65.

OpenCV's own float conversion from sRGB to Lab reads a table of 33 x 33 x 33 colours in fixed point: it is off by up to
0.4 and gives L in steps of 0.2, which is 9 bits and would ruin a 16-bit photograph. Its conversion from linear RGB
is computed, so the sRGB curve is undone here first. 8-bit Lab is worse still: it rounds a and b to whole units.
"""

import cv2
import numpy as np

from clearfundus.photo import Pixels

Lab = Pixels
"""CIELAB, (H, W, 3) float32: L in [0, 100], a and b in about [-128, 128]."""


def rgb_to_lab(pixels: Pixels) -> Lab:
    """Convert sRGB-coded RGB to CIELAB (CIE 1976, white point D65), within 0.03 of the exact values.

    Args:
        pixels: RGB, (H, W, 3), in [0, 1].
    """
    return np.asarray(cv2.cvtColor(_linear(pixels), cv2.COLOR_LRGB2LAB), dtype=np.float32)


def lab_to_rgb(lab: Lab) -> Pixels:
    """Convert CIELAB to sRGB-coded RGB; a colour outside sRGB is clipped to [0, 1].

    There and back, an RGB value moves by at most 0.0003.

    Args:
        lab: (H, W, 3), L in [0, 100].
    """
    return np.asarray(np.clip(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB), 0, 1), dtype=np.float32)


def _linear(pixels: Pixels) -> Pixels:
    """Undo the sRGB curve (IEC 61966-2-1)."""
    steep = cv2.pow((pixels + np.float32(0.055)) / np.float32(1.055), 2.4)
    return np.where(pixels <= np.float32(0.04045), pixels / np.float32(12.92), steep)
