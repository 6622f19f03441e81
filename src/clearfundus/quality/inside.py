"""The part of a picture that a measure counts, and checks of colour pictures and pairs.

The fact to know: a measure that looks through a window counts a pixel only where the whole window lies inside. What
lies outside the field then cannot change a score.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from clearfundus.errors import QualityError
from clearfundus.photo import Mask
from clearfundus.quality.view import View


def check_pixels(pixels: NDArray[np.generic], measure: str, smallest: int = 1) -> None:
    """Refuse what is no 8-bit colour picture.

    Args:
        pixels: Should be RGB, uint8, (H, W, 3).
        measure: Name of the measure, for the message.
        smallest: The least height and width in pixels.

    Raises:
        QualityError: If shape, type or size is another.
    """
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8:
        raise QualityError(
            f"{measure}: found an array of shape {pixels.shape} and type {pixels.dtype}, expected (height, width, 3) "
            "and uint8; round to 8 bit first, for what is saved is scored"
        )
    if min(pixels.shape[:2]) < smallest:
        raise QualityError(
            f"{measure}: found {pixels.shape[1]} x {pixels.shape[0]} pixels, expected {smallest} x {smallest} at "
            "least; give a larger picture"
        )


def check_pair(test: NDArray[np.generic], reference: NDArray[np.generic], measure: str) -> None:
    """Refuse two pictures of different size.

    Raises:
        QualityError: If their shapes differ.
    """
    if test.shape != reference.shape:
        raise QualityError(
            f"{measure}: found pictures of shapes {test.shape} and {reference.shape}, expected the same; lay one over "
            "the other first"
        )


def require_reference(reference: View | None, measure: str) -> View:
    """Return the reference.

    Raises:
        QualityError: If there is none.
    """
    if reference is None:
        raise QualityError(f"{measure}: found no reference, expected one; give the photograph it should look like")
    return reference


def check_inside(inside: Mask | None, picture: NDArray[np.generic], measure: str) -> Mask:
    """Return the pixels that count, all of them for None.

    Args:
        inside: (H, W) bool, or None.
        picture: The picture, (H, W) or (H, W, 3).
        measure: Name of the measure, for the message.

    Raises:
        QualityError: If type or shape is another, or nothing is inside.
    """
    shape = picture.shape[:2]
    if inside is None:
        return np.ones(shape, dtype=np.bool_)
    if inside.dtype != np.bool_ or inside.shape != shape:
        raise QualityError(
            f"{measure}: found a mask of shape {inside.shape} and type {inside.dtype}, expected {shape} and bool"
        )
    if not inside.any():
        raise QualityError(f"{measure}: found an empty mask, expected the part that shows the retina")
    return inside


def erode(inside: Mask, radius: int, measure: str, *, border_is_edge: bool) -> Mask:
    """Return the pixels whose square window of side 2 radius + 1 lies inside.

    Args:
        inside: (H, W).
        radius: In pixels.
        measure: Name of the measure, for the message.
        border_is_edge: Whether a window must lie in the frame, too.

    Raises:
        QualityError: If none is left.
    """
    window = np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)
    beyond = 0 if border_is_edge else 1
    left = cv2.erode(inside.astype(np.uint8), window, borderType=cv2.BORDER_CONSTANT, borderValue=beyond)
    if not left.any():
        raise QualityError(
            f"{measure}: found a field that holds no window of {len(window)} x {len(window)} pixels; use a larger side"
        )
    return np.asarray(left > 0, dtype=np.bool_)
