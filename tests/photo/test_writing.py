"""What is written comes back: the values bit for bit where the format is lossless, and all that stands beside them."""

import io
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image, JpegImagePlugin

from clearfundus.errors import PhotoWriteError
from clearfundus.photo import NOTED_SUFFIXES, WRITABLE_SUFFIXES, Photo, read_photo, read_provenance, write_photo
from clearfundus.version import __version__
from photo.made_files import (
    Values,
    exif_block,
    pillow_bytes,
    png_bytes,
    random_values,
    rgb_profile,
    smooth_values,
    tiff_bytes,
)

LOSSLESS_8 = (".png", ".tif", ".tiff", ".ppm", ".pnm", ".bmp", ".webp", ".jp2")
LOSSLESS_16 = (".png", ".tif", ".tiff", ".ppm", ".pnm", ".jp2")
WITH_ALPHA = (".png", ".tif", ".webp", ".jp2")
WITH_EXIF = (".png", ".jpg", ".tif", ".webp", ".jp2")


def photo_of(values: Values, **settings: Any) -> Photo:
    full = np.iinfo(values.dtype).max
    pixels = (values[..., :3] / full).astype(np.float32)
    alpha = (values[..., 3] / full).astype(np.float32) if values.shape[2] == 4 else None
    return Photo(pixels=pixels, bits=values.itemsize * 8, alpha=alpha, **settings)


def written(photo: Photo, path: Path, **settings: Any) -> Photo:
    write_photo(photo, path, **settings)
    return read_photo(path)


def exif_tags(block: bytes | None) -> dict[Any, Any]:
    """All that an EXIF block says, by Pillow's reading, its directories included."""
    assert block is not None
    exif = Image.Exif()
    exif.load(block)
    plain = {tag: value for tag, value in exif.items() if tag not in {34665, 34853}}
    below = {(pointer, tag): value for pointer in (34665, 34853) for tag, value in exif.get_ifd(pointer).items()}
    return plain | below


@pytest.mark.parametrize(
    ("suffix", "bits"), [(suffix, 8) for suffix in LOSSLESS_8] + [(suffix, 16) for suffix in LOSSLESS_16]
)
def test_a_lossless_picture_comes_back_bit_for_bit(tmp_path: Path, suffix: str, bits: int) -> None:
    photo = photo_of(random_values(bits, 37, 45, 3))
    back = written(photo, tmp_path / f"eye{suffix}")
    assert back.bits == bits
    assert np.array_equal(back.pixels, photo.pixels)
    again = written(back, tmp_path / f"again{suffix}")
    assert np.array_equal(again.pixels, photo.pixels)


@pytest.mark.parametrize("suffix", LOSSLESS_16)
def test_each_of_the_65536_levels_comes_back_as_itself(tmp_path: Path, suffix: str) -> None:
    levels = np.arange(65536, dtype=np.uint16).reshape(256, 256, 1).repeat(3, axis=2)
    back = written(photo_of(levels), tmp_path / f"eye{suffix}")
    assert np.array_equal(np.rint(back.pixels.astype(np.float64) * 65535), levels)


def test_values_are_rounded_and_not_cut(tmp_path: Path) -> None:
    pixels = np.full((4, 4, 3), 99.6 / 255, np.float32)
    with Image.open(io.BytesIO(_bytes(Photo(pixels=pixels), tmp_path / "eye.png"))) as image:
        assert image.getpixel((0, 0)) == (100, 100, 100)


def _bytes(photo: Photo, path: Path) -> bytes:
    write_photo(photo, path)
    return path.read_bytes()


@pytest.mark.parametrize("bits", [8, 16])
def test_another_library_reads_the_same_values(tmp_path: Path, bits: int) -> None:
    values = random_values(bits, 37, 45, 4)
    photo = photo_of(values, exif=exif_block(order=">"), icc_profile=rgb_profile(), resolution=(300, 300))
    blue_first = values[..., [2, 1, 0, 3]]
    for suffix in (".png", ".jp2"):
        write_photo(photo, tmp_path / f"eye{suffix}")
        assert np.array_equal(cv2.imread(str(tmp_path / f"eye{suffix}"), cv2.IMREAD_UNCHANGED), blue_first)
    write_photo(photo, tmp_path / "eye.ppm")
    assert np.array_equal(cv2.imread(str(tmp_path / "eye.ppm"), cv2.IMREAD_UNCHANGED), blue_first[..., :3])
    write_photo(replace(photo, alpha=None), tmp_path / "eye.tif")
    assert np.array_equal(cv2.imread(str(tmp_path / "eye.tif"), cv2.IMREAD_UNCHANGED), blue_first[..., :3])


