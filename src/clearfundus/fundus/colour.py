"""Colour spaces in float: CIELAB and CIELUV of sRGB under D65, and luminance.

OpenCV's own float conversion from sRGB to Lab reads a table of 33 x 33 x 33 colours in fixed point: it is off by up to
0.4 and gives L in steps of 0.2, which is 9 bits and would ruin a 16-bit photograph. Its conversion from linear RGB
is computed, so the sRGB curve is undone here first. 8-bit Lab is worse still: it rounds a and b to whole units.
"""

import cv2
import numpy as np

from clearfundus.photo import Gray, Pixels

REC601 = np.array([0.299, 0.587, 0.114], dtype=np.float32)
"""Shares of red, green and blue in luminance, ITU-R BT.601."""

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


def rgb_to_luv(pixels: Pixels) -> Pixels:
    """Convert sRGB-coded RGB to CIELUV (CIE 1976, white point D65).

    Args:
        pixels: RGB, (H, W, 3), in [0, 1].

    Returns:
        (H, W, 3): L in [0, 100], u in about [-84, 176], v in about [-135, 108].
    """
    return np.asarray(cv2.cvtColor(_linear(pixels), cv2.COLOR_LRGB2LUV), dtype=np.float32)


def luv_to_rgb(luv: Pixels) -> Pixels:
    """Convert CIELUV to sRGB-coded RGB; a colour outside sRGB is clipped to [0, 1].

    Args:
        luv: (H, W, 3), L in [0, 100].
    """
    return np.asarray(np.clip(cv2.cvtColor(luv, cv2.COLOR_LUV2RGB), 0, 1), dtype=np.float32)


def luminance(pixels: Pixels) -> Gray:
    """Return Rec. 601 luminance of the coded values (luma), (H, W) in [0, 1].

    Args:
        pixels: RGB, (H, W, 3), in [0, 1].
    """
    return np.asarray(cv2.transform(pixels, REC601[None]), dtype=np.float32)


def _linear(pixels: Pixels) -> Pixels:
    """Undo the sRGB curve (IEC 61966-2-1)."""
    steep = cv2.pow((pixels + np.float32(0.055)) / np.float32(1.055), 2.4)
    return np.where(pixels <= np.float32(0.04045), pixels / np.float32(12.92), steep)
