"""TIFFs, against tifffile, Pillow and OpenCV as writers: 8 and 16 bit and float, whatever the layout."""

import io
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from clearfundus.errors import PhotoReadError
from clearfundus.photo import Photo, read_photo
from photo.made_files import exif_block, pillow_bytes, random_values, tiff_bytes


def read(folder: Path, data: bytes) -> Photo:
    path = folder / "eye.tif"
    path.write_bytes(data)
    return read_photo(path)


def refusal(folder: Path, data: bytes) -> str:
    with pytest.raises(PhotoReadError) as caught:
        read(folder, data)
    return str(caught.value)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize(
    "layout",
    [
        {},
        {"byteorder": ">"},
        {"bigtiff": True},
        {"bigtiff": True, "byteorder": ">"},
        {"rowsperstrip": 5},
        {"compression": "zlib"},
        {"compression": "zlib", "predictor": True, "rowsperstrip": 7},
        {"compression": "zlib", "predictor": True, "byteorder": ">"},
        {"compression": "lzma"},
        {"tile": (16, 32)},
        {"tile": (16, 16), "compression": "zlib", "predictor": True, "bigtiff": True},
    ],
    ids=str,
)
@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_every_layout_that_tifffile_writes_is_read_exactly(
    tmp_path: Path, bits: int, layout: dict[str, Any], planar: str
) -> None:
    values = random_values(bits, 23, 37, 3)
    stored = np.moveaxis(values, 2, 0) if planar == "separate" else values
    photo = read(tmp_path, tiff_bytes(stored, photometric="rgb", planarconfig=planar, **layout))
    assert photo.bits == bits
    assert np.array_equal(photo.pixels, (values / (2.0**bits - 1)).astype(np.float32))


