import cv2
import numpy as np
from skimage.data import retina

from clearfundus import Field, Photo, find_field
from clearfundus.fundus.frame import crop_to_field
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


def test_half_the_resolution_gives_nearly_the_same() -> None:
    photo = Photo(pixels=(retina() / 255).astype(np.float32))
    frame = crop_to_field(photo, find_field(photo))
    height, width = frame.field.mask.shape
    size = (width // 2, height // 2)
    pixels, mask = (
        cv2.resize(one, size, interpolation=cv2.INTER_AREA)
        for one in (frame.photo.pixels, frame.field.mask.astype(np.float32))
    )
    inside = mask > 0.5
    half = clahe(Photo(pixels=pixels), Field(mask=inside)).pixels
    full = cv2.resize(clahe(frame.photo, frame.field).pixels, size, interpolation=cv2.INTER_AREA)
    assert np.abs(half - full)[inside].mean() < 0.011  # 0.0045
    assert np.abs(half - pixels)[inside].mean() > 0.02  # it did something
