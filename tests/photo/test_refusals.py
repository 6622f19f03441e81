"""Every file that cannot be read says which one it is, what was found and what was expected; none leaks a traceback."""

import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clearfundus.errors import PhotoReadError
from clearfundus.photo import Photo, read_photo, read_provenance
from photo.made_files import exif_block, pillow_bytes, png_bytes, png_chunk, random_values, smooth_values


def refusal(path: Path, data: bytes | None = None, **limits: int) -> str:
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(PhotoReadError) as caught:
        read_photo(path, **limits)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    return message


def test_a_missing_file(tmp_path: Path) -> None:
    assert "no such file; check the name" in refusal(tmp_path / "missing.png")
    assert "no such file" in refusal(tmp_path / "no folder" / "eye.png")


def test_a_folder_in_place_of_a_file(tmp_path: Path) -> None:
    assert "is a folder or a device, expected a picture file" in refusal(tmp_path)


def test_a_name_that_no_file_can_have(tmp_path: Path) -> None:
    assert "cannot be opened" in refusal(tmp_path / ("x" * 300))
    assert "cannot be opened" in refusal(tmp_path / "eye\0.png")


def test_an_empty_file(tmp_path: Path) -> None:
    assert "the file is empty" in refusal(tmp_path / "eye.png", b"")


@pytest.mark.parametrize("settings", [{}, {"progressive": True}, {"quality": 30}])
def test_a_truncated_jpeg_wherever_it_ends(tmp_path: Path, settings: dict[str, int]) -> None:
    image = Image.fromarray(random_values(8, 40, 48, 3))
    data = pillow_bytes(image, "JPEG", exif=b"Exif\0\0" + exif_block(), **settings)
    for length in (*range(3, len(data) - 2, 61), len(data) - 2):
        message = refusal(tmp_path / "eye.jpg", data[:length])
        assert "JPEG" in message
        assert "truncated" in message


@pytest.mark.parametrize("bits", [8, 16])
def test_a_truncated_png_wherever_it_ends(tmp_path: Path, bits: int) -> None:
    data = png_bytes(random_values(bits, 20, 20, 3), 2)
    for length in (*range(8, len(data), 53), len(data) - 1):
        assert "the PNG is truncated" in refusal(tmp_path / "eye.png", data[:length])


@pytest.mark.parametrize("kind", ["BMP", "PPM", "WEBP", "JPEG2000"])
def test_the_other_formats_truncated_wherever_they_end(tmp_path: Path, kind: str) -> None:
    data = pillow_bytes(Image.fromarray(random_values(8, 20, 20, 3)), kind)
    for length in (*range(34, len(data), 53), len(data) - 1):
        assert "truncated" in refusal(tmp_path / "eye", data[:length])


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"left eye, 12 May\n" * 9, "no picture format known here"),
        (b"%PDF-1.7\n", "a PDF"),
        (pillow_bytes(Image.new("RGB", (9, 9)), "GIF"), "a GIF"),
        (b"\0\0\0\x1cftypheic" + bytes(40), "a HEIF"),
        (b"\x89PNG", "no picture format known here"),
    ],
)
def test_what_is_no_picture_under_a_pictures_name(tmp_path: Path, data: bytes, found: str) -> None:
    message = refusal(tmp_path / "eye.jpg", data)
    assert f"found {found}" in message
    assert "expected PNG, JPEG, TIFF, BMP, PPM, WebP, JPEG 2000" in message


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1)])
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "BMP", "PPM", "WEBP", "JPEG2000"])
def test_one_pixel(tmp_path: Path, kind: str, size: tuple[int, int]) -> None:
    message = refusal(tmp_path / "eye", pillow_bytes(Image.new("RGB", size), kind))
    assert f"{size[0]} x {size[1]} pixels is no photograph" in message


def test_no_pixel(tmp_path: Path) -> None:
    assert "0 x 0 pixels" in refusal(tmp_path / "eye.png", png_bytes(np.zeros((1, 1, 3), np.uint8), 2, size=(0, 0)))
    assert "0 x 5 pixels" in refusal(tmp_path / "eye.ppm", b"P6 0 5 255\n")


def test_a_picture_larger_than_the_limit(tmp_path: Path) -> None:
    data = pillow_bytes(Image.fromarray(smooth_values(20, 30)), "PNG")
    reason = refusal(tmp_path / "eye.png", data, max_pixels=599)
    assert "found 30 x 20 pixels, above the limit of 599; reduce the picture, or read it in Python" in reason
    assert read_photo(tmp_path / "eye.png", max_pixels=600).pixels.shape == (20, 30, 3)