@pytest.mark.parametrize("compression", [1, 5, 8, 32773], ids=["none", "LZW", "Deflate", "PackBits"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_every_compression_that_opencv_writes_is_read_exactly(
    tmp_path: Path, compression: int, dtype: type[np.unsignedinteger[Any]]
) -> None:
    values = random_values(16, 40, 30, 3).astype(dtype)
    done, data = cv2.imencode(".tif", values[..., ::-1], [cv2.IMWRITE_TIFF_COMPRESSION, compression])
    assert done
    photo = read(tmp_path, data.tobytes())
    assert np.array_equal(photo.pixels, (values / np.iinfo(dtype).max).astype(np.float32))


@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
@pytest.mark.parametrize("bits", [8, 16])
def test_gray_is_repeated_and_inverted_where_zero_is_white(tmp_path: Path, photometric: str, bits: int) -> None:
    values = random_values(bits, 6, 5)
    photo = read(tmp_path, tiff_bytes(values, photometric=photometric))
    expected = values / (2.0**bits - 1)
    expected = 1 - expected if photometric == "miniswhite" else expected
    assert np.allclose(photo.pixels, expected[..., None], atol=1e-7)


@pytest.mark.parametrize("bits", [8, 16])
def test_plain_alpha_is_kept_premultiplied_colours_are_divided_and_unnamed_channels_left_out(
    tmp_path: Path, bits: int
) -> None:
    values, full = random_values(bits, 6, 5, 4), 2.0**bits - 1
    plain = read(tmp_path, tiff_bytes(values, photometric="rgb", extrasamples=["unassalpha"]))
    assert plain.alpha is not None
    assert np.array_equal(np.dstack([plain.pixels, plain.alpha]), (values / full).astype(np.float32))
    unnamed = read(tmp_path, tiff_bytes(values, photometric="rgb", extrasamples=["unspecified"]))
    assert unnamed.alpha is None
    assert np.array_equal(unnamed.pixels, plain.pixels)
    values[..., 3] = np.maximum(values[..., 3], 1)
    values[..., :3] = np.minimum(values[..., :3], values[..., 3:])
    multiplied = read(tmp_path, tiff_bytes(values, photometric="rgb", extrasamples=["assocalpha"]))
    assert np.allclose(multiplied.pixels, values[..., :3] / values[..., 3:], atol=0.6 / full)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floats_in_0_to_1_are_read_and_will_be_written_as_16_bit(tmp_path: Path, dtype: type[np.floating[Any]]) -> None:
    values = (random_values(16, 6, 5, 3) / 65535).astype(dtype)
    photo = read(tmp_path, tiff_bytes(values, photometric="rgb"))
    assert photo.bits == 16
    assert np.array_equal(photo.pixels, values.astype(np.float32))


@pytest.mark.parametrize(("bad", "words"), [(np.nan, "not finite"), (np.inf, "not finite"), (7.5, "[0, 1]")])
def test_floats_that_are_no_light_are_refused(tmp_path: Path, bad: float, words: str) -> None:
    values = np.full((6, 5, 3), 0.5, np.float32)
    values[3, 2, 1] = bad
    message = refusal(tmp_path, tiff_bytes(values, photometric="rgb"))
    assert "eye.tif" in message
    assert words in message


@pytest.mark.parametrize("dtype", [np.uint32, np.int16, np.int8])
def test_whole_numbers_without_a_known_full_light_are_refused(tmp_path: Path, dtype: type[np.integer[Any]]) -> None:
    message = refusal(tmp_path, tiff_bytes(np.ones((6, 5, 3), dtype), photometric="rgb"))
    assert f"{np.dtype(dtype).itemsize * 8} bits" in message
    assert "save it as 16-bit RGB" in message


@pytest.mark.parametrize(
    ("mode", "settings"),
    [("P", {}), ("CMYK", {}), ("CMYK", {"compression": "tiff_lzw"}), ("1", {"compression": "group4"}), ("YCbCr", {})],
)
def test_what_pillow_decodes_equals_what_pillow_shows(tmp_path: Path, mode: str, settings: dict[str, str]) -> None:
    image = Image.fromarray(random_values(8, 20, 30, 3)).convert(mode)
    photo = read(tmp_path, pillow_bytes(image, "TIFF", **settings))
    assert np.array_equal(np.rint(photo.pixels * 255), np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("mode", ["RGB", "P"])  # RGB is decoded here, a palette by Pillow, which turns it unasked
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_tag_is_applied_once(tmp_path: Path, mode: str, orientation: int) -> None:
    image = Image.fromarray(random_values(8, 4, 6, 3)).quantize(16).convert(mode)
    data = pillow_bytes(image, "TIFF", tiffinfo={274: orientation})
    photo = read(tmp_path, data)
    with Image.open(io.BytesIO(data)) as opened:  # Pillow turns a TIFF when it loads it
        assert np.array_equal(np.rint(photo.pixels * 255), np.asarray(opened.convert("RGB")))
    assert photo.pixels.shape[:2] == ((6, 4) if orientation > 4 else (4, 6))


def test_exif_is_gathered_from_the_tags_with_its_directories(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif.load(b"Exif\0\0" + exif_block())
    photo = read(tmp_path, pillow_bytes(Image.fromarray(random_values(8, 4, 6, 3)), "TIFF", exif=exif))
    assert photo.exif is not None
    found = Image.Exif()
    found.load(photo.exif)
    assert found[271] == "A maker"
    assert found.get_ifd(34665)[36867] == "2021:03:04 05:06:07"
    assert found.get_ifd(34853)[1] == "N"
    assert not {256, 257, 258, 259, 262, 273, 277, 278, 279} & set(found)


@pytest.mark.parametrize("bigtiff", [False, True])
def test_a_damaged_directory_of_exif_is_left_out_and_the_rest_kept(tmp_path: Path, bigtiff: bool) -> None:
    values = random_values(8, 4, 6, 3)
    tags = [(34665, 13, 1, 10**8, True), (271, 2, 0, "A maker", True)]  # the Exif directory lies past the end
    photo = read(tmp_path, tiff_bytes(values, photometric="rgb", extratags=tags, bigtiff=bigtiff))
    assert np.array_equal(np.rint(photo.pixels * 255), values)
    assert photo.exif is not None
    found = Image.Exif()
    found.load(photo.exif)
    assert found[271] == "A maker"
    assert 34665 not in found


def test_iptc_and_the_layers_of_an_editor_are_not_kept(tmp_path: Path) -> None:
    tags = [(33723, 7, 4, b"name", True), (37724, 7, 4, b"lays", True), (271, 2, 0, "A maker", True)]
    photo = read(tmp_path, tiff_bytes(random_values(8, 4, 6, 3), photometric="rgb", extratags=tags))
    assert photo.exif is not None
    assert b"A maker" in photo.exif
    assert b"name" not in photo.exif
    assert b"lays" not in photo.exif


def test_a_file_of_several_pages_is_refused_but_a_thumbnail_is_no_page(tmp_path: Path) -> None:
    values = random_values(8, 8, 9, 3)
    pages = tiff_bytes(np.stack([values, values, values]), photometric="rgb")
    assert "3 pages" in refusal(tmp_path, pages)
    path = tmp_path / "pyramid.tif"
    with tifffile.TiffWriter(path) as writer:
        writer.write(values[::2, ::2], photometric="rgb", subfiletype=1)  # the small one first, as some cameras do
        writer.write(values, photometric="rgb")
    assert np.array_equal(read_photo(path).pixels, (values / 255).astype(np.float32))


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_a_truncated_tiff_is_refused_wherever_it_ends(tmp_path: Path, compression: str | None) -> None:
    data = tiff_bytes(random_values(16, 12, 10, 3), photometric="rgb", compression=compression, rowsperstrip=4)
    for length in range(0, len(data), 37):
        assert "eye.tif" in refusal(tmp_path, data[:length])
