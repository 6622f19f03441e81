"""Files that appear whole or not at all."""

import os
import tempfile
from pathlib import Path


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that no reader, and no crash, ever sees half of it; an existing file is replaced.

    Args:
        path: Where; its folder must exist.
        content: The bytes.

    Raises:
        OSError: If the folder cannot be written to; no temporary file is left behind.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)  # mkstemp makes it private; a result is as readable as any other file
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
