"""Where a file is written: whole or not at all, never over an input, and a clear word where it cannot be."""

import errno
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from clearfundus.errors import PhotoWriteError
from clearfundus.photo import WRITABLE_SUFFIXES, Photo, read_photo, write_photo
from photo.made_files import exif_block, random_values


def photo(height: int = 6, width: int = 7, bits: int = 8) -> Photo:
    full = 2.0**bits - 1
    return Photo(pixels=(random_values(bits, height, width, 3) / full).astype(np.float32), bits=bits)


def refusal(one: Photo, path: Path, *, overwrite: bool = False, inputs: tuple[Path, ...] = ()) -> str:
    with pytest.raises(PhotoWriteError) as caught:
        write_photo(one, path, overwrite=overwrite, inputs=inputs)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    return message


def test_an_unknown_suffix(tmp_path: Path) -> None:
    message = refusal(photo(), tmp_path / "eye.gif")
    assert "found the suffix '.gif'" in message
    assert all(suffix in message for suffix in WRITABLE_SUFFIXES)
    assert "found the suffix ''" in refusal(photo(), tmp_path / "eye")
    assert not list(tmp_path.iterdir())


def test_a_suffix_in_capitals_is_the_same_suffix(tmp_path: Path) -> None:
    write_photo(photo(), tmp_path / "EYE.PNG")
    assert np.array_equal(read_photo(tmp_path / "EYE.PNG").pixels, photo().pixels)


def test_a_folder_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    assert "is no folder; create it first" in refusal(photo(), tmp_path / "out" / "eye.png")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("x")
    assert "is no folder" in refusal(photo(), tmp_path / "out" / "eye.png")


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs a folder that even root cannot write to: /proc")
def test_a_folder_that_cannot_be_written_to() -> None:
    assert "cannot be written" in refusal(photo(), Path("/proc/eye.png"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write to a read-only folder; /proc stands in for it")
def test_a_read_only_folder(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert "cannot be written" in refusal(photo(), tmp_path / "eye.png")


def test_a_name_that_no_file_can_have(tmp_path: Path) -> None:
    assert "File name too long" in refusal(photo(), tmp_path / ("x" * 300 + ".png"))
    assert "cannot be written (embedded null byte)" in refusal(photo(), tmp_path / "eye\0.png")


def test_a_folder_of_that_name_is_there(tmp_path: Path) -> None:
    (tmp_path / "eye.png").mkdir()
    assert "is a folder" in refusal(photo(), tmp_path / "eye.png", overwrite=True)


def test_a_file_that_is_there_is_kept_unless_overwriting_is_allowed(tmp_path: Path) -> None:
    path = tmp_path / "eye.png"
    path.write_bytes(b"kept")
    assert "is there already; allow overwriting" in refusal(photo(), path)
    assert path.read_bytes() == b"kept"
    write_photo(photo(), path, overwrite=True)
    assert np.array_equal(read_photo(path).pixels, photo().pixels)
    (tmp_path / "dangling.png").symlink_to(tmp_path / "nowhere")
    assert "is there already" in refusal(photo(), tmp_path / "dangling.png")


def test_an_input_is_never_overwritten_under_any_of_its_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "eye.png"
    write_photo(photo(), source)
    before = source.read_bytes()
    (tmp_path / "folder").mkdir()
    (tmp_path / "link.png").symlink_to(source)
    (tmp_path / "hard.png").hardlink_to(source)
    (tmp_path / "linked").symlink_to(tmp_path, target_is_directory=True)
    monkeypatch.chdir(tmp_path)
    names = ("eye.png", "folder/../eye.png", "link.png", "hard.png", "linked/eye.png")
    for name in (*names, *(str(tmp_path / name) for name in names)):
        message = refusal(photo(), Path(name), overwrite=True, inputs=(tmp_path / "another.png", source))
        assert "is an input, which is never overwritten" in message
    assert source.read_bytes() == before
    assert "is an input" in refusal(
        photo(), tmp_path / "gone.png", inputs=(tmp_path / "gone.png",)
    )  # nor one not there
    write_photo(photo(), tmp_path / "other.png", inputs=(source,))


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_write_that_fails_leaves_what_was_there_and_nothing_else(
    tmp_path: Path, failing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "eye.png"
    path.write_bytes(b"kept")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(*((os, "fsync", full) if failing == "fsync" else (Path, "replace", full)))
    message = refusal(photo(), path, overwrite=True)
    assert "No space left on device" in message
    assert path.read_bytes() == b"kept"
    assert list(tmp_path.iterdir()) == [path]


def test_an_interrupt_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_photo(photo(), tmp_path / "eye.png")
    assert not list(tmp_path.iterdir())


def test_the_file_is_whole_on_the_disk_before_it_gets_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, seen = tmp_path / "eye.png", []
    real = os.fsync

    def watched(descriptor: int) -> None:
        seen.append((path.exists(), os.fstat(descriptor).st_size))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    write_photo(photo(), path)
    assert seen == [(False, path.stat().st_size)]


def test_a_written_file_has_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    write_photo(photo(), tmp_path / "eye.png")
    (tmp_path / "plain").write_bytes(b"")
    assert (tmp_path / "eye.png").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize(("suffix", "width"), [(".webp", 16_384), (".jpg", 65_501)])
def test_a_side_longer_than_the_format_has(tmp_path: Path, suffix: str, width: int) -> None:
    one = Photo(pixels=np.zeros((2, width, 3), np.float32))
    assert f"a side of {suffix} has {width - 1} at most; write PNG or TIFF" in refusal(one, tmp_path / f"eye{suffix}")
    write_photo(Photo(pixels=np.zeros((2, width - 1, 3), np.float32)), tmp_path / f"eye{suffix}")


def test_a_depth_that_is_neither_8_nor_16(tmp_path: Path) -> None:
    assert "found a photo of 12 bits a channel" in refusal(replace(photo(), bits=12), tmp_path / "eye.png")


def test_alpha_that_does_not_belong_to_the_pixels(tmp_path: Path) -> None:
    for alpha in (np.ones((3, 3), np.float32), np.full((6, 7), np.nan, np.float32)):
        assert "found alpha of shape" in refusal(replace(photo(), alpha=alpha), tmp_path / "eye.png")


def test_exif_too_long_for_a_jpeg(tmp_path: Path) -> None:
    one = replace(photo(), exif=exif_block() + bytes(70_000))
    assert "a JPEG holds 65527; write PNG or TIFF" in refusal(one, tmp_path / "eye.jpg")
    write_photo(one, tmp_path / "eye.png")
    exact = exif_block()
    fitting = replace(photo(), exif=exact + bytes(65_527 - len(exact)))
    write_photo(fitting, tmp_path / "eye.jpg")
    assert read_photo(tmp_path / "eye.jpg").exif == fitting.exif


def test_a_16_bit_jpeg_2000_too_small_for_its_encoder(tmp_path: Path) -> None:
    assert "write TIFF" in refusal(photo(20, 40, bits=16), tmp_path / "eye.jp2")
    write_photo(photo(20, 40), tmp_path / "eye.jp2")  # 8 bit has another encoder
