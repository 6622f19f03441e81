"""Landmarks of a retina that survive haze: where they are, what they look like, which of two photographs match.

The picture is flattened first: green minus its background, divided by its local deviation. Haze lowers the contrast
and lifts the background, smoothly over the field; both fall out, so that a vessel behind a veil gives the same
descriptor as a clear one. Descriptors are SIFT (Lowe 2004, doi:10.1023/B:VISI.0000029664.99615.94) as RootSIFT
(Arandjelovic and Zisserman 2012, doi:10.1109/CVPR.2012.6248018).
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from clearfundus.fundus.field import Field
from clearfundus.fundus.smoothing import smooth
from clearfundus.photo import Gray, Mask, Photo

Points = NDArray[np.float64]
"""(N, 2): row and column, in pixels; a pixel's centre has whole numbers."""

WORKING_DIAMETER = 900
"""Field diameter in pixels at which landmarks are sought, whatever the photograph's size."""
BACKGROUND_SIGMA = 1 / 30
"""Of the background and of the local deviation, in field diameters: wider than the widest vessel (about 1/40)."""
DETAIL_SIGMA = 1.5 / 900
"""Of the smoothing that keeps noise out, in field diameters."""
SMALLEST_DEVIATION = 1e-4
"""Local deviation, on the scale [0, 1], below which there is nothing to amplify."""
SHOWN_DEVIATIONS = 3.0
"""Local deviations on either side of the background that the 8-bit picture which SIFT needs can show."""
RIM = 0.03
"""Width in field diameters of the rim that gets no landmark: the stop's edge is the camera's, not the eye's."""
MOST_LANDMARKS = 3000
CONTRAST_THRESHOLD = 0.01
"""Of SIFT; a quarter of its usual value, for after flattening a veiled vessel is still a faint one."""
LARGEST_RATIO = 0.85
"""A match is kept if it is nearer than the second nearest by this factor (Lowe 2004 has 0.8)."""


@dataclass(frozen=True, kw_only=True)
class Scaling:
    """From a photograph's pixels to those of its working size and back.

    Attributes:
        corner: Row and column of the crop's first pixel in the photograph.
        factor: Working pixels per photograph pixel, down and across.
    """

    corner: tuple[int, int]
    factor: tuple[float, float]

    def to_photo(self, points: Points) -> Points:
        """Return positions in the photograph of positions at the working size."""
        return np.asarray((points + 0.5) / np.array(self.factor) - 0.5 + np.array(self.corner), np.float64)


@dataclass(frozen=True, kw_only=True, eq=False)
class Landmarks:
    """The landmarks of one photograph.

    Attributes:
        points: (N, 2), where they are at the working size.
        descriptors: (N, 128) float32, each of length 1.
        scaling: From the photograph to the working size.
    """

    points: Points
    descriptors: NDArray[np.float32]
    scaling: Scaling


def find_landmarks(photo: Photo, field: Field) -> Landmarks:
    """Find up to about 3000 landmarks inside the field.

    Args:
        photo: A fundus photograph, clear or hazy.
        field: Its field of view.
    """
    green, mask, scaling = _working(photo, field)
    flat = flatten(green, mask, WORKING_DIAMETER)
    shown = np.clip(np.rint(127.5 + 127.5 / SHOWN_DEVIATIONS * flat), 0, 255).astype(np.uint8)
    sift = cv2.SIFT.create(nfeatures=MOST_LANDMARKS, contrastThreshold=CONTRAST_THRESHOLD)
    found, descriptors = sift.detectAndCompute(shown, _without_rim(mask))
    if descriptors is None or len(found) < 2:
        return Landmarks(points=np.empty((0, 2)), descriptors=np.empty((0, 128), np.float32), scaling=scaling)
    points = np.array([landmark.pt[::-1] for landmark in found], dtype=np.float64)
    total = np.maximum(descriptors.sum(axis=1, keepdims=True), 1e-6)
    rooted = np.sqrt(descriptors / total).astype(np.float32)
    return Landmarks(points=points, descriptors=rooted, scaling=scaling)


def match(first: Landmarks, second: Landmarks) -> tuple[Points, Points]:
    """Return the positions of landmarks that look alike, (M, 2) of the first and (M, 2) of the second.

    Each landmark of either photograph stands in one match at most: else a model that shrinks the whole field to one
    point would find support.
    """
    if len(first.points) < 2 or len(second.points) < 2:
        return np.empty((0, 2)), np.empty((0, 2))
    likeness = first.descriptors @ second.descriptors.T
    nearest = likeness.argmax(axis=1)
    rows = np.arange(len(nearest))
    best = likeness[rows, nearest].copy()
    likeness[rows, nearest] = -1
    # descriptors have length 1, so the squared distance is 2 - 2 likeness; rounding takes a likeness beyond 1
    distance, next_distance = (np.sqrt(np.maximum(2 - 2 * one, 0)) for one in (best, likeness.max(axis=1)))
    kept = np.flatnonzero(distance < LARGEST_RATIO * next_distance)
    kept = kept[np.argsort(distance[kept], kind="stable")]
    _, earliest = np.unique(nearest[kept], return_index=True)
    kept = kept[np.sort(earliest)]
    return first.points[kept], second.points[nearest[kept]]


def flatten(green: Gray, mask: Mask, diameter: float) -> Gray:
    """Return green less its background, divided by its local deviation: what haze does smoothly falls out.

    Args:
        green: (H, W), in [0, 1].
        mask: (H, W), the field.
        diameter: The field's diameter in pixels.

    Returns:
        (H, W), in local standard deviations; 0 outside the field.
    """
    wide = BACKGROUND_SIGMA * diameter
    detail = (smooth(green, DETAIL_SIGMA * diameter, mask) - smooth(green, wide, mask)) * mask
    deviation = np.sqrt(np.maximum(smooth(detail * detail, wide, mask), 0))
    return np.asarray(detail / np.maximum(deviation, SMALLEST_DEVIATION), dtype=np.float32)


def _working(photo: Photo, field: Field) -> tuple[Gray, Mask, Scaling]:
    """Return the green channel and the mask of the field's box at the working size."""
    top, left, bottom, right = field.box
    factor = WORKING_DIAMETER / field.diameter
    height, width = max(round((bottom - top) * factor), 2), max(round((right - left) * factor), 2)
    green = np.ascontiguousarray(photo.pixels[top:bottom, left:right, 1])
    mask = np.asarray(field.mask[top:bottom, left:right], dtype=np.float32)
    way = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    small: Gray = np.asarray(cv2.resize(green, (width, height), interpolation=way), dtype=np.float32)
    small_mask = np.asarray(cv2.resize(mask, (width, height), interpolation=cv2.INTER_AREA) >= 0.999, np.bool_)
    scaling = Scaling(corner=(top, left), factor=(height / (bottom - top), width / (right - left)))
    return small, small_mask, scaling


def _without_rim(mask: Mask) -> NDArray[np.uint8]:
    """Return 255 where a landmark may lie; the picture's own border is an edge of the field, too."""
    padded = cv2.copyMakeBorder(mask.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    depth = cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
    return np.where(depth > RIM * WORKING_DIAMETER, 255, 0).astype(np.uint8)