def bombs() -> dict[str, bytes]:
    """Small files that say they hold 30000 x 30000 pixels, 900 megapixels."""
    size, image = 30_000, Image.fromarray(smooth_values(40, 50))
    webp = bytearray(pillow_bytes(image.convert("RGBA"), "WEBP", lossless=True, exif=exif_block()))
    webp[24:30] = (size - 1).to_bytes(3, "little") * 2
    jpeg = pillow_bytes(image, "JPEG").replace(struct.pack(">HH", 40, 50), struct.pack(">HH", size, size))
    bmp = bytearray(pillow_bytes(image, "BMP"))
    bmp[18:26] = struct.pack("<ii", size, size)
    bmp[30:34] = struct.pack("<I", 1)  # run lengths, which need little room
    jp2 = pillow_bytes(image, "JPEG2000").replace(struct.pack(">II", 50, 40), struct.pack(">II", size, size))
    tiff = pillow_bytes(image, "TIFF", compression="tiff_lzw")
    for tag, side in ((256, 50), (257, 40)):
        old, new = (struct.pack("<HHIHH", tag, 3, 1, value, 0) for value in (side, size))
        assert old in tiff
        tiff = tiff.replace(old, new)
    return {
        "PNG": png_bytes(np.zeros((1, 9), np.uint8), 0, bits=1, size=(size, size)),
        "WEBP": bytes(webp),
        "JPEG": jpeg,
        "BMP": bytes(bmp),
        "JPEG2000": jp2,
        "TIFF": tiff,
        "PPM": b"P6 30000 30000 255\n",
    }


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "BMP", "PPM", "WEBP", "JPEG2000"])
def test_a_decompression_bomb_is_refused_before_it_is_decoded(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def decoded(*_: object) -> None:
        raise AssertionError("the bomb went off")

    monkeypatch.setattr("clearfundus.photo.reading.decode_pixels", decoded)
    message = refusal(tmp_path / "eye", bombs()[kind])
    assert "found 30000 x 30000 pixels, above the limit of 500000000" in message


def test_a_file_that_gives_two_sizes_takes_no_memory_for_the_larger(tmp_path: Path) -> None:
    data = pillow_bytes(Image.fromarray(smooth_values(40, 50)), "JPEG2000")
    place = data.index(b"ihdr") + 4
    lying = data[:place] + struct.pack(">II", 40_000, 40_000) + data[place + 8 :]
    assert "gives its size twice" in refusal(tmp_path / "eye.jp2", lying)


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_an_animation_is_refused_and_not_cut_to_its_first_frame(tmp_path: Path, kind: str) -> None:
    frames = [Image.fromarray(smooth_values(9, 9) + shift) for shift in (0, 50, 90)]
    data = pillow_bytes(frames[0], kind, save_all=True, append_images=frames[1:])
    assert "found 3 pages or frames, expected one" in refusal(tmp_path / "eye", data)


def test_a_ppm_with_a_second_picture_behind_it_is_refused(tmp_path: Path) -> None:
    one = b"P6 2 2 255\n" + bytes(12)
    assert "several pictures" in refusal(tmp_path / "eye.ppm", one + one)


def test_a_ppm_with_values_above_its_maximum_is_refused(tmp_path: Path) -> None:
    assert "above its stated maximum 100" in refusal(tmp_path / "eye.ppm", b"P2 2 2 100 1 2 3 101")


def test_a_png_whose_palette_is_missing_is_refused(tmp_path: Path) -> None:
    assert "damaged" in refusal(tmp_path / "eye.png", png_bytes(np.zeros((3, 3), np.uint8), 3))


def test_a_png_with_a_changed_byte_is_refused_and_one_changed_beside_the_picture_is_not(tmp_path: Path) -> None:
    values, note = random_values(8, 9, 9, 3), png_chunk(b"tEXt", b"Comment\0left")
    data = png_bytes(values, 2, extra=note)
    place = data.index(b"IDAT") + 20
    changed = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
    assert "does not match its checksum" in refusal(tmp_path / "eye.png", changed)
    (tmp_path / "eye.png").write_bytes(data.replace(b"left", b"Left"))
    assert np.array_equal(np.rint(read_photo(tmp_path / "eye.png").pixels * 255), values)


def test_an_array_with_nan_is_no_photo() -> None:
    pixels = np.full((4, 4, 3), 0.5, np.float32)
    pixels[1, 2, 0] = np.nan
    with pytest.raises(PhotoReadError, match="array: holds values that are not finite"):
        Photo(pixels=pixels)


def test_too_little_memory_is_told_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_memory(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("clearfundus.photo.reading.decode_pixels", no_memory)
    message = refusal(tmp_path / "eye.png", pillow_bytes(Image.fromarray(smooth_values(9, 9)), "PNG"))
    assert "too large for this machine's memory" in message


def test_the_cause_is_chained_and_no_patient_data_is_told(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[315], exif[270] = "Dr Secret", "Jane Doe 1950-01-01"
    data = pillow_bytes(Image.fromarray(random_values(8, 40, 40, 3)), "JPEG", exif=exif)
    path = tmp_path / "eye.jpg"
    path.write_bytes(data[:-300])
    with pytest.raises(PhotoReadError) as caught:
        read_photo(path)
    assert isinstance(caught.value.__cause__, OSError)
    assert "Secret" not in str(caught.value)
    assert "Doe" not in str(caught.value)


def test_a_note_of_provenance_is_looked_for_in_anything_but_a_missing_file(tmp_path: Path) -> None:
    for data in (b"", b"no picture", png_bytes(random_values(8, 4, 4, 3), 2)[:40], b"P6\n"):
        (tmp_path / "eye.png").write_bytes(data)
        assert read_provenance(tmp_path / "eye.png") == {}
    for path in (tmp_path / "missing.png", tmp_path):
        with pytest.raises(PhotoReadError):
            read_provenance(path)


def test_a_jpeg_of_12_bits_is_refused(tmp_path: Path) -> None:
    data = pillow_bytes(Image.fromarray(smooth_values(9, 9)), "JPEG")
    place = data.index(b"\xff\xc0") + 4
    message = refusal(tmp_path / "eye.jpg", data[:place] + b"\x0c" + data[place + 1 :])
    assert "found a JPEG of 12 bits a channel, expected 8" in message
