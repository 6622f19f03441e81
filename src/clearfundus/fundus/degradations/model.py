"""Model: what every degradation has in common.

A model works on the photograph cropped to its field, with the surround filled, for the black surround must not blur
into the retina: the camera's stop stays sharp however blurred the retina is. Only the field is put back.
"""

import json
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from typing import ClassVar, Self

import cv2
import numpy as np

from clearfundus.errors import SettingsError
from clearfundus.fundus.degradations.parameters import read_parameters
from clearfundus.fundus.field import Field
from clearfundus.fundus.frame import crop_to_field
from clearfundus.photo import Photo, Pixels


@dataclass(frozen=True, kw_only=True)
class Model(ABC):
    """One drawn degradation; applying it twice gives the same picture, bit for bit.

    Its fields are all it takes to repeat it, with the same versions of numpy and OpenCV. Lengths are in field
    diameters, so that a photograph of another size is degraded alike.
    """

    name: ClassVar[str]
    """The model's name in DEGRADATIONS."""

    @classmethod
    @abstractmethod
    def draw(cls, random: np.random.Generator, severity: float) -> Self:
        """Draw one degradation. The same generator at another severity draws the same kind of it.

        Args:
            random: Where chance comes from.
            severity: How bad, in [0, 1].

        Raises:
            SettingsError: If the severity is out of range.
        """

    @abstractmethod
    def degrade(self, pixels: Pixels, field: Field) -> Pixels:
        """Apply the degradation to every pixel.

        Args:
            pixels: RGB, (H, W, 3) in [0, 1], its surround filled.
            field: The field of view of the same picture.

        Returns:
            RGB, (H, W, 3), float32 in [0, 1].
        """

    def apply(self, photo: Photo, field: Field) -> Photo:
        """Apply the degradation inside the field; outside it every pixel comes back bit for bit.

        Args:
            photo: The clear photograph.
            field: Its field of view.

        Returns:
            The photograph with the degradation, which stands in its provenance as `degradation`, in JSON.
        """
        frame = crop_to_field(photo, field)
        top, left, bottom, right = frame.box
        pixels = photo.pixels.copy()
        degraded = self.degrade(frame.photo.pixels, frame.field)
        np.copyto(pixels[top:bottom, left:right], degraded, where=frame.field.mask[..., None])
        return photo.with_pixels(pixels, degradation=json.dumps(self.to_record()))

    def to_record(self) -> dict[str, object]:
        """Return model and parameters, ready for JSON."""
        return {"model": self.name, "parameters": asdict(self)}

    @classmethod
    def from_parameters(cls, found: object) -> Self:
        """Return the model with the parameters of a record.

        Raises:
            SettingsError: If one is missing, unknown, of the wrong type or not finite.
        """
        return read_parameters(cls, found, cls.name)


def check_severity(severity: float) -> None:
    """Refuse a severity out of range.

    Raises:
        SettingsError: If it is NaN or outside [0, 1].
    """
    if not 0 <= severity <= 1:
        raise SettingsError(f"severity: found {severity}, expected a number from 0 to 1")


def blur(pixels: Pixels, across: float, down: float | None = None) -> Pixels:
    """Blur with a Gaussian that reaches four standard deviations, so that it is as wide as it says.

    Args:
        pixels: (H, W, 3), float32.
        across: Standard deviation in pixels; 0 for none.
        down: Standard deviation down the rows, if another.
    """
    down = across if down is None else down
    if max(across, down) <= 0:
        return pixels
    least = 1e-3  # to OpenCV, 0 down means as much as across
    blurred = cv2.GaussianBlur(pixels, (0, 0), sigmaX=max(across, least), sigmaY=max(down, least))
    return np.asarray(blurred, dtype=np.float32)
