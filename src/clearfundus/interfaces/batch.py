"""Many photographs, a few at a time: each ends as done, skipped or failed, in order, and none stops the others."""

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from threading import Event
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
from clearfundus.interfaces.jobs import Job, Jobs
from clearfundus.interfaces.overlap import choose_workers, map_in_order, refuse_halted, share_cores
from clearfundus.photo import read_photo, read_provenance, write_photo
from clearfundus.pipeline import PreparedMethod, enhance

Status = Literal["done", "skipped", "failed"]
STATUSES: tuple[Status, ...] = ("done", "skipped", "failed")

INPUT_DIGITS = 12  # of the hash that names an input in the note; as many as name the weights
NO_SETTINGS = frozenset({"version", "input"})  # what a note holds besides what was done and how


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one photograph.

    Attributes:
        job: The photograph and its output file.
        status: "done", "skipped" or "failed".
        reason: Why it was skipped or failed; empty if done.
        width: Of the written file, in pixels; 0 unless done.
        height: Of the written file, in pixels; 0 unless done.
        seconds: Time on the clock from its beginning to its end, waiting included. While others are worked on beside
            it, these times add up to more than the whole took.
    """

    job: Job
    status: Status
    reason: str = ""
    width: int = 0
    height: int = 0
    seconds: float = 0.0


def run_jobs(
    jobs: Sequence[Job], method: PreparedMethod, *, overwrite: bool, workers: int | None = None
) -> Iterator[Outcome]:
    """Enhance photographs, several at a time, yielding each outcome in the order of the jobs.

    While the network works on one photograph, the next is read and its field found, and the one before is encoded and
    written. A method without a network works on several at a time. The files are the same as one after the other.

    An output that is there and says it was made from the same file by the same method, weights and parameters is
    skipped; one that says anything else fails, unless `overwrite` is set.

    Args:
        jobs: What to read and write.
        method: What to do.
        overwrite: Make everything anew.
        workers: Photographs to work on at a time; None as `choose_workers` decides.

    Raises:
        SettingsError: If the number of workers cannot be, or the method refuses its settings, which would fail for
            every photograph alike.
        WeightsError: Likewise, if the weights are refused.
        DeviceError: Likewise, if the device is not there any more.
    """
    workers = min(choose_workers(method, workers), len(jobs))
    if workers > 1:
        return _run_overlapped(jobs, method, overwrite=overwrite, workers=workers)
    return run_each(jobs, partial(_enhance, method=method, overwrite=overwrite, halt=Event()))


def run_each(jobs: Sequence[Job], work: Callable[[Job], Outcome]) -> Iterator[Outcome]:
    """Do the same work for photographs one after the other, yielding each outcome as it comes.

    Args:
        jobs: What to read and write.
        work: What to do for one of them; an error it raises is the outcome of that one.

    Raises:
        SettingsError: If the work refuses its settings, which would fail for every photograph alike.
        WeightsError: Likewise.
        DeviceError: Likewise.
    """
    for job in jobs:
        yield _outcome_of(job, work)


def _run_overlapped(jobs: Sequence[Job], method: PreparedMethod, *, overwrite: bool, workers: int) -> Iterator[Outcome]:
    halt = Event()
    with share_cores(method, workers, halt) as shared:
        work = partial(_enhance, method=shared, overwrite=overwrite, halt=halt)
        yield from map_in_order(partial(_outcome_of, work=work), jobs, workers=workers, halt=halt)


def _outcome_of(job: Job, work: Callable[[Job], Outcome]) -> Outcome:
    """Work on one photograph; only errors that would meet every other photograph, too, are raised."""
    started = time.perf_counter()
    try:
        outcome = work(job)
    except (SettingsError, WeightsError, DeviceError, CancelledError):
        raise
    except (PhotoError, OSError) as error:
        outcome = Outcome(job=job, status="failed", reason=str(error))
    except Exception as error:  # noqa: BLE001 - a fault met in one photograph must not cost the user the others
        outcome = Outcome(job=job, status="failed", reason=f"unexpected {type(error).__name__}: {error}")
    return replace(outcome, seconds=round(time.perf_counter() - started, 3))


def _enhance(job: Job, method: PreparedMethod, *, overwrite: bool, halt: Event) -> Outcome:
    source = digest_file(job.source)
    if job.target.exists() and not overwrite:
        return judge_existing(job, method.provenance, source)
    photo = enhance(read_photo(job.source), method)
    photo = replace(photo, provenance=MappingProxyType({**photo.provenance, "input": source}))
    refuse_halted(halt)
    make_folder(job.target.parent)
    write_photo(photo, job.target, overwrite=overwrite, inputs=(job.source,))
    height, width = photo.pixels.shape[:2]
    return Outcome(job=job, status="done", width=width, height=height)


def digest_file(path: Path) -> str:
    """Return the first digits of the SHA-256 of a file's bytes: two photographs may share a name."""
    try:
        if path.is_dir():
            raise PhotoReadError(f"{path}: cannot be opened, and what it holds is not known; check your rights to it")
        if not path.is_file():
            raise PhotoReadError(f"{path}: no such file; check the name and the folder")
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:INPUT_DIGITS]
    except OSError as error:
        raise PhotoReadError(f"{path}: cannot be read ({error.strerror}); check your rights to the file") from error


