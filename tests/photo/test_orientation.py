"""EXIF orientation is applied to pixels and alpha, and the block then says 1."""

import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from clearfundus.photo import read_photo, write_photo
from photo.made_files import exif_block, pillow_bytes, random_values, smooth_values


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_pixels_and_alpha_are_turned_as_pillow_turns_them(tmp_path: Path, kind: str, orientation: int) -> None:
    path = tmp_path / "eye"
    image = Image.fromarray(random_values(8, 4, 7, 4))
    settings = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    path.write_bytes(pillow_bytes(image, kind, exif=b"Exif\0\0" + exif_block(orientation), **settings))
    with Image.open(path) as opened:
        expected = np.asarray(ImageOps.exif_transpose(opened))
    photo = read_photo(path)
    assert photo.alpha is not None
    assert np.array_equal(np.rint(np.dstack([photo.pixels, photo.alpha]) * 255), expected)
    assert photo.pixels.flags.c_contiguous


@pytest.mark.parametrize("order", ["<", ">"])
def test_the_block_says_upright_and_every_other_byte_stays(tmp_path: Path, order: str) -> None:
    path, block = tmp_path / "eye.jpg", exif_block(6, order)
    path.write_bytes(pillow_bytes(Image.fromarray(smooth_values(8, 16)), "JPEG", exif=b"Exif\0\0" + block))
    photo = read_photo(path)
    assert photo.pixels.shape == (16, 8, 3)
    assert photo.exif is not None
    differing = [index for index, pair in enumerate(zip(photo.exif, block, strict=True)) if pair[0] != pair[1]]
    assert len(differing) == 1
    assert (block[differing[0]], photo.exif[differing[0]]) == (6, 1)
    found = Image.Exif()
    found.load(photo.exif)
    assert found[274] == 1


@pytest.mark.parametrize("order", ["<", ">"])
def test_the_thumbnail_which_shows_the_photograph_as_it_was_is_cut_out(tmp_path: Path, order: str) -> None:
    block, thumbnail = exif_block(6, order), pillow_bytes(Image.fromarray(smooth_values(8, 16)), "JPEG")
    (first,) = struct.unpack(order + "I", block[4:8])
    (count,) = struct.unpack(order + "H", block[first : first + 2])
    link = first + 2 + 12 * count
    place = len(block) + len(thumbnail)
    second = struct.pack(order + "HHHIIHHII", 2, 513, 4, 1, len(block), 514, 4, 1, len(thumbnail)) + bytes(4)
    whole = block[:link] + struct.pack(order + "I", place) + block[link + 4 :] + thumbnail + second
    path = tmp_path / "eye.jpg"
    path.write_bytes(pillow_bytes(Image.fromarray(smooth_values(8, 16)), "JPEG", exif=b"Exif\0\0" + whole))
    photo = read_photo(path)
    assert photo.exif is not None
    without = bytearray(whole)
    without[link : link + 4] = bytes(4)
    without[len(block) : place] = bytes(len(thumbnail))
    (turned,) = (index for index, pair in enumerate(zip(photo.exif, without, strict=True)) if pair[0] != pair[1])
    assert (without[turned], photo.exif[turned]) == (6, 1)
    write_photo(photo, tmp_path / "eye.png")
    assert thumbnail not in (tmp_path / "eye.png").read_bytes()


def test_a_quarter_turn_swaps_the_resolution(tmp_path: Path) -> None:
    path = tmp_path / "eye.jpg"
    image = Image.fromarray(smooth_values(8, 16))
    path.write_bytes(pillow_bytes(image, "JPEG", exif=b"Exif\0\0" + exif_block(8), dpi=(300, 100)))
    assert read_photo(path).resolution == (100, 300)


def test_an_orientation_without_a_meaning_turns_nothing(tmp_path: Path) -> None:
    path, values = tmp_path / "eye.png", random_values(8, 4, 7, 3)
    path.write_bytes(pillow_bytes(Image.fromarray(values), "PNG", exif=b"Exif\0\0" + exif_block(9)))
    assert np.array_equal(np.rint(read_photo(path).pixels * 255), values)


@pytest.mark.parametrize(
    ("place", "size"), [(0, 60_000), (4, 4), (8, 18), (10**9, 5)], ids=["all", "head", "directory", "past the end"]
)
def test_a_thumbnail_that_would_lie_over_the_block_itself_takes_nothing_with_it(
    tmp_path: Path, place: int, size: int
) -> None:
    block = exif_block(6)
    link = 8 + 2 + 12 * struct.unpack("<H", block[8:10])[0]
    second = struct.pack("<HHHIIHHII", 2, 513, 4, 1, place, 514, 4, 1, size) + bytes(4)
    whole = block[:link] + struct.pack("<I", len(block)) + block[link + 4 :] + second
    path = tmp_path / "eye.jpg"
    path.write_bytes(pillow_bytes(Image.fromarray(smooth_values(8, 16)), "JPEG", exif=b"Exif\0\0" + whole))
    photo = read_photo(path)
    assert photo.pixels.shape == (16, 8, 3)
    found = Image.Exif()
    found.load(photo.exif)
    assert found[271] == "A maker"
    assert found.get_ifd(34665)[36867] == "2021:03:04 05:06:07"
