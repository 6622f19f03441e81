"""The pictures of docs/methods.md: `python scripts/method_pictures.py [FOLDER]`.

For each method NAME.jpg: a real photograph (`skimage.data.retina()`, Mikael Häggström, CC0) under a known simulated
haze, what the method makes of it, and the photograph before the haze; below each, the optic disc magnified.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from skimage.data import retina

from clearfundus import Field, Photo, find_field, prepare_method, write_photo
from clearfundus.fundus.degrade import Degradation, degrade
from clearfundus.methods import METHODS
from clearfundus.photo.sheet import Tile, busiest_square, draw_sheet, square_around, whole_and_part
from clearfundus.pipeline import enhance_with_each

HAZE = Degradation(
    transmission_low=0.25, transmission_high=0.6, veil=0.5, blur=1.2 / 512, light=0.15, noise=0.004, seed=1
)
"""About as dense as over the blurry photographs that the weights were trained on; not chosen to please any method."""
SIDE = 260
DETAIL = 4
FOLDER = Path(__file__).parents[1] / "docs" / "images" / "methods"


def main() -> None:
    """Write one picture a method and print its path and the error before and after."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=FOLDER)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    truth = Photo(pixels=retina().astype(np.float32) / np.float32(255), name="skimage.data.retina()")
    field = find_field(truth)
    hazy = degrade(truth, field, HAZE)
    methods = [prepare_method(name) for name in METHODS if name != "identity"]
    for method, result in zip(methods, enhance_with_each(hazy, methods), strict=True):
        sheet = draw_sheet(
            [
                _tile("hazy", hazy, truth, field),
                _tile(method.name, result, truth, field),
                _tile("truth", truth, truth, field),
            ]
        )
        path = folder / f"{method.name}.jpg"
        provenance = result.provenance
        write_photo(replace(Photo(pixels=sheet), provenance=provenance), path, overwrite=True)
        print(f"{path}  error {_error(hazy, truth, field):.1f} -> {_error(result, truth, field):.1f}")


def _tile(heading: str, photo: Photo, truth: Photo, field: Field) -> Tile:
    whole = square_around(field.box)
    part = busiest_square(truth.pixels, field.mask, whole[2] // DETAIL)  # the same in every tile
    line = "" if photo is truth else f"error {_error(photo, truth, field):.1f} of 255"
    return Tile(heading=heading, lines=(line,), views=whole_and_part(photo.pixels, whole, part, SIDE))


def _error(photo: Photo, truth: Photo, field: Field) -> float:
    """Return the mean absolute difference in the field, in levels of 255."""
    return float(255 * np.abs(photo.pixels - truth.pixels)[field.mask].mean())


if __name__ == "__main__":
    main()
