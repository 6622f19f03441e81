import errno
import os
import stat
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from clearfundus.errors import PhotoReadError, SettingsError
from clearfundus.evaluation.cases import pictures_by_stem
from clearfundus.files import files_below, write_whole
from clearfundus.interfaces.batch import digest_file
from clearfundus.interfaces.jobs import plan_jobs
from clearfundus.training.data import list_photographs


def test_a_file_holds_what_was_written_and_nothing_else_appears(tmp_path: Path) -> None:
    write_whole(tmp_path / "a.bin", b"one\r\ntwo\x00")
    assert (tmp_path / "a.bin").read_bytes() == b"one\r\ntwo\x00"
    assert [path.name for path in tmp_path.iterdir()] == ["a.bin"]


def test_what_cannot_be_written_is_told_by_the_name_it_was_to_have(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        write_whole(tmp_path / "missing" / "a.bin", b"content")
    assert caught.value.filename == str(tmp_path / "missing" / "a.bin")
    assert caught.value.strerror == "No such file or directory"


def test_where_a_folder_should_be_a_file_the_error_tells_the_name(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError) as caught:
        write_whole(tmp_path / "file" / "a.bin", b"content")
    assert caught.value.filename == str(tmp_path / "file" / "a.bin")


def test_an_existing_file_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"a long old content")
    write_whole(path, b"new")
    assert path.read_bytes() == b"new"


def test_it_is_as_readable_as_any_other_new_file(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    write_whole(tmp_path / "whole", b"")
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("plain", "whole")]
    assert modes[0] == modes[1]


@pytest.mark.parametrize("stage", ["fsync", "replace"])
def test_a_failure_leaves_the_old_file_and_no_other(
    stage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    monkeypatch.setattr(*((os, "fsync") if stage == "fsync" else (Path, "replace")), fail)
    with pytest.raises(OSError, match="no space"):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert [one.name for one in tmp_path.iterdir()] == ["a.bin"]


def test_a_missing_folder_and_a_folder_in_its_place_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_whole(tmp_path / "absent" / "a.bin", b"")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder"):
        write_whole(tmp_path / "folder", b"")
    assert [one.name for one in tmp_path.iterdir()] == ["folder"]


def test_it_reaches_the_disk_before_it_gets_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order = []
    sync, move = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (order.append("fsync"), sync(handle)))
    monkeypatch.setattr(Path, "replace", lambda self, target: (order.append("replace"), move(self, target))[1])
    write_whole(tmp_path / "a.bin", b"content")
    assert order == ["fsync", "replace"]


def test_a_reader_never_sees_a_part_while_writers_fight(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    contents = [bytes([number]) * 200_000 for number in range(4)]
    write_whole(path, contents[0])
    writers = [threading.Thread(target=lambda one=one: [write_whole(path, one) for _ in range(10)]) for one in contents]
    for writer in writers:
        writer.start()
    seen = set()
    while any(writer.is_alive() for writer in writers):
        seen.add(path.read_bytes())
    assert seen <= set(contents)
    assert [one.name for one in tmp_path.iterdir()] == ["a.bin"]


def names(folder: Path, found: Iterable[Path]) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in found]


def test_files_below_are_found_in_order_through_links_and_nothing_hidden(tmp_path: Path) -> None:
    for name in ("a/2.png", "a/.hidden.png", ".git/1.png", "b.txt", "out/3.png", "other/4.png"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).touch()
    (tmp_path / "in" / "other").rename(tmp_path / "other")
    (tmp_path / "in" / "linked").symlink_to(tmp_path / "other")
    (tmp_path / "in" / "a" / "up").symlink_to(tmp_path / "in")
    (tmp_path / "in" / "gone.png").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "in" / "pipe.png")
    folder = tmp_path / "in"
    assert names(folder, files_below(folder)) == ["a/2.png", "b.txt", "gone.png", "linked/4.png", "out/3.png"]
    (folder / "again").symlink_to(folder / "out")
    assert names(folder, files_below(folder, once=True)) == [
        "a/2.png",
        "again/3.png",
        "b.txt",
        "gone.png",
        "linked/4.png",
    ]
    kept = files_below(folder, leave_out=folder / "out")
    assert names(folder, kept) == ["a/2.png", "b.txt", "gone.png", "linked/4.png"]


def test_a_folder_that_cannot_be_opened_is_told_in_place_of_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "closed").mkdir()
    (tmp_path / "open.png").touch()
    listed = Path.iterdir

    def refuse(path: Path) -> Iterator[Path]:
        if path.name == "closed":
            raise PermissionError(13, "Permission denied", str(path))
        return listed(path)

    monkeypatch.setattr(Path, "iterdir", refuse)  # rights do not hold back root, who may run the tests
    (tmp_path / "closed.png").touch()
    assert names(tmp_path, files_below(tmp_path)) == ["closed", "closed.png", "open.png"]
    jobs = plan_jobs([tmp_path], tmp_path / "out").jobs
    assert [job.target.name for job in jobs] == ["closed", "closed.png", "open.png"]
    with pytest.raises(PhotoReadError, match="closed: cannot be opened, and what it holds is not known"):
        digest_file(tmp_path / "closed")
    looked_at = Path.is_dir

    def hide(path: Path) -> bool:
        if path.name == "open.png":
            raise PermissionError(13, "Permission denied", str(path))
        return looked_at(path)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "is_dir", hide)
        assert names(tmp_path, files_below(tmp_path)) == ["closed", "closed.png", "open.png"]
        with pytest.raises(PhotoReadError, match=r"open\.png: cannot be read \(Permission denied\)"):
            digest_file(tmp_path / "open.png")
    for find in (list_photographs, pictures_by_stem):
        with pytest.raises(SettingsError, match="closed: cannot be opened; check your rights"):
            find(tmp_path)
