"""Files below a folder; and files that appear whole or not at all."""

import os
import secrets
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

UNFINISHED = ".clearfundus-*.part"
"""Names of files that `write_whole` has begun; one stays where a process was killed."""


def files_below(folder: Path, *, leave_out: Path | None = None, once: bool = False) -> Iterator[Path]:
    """Yield the files below a folder in order of name, but nothing hidden and nothing from `leave_out`.

    Links are followed, but to a folder that the link lies in: it would lead round for ever. One that leads nowhere is
    yielded, too: its file is missing. So is a folder that cannot be opened: its files are not known.

    Args:
        folder: The folder.
        leave_out: A folder whose files are left out, or None.
        once: Whether a folder is gone through once only, though links lead to it besides.
    """
    yield from _walk(folder, None if leave_out is None else leave_out.resolve(), once, set())


def _walk(folder: Path, left_out: Path | None, once: bool, passed: set[Path]) -> Iterator[Path]:
    passed = passed if once else set(passed)  # of each folder those above it, or all before it
    passed.add(folder.resolve())
    try:
        entries = sorted(folder.iterdir())
    except PermissionError:
        yield folder
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        try:
            is_folder, is_file = entry.is_dir(), entry.is_file() or entry.is_symlink()
        except PermissionError:  # whatever it is, it cannot be read
            is_folder, is_file = False, True
        if is_folder:
            place = entry.resolve()
            if place not in passed and left_out not in {place, *place.parents}:
                yield from _walk(entry, left_out, once, passed)
        elif is_file:
            yield entry


def is_closed_folder(path: Path) -> bool:
    """Say whether what `files_below` yielded is a folder, for then it could not be opened."""
    try:
        return path.is_dir()
    except PermissionError:
        return False


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that no reader, and no crash, ever sees half of it; an existing file is replaced.

    It is written beside its place, brought to the disk, then moved there in one step.

    Args:
        path: Where; its folder must exist.
        content: The bytes.

    Raises:
        OSError: If it cannot be written there; no temporary file is left behind.
    """
    partial = path.with_name(UNFINISHED.replace("*", secrets.token_hex(8)))
    try:
        with partial.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error  # the temporary name would say nothing
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
