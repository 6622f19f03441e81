"""The scale at which vessels are sought: a field diameter of 540 pixels, whatever the camera's.

Points are (row, column); a pixel's centre has whole numbers, at both scales.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from clearfundus.fundus.field import Field
from clearfundus.fundus.frame import Frame, crop_to_field
from clearfundus.photo import Gray, Mask, Photo, Pixels

DIAMETER = 540
"""Of the field, in pixels: the scale of the photographs of DRIVE, for which most vessel methods were made."""

Points = NDArray[np.float64]
"""(N, 2), rows and columns; (2,) for one point."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Scaled:
    """A photograph cropped to its field, the surround filled, at a field diameter of 540 pixels.

    Attributes:
        pixels: RGB, (h, w, 3) in [0, 1].
        field: The field at that size.
        frame: The crop at the photograph's own size.
        shape: Height and width of the whole photograph.
    """

    pixels: Pixels
    field: Field
    frame: Frame
    shape: tuple[int, int]

    @property
    def factor(self) -> float:
        """Pixels here for one pixel of the photograph."""
        return float(self.pixels.shape[0] / self.frame.photo.pixels.shape[0])

    def to_photo(self, points: Points) -> Points:
        """Return points given at this scale in pixels of the whole photograph; (..., 2) to (..., 2)."""
        moved: Points = (np.asarray(points, np.float64) + 0.5) / self._factors() - 0.5 + self._corner()
        return moved

    def from_photo(self, points: Points) -> Points:
        """Return points of the whole photograph at this scale; (..., 2) to (..., 2)."""
        moved: Points = (np.asarray(points, np.float64) - self._corner() + 0.5) * self._factors() - 0.5
        return moved

    def plane_in_photo(self, plane: Gray) -> Gray:
        """Return a plane of this scale, (h, w), at the size of the whole photograph, (H, W); 0 outside the field."""
        top, left, bottom, right = self.frame.box
        grown = cv2.resize(plane, (right - left, bottom - top), interpolation=cv2.INTER_LINEAR)
        whole: Gray = np.zeros(self.shape, np.float32)
        whole[top:bottom, left:right] = grown * self.frame.field.mask
        return whole

    def plane_of_photo(self, plane: Gray | Mask) -> Gray:
        """Return a plane of the whole photograph, (H, W), at this scale, (h, w), each pixel the mean of its area."""
        top, left, bottom, right = self.frame.box
        return _resize(np.asarray(plane[top:bottom, left:right], np.float32), self.pixels.shape[:2])

    def _factors(self) -> Points:
        height, width = self.frame.photo.pixels.shape[:2]
        return np.array([self.pixels.shape[0] / height, self.pixels.shape[1] / width])

    def _corner(self) -> Points:
        return np.array(self.frame.box[:2], np.float64)


def scale_to_vessels(photo: Photo, field: Field, diameter: float = DIAMETER) -> Scaled:
    """Crop a photograph to its field, fill the surround and bring it to the scale at which vessels are sought.

    Args:
        photo: The whole photograph.
        field: Its field.
        diameter: The field's diameter in pixels afterwards.
    """
    frame = crop_to_field(photo, field)
    height, width = frame.photo.pixels.shape[:2]
    factor = diameter / frame.field.diameter
    size = (max(1, round(height * factor)), max(1, round(width * factor)))
    pixels = np.clip(_resize(frame.photo.pixels, size), 0, 1)
    mask = _resize(frame.field.mask.astype(np.float32), size) > 0.5
    return Scaled(pixels=pixels, field=Field(mask=mask), frame=frame, shape=photo.pixels.shape[:2])


def _resize(pixels: Gray, size: tuple[int, int]) -> Gray:
    """Return a picture at another size, by area means where it shrinks and by cubic interpolation where it grows."""
    way = cv2.INTER_AREA if size[0] < pixels.shape[0] else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(pixels, (size[1], size[0]), interpolation=way), dtype=np.float32)
