"""What comes out of a file: the same values, at their own depth, from every format and every sort of pixel."""

from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from PIL import Image

from clearfundus.photo import READABLE_SUFFIXES, Photo, read_photo
from photo.made_files import (
    Values,
    exif_block,
    gray_profile,
    pillow_bytes,
    png_bytes,
    png_chunk,
    random_values,
    rgb_profile,
    smooth_values,
)


def read(folder: Path, data: bytes, name: str = "eye") -> Photo:
    path = folder / name
    path.write_bytes(data)
    return read_photo(path)


def levels(photo: Photo) -> Values:
    """The pixels as whole numbers of the photo's depth."""
    return np.rint(photo.pixels.astype(np.float64) * (2**photo.bits - 1)).astype(int)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize(("colour_type", "channels"), [(0, 1), (4, 2), (2, 3), (6, 4)])
def test_a_png_of_each_sort_gives_its_very_values(tmp_path: Path, bits: int, colour_type: int, channels: int) -> None:
    values = random_values(bits, 5, 7, channels)
    photo = read(tmp_path, png_bytes(values, colour_type))
    assert (photo.bits, photo.pixels.dtype, photo.name) == (bits, np.float32, "eye")
    colours = values[..., :3] if channels > 2 else values[..., :1].repeat(3, axis=2)
    assert np.array_equal(levels(photo), colours)
    if channels in {2, 4}:
        assert photo.alpha is not None
        assert np.array_equal(photo.alpha, (values[..., -1] / (2.0**bits - 1)).astype(np.float32))
    else:
        assert photo.alpha is None


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize(("colour_type", "channels"), [(0, 1), (2, 3)])
def test_the_transparent_colour_of_a_png_becomes_alpha(
    tmp_path: Path, bits: int, colour_type: int, channels: int
) -> None:
    values = random_values(bits, 5, 7, channels)
    key = png_chunk(b"tRNS", values[2, 3].astype(">u2").tobytes())
    photo = read(tmp_path, png_bytes(values, colour_type, extra=key))
    assert photo.alpha is not None
    assert np.array_equal(photo.alpha == 0, (values == values[2, 3]).all(axis=2))
    assert set(np.unique(photo.alpha)) == {0.0, 1.0}


def test_gray_below_8_bit_is_spread_over_the_whole_range_and_its_transparent_level_found(tmp_path: Path) -> None:
    packed = np.array([[0b00_01_10_11], [0b11_10_01_00]], np.uint8)  # 4 pixels of 2 bits in each byte
    key = png_chunk(b"tRNS", (2).to_bytes(2, "big"))
    photo = read(tmp_path, png_bytes(packed, 0, bits=2, size=(4, 2), extra=key))
    assert levels(photo)[..., 0].tolist() == [[0, 85, 170, 255], [255, 170, 85, 0]]
    assert photo.alpha is not None
    assert photo.alpha.tolist() == [[1, 1, 0, 1], [1, 0, 1, 1]]


def test_a_palette_and_its_transparency_are_looked_up(tmp_path: Path) -> None:
    index = np.array([[0, 1, 2], [2, 1, 0]], np.uint8)
    palette = np.array([[10, 20, 30], [40, 50, 60], [70, 80, 90]], np.uint8)
    chunks = png_chunk(b"PLTE", palette.tobytes())
    plain = read(tmp_path, png_bytes(index, 3, extra=chunks))
    assert np.array_equal(levels(plain), palette[index])
    assert plain.alpha is None
    clear = read(tmp_path, png_bytes(index, 3, extra=chunks + png_chunk(b"tRNS", bytes([0, 128]))))
    assert np.array_equal(levels(clear), palette[index])
    assert clear.alpha is not None
    assert np.array_equal(np.rint(clear.alpha * 255), np.array([0, 128, 255])[index])


def test_one_bit_becomes_black_and_white(tmp_path: Path) -> None:
    image = Image.fromarray(np.array([[0, 255, 255], [255, 0, 0]], np.uint8)).convert("1")
    for kind in ("PNG", "BMP", "TIFF", "PPM"):
        photo = read(tmp_path, pillow_bytes(image, kind))
        assert levels(photo)[..., 1].tolist() == [[0, 255, 255], [255, 0, 0]]
        assert photo.bits == 8


