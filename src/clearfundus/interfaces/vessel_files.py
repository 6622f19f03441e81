"""What `segment` and `track` share: several files for each photograph, written together or not at all, and a summary.

The first file of a photograph is a picture that holds the note; by it a later run knows what was made before.
"""

import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from clearfundus.errors import PhotoWriteError, SettingsError
from clearfundus.interfaces.batch import (
    INPUT_DIGITS,
    Outcome,
    digest_file,
    judge_existing,
    line_of,
    make_folder,
    of_status,
    run_each,
    summary_of,
)
from clearfundus.interfaces.jobs import Job, Jobs, plan_jobs
from clearfundus.interfaces.progress import show_progress
from clearfundus.photo import Photo, Pixels, encode_photo, read_photo, write_encoded
from clearfundus.photo.containers import png_chunk
from clearfundus.photo.metadata import PNG_XMP_KEYWORD, note_to_packet
from clearfundus.version import __version__
from clearfundus.vessels.segment import Segmenter

HEADER_BYTES = 33
"""Of a PNG, before its first chunk that is free to choose."""

Plane = NDArray[np.uint8] | NDArray[np.uint16]
"""(H, W), whole numbers of 8 or 16 bits: written as a gray PNG."""
Content = Photo | Plane | str
"""What a file holds: a picture, a plane, or text."""
Note = Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Found:
    """What was found in one photograph.

    Attributes:
        contents: What each file holds, in the order of the endings.
        reason: Why there is nothing in them; empty if there is something.
        told: What the summary as JSON says besides, by name.
    """

    contents: Sequence[Content]
    reason: str
    told: Mapping[str, object]


Finder = Callable[[Photo, Note], Found]
"""What to do with a photograph, given the note that its results carry."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """What one command does with every photograph.

    Attributes:
        note: What the results say of themselves, the input aside.
        endings: Of the files' names, as "_vessels.png"; the first is a picture.
        find: What to do.
        settings: What the summary as JSON says of the whole command.
    """

    note: Note
    endings: Sequence[str]
    find: Finder
    settings: Mapping[str, object]


def plan(inputs: Sequence[Path], output: Path, endings: Sequence[str]) -> Jobs:
    """Find the photographs and name the first file of each; refuse to write over an input.

    Raises:
        SettingsError: As `plan_jobs`, also if one of the other files would replace an input.
    """
    planned = plan_jobs(inputs, output, output_format="png", ending=endings[0].removesuffix(".png"))
    sources = {job.source.resolve() for job in planned.jobs}
    for job in planned.jobs:
        for file in files_of(job, endings):
            if file.resolve() in sources:
                raise SettingsError(f"{file} would replace an input, which is never overwritten; choose another output")
    return planned


def files_of(job: Job, endings: Sequence[str]) -> list[Path]:
    """Return the files that are written for a photograph, the job's own target first."""
    stem = job.target.name.removesuffix(endings[0])
    return [job.target.with_name(stem + ending) for ending in endings]


def note_of(method: str, segmenter: Segmenter, **settings: str) -> Note:
    """Return what results say of themselves: method, segmenter, the beginning of its weights' hash, and settings."""
    weights = {"weights": segmenter.weights[:INPUT_DIGITS]} if segmenter.weights else {}
    return {"method": method, "segmenter": segmenter.name, **weights, **settings}


def provenance_of(photo: Photo, note: Note) -> dict[str, str]:
    """Return a note with the version of this package and what was done to the photograph before."""
    return {"version": __version__, **photo.with_pixels(photo.pixels, **note).provenance}


def to_text(data: Mapping[str, Any], indent: int | None = None) -> str:
    """Return plain data as the text of a JSON file."""
    return json.dumps(data, allow_nan=False, indent=indent) + "\n"


def drawing(photo: Photo, pixels: Pixels, note: Note) -> Photo:
    """Return a drawing over a photograph as a picture of its own: 8 bit, without EXIF and alpha."""
    return Photo(
        pixels=pixels,
        icc_profile=photo.icc_profile,
        resolution=photo.resolution,
        name=photo.name,
        provenance=photo.with_pixels(photo.pixels, **note).provenance,
    )


