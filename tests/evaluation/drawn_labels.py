"""A drawn eye with its true vessels, as files of the plain layout."""

from pathlib import Path

import numpy as np

import clearfundus as cf
from clearfundus.fundus.phantom import Phantom
from clearfundus.photo import Mask


def write_labelled(phantom: Phantom, folder: Path, name: str, *, kinds: bool = False) -> None:
    """Write NAME.png beside NAME_vessels.png, or beside NAME_av.png if kinds are wanted."""
    folder.mkdir(parents=True, exist_ok=True)
    cf.write_photo(phantom.photo, folder / f"{name}.png")
    if kinds:
        both = phantom.arteries & phantom.veins
        write_planes(folder / f"{name}_av.png", phantom.arteries & ~both, both, phantom.veins & ~both)
    else:
        write_planes(folder / f"{name}_vessels.png", phantom.vessels, phantom.vessels, phantom.vessels)


def write_planes(file: Path, red: Mask, green: Mask, blue: Mask) -> None:
    """Write a picture of three masks."""
    file.parent.mkdir(parents=True, exist_ok=True)
    cf.write_photo(cf.Photo(pixels=np.stack([red, green, blue], axis=2).astype(np.float32)), file)
