"""What was measured of each photograph, kept whole or not at all, so that an interrupted evaluation goes on.

A part is taken up again only if it was made from the same files under the same settings. The fact to know: settings are
kept beside the parts, and a folder with others is refused, for half a table of each would look like one.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from clearfundus.errors import PhotoReadError, RunMismatchError, SettingsError
from clearfundus.evaluation.cases import Case
from clearfundus.files import UNFINISHED, write_whole

FOLDER = "parts"
SETTINGS = "settings.json"

Value = TypeVar("Value")
"""One value of a photograph: `results.Row`, or another dataclass of words and numbers."""


@dataclass(frozen=True, kw_only=True)
class Part(Generic[Value]):
    """One photograph under all methods.

    Attributes:
        rows: Its values.
        notes: How it was made ready, its files' hashes among them.
        seconds: Method -> how long it took.
    """

    rows: tuple[Value, ...]
    notes: Mapping[str, object]
    seconds: Mapping[str, float]


def open_folder(folder: Path, settings: Mapping[str, object]) -> None:
    """Make the folder of an evaluation, or take up one that was made with the same settings.

    Args:
        folder: The folder.
        settings: What must not change within it, ready for JSON.

    Raises:
        RunMismatchError: If it was made with other settings.
        SettingsError: If it holds something else, or cannot be made.
    """
    file = folder / FOLDER / SETTINGS
    wanted = json.loads(json.dumps(settings))
    if file.exists():
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise SettingsError(f"{file}: cannot be read ({error}); name another output folder") from error
        _refuse_changes(folder, found, wanted)
        return
    try:
        if folder.exists() and not _is_unused(folder):
            raise SettingsError(f"output {folder}: holds something that is no evaluation; name a new or empty folder")
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"output {folder}: cannot be made a folder ({error}); name another") from error
    write_whole(file, (json.dumps(wanted, indent=2) + "\n").encode())


def _is_unused(folder: Path) -> bool:
    """Say whether a folder is empty, or was left by an evaluation that was stopped before it wrote its settings."""
    held = [one for one in folder.iterdir() if one.name != FOLDER]
    parts = folder / FOLDER
    return not held and all(one.match(UNFINISHED) for one in (parts.iterdir() if parts.exists() else ()))


def key_of(case: Case, hashes: Mapping[str, str], settings: Mapping[str, object]) -> str:
    """Return what tells a part from one made of other files or with other settings."""
    names = {role: path.name for role, path in case.files.items()}  # a degradation is drawn from the name
    content = [case.set, case.photograph, names, dict(hashes), dict(settings)]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def digest_files(case: Case) -> dict[str, str]:
    """Return the SHA-256 of each of a case's files.

    Raises:
        PhotoReadError: If one cannot be read.
    """
    found = {}
    for role, path in case.files.items():
        try:
            with path.open("rb") as file:
                found[role] = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise PhotoReadError(f"{path}: cannot be read ({error.strerror}); check the file") from error
    return found


def save_part(part: Part[Any], folder: Path, case: Case, key: str) -> None:
    """Write a part.

    Args:
        part: What was measured.
        folder: The evaluation's folder.
        case: The photograph.
        key: What `key_of` gave.
    """
    file = _file(folder, case)
    file.parent.mkdir(parents=True, exist_ok=True)
    content = {"key": key, **asdict(part)}
    write_whole(file, json.dumps(content).encode())


def load_part(folder: Path, case: Case, key: str, kind: type[Value]) -> Part[Value] | None:
    """Read a part; None if there is none with that key.

    Args:
        folder: The evaluation's folder.
        case: The photograph.
        key: What `key_of` gave.
        kind: What its values are.
    """
    try:
        content: dict[str, Any] = json.loads(_file(folder, case).read_text(encoding="utf-8"))
        if content["key"] != key:
            return None
        rows = tuple(kind(**one) for one in content["rows"])
        return Part(rows=rows, notes=content["notes"], seconds=content["seconds"])
    except (OSError, ValueError, KeyError, TypeError):
        return None  # damaged or of another version: it is made again


def _file(folder: Path, case: Case) -> Path:
    return folder / FOLDER / case.set / f"{case.photograph}.json"


def _refuse_changes(folder: Path, found: Mapping[str, object], wanted: Mapping[str, object]) -> None:
    changed = [
        f"{name} = {_short(found.get(name))}, now {_short(wanted.get(name))}"
        for name in sorted({*found, *wanted})
        if found.get(name) != wanted.get(name)
    ]
    if changed:
        raise RunMismatchError(
            f"output {folder} was made with other settings: {'; '.join(changed)}; "
            "name another folder, or remove this one to start anew"
        )


def _short(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 120 else f"{text[:117]}..."
