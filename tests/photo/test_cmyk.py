"""CMYK becomes sRGB: through the embedded profile where there is one."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clearfundus.errors import PhotoReadError
from clearfundus.photo import read_photo, write_photo
from photo.made_files import cmyk_profile, pillow_bytes, rgb_profile

INK = {"paper": (0, 0, 0, 0), "black": (0, 0, 0, 255)}


def cmyk_file(path: Path, kind: str, profile: bytes | None) -> Path:
    """Left half paper, right half black ink; JPEG stores CMYK inverted, with Adobe's marker."""
    values = np.zeros((16, 32, 4), np.uint8)
    values[:, 16:] = INK["black"]
    settings = {"icc_profile": profile} if profile else {}
    if kind == "JPEG":
        settings["quality"] = 100
    path.write_bytes(pillow_bytes(Image.frombytes("CMYK", (32, 16), values.tobytes()), kind, **settings))
    return path


@pytest.mark.parametrize("kind", ["TIFF", "JPEG"])
def test_the_embedded_profile_is_applied_and_not_kept(tmp_path: Path, kind: str) -> None:
    photo = read_photo(cmyk_file(tmp_path / "eye", kind, cmyk_profile(black=128)))
    # L* = 128 / 255 * 100 = 50.2; Y = ((50.2 + 16) / 116)^3 = 0.1858 (CIE 15); sRGB 0.468 * 255 = 119.4 (IEC 61966)
    assert np.allclose(photo.pixels[4, 4] * 255, 255, atol=1.5)
    assert np.allclose(photo.pixels[4, 28] * 255, 119.4, atol=1.5)
    assert photo.icc_profile is None
    write_photo(photo, tmp_path / "out.png")
    assert read_photo(tmp_path / "out.png").icc_profile is None


@pytest.mark.parametrize("kind", ["TIFF", "JPEG"])
def test_without_a_profile_ink_takes_light_away(tmp_path: Path, kind: str) -> None:
    photo = read_photo(cmyk_file(tmp_path / "eye", kind, None))
    assert np.allclose(photo.pixels[4, 4], 1, atol=0.01)
    assert np.allclose(photo.pixels[4, 28], 0, atol=0.01)


@pytest.mark.parametrize("profile", [rgb_profile(), cmyk_profile()[:400].ljust(900, b"\7")], ids=["RGB", "damaged"])
def test_a_profile_that_cannot_convert_it_is_an_error(tmp_path: Path, profile: bytes) -> None:
    path = cmyk_file(tmp_path / "eye", "TIFF", profile)
    with pytest.raises(PhotoReadError, match="eye: its CMYK colours cannot be converted"):
        read_photo(path)
