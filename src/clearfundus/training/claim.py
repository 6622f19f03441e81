"""The run folder belongs to one run: its settings and the names of its photographs, written down at the beginning."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from clearfundus.errors import RunMismatchError, SettingsError, TrainingError
from clearfundus.files import write_whole
from clearfundus.training.config import RunSettings
from clearfundus.training.differences import differences
from clearfundus.training.reading import complete_record

SETTINGS_FILE = "settings.json"


def claim_folder(folder: Path, settings: RunSettings, files: Mapping[str, tuple[list[Path], list[Path]]]) -> None:
    """Make the run folder, or check that it belongs to this very run.

    Args:
        folder: The run folder.
        settings: The run's.
        files: Side to the photographs that are trained on and those held out.

    Raises:
        RunMismatchError: If it holds a run with other settings or photographs.
        TrainingError: If it cannot be made.
    """
    try:
        (folder / "samples").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TrainingError(f"{folder}: cannot be made the run folder ({error}); name another one") from error
    names = {side: {"training": _names(kept), "held out": _names(held)} for side, (kept, held) in files.items()}
    description = _as_it_reads_back({"settings": asdict(settings), "photographs": names})
    path = folder / SETTINGS_FILE
    if not path.exists():
        write_whole(path, json.dumps(description, indent=1).encode())
        return
    try:
        recorded = json.loads(path.read_text(encoding="utf-8"))
        recorded["settings"] = complete_record(recorded["settings"], SETTINGS_FILE)
        found = _differences(_as_it_reads_back(recorded), description)
    except (ValueError, AttributeError, KeyError, TypeError, SettingsError) as error:
        raise RunMismatchError(f"{path}: cannot be read ({error}), so nobody knows whose run this is") from error
    if found:
        raise RunMismatchError(
            f"{folder}: holds a run that differs ({'; '.join(line[:200] for line in found)}); "
            "resume it with its own settings and photographs, or name another folder"
        )


def _as_it_reads_back(description: dict[str, Any]) -> dict[str, Any]:
    """Return what JSON makes of it: tuples become lists."""
    read_back: dict[str, Any] = json.loads(json.dumps(description))
    return read_back


def _differences(found: dict[str, Any], wanted: dict[str, Any]) -> list[str]:
    """List the differences of two runs; one more photograph moves many across the split, so all of a side first."""
    before, now = (
        {side: sorted(parts["training"] + parts["held out"]) for side, parts in one["photographs"].items()}
        for one in (found, wanted)
    )
    photographs = differences(before, now, "photographs.")
    if not photographs:
        photographs = differences(found["photographs"], wanted["photographs"], "photographs.")
    return differences(found["settings"], wanted["settings"], "settings.") + photographs


def _names(paths: Sequence[Path]) -> list[str]:
    return [path.name for path in paths]