@pytest.mark.parametrize(
    "palette", [[[0, 0, 0], [255, 255, 255]], [[255, 255, 255], [0, 0, 0]], [[9, 8, 7], [1, 2, 3]]]
)
def test_a_bmp_with_a_palette_of_two_is_not_garbled(tmp_path: Path, palette: list[list[int]]) -> None:
    # Pillow 13.0 reads the rows of an 8-bit BMP as 1 bit if its palette is black and white
    index = random_values(8, 7, 9) % 2
    image = Image.fromarray(index)
    image.putpalette(np.array(palette, np.uint8).tobytes())
    photo = read(tmp_path, pillow_bytes(image, "BMP"))
    assert np.array_equal(levels(photo), np.array(palette)[index])


@pytest.mark.parametrize(("kind", "settings"), [("BMP", {}), ("PPM", {}), ("WEBP", {"lossless": True, "exact": True})])
def test_lossless_8_bit_formats_give_their_very_values(tmp_path: Path, kind: str, settings: dict[str, bool]) -> None:
    values = random_values(8, 6, 9, 3)
    assert np.array_equal(levels(read(tmp_path, pillow_bytes(Image.fromarray(values), kind, **settings))), values)


def test_webp_keeps_its_alpha(tmp_path: Path) -> None:
    values = random_values(8, 6, 9, 4)
    photo = read(tmp_path, pillow_bytes(Image.fromarray(values), "WEBP", lossless=True, exact=True))
    assert photo.alpha is not None
    assert np.array_equal(np.dstack([levels(photo), np.rint(photo.alpha * 255)]), values)


@pytest.mark.parametrize("settings", [{}, {"no_jp2": True}])
def test_jpeg_2000_is_read_with_boxes_and_without(tmp_path: Path, settings: dict[str, bool]) -> None:
    values = random_values(8, 40, 50, 3)
    photo = read(tmp_path, pillow_bytes(Image.fromarray(values), "JPEG2000", irreversible=False, **settings))
    assert np.array_equal(levels(photo), values)


def test_jpeg_2000_of_16_bit_keeps_16_bit(tmp_path: Path) -> None:
    values = random_values(16, 40, 50)  # Pillow writes 16 bit for gray alone
    photo = read(tmp_path, pillow_bytes(Image.fromarray(values), "JPEG2000", irreversible=False))
    assert photo.bits == 16
    assert np.array_equal(levels(photo)[..., 2], values)


@pytest.mark.parametrize("settings", [{}, {"progressive": True}, {"subsampling": 2}])
def test_a_jpeg_looks_like_what_was_saved(tmp_path: Path, settings: dict[str, int]) -> None:
    values = smooth_values(32, 40)
    photo = read(tmp_path, pillow_bytes(Image.fromarray(values), "JPEG", quality=98, **settings))
    assert photo.bits == 8
    assert np.abs(levels(photo) - values.astype(int)).mean() < 2


def test_the_content_counts_and_not_the_suffix(tmp_path: Path) -> None:
    values = random_values(8, 5, 7, 4)
    photo = read(tmp_path, png_bytes(values, 6), "retina.jpg")
    assert photo.alpha is not None
    assert np.array_equal(levels(photo), values[..., :3])


@pytest.mark.parametrize(
    ("text", "expected", "bits"),
    [
        (b"P3\n# a comment\n2 2\n100\n0 50 100 1 2 3 4 5 6 7 8 9\n", [[0, 0.5, 1], [0.01, 0.02, 0.03]], 8),
        (b"P2 2 2 1000\n0 500 1000 10", [[0, 0, 0], [0.5, 0.5, 0.5]], 16),
        (b"P5 2 2 4095\n" + bytes([0x0F, 0xFF, 0, 0, 0, 1, 0, 2]), [[1, 1, 1], [0, 0, 0]], 16),
        (b"P6\n2 2\n255\n" + bytes(range(12)), [[0, 1 / 255, 2 / 255], [3 / 255, 4 / 255, 5 / 255]], 8),
        (b"P1\n2 2\n1 0\n0 1", [[0, 0, 0], [1, 1, 1]], 8),
    ],
)
def test_a_ppm_is_divided_by_its_own_maximum(
    tmp_path: Path, text: bytes, expected: list[list[float]], bits: int
) -> None:
    photo = read(tmp_path, text)
    assert photo.bits == bits
    assert np.allclose(photo.pixels[0], expected, atol=1e-7)


