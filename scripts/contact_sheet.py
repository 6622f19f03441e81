"""Contact sheets of photographs before and after: `python scripts/contact_sheet.py BEFORE AFTER OUT`.

Pairs files of two folders by name (whatever the suffix), eight pairs a sheet, each before on the left, after on the
right, and under them the middle of the field at four times the scale.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np

from clearfundus.fundus.field import find_field
from clearfundus.photo import READABLE_SUFFIXES, Photo, Pixels, read_photo, write_photo

TILE = 300
DETAIL = 4  # times the tile's scale
ACROSS = 4
PAIRS_A_SHEET = 8


def main() -> None:
    """Write the sheets and print their paths."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("out", type=Path, help="folder for sheet_1.png and so on")
    arguments = parser.parse_args()

    after = {path.stem: path for path in arguments.after.iterdir()}
    files = sorted(path for path in arguments.before.iterdir() if path.suffix.lower() in READABLE_SUFFIXES)
    pairs = [(path, after[path.stem]) for path in files if path.stem in after]
    arguments.out.mkdir(parents=True, exist_ok=True)
    for first in range(0, len(pairs), PAIRS_A_SHEET):
        tiles = [pair_tile(*pair) for pair in pairs[first : first + PAIRS_A_SHEET]]
        tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % ACROSS)
        rows = [np.concatenate(tiles[i : i + ACROSS], axis=1) for i in range(0, len(tiles), ACROSS)]
        path = arguments.out / f"sheet_{first // PAIRS_A_SHEET + 1}.png"
        write_photo(Photo(pixels=np.concatenate(rows)), path, overwrite=True)
        print(path)


def pair_tile(before: Path, after: Path) -> Pixels:
    """Draw one pair: the whole field above, its middle below."""
    old, new = read_photo(before), read_photo(after)
    top, left, bottom, right = find_field(old).box
    rows = []
    for zoom in (1, DETAIL):
        side = max(bottom - top, right - left) / zoom
        row, column = (top + bottom - side) / 2, (left + right - side) / 2
        # maps the tile's pixels onto the wanted square
        scale = side / TILE
        matrix = np.array([[scale, 0, column], [0, scale, row]], np.float32)
        small = [_view(photo.pixels, matrix, scale) for photo in (old, new)]
        rows.append(np.concatenate(small, axis=1))
    tile = np.rint(np.concatenate(rows) * 255).astype(np.uint8)  # OpenCV writes on 8 bits only
    cv2.putText(tile, before.stem, (6, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 255, 255), 1, cv2.LINE_AA)
    return tile.astype(np.float32) / np.float32(255)


def _view(pixels: Pixels, matrix: np.ndarray, scale: float) -> Pixels:
    smooth = cv2.GaussianBlur(pixels, (0, 0), scale / 2) if scale > 1 else pixels  # against aliasing
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.clip(cv2.warpAffine(smooth, matrix, (TILE, TILE), flags=flags), 0, 1).astype(np.float32)


if __name__ == "__main__":
    main()
