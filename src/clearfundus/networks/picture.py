"""Rows of a picture as a generator wants them: padded to multiples of 4, with a margin where the stem asks for it."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clearfundus.networks.generator import SIDE_MULTIPLE
from clearfundus.networks.stages import HEAD_HALO, Rows
from clearfundus.networks.tensors import spread, to_tensor
from clearfundus.photo import Pixels


class PaddedPicture:
    """A picture without a padded copy of it; on a CUDA device it is put there once, as it is."""

    def __init__(self, pixels: Pixels, device: torch.device) -> None:
        """Take the picture up.

        Args:
            pixels: RGB, (H, W, 3) in [0, 1], any size.
            device: Where its rows are wanted.
        """
        self.pixels = pixels
        self._rows, self._columns = (
            np.pad(np.arange(side), (0, -side % SIDE_MULTIPLE), mode="symmetric") for side in pixels.shape[:2]
        )
        self.height, self.width = len(self._rows), len(self._columns)
        self._rows_around, self._columns_around = (
            np.pad(index, HEAD_HALO, mode="reflect") for index in (self._rows, self._columns)
        )
        self._there = None if device.type == "cpu" else OnDevice(pixels, device)

    def rows(self, rows: Rows) -> Tensor:
        """Return (1, 3, h, W) in [-1, 1]."""
        return self._take(self._rows[slice(*rows)], self._columns)

    def rows_around(self, rows: Rows) -> Tensor:
        """Return (1, 3, h, W + 6): rows of the picture with a reflected margin, as the stem wants it."""
        return self._take(self._rows_around[slice(*rows)], self._columns_around)

    def _take(self, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> Tensor:
        if self._there is not None:
            return self._there.take(rows, columns)
        return to_tensor(np.asarray(self.pixels[rows[:, None], columns], dtype=np.float32))


class OnDevice:
    """A picture in a device's memory."""

    def __init__(self, pixels: Pixels, device: torch.device) -> None:
        """Put it there, in float32."""
        # torch wants to be able to write, which it never does: an array that forbids it is copied
        self._values = torch.from_numpy(np.require(pixels, np.float32, ["C", "W"])).to(device)

    def take(self, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> Tensor:
        """Return what stands in some rows and columns, (1, 3, h, w) in [-1, 1]."""
        # what is copied from memory that is not pinned has been read when the call returns: nothing need be waited for
        below, beside = (
            torch.from_numpy(index).to(self._values.device, non_blocking=True) for index in (rows, columns)
        )
        return spread(self._values[below[:, None], beside])
