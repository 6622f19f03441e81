import cv2
import numpy as np
import pytest

from clearfundus import Field, Photo, SettingsError
from clearfundus.fundus.equalization import equalize
from clearfundus.methods.clahe import clahe


def smooth_noise(shape: tuple[int, int]) -> np.ndarray:
    """Return a plane with structure at several scales, its levels exact multiples of 1/255."""
    rng = np.random.default_rng(3)
    plane = cv2.GaussianBlur(rng.random(shape, dtype=np.float32), (0, 0), 3)
    plane = (plane - plane.min()) / np.ptp(plane) * 0.6 + 0.1
    return np.rint(plane * 255).astype(np.uint8)


@pytest.mark.parametrize("shape", [(512, 512), (509, 603), (512, 603), (40, 25)])
@pytest.mark.parametrize(("clip_limit", "tiles"), [(2.0, 8), (3.55, 8), (40.0, 4)])
def test_it_agrees_with_opencv_on_8_bit_planes(shape: tuple[int, int], clip_limit: float, tiles: int) -> None:
    levels = smooth_noise(shape)
    expected = cv2.createCLAHE(clip_limit, (tiles, tiles)).apply(levels)
    found = equalize(levels.astype(np.float32) / 255, clip_limit=clip_limit, tiles=tiles) * 255
    # OpenCV rounds each map to whole levels, and then the blend of four maps: half a level each
    assert np.abs(found - expected).max() <= 1.001


def test_levels_between_two_8_bit_levels_keep_their_order() -> None:
    row = np.linspace(0.3, 0.4, 512, dtype=np.float32)  # 26 levels at 8 bit, 512 values
    found = equalize(np.tile(row, (64, 1)), tiles=1)[0]
    assert np.all(np.diff(found) > 0)


def test_flat_planes_stay_flat() -> None:
    found = equalize(np.full((64, 64), 0.5, np.float32))
    assert np.ptp(found) < 1e-6


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


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"clip_limit": 0.0}, "clip_limit: found 0.0, expected a number above 0"),
        ({"clip_limit": float("nan")}, "clip_limit: found nan"),
        ({"tiles": 0}, "tiles: found 0, expected 1 to 64"),
    ],
)
def test_numbers_out_of_range_are_named(parameters: dict, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        equalize(np.zeros((8, 8), np.float32), **parameters)
