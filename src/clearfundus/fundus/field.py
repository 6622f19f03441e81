"""The field of view: the lit part of the picture that shows the retina. Lengths are given in its diameter."""

from dataclasses import dataclass

import numpy as np

from clearfundus.photo import Mask, Photo


@dataclass(frozen=True, eq=False)
class Field:
    """The field of view of one photograph.

    Attributes:
        mask: (H, W) bool, true on the retina.
    """

    mask: Mask

    @property
    def diameter(self) -> float:
        """Diameter in pixels of the disc with the field's area, 2 sqrt(area / pi)."""
        return float(2 * np.sqrt(self.mask.sum() / np.pi))

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Top, left, bottom, right of the field's bounding box in pixels; bottom and right stand outside it."""
        rows, columns = np.flatnonzero(self.mask.any(1)), np.flatnonzero(self.mask.any(0))
        return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1


def find_field(photo: Photo) -> Field:
    """Find the field of view."""
    raise NotImplementedError
