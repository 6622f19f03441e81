"""Which file is made from which: decided for all inputs before any work, so that nothing collides later."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from clearfundus.errors import SettingsError
from clearfundus.files import files_below, is_closed_folder
from clearfundus.photo import NOTED_SUFFIXES, READABLE_SUFFIXES, WRITABLE_SUFFIXES

Format = Literal["lossless", "same", "png"]
"""What results are written as: "lossless" keeps a lossless format and turns others to PNG, "same" keeps JPEG, too,
"png" keeps PNG only."""

FALLBACK_SUFFIX = ".png"
"""For photographs whose own format cannot be written, or cannot hold the note of how the picture was made."""
LOSSY_SUFFIXES = frozenset({".jpg", ".jpeg"})
"""A second JPEG compression moves pixels outside the field by up to 14/255, and they are promised to stay."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One photograph to read and the file to write.

    Attributes:
        source: The photograph.
        target: The file to write.
    """

    source: Path
    target: Path


@dataclass(frozen=True, kw_only=True)
class Jobs:
    """All photographs of one command, in the order they were given.

    Attributes:
        jobs: What to do.
        ignored: Number of files in the folders that are no pictures by their suffix, hidden ones not counted.
    """

    jobs: tuple[Job, ...]
    ignored: int


def plan_jobs(inputs: Sequence[Path], output: Path, *, output_format: Format = "lossless", ending: str = "") -> Jobs:
    """Find the photographs and name the file that each one becomes.

    A file given by name lands in the output folder under its own name; what lies in a given folder keeps its
    place below that folder. A single file may name its output file. Hidden files, and the output folder if it
    lies within an input folder, are left out. A file that does not exist, or a link that leads nowhere, becomes a job,
    too, which fails when its turn comes.

    Args:
        inputs: Files and folders.
        output: A folder, which need not exist; or a file, for a single input file.
        output_format: What the results in a folder are written as.
        ending: Put behind the names, as "_vessels" for eye_vessels.png; for commands that write several files for a
            photograph, so that the output cannot be a file.

    Raises:
        SettingsError: If nothing is found, two photographs would become one file, or an output is an input; folders,
            too.
    """
    if ending and output.suffix.lower() in WRITABLE_SUFFIXES and not output.is_dir():
        raise SettingsError(f"output {output} names a file, but several are written for a photograph; name a folder")
    if not ending and _names_a_file(inputs, output):
        _check_suffix(output)
        found, ignored = [Job(source=inputs[0], target=output)], 0
    else:
        found, ignored = _find(inputs, output, partial(_target_name, output_format=output_format, ending=ending))
    jobs = _without_repeats(found)
    if not any(job.source.is_file() for job in jobs):
        missing = [str(place) for place in inputs if not place.exists()]
        if missing:
            raise SettingsError(f"{', '.join(missing)}: no such file or folder; check the name")
        places = ", ".join(map(str, inputs))
        raise SettingsError(
            f"no photograph found in {places} ({ignored} other files); "
            f"expected files with one of the suffixes {', '.join(sorted(READABLE_SUFFIXES))}"
        )
    _refuse_collisions(jobs)
    return Jobs(jobs=jobs, ignored=ignored)


def _without_repeats(found: Sequence[Job]) -> tuple[Job, ...]:
    """Leave out what was given twice: the same name, or another name of the same file that becomes the same output.

    Two names of one file, as in a store where files are links to their contents, are two photographs.
    """
    seen: set[Path | tuple[Path, Path]] = set()
    jobs = []
    for job in found:
        own_name = _resolved(job.source.parent) / job.source.name
        names: set[Path | tuple[Path, Path]] = {own_name, (_resolved(job.source), job.target)}
        if names.isdisjoint(seen):
            jobs.append(job)
            seen |= names
    return tuple(jobs)


def _resolved(path: Path) -> Path:
    """Return where a path leads; a link that leads to itself stays as it is."""
    try:
        return path.resolve()
    except (OSError, RuntimeError):  # the latter before Python 3.13
        return path.absolute()


def _names_a_file(inputs: Sequence[Path], output: Path) -> bool:
    if output.is_dir() or not output.suffix:
        return False
    if len(inputs) == 1 and not inputs[0].is_dir():
        return True
    if output.suffix.lower() in WRITABLE_SUFFIXES:
        raise SettingsError(f"output {output} names a file, but there is more than one photograph; name a folder")
    return False


def _check_suffix(output: Path) -> None:
    if output.suffix.lower() not in WRITABLE_SUFFIXES:
        known = ", ".join(sorted(WRITABLE_SUFFIXES))
        raise SettingsError(
            f"output {output}: unknown suffix {output.suffix!r}; known: {known} "
            "(if a folder of that name is meant, create it first)"
        )


def _find(inputs: Sequence[Path], output: Path, name: Callable[[Path], str]) -> tuple[list[Job], int]:
    if output.exists() and not output.is_dir():
        raise SettingsError(f"output {output} is a file; name a folder")
    found: list[Job] = []
    ignored = 0
    for place in inputs:
        if not place.is_dir():
            found.append(Job(source=place, target=output / name(place)))
            continue
        if place.resolve() == output.resolve():
            raise SettingsError(
                f"output {output} is the input folder, where results would be taken for photographs the next time; "
                "name another folder, or one in it"
            )
        for file in files_below(place, leave_out=output):
            is_folder = is_closed_folder(file)  # its job will fail
            if file.suffix.lower() in READABLE_SUFFIXES or is_folder:
                below = file.relative_to(place).parent
                found.append(Job(source=file, target=output / below / (file.name if is_folder else name(file))))
            else:
                ignored += 1
    return found, ignored


def _target_name(source: Path, output_format: Format, ending: str) -> str:
    kept = {
        "same": NOTED_SUFFIXES,
        "lossless": NOTED_SUFFIXES - LOSSY_SUFFIXES,
        "png": frozenset({FALLBACK_SUFFIX}),
    }[output_format]
    suffix = source.suffix if source.suffix.lower() in kept else FALLBACK_SUFFIX
    return f"{source.stem}{ending}{suffix}"


def _refuse_collisions(jobs: Sequence[Job]) -> None:
    sources = {_resolved(job.source): job.source for job in jobs}
    made_from: dict[Path, Path] = {}
    for job in jobs:
        target = job.target.resolve()
        if target in sources:
            raise SettingsError(
                f"output {job.target} is the input {sources[target]}, which is never overwritten; choose another output"
            )
        if target in made_from:
            raise SettingsError(
                f"{made_from[target]} and {job.source} would both become {job.target}; "
                "give them in separate commands with separate outputs"
            )
        made_from[target] = job.source
