import cv2
import numpy as np

from clearfundus import Field, Photo
from clearfundus.methods.clahe import clahe


def test_it_raises_local_contrast_and_keeps_hue() -> None:
    rng = np.random.default_rng(0)
    gray = cv2.GaussianBlur(rng.random((128, 128), dtype=np.float32), (0, 0), 4)
    gray = 0.4 + 0.2 * (gray - gray.min()) / np.ptp(gray)
    pixels = np.dstack([gray, gray * 0.6, gray * 0.4]).astype(np.float32)
    photo = Photo(pixels=pixels)
    result = clahe(photo, Field(mask=np.ones((128, 128), bool)))
    before, after = (cv2.cvtColor(one.pixels, cv2.COLOR_RGB2LAB) for one in (photo, result))
    assert after[..., 0].std() > 1.2 * before[..., 0].std()
    # through 8-bit Lab a and b would move by whole units; 0.5 is what `rgb_to_lab` promises
    assert np.abs(after[..., 1:] - before[..., 1:]).max() < 0.5