def test_12_bit_values_in_a_16_bit_file_stay_16_bit_values(tmp_path: Path) -> None:
    # nothing in the file says that only 4096 levels are used, so full light is 65535
    photo = read(tmp_path, png_bytes(np.full((2, 2, 1), 4095, np.uint16), 0))
    assert photo.bits == 16
    assert np.allclose(photo.pixels, 4095 / 65535)


def test_a_profile_for_rgb_is_kept_byte_for_byte_and_one_for_gray_is_not(tmp_path: Path) -> None:
    rgb = Image.fromarray(random_values(8, 4, 4, 3))
    for kind in ("PNG", "JPEG", "TIFF", "WEBP"):
        assert read(tmp_path, pillow_bytes(rgb, kind, icc_profile=rgb_profile())).icc_profile == rgb_profile()
    gray = pillow_bytes(rgb.convert("L"), "PNG", icc_profile=gray_profile())
    assert gray_profile() in pillow_bytes(rgb.convert("L"), "TIFF", icc_profile=gray_profile())
    assert read(tmp_path, gray).icc_profile is None


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "BMP"])
def test_the_resolution_is_read(tmp_path: Path, kind: str) -> None:
    image = Image.fromarray(smooth_values(4, 6))
    resolution = read(tmp_path, pillow_bytes(image, kind, dpi=(300, 150))).resolution
    assert resolution == pytest.approx((300, 150), rel=1e-4)  # PNG and BMP count whole pixels per metre


def test_a_resolution_that_only_exif_gives_is_read(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[282], exif[283], exif[296] = 118.11, 59.06, 3  # per centimetre
    photo = read(tmp_path, pillow_bytes(Image.fromarray(smooth_values(4, 6)), "WEBP", exif=exif.tobytes()))
    assert photo.resolution == pytest.approx((300, 150), rel=1e-3)


def test_pillows_own_size_limit_neither_warns_nor_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # its limits of 89 and 179 megapixels, made small; TIFF and WebP ask for them on a way of their own
    image = Image.fromarray(smooth_values(40, 50))
    files = {kind: pillow_bytes(image, kind) for kind in ("PNG", "JPEG", "TIFF", "BMP", "WEBP", "PPM", "JPEG2000")}
    files |= {
        "LZW": pillow_bytes(image, "TIFF", compression="tiff_lzw"),
        "CMYK": pillow_bytes(image.convert("CMYK"), "TIFF", compression="tiff_lzw"),
    }
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", 100)
    for name, data in files.items():
        assert read(tmp_path, data, name).pixels.shape == (40, 50, 3)
    assert PIL.Image.MAX_IMAGE_PIXELS == 100  # and the global is left as it was


def test_every_format_of_the_brief_has_its_suffix() -> None:
    assert {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".ppm", ".webp", ".jp2"} <= READABLE_SUFFIXES
    assert all(suffix == suffix.lower() and suffix.startswith(".") for suffix in READABLE_SUFFIXES)


def test_damaged_exif_does_no_harm_to_the_picture(tmp_path: Path) -> None:
    image = Image.fromarray(smooth_values(16, 16))
    data = pillow_bytes(image, "JPEG", exif=b"Exif\0\0" + exif_block(3))
    whole = read(tmp_path, data)
    broken = read(tmp_path, data.replace(b"Exif\0\0II*\0", b"Exif\0\0II*\1"))
    assert whole.exif is not None
    assert broken.exif is None
    assert np.array_equal(broken.pixels, whole.pixels[::-1, ::-1])
