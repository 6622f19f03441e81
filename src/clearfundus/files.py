"""Files that appear whole or not at all."""

import os
import secrets
from pathlib import Path

UNFINISHED = ".clearfundus-*.part"
"""Names of files that `write_whole` has begun; one stays where a process was killed."""


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
    finally:
        partial.unlink(missing_ok=True)
