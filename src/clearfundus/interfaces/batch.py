"""Many photographs through one method: each ends as done, skipped or failed, and none stops the others."""

import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from clearfundus.errors import (
    DeviceError,
    PhotoError,
    PhotoReadError,
    PhotoWriteError,
    SettingsError,
    WeightsError,
)
from clearfundus.interfaces.jobs import Job
from clearfundus.photo import read_photo, read_provenance, write_photo
from clearfundus.pipeline import PreparedMethod, enhance

Status = Literal["done", "skipped", "failed"]

INPUT_DIGITS = 12  # of the hash that names an input in the note; as many as name the weights


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one photograph.

    Attributes:
        job: The photograph and its output file.
        status: "done", "skipped" or "failed".
        reason: Why it was skipped or failed; empty if done.
        width: Of the written file, in pixels; 0 unless done.
        height: Of the written file, in pixels; 0 unless done.
        seconds: Time spent on it.
    """

    job: Job
    status: Status
    reason: str = ""
    width: int = 0
    height: int = 0
    seconds: float = 0.0


def run_jobs(jobs: Sequence[Job], method: PreparedMethod, *, overwrite: bool) -> Iterator[Outcome]:
    """Enhance photographs one after the other, yielding each outcome as it comes.

    An output that is there and says it was made from the same file by the same method, weights and parameters is
    skipped; one that says anything else fails, unless `overwrite` is set.

    Args:
        jobs: What to read and write.
        method: What to do.
        overwrite: Make everything anew.

    Raises:
        SettingsError: If the method refuses its settings, which would fail for every photograph alike.
        WeightsError: Likewise.
        DeviceError: Likewise.
    """
    for job in jobs:
        started = time.perf_counter()
        try:
            outcome = _run(job, method, overwrite=overwrite)
        except (SettingsError, WeightsError, DeviceError):
            raise
        except (PhotoError, OSError) as error:
            outcome = Outcome(job=job, status="failed", reason=str(error))
        except Exception as error:  # noqa: BLE001 - a fault met in one photograph must not cost the user the others
            outcome = Outcome(job=job, status="failed", reason=f"unexpected {type(error).__name__}: {error}")
        yield replace(outcome, seconds=round(time.perf_counter() - started, 3))


def _run(job: Job, method: PreparedMethod, *, overwrite: bool) -> Outcome:
    source = _digest(job.source)
    if job.target.exists() and not overwrite:
        return _judge_existing(job, method.provenance, source)
    photo = enhance(read_photo(job.source), method)
    photo = replace(photo, provenance=MappingProxyType({**photo.provenance, "input": source}))
    _make_folder(job.target.parent)
    write_photo(photo, job.target, overwrite=overwrite, inputs=(job.source,))
    height, width = photo.pixels.shape[:2]
    return Outcome(job=job, status="done", width=width, height=height)


def _digest(path: Path) -> str:
    """Return the first digits of the SHA-256 of a file's bytes: two photographs may share a name."""
    if not path.is_file():
        raise PhotoReadError(f"{path}: no such file; check the name and the folder")
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:INPUT_DIGITS]


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PhotoWriteError(
            f"{folder}: cannot be made the output folder ({error.strerror}); name another output"
        ) from error


def _judge_existing(job: Job, expected: Mapping[str, str], source: str) -> Outcome:
    found = read_provenance(job.target)
    made = describe(found) if "method" in found else "something that left no note"
    if not expected.items() <= found.items():
        reason = f"made by {made}, not by {describe(expected)}"
    elif "input" not in found:
        reason = f"made by {made}, but does not say from which photograph"
    elif found["input"] != source:
        reason = f"made from another photograph (SHA-256 {found['input']}..., not {source}...)"
    else:
        return Outcome(job=job, status="skipped", reason="made before with the same settings")
    return Outcome(job=job, status="failed", reason=f"{job.target} exists, {reason}; use --overwrite to replace it")


def describe(provenance: Mapping[str, str]) -> str:
    """Say in words how a picture was made, as "gan (weights=compact, size=512)", version and input aside."""
    told = {name: value for name, value in provenance.items() if name not in ("method", "version", "input")}
    rest = ", ".join(f"{name}={value}" for name, value in told.items())
    return provenance["method"] + (f" ({rest})" if rest else "")
