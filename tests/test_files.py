import os
import stat
import threading
from pathlib import Path

import pytest

from clearfundus.files import write_whole


def test_a_file_holds_what_was_written_and_nothing_else_appears(tmp_path: Path) -> None:
    write_whole(tmp_path / "a.bin", b"one\r\ntwo\x00")
    assert (tmp_path / "a.bin").read_bytes() == b"one\r\ntwo\x00"
    assert [path.name for path in tmp_path.iterdir()] == ["a.bin"]


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
        raise OSError("no space left on device")

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
