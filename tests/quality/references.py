"""Values of BRISQUE and NIQE for pictures in the scikit-image wheel, and those pictures."""

import numpy as np
from skimage import data

from clearfundus.quality.view import to_gray

REFERENCE_VALUES = {
    "camera": (-7.308865, 3.096118),
    "chelsea": (2.572592, 2.572084),
    "coffee": (30.065964, 4.058462),
    "astronaut": (3.006402, 3.063019),
    "retina": (47.195149, 6.201260),
}
"""BRISQUE and NIQE of the whole picture, flat windows set to 0. Two implementations made from the authors' MATLAB code
independently of this one agree on them; the last two pictures have flat areas."""


def gray_of(name: str) -> np.ndarray:
    picture = getattr(data, name)()
    return picture if picture.ndim == 2 else to_gray(picture)
