"""Photographs as training squares: cropped to the field, scaled to one field diameter, cut at random, turned, flipped.

Chance comes from a generator that is a function of the iteration (see `schedule.random_at`).
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clearfundus.cores import count_cores
from clearfundus.errors import PhotoError, SettingsError
from clearfundus.files import files_below, is_closed_folder
from clearfundus.fundus.field import Field, find_field
from clearfundus.fundus.frame import crop_to_field
from clearfundus.photo import READABLE_SUFFIXES, Mask, Pixels, read_photo
from clearfundus.training.camera import photograph
from clearfundus.training.config import DataSettings, SimulatedSettings
from clearfundus.training.simulate import simulate

MOST_READERS = 4
"""Photographs that are read at a time: one of 3000 x 3000 pixels takes half a GiB until it is reduced."""
Value = TypeVar("Value", np.uint8, np.float32)


@dataclass(frozen=True, kw_only=True, eq=False)
class Specimen:
    """One photograph, ready to cut squares from; at 512 pixels all of it takes 1.4 MB.

    Attributes:
        name: File name.
        pixels: RGB, uint8, (H, W, 3).
        mask: (H, W), true on the retina.
        corners: Flat indices into (H, W) of the top left corners of all squares that lie far enough inside, (N,).
    """

    name: str
    pixels: NDArray[np.uint8]
    mask: Mask
    corners: NDArray[np.int32]


def source_of(name: str) -> str:
    """Return where a photograph came from: what its file name says before the first underscore, or nothing."""
    return name.partition("_")[0] if "_" in name else ""


def list_photographs(folder: Path) -> list[Path]:
    """Return the pictures under a folder, sorted; hidden files and folders, whose names begin with a dot, left out.

    Raises:
        SettingsError: If the folder is missing or holds none, or one below it cannot be opened.
    """
    if not folder.is_dir():
        raise SettingsError(f"{folder}: no such folder; expected a folder of photographs")
    paths = []
    for path in files_below(folder, once=True):  # nothing hidden: macOS leaves "._eye.jpg" beside "eye.jpg"
        if is_closed_folder(path):
            raise SettingsError(f"{path}: cannot be opened; check your rights to it, or move it elsewhere")
        if path.suffix.lower() in READABLE_SUFFIXES and not _leads_nowhere(path):
            paths.append(path)
    if not paths:
        raise SettingsError(f"{folder}: holds no photographs; readable: {' '.join(sorted(READABLE_SUFFIXES))}")
    return sorted(paths)


def _leads_nowhere(path: Path) -> bool:
    try:
        return not path.exists()
    except PermissionError:  # it will be left out, and named
        return False


def read_specimens(paths: Sequence[Path], settings: DataSettings) -> Iterator[Specimen | PhotoError]:
    """Read photographs, several at a time, in their order; for one that cannot be used, its error comes in its place.

    Args:
        paths: The files.
        settings: Diameter, crop, surround.
    """

    def read(path: Path) -> Specimen | PhotoError:
        try:
            return _specimen(path, settings)
        except PhotoError as error:
            return error

    readers = ThreadPoolExecutor(min(MOST_READERS, count_cores()))
    try:
        yield from readers.map(read, paths)
    finally:
        readers.shutdown(cancel_futures=True)


def _specimen(path: Path, settings: DataSettings) -> Specimen:
    photo = read_photo(path)
    frame = crop_to_field(photo, find_field(photo))
    mask = frame.field.mask
    filled = frame.photo.pixels
    pixels = filled if settings.surround == "fill" else np.where(mask[..., None], filled, np.float32(0))
    return _scaled(path.name, pixels, mask, settings.diameter / frame.field.diameter, settings)


def shrink(specimen: Specimen, settings: DataSettings, random: np.random.Generator) -> Specimen:
    """Make a photograph smaller by a share drawn up to `settings.shrink`; at 0 it is the same, without a draw."""
    if settings.shrink == 0:
        return specimen
    scale = 1 - random.uniform(0, settings.shrink)
    pixels = specimen.pixels.astype(np.float32) / np.float32(255)
    return _scaled(specimen.name, pixels, specimen.mask, scale, settings)


def _scaled(name: str, pixels: Pixels, mask: Mask, scale: float, settings: DataSettings) -> Specimen:
    size = [max(1, round(side * scale)) for side in mask.shape]
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    pixels = np.clip(cv2.resize(pixels, (size[1], size[0]), interpolation=way), 0, 1)
    lit = cv2.resize(mask.astype(np.uint8), (size[1], size[0]), interpolation=cv2.INTER_NEAREST)
    below, right = (max(0, settings.crop - side) for side in size)  # a field cut off by the camera may be too flat
    eight_bit = np.rint(cv2.copyMakeBorder(pixels, 0, below, 0, right, cv2.BORDER_REFLECT) * 255).astype(np.uint8)
    inside = np.pad(lit.astype(bool), ((0, below), (0, right)))
    return Specimen(name=name, pixels=eight_bit, mask=inside, corners=_corners(inside, settings))


def _corners(mask: Mask, settings: DataSettings) -> NDArray[np.int32]:
    """Find every square with enough retina in it; where there is none, those with the most."""
    total = cv2.integral(mask.astype(np.uint8))
    side = settings.crop
    inside = total[side:, side:] - total[:-side, side:] - total[side:, :-side] + total[:-side, :-side]
    enough = min(settings.inside * side * side, float(inside.max()))
    rows, columns = np.nonzero(inside >= enough)
    corners: NDArray[np.int32] = (rows * mask.shape[1] + columns).astype(np.int32)
    return corners


def cut_square(specimen: Specimen, side: int, random: np.random.Generator) -> Pixels:
    """Cut one random square, turned by a random right angle and flipped at even odds.

    Returns:
        RGB, (side, side, 3), float32 in [0, 1].
    """
    return _cut(specimen.pixels, specimen, side, random).astype(np.float32) / np.float32(255)


def cut_degraded_pairs(
    specimen: Specimen, side: int, count: int, settings: SimulatedSettings, random: np.random.Generator
) -> list[tuple[Pixels, Pixels]]:
    """Degrade a clear photograph once and cut random squares, each from the same place of both.

    Returns:
        So many times the degraded and the clear square, each (side, side, 3), float32 in [0, 1].
    """
    clear = specimen.pixels.astype(np.float32) / np.float32(255)
    field = Field(mask=specimen.mask)
    degraded, clear = photograph(simulate(clear, field, settings, random), clear, field, settings.camera, random)
    both = np.concatenate([degraded, clear], axis=2)
    cut = (_cut(both, specimen, side, random) for _ in range(count))
    return [(square[..., :3], square[..., 3:]) for square in cut]


def _cut(pixels: NDArray[Value], specimen: Specimen, side: int, random: np.random.Generator) -> NDArray[Value]:
    corner = int(specimen.corners[random.integers(len(specimen.corners))])
    row, column = divmod(corner, pixels.shape[1])
    square = np.rot90(pixels[row : row + side, column : column + side], int(random.integers(4)))
    return square[:, ::-1] if random.random() < 0.5 else square


def jitter_gain(squares: list[Pixels], greatest: float, random: np.random.Generator) -> list[Pixels]:
    """Multiply each colour channel of all squares by one random gain, so that both sides show the same cameras."""
    if greatest == 0:
        return squares
    gain = random.uniform(1 - greatest, 1 + greatest, 3).astype(np.float32)
    return [np.clip(square * gain, 0, 1) for square in squares]


def stack(squares: Sequence[Pixels]) -> Tensor:
    """Turn squares into a channels_last tensor, (N, 3, H, W) in [-1, 1]."""
    return torch.from_numpy(np.stack(squares)).permute(0, 3, 1, 2) * 2 - 1  # channels_last by construction