@pytest.mark.parametrize("order", ["<", ">"])
def test_tifffile_reads_the_tags_of_a_16_bit_tiff_with_exif(tmp_path: Path, order: str) -> None:
    photo = photo_of(
        random_values(16, 37, 45, 4), exif=exif_block(order=order), icc_profile=rgb_profile(), resolution=(300, 150)
    )
    write_photo(photo, tmp_path / "eye.tif")
    with tifffile.TiffFile(tmp_path / "eye.tif") as file:
        assert file.byteorder == order
        page = file.pages[0]
        assert (page.shape, page.dtype, page.photometric.name) == ((37, 45, 4), np.uint16, "RGB")
        assert page.tags["ExtraSamples"].value == (2,)
        assert page.tags["InterColorProfile"].value == rgb_profile()
        assert page.tags["XResolution"].value == (300 * 10_000, 10_000)
        assert page.tags["Make"].value == "A maker"
        assert page.tags["ExifTag"].value["DateTimeOriginal"] == "2021:03:04 05:06:07"
        assert page.tags["GPSTag"].value["GPSLatitudeRef"] == "N"


def test_a_tiff_of_many_strips_is_whole(tmp_path: Path) -> None:
    values = random_values(16, 700, 900, 3)  # 3.8 MB in strips of 1 MB
    path = tmp_path / "eye.tif"
    write_photo(photo_of(values), path)
    with tifffile.TiffFile(path) as file:
        assert len(file.pages[0].dataoffsets) == 4
    assert np.array_equal(cv2.imread(str(path), cv2.IMREAD_UNCHANGED)[..., ::-1], values)


@pytest.mark.parametrize(
    ("suffix", "bits"), [(suffix, 8) for suffix in WITH_ALPHA] + [(".png", 16), (".tif", 16), (".jp2", 16)]
)
def test_alpha_comes_back(tmp_path: Path, suffix: str, bits: int) -> None:
    photo = photo_of(random_values(bits, 37, 45, 4))
    back = written(photo, tmp_path / f"eye{suffix}")
    assert back.alpha is not None
    assert photo.alpha is not None
    assert np.array_equal(back.alpha, photo.alpha)
    assert np.array_equal(back.pixels, photo.pixels)  # under full transparency, too


@pytest.mark.parametrize("suffix", [".jpg", ".bmp", ".ppm"])
def test_alpha_is_left_out_where_the_format_has_none(tmp_path: Path, suffix: str) -> None:
    assert written(photo_of(random_values(8, 5, 6, 4)), tmp_path / f"eye{suffix}").alpha is None


@pytest.mark.parametrize("suffix", WITH_EXIF)
def test_profile_exif_and_resolution_come_back(tmp_path: Path, suffix: str) -> None:
    photo = photo_of(smooth_values(37, 45), icc_profile=rgb_profile(), exif=exif_block(), resolution=(300.0, 150.0))
    back = written(photo, tmp_path / f"eye{suffix}")
    assert back.icc_profile == rgb_profile()
    assert back.resolution == pytest.approx((300, 150), rel=1e-4)
    found, given = exif_tags(back.exif), exif_tags(exif_block())
    assert given.items() <= found.items()
    assert set(found) - set(given) <= {282, 283, 296}  # the resolution, which TIFF and WebP state there
    if suffix in {".png", ".jpg", ".jp2"}:
        assert back.exif == exif_block()
    if suffix == ".tif":  # the whole block stands in the file, so that offsets inside a maker note hold
        head = len(b"II*\0") + 4
        assert (tmp_path / "eye.tif").read_bytes()[head:].startswith(exif_block()[head:])


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
@pytest.mark.parametrize("suffix", WITH_EXIF)
def test_exif_survives_a_way_through_every_format(tmp_path: Path, kind: str, suffix: str) -> None:
    source = tmp_path / "source"
    exif = Image.Exif()
    exif.load(b"Exif\0\0" + exif_block())
    source.write_bytes(pillow_bytes(Image.fromarray(smooth_values(40, 40)), kind, exif=exif))
    back = written(read_photo(source), tmp_path / f"eye{suffix}")
    again = written(back, tmp_path / "again.tif")
    assert exif_tags(exif_block()).items() <= exif_tags(again.exif).items()


@pytest.mark.parametrize("suffix", WITH_EXIF)
def test_exif_made_by_hand_is_set_upright_and_loses_its_prefix(tmp_path: Path, suffix: str) -> None:
    photo = photo_of(smooth_values(37, 45), exif=b"Exif\0\0" + exif_block(6))
    back = written(photo, tmp_path / f"eye{suffix}")
    assert back.pixels.shape == (37, 45, 3)
    assert exif_tags(back.exif)[274] == 1