def make_folder(folder: Path) -> None:
    """Make an output folder and those above it, or raise a PhotoWriteError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PhotoWriteError(
            f"{folder}: cannot be made the output folder ({error.strerror}); name another output"
        ) from error


def judge_existing(job: Job, expected: Mapping[str, str], source: str) -> Outcome:
    """Say what becomes of a job whose output is there: it is skipped, or fails.

    Args:
        job: The job.
        expected: The note that the output would have now, the input aside.
        source: Hash of the input, as the note has it.
    """
    found = read_provenance(job.target)
    made = describe(found) if "method" in found else "something that left no note"
    if {name: value for name, value in found.items() if name not in NO_SETTINGS} != dict(expected):
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


def of_status(outcomes: Sequence[Outcome], status: Status) -> list[Outcome]:
    """Return the outcomes of one kind."""
    return [outcome for outcome in outcomes if outcome.status == status]


def line_of(outcome: Outcome) -> str:
    """Say in a line what became of one photograph."""
    if outcome.status == "done":
        return f"done {outcome.job.source} -> {outcome.job.target} ({outcome.seconds:.1f} s)"
    # most reasons begin with the photograph's path or name; once is enough
    source = outcome.job.source
    reason = outcome.reason.removeprefix(f"{source}: ").removeprefix(f"{source.name}: ")
    return f"{outcome.status} {outcome.job.source}: {reason}"


def summary_of(planned: Jobs, outcomes: Sequence[Outcome], seconds: float) -> str:
    """Say in a line what became of all photographs."""
    done, skipped, failed = (of_status(outcomes, status) for status in STATUSES)
    counts = f"{len(done)} done, {len(skipped)} skipped"
    if skipped:
        counts += f" ({skipped[0].reason})"
    counts += f", {len(failed)} failed"
    if planned.ignored:
        counts += f", {planned.ignored} other files ignored"
    rate = f" ({per_minute(outcomes, seconds):.1f} photographs a minute)" if done else ""
    return f"{counts}, in {seconds:.1f} s{rate}"


def per_minute(outcomes: Sequence[Outcome], seconds: float) -> float:
    """Return how many photographs were done a minute; those skipped or failed do not count.

    Args:
        outcomes: What became of the photographs.
        seconds: Time that all of it took, above 0.
    """
    return round(60 * len(of_status(outcomes, "done")) / seconds, 1)


def paths_of(outcome: Outcome) -> Mapping[str, str]:
    """Return input and output by name."""
    return {"input": str(outcome.job.source), "output": str(outcome.job.target)}
