"""Damaged files of every format: a PhotoReadError or a valid Photo, never another exception, never a wait."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clearfundus.errors import PhotoReadError
from clearfundus.photo import Photo, read_photo, read_provenance, write_photo
from photo.made_files import exif_block, pillow_bytes, random_values, rgb_profile, smooth_values, tiff_bytes

TRIALS = 60
"""For each file. 6 runs of 150 with other seeds found what is now mended: a missing palette, sizes given twice,
strips past the end, Pillow's own limit for TIFF."""


def files(folder: Path) -> dict[str, bytes]:
    """One small whole file of each sort, most written by the package with all the metadata there is."""
    made = {}
    for bits, suffixes in ((8, ("png", "jpg", "tif", "bmp", "ppm", "webp", "jp2")), (16, ("png", "tif", "ppm", "jp2"))):
        pixels = (random_values(bits, 33, 34, 3) // 3 / (2**bits - 1)).astype(np.float32)
        settings = {"icc_profile": rgb_profile(), "exif": exif_block(), "resolution": (300.0, 150.0)}
        photo = Photo(pixels=pixels, bits=bits, alpha=pixels[..., 0], **settings)
        for suffix in suffixes:
            path = folder / f"whole{bits}.{suffix}"
            write_photo(photo, path)
            made[path.name] = path.read_bytes()
    image = Image.fromarray(smooth_values(33, 34))
    made["palette.png"] = pillow_bytes(image.quantize(16), "PNG")
    made["palette.bmp"] = pillow_bytes(image.quantize(16), "BMP")
    made["progressive.jpg"] = pillow_bytes(image, "JPEG", progressive=True, exif=b"Exif\0\0" + exif_block(6))
    made["cmyk.jpg"] = pillow_bytes(image.convert("CMYK"), "JPEG")
    made["cmyk.tif"] = pillow_bytes(image.convert("CMYK"), "TIFF")
    made["lzw.tif"] = pillow_bytes(image, "TIFF", compression="tiff_lzw")
    made["jpeg.tif"] = pillow_bytes(image, "TIFF", compression="jpeg")
    made["planes.tif"] = tiff_bytes(np.moveaxis(random_values(16, 33, 34, 3), 2, 0), photometric="rgb")
    made["tiles.tif"] = tiff_bytes(random_values(16, 33, 34, 3), photometric="rgb", tile=(16, 16), compression="zlib")
    made["big.tif"] = tiff_bytes(random_values(8, 33, 34, 3), photometric="rgb", bigtiff=True, byteorder=">")
    made["text.ppm"] = b"P3 # text\n4 4 255\n" + b" ".join(str(value).encode() for value in range(100, 148))
    return made


@pytest.fixture(scope="module")
def whole_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return files(tmp_path_factory.mktemp("whole"))


def test_the_whole_files_are_read(whole_files: dict[str, bytes], tmp_path: Path) -> None:
    for name, data in whole_files.items():
        (tmp_path / name).write_bytes(data)
        assert read_photo(tmp_path / name).pixels.shape[2] == 3


@pytest.mark.parametrize("seed", range(3))
def test_damage_ends_in_a_photo_or_in_our_error(whole_files: dict[str, bytes], tmp_path: Path, seed: int) -> None:
    random = np.random.default_rng(seed)
    path, refused, read = tmp_path / "eye", 0, 0
    for data in whole_files.values():
        for trial in range(TRIALS // 3):
            broken = bytearray(data)
            if trial % 3 == 0:
                broken = broken[: random.integers(len(data))]
            reach = len(broken) if trial % 2 else min(300, len(broken))  # the header is the weak spot
            for place in random.integers(max(reach, 1), size=random.integers(1, 5)):
                if broken:
                    broken[place] = random.integers(256)
            path.write_bytes(broken)
            read_provenance(path)
            try:
                photo = read_photo(path, max_pixels=1_000_000)
            except PhotoReadError:
                refused += 1
            else:
                assert np.isfinite(photo.pixels).all()
                read += 1
    assert refused > 100  # else the damage was none
    assert read > 10