def run_task(planned: Jobs, task: Task, *, overwrite: bool, json_: bool) -> int:
    """Do a task for all photographs, show how far it has come, and write the summary.

    Returns:
        The exit code.
    """
    started = time.perf_counter()
    made: dict[Job, Found] = {}
    outcomes: list[Outcome] = []
    with show_progress(len(planned.jobs)) as report:
        for outcome in run_each(planned.jobs, partial(_make, task=task, overwrite=overwrite, made=made)):
            outcomes.append(outcome)
            reason = made[outcome.job].reason if outcome.status == "done" else ""
            report(line_of(outcome) + (f": {reason}" if reason else ""), notable=outcome.status == "failed")
    seconds = round(time.perf_counter() - started, 3)
    text = summary_of(planned, outcomes, seconds)
    if json_:
        summary = {
            "version": __version__,
            **task.settings,
            **_listed(outcomes, task, made),
            "ignored": planned.ignored,
            "seconds": seconds,
        }
        text = json.dumps(summary, indent=2)
    sys.stdout.write(text + "\n")
    return 1 if of_status(outcomes, "failed") else 0


def _make(job: Job, *, task: Task, overwrite: bool, made: dict[Job, Found]) -> Outcome:
    """Make all files of one photograph, or say that they were made before."""
    source = digest_file(job.source)
    files = files_of(job, task.endings)
    if job.target.exists() and not overwrite:
        judged = judge_existing(job, task.note, source)
        if judged.status == "failed" or all(file.exists() for file in files):
            return judged
        overwrite = True  # the same again, for the files that are missing
    for file in files:
        if file.exists() and not overwrite:
            raise PhotoWriteError(f"{file}: is there already; use --overwrite to replace it")
    photo = read_photo(job.source)
    note = {**task.note, "input": source}
    found = task.find(photo, note)
    encoded = {file: _encode(content, note, file) for file, content in zip(files, found.contents, strict=True)}
    make_folder(job.target.parent)
    _write_all(encoded, job, overwrite=overwrite)
    made[job] = found
    height, width = photo.pixels.shape[:2]
    return Outcome(job=job, status="done", width=width, height=height)


def _write_all(encoded: Mapping[Path, bytes], job: Job, *, overwrite: bool) -> None:
    """Write the files of one photograph; if one cannot be written, or Ctrl-C comes in between, none is left.

    Nor are those that were to be replaced: what is there belongs together.

    The first file, which says that all are made, comes last: what is cut off in between is not taken for finished.
    """
    if overwrite:
        _remove(job.target, job.source)
    ours = list(encoded) if overwrite else []
    try:
        for file, content in reversed(list(encoded.items())):
            write_encoded(content, file, overwrite=overwrite, inputs=(job.source,))
            ours.append(file)
    except BaseException:
        for file in ours:
            _remove(file, job.source)
        raise


def _remove(file: Path, source: Path) -> None:
    """Remove a file if it is there and is not the input under another name."""
    if file.exists() and not file.samefile(source):
        file.unlink()


def _encode(content: Content, note: Note, file: Path) -> bytes:
    """Return the bytes of a file."""
    if isinstance(content, Photo):
        return encode_photo(content, file)
    if isinstance(content, str):
        return content.encode()
    encoded = cv2.imencode(".png", content)[1].tobytes()
    text = PNG_XMP_KEYWORD + b"\0\0\0\0\0" + note_to_packet({"version": __version__, **note})
    return bytes(encoded[:HEADER_BYTES] + png_chunk(b"iTXt", text) + encoded[HEADER_BYTES:])


def _listed(outcomes: Sequence[Outcome], task: Task, made: Mapping[Job, Found]) -> dict[str, object]:
    done = [
        {
            "input": str(one.job.source),
            "outputs": [str(file) for file in files_of(one.job, task.endings)],
            "input_hash": digest_file(one.job.source),
            "reason": made[one.job].reason,
            **made[one.job].told,
            "width": one.width,
            "height": one.height,
            "seconds": one.seconds,
        }
        for one in of_status(outcomes, "done")
    ]
    skipped = [{"input": str(one.job.source), "reason": one.reason} for one in of_status(outcomes, "skipped")]
    failed = [{"input": str(one.job.source), "error": one.reason} for one in of_status(outcomes, "failed")]
    return {"done": done, "skipped": skipped, "failed": failed}