@pytest.mark.parametrize("suffix", sorted(WRITABLE_SUFFIXES - {".ppm", ".pnm"}))
def test_the_resolution_comes_back_without_exif(tmp_path: Path, suffix: str) -> None:
    back = written(photo_of(smooth_values(37, 45), resolution=(600.0, 72.0)), tmp_path / f"eye{suffix}")
    assert back.resolution == pytest.approx((600, 72), rel=1e-3)


def test_a_png_of_16_bit_holds_its_metadata_where_pillow_looks_for_it(tmp_path: Path) -> None:
    photo = photo_of(random_values(16, 9, 8, 3), icc_profile=rgb_profile(), exif=exif_block(), resolution=(300, 300))
    write_photo(photo, tmp_path / "eye.png")
    with Image.open(tmp_path / "eye.png") as image:
        image.load()
        assert image.info["icc_profile"] == rgb_profile()
        assert image.info["dpi"] == pytest.approx((300, 300), rel=1e-4)
        assert image.getexif()[271] == "A maker"
        assert "clearfundus" in image.info["XML:com.adobe.xmp"]


def test_a_jpeg_is_of_high_quality_with_full_colour_resolution(tmp_path: Path) -> None:
    values = smooth_values(64, 64)
    back = written(photo_of(values), tmp_path / "eye.jpg")
    assert np.abs(back.pixels * 255 - values).mean() < 1
    with Image.open(tmp_path / "eye.jpg") as image:
        assert isinstance(image, JpegImagePlugin.JpegImageFile)
        assert JpegImagePlugin.get_sampling(image) == 0  # 4:4:4
        assert image.quantization[0][0] == 2  # 16 * (200 - 2 * 95) / 100, rounded: libjpeg's scale at quality 95


@pytest.mark.parametrize("suffix", sorted(NOTED_SUFFIXES))
def test_the_note_of_provenance_comes_back(tmp_path: Path, suffix: str) -> None:
    photo = photo_of(smooth_values(37, 45)).with_pixels(
        np.zeros((37, 45, 3), np.float32), method="gan", weights="a3f1", note="<\"&'> é\n\0 \u2028"
    )
    path = tmp_path / f"eye{suffix}"
    write_photo(photo, path)
    expected = {"version": __version__, "method": "gan", "weights": "a3f1", "note": "<\"&'> é\n\0 \u2028"}
    assert read_provenance(path) == expected
    assert read_photo(path).provenance == {}  # what a method did to the file before is not what is done to the photo


def test_a_bmp_has_no_note_and_a_file_of_others_has_none(tmp_path: Path) -> None:
    write_photo(photo_of(smooth_values(9, 9), provenance={"method": "clahe"}), tmp_path / "eye.bmp")
    assert read_provenance(tmp_path / "eye.bmp") == {}
    assert {".bmp"} == WRITABLE_SUFFIXES - NOTED_SUFFIXES
    for data in (png_bytes(random_values(8, 4, 4, 3), 2), tiff_bytes(smooth_values(9, 9), photometric="rgb")):
        (tmp_path / "other").write_bytes(data)
        assert read_provenance(tmp_path / "other") == {}


@pytest.mark.parametrize("note", ["[1, 2]", "{", "7"])
def test_a_note_that_is_none_of_ours_is_no_note(tmp_path: Path, note: str) -> None:
    (tmp_path / "eye.ppm").write_bytes(f"P6\n# clearfundus: {note}\n2 2\n255\n".encode() + bytes(12))
    assert read_provenance(tmp_path / "eye.ppm") == {}


def test_the_input_s_own_provenance_does_not_hide_the_pixels(tmp_path: Path) -> None:
    # the XMP of a profile larger than a JPEG segment, and the note, must both be found
    big = rgb_profile() + bytes(200_000)
    profile = struct.pack(">I", len(big)) + big[4:]
    back = written(photo_of(smooth_values(9, 9), icc_profile=profile), tmp_path / "eye.jpg")
    assert back.icc_profile == profile
    assert read_provenance(tmp_path / "eye.jpg")["version"] == __version__


@pytest.mark.parametrize("suffix", sorted(WRITABLE_SUFFIXES - set(LOSSLESS_16)))
def test_16_bits_are_refused_by_a_format_of_8_and_cut_only_when_asked(tmp_path: Path, suffix: str) -> None:
    photo = photo_of(random_values(16, 9, 9, 3))
    with pytest.raises(PhotoWriteError, match=r"16 bits a channel .* with one of .*\.png, .*replace\(photo, bits=8\)"):
        write_photo(photo, tmp_path / f"eye{suffix}")
    assert written(replace(photo, bits=8), tmp_path / f"eye{suffix}").bits == 8
