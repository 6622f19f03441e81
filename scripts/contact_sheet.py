"""Contact sheets of photographs before and after: `python scripts/contact_sheet.py BEFORE AFTER OUT`.

Pairs files of two folders by name (whatever the suffix), eight pairs a sheet, each before on the left, after on the
right, and under them the middle of the field at four times the scale.
"""

import argparse
from pathlib import Path

from clearfundus import Photo, find_field, read_photo, write_photo
from clearfundus.photo import READABLE_SUFFIXES
from clearfundus.photo.sheet import Tile, draw_sheet, middle_square, square_around, whole_and_part

SIDE = 300
PAIRS_ACROSS = 4
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
        tiles = [tile for pair in pairs[first : first + PAIRS_A_SHEET] for tile in pair_of_tiles(*pair)]
        path = arguments.out / f"sheet_{first // PAIRS_A_SHEET + 1}.png"
        across = min(len(tiles), 2 * PAIRS_ACROSS)
        write_photo(Photo(pixels=draw_sheet(tiles, across=across)), path, overwrite=True)
        print(path)


def pair_of_tiles(before: Path, after: Path) -> tuple[Tile, Tile]:
    """Return both tiles of a pair: the whole field above, its middle below."""
    old, new = read_photo(before), read_photo(after)
    whole = square_around(find_field(old).box)
    views = [whole_and_part(photo.pixels, whole, middle_square(whole), SIDE) for photo in (old, new)]
    return Tile(heading=before.stem, views=views[0]), Tile(heading="after", views=views[1])


if __name__ == "__main__":
    main()
