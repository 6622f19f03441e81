"""Split photographs into training and validation by eye, never by file: two photographs of one eye stay together."""

import csv
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from clearfundus.errors import SettingsError, TrainingError
from clearfundus.training.schedule import random_at

COLUMNS = ("file", "eye_group")

Side = str
"""Name of one side of the data: "blurry" or "clear"."""


def read_groups(path: Path) -> dict[str, str]:
    """Read which eye each file shows.

    Args:
        path: A CSV file with columns `file` (a path, or its last parts) and `eye_group`.

    Raises:
        SettingsError: If the file is missing or has other columns, or names two eyes for one file.
    """
    groups: dict[str, str] = {}
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:  # spreadsheets put a byte order mark before the table
            table = csv.DictReader(file)
            columns = list(table.fieldnames or ())
            if not {*COLUMNS} <= {*columns}:
                raise SettingsError(f"{path}: found columns {columns}, expected {list(COLUMNS)}, parted by commas")
            rows = [(row[COLUMNS[0]], row[COLUMNS[1]]) for row in table]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SettingsError(
            f"{path}: cannot be read ({error}); expected a CSV file with columns {' and '.join(COLUMNS)}"
        ) from error
    for name, eye in rows:
        if not (name and eye):
            continue  # as good as no row
        if groups.setdefault(name, eye) != eye:
            raise SettingsError(
                f"{path}: found eyes {groups[name]} and {eye} for {name}; name each file by more of its path"
            )
    return groups


def group_of(path: Path, groups: Mapping[str, str]) -> str:
    """Return the eye that a file shows; the table may name it by its last part or parts.

    Raises:
        SettingsError: If the table does not name the file.
    """
    found = find_group(path, groups)
    if found is None:
        raise SettingsError(f"{path}: not named in the table of eyes; add a row, so that no eye stands on two sides")
    return found


def find_group(path: Path, groups: Mapping[str, str]) -> str | None:
    """Return the eye that a file shows, or None if the table does not name the file."""
    for whole in (path.absolute(), path.resolve()):  # under the name it was found by, then under the link's target
        tails = ["/".join(whole.parts[start:]) for start in range(1, len(whole.parts))]
        for name in (whole.as_posix(), *tails):
            if groups.get(name):
                return groups[name]
    return None


def split_by_eye(
    sides: Mapping[Side, Sequence[Path]], groups: Mapping[str, str] | None, share: float, seed: int
) -> dict[Side, tuple[list[Path], list[Path]]]:
    """Split the files of each side into training and validation.

    Args:
        sides: The files of each side.
        groups: File to eye (see `read_groups`); None takes each file for an eye of its own.
        share: Share of each side's eyes to hold out; at least one.
        seed: Seed of the choice of these eyes.

    Returns:
        Side to (training files, validation files); an eye held out of one side is held out of all.

    Raises:
        TrainingError: If a side keeps no photograph for training.
    """
    eyes = {path: str(path) if groups is None else group_of(path, groups) for paths in sides.values() for path in paths}
    held: set[str] = set()
    for side, paths in sides.items():
        names = sorted({eyes[path] for path in paths})
        count = math.ceil(share * len(names))
        order = random_at(seed, f"split of {side}").permutation(len(names))
        held |= {names[i] for i in order[:count]}
    split = {
        side: (
            [path for path in paths if eyes[path] not in held],
            [path for path in paths if eyes[path] in held],
        )
        for side, paths in sides.items()
    }
    for side, (kept, _) in split.items():
        if not kept:
            raise TrainingError(
                f"the {side} side has {len(sides[side])} photographs, and none is left to train on after holding "
                "eyes out; give at least two photographs of different eyes"
            )
    return split


def refuse_shared_files(sides: Mapping[Side, Sequence[Path]]) -> None:
    """Refuse a photograph that stands there twice: once it might be held out, and once trained on.

    Raises:
        SettingsError: If there is one; it names the first.
    """
    seen: dict[Path, tuple[Side, Path]] = {}
    for side, paths in sides.items():
        for path in paths:
            before = seen.setdefault(path.resolve(), (side, path))
            if before != (side, path):
                raise SettingsError(
                    f"{path}, of the {side} photographs: found as {before[1]} among the {before[0]} ones, too; "
                    "leave one of them out"
                )


def refuse_shared_eyes(extra: Sequence[Path], others: Sequence[Path], groups: Mapping[str, str] | None) -> None:
    """Refuse an extra photograph that another folder holds, too, or that shows an eye shown there.

    Args:
        extra: The extra photographs.
        others: All others.
        groups: File to eye (see `read_groups`), which need not name the extra ones; or None.

    Raises:
        SettingsError: If there is one; it names the first.
    """
    files = {path.resolve() for path in others}
    eyes = {find_group(path, groups) for path in others} if groups else set()
    for path in extra:
        eye = find_group(path, groups) if groups else None
        if path.resolve() in files or (eye is not None and eye in eyes):
            raise SettingsError(f"{path}: its eye is found among the blurry or clear photographs, too; leave it out")
