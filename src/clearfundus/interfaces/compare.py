"""`clearfundus compare`: photographs in, for each a sheet that shows what every method makes of it."""

import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from clearfundus.errors import MissingExtraError, SettingsError
from clearfundus.interfaces.enhance import describe_weights
from clearfundus.interfaces.methods import SHORT_SOURCES
from clearfundus.version import __version__

if TYPE_CHECKING:
    from clearfundus.interfaces.batch import Outcome
    from clearfundus.interfaces.comparison import Comparison, Contestants
    from clearfundus.interfaces.jobs import Job

METHODS_HELP = (
    f"Names with commas between, of {', '.join(SHORT_SOURCES)}. Unset: all; then a method whose optional package is "
    "not installed gets a tile that says so. The input is always shown, and is all that identity shows. gan:WEIGHTS is "
    "gan with other weights, by name or file; several may stand beside one another."
)


def compare(  # noqa: PLR0913 - one argument an option; this is the command line itself
    inputs: list[Path],
    /,
    *,
    output: Annotated[Path, Parameter(name=["--output", "-o"])],
    methods: Annotated[str | None, Parameter(help=METHODS_HELP)] = None,
    weights: str | None = None,
    device: str = "auto",
    overwrite: Annotated[bool, Parameter(negative="")] = False,
    json_: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """Show what every method makes of a photograph, on one sheet.

    Args:
        inputs: Photographs, and folders to search for them, with all folders below. Each gets a sheet of its own.
        output: Folder for the sheets, PNG files that keep the names and the tree of an input folder. For a single
            photograph, a file.
        methods: Names of methods.
        weights: Name of shipped weights (`clearfundus info` lists them), or a weights file, for gan.
        device: Where gan runs: auto, cpu, cuda or cuda:N. A named device is never replaced by another.
        overwrite: Make sheets anew that are there already. An input is never overwritten.
        json_: Write one JSON object to standard output.
    """
    from clearfundus.interfaces.batch import line_of, of_status, run_each, summary_of
    from clearfundus.interfaces.comparison import prepare_contestants
    from clearfundus.interfaces.jobs import plan_jobs
    from clearfundus.interfaces.progress import show_progress

    started = time.perf_counter()
    planned = plan_jobs(inputs, output, output_format="png")
    contestants = prepare_contestants(parse_names(methods), weights=weights, device=device)
    made: dict[Job, Comparison] = {}
    outcomes: list[Outcome] = []
    work = partial(_make, contestants=contestants, overwrite=overwrite, made=made)
    with show_progress(len(planned.jobs)) as report:
        for outcome in run_each(planned.jobs, work):
            outcomes.append(outcome)
            faults = _faults(made.get(outcome.job))
            report(line_of(outcome) + faults, notable=outcome.status == "failed" or bool(faults))
    seconds = round(time.perf_counter() - started, 3)
    text = summary_of(planned, outcomes, seconds)
    if json_:
        facts = _summary_object(contestants, outcomes, made)
        text = json.dumps({**facts, "ignored": planned.ignored, "seconds": seconds}, indent=2)
    sys.stdout.write(text + "\n")
    return 1 if of_status(outcomes, "failed") or any(map(_faults, made.values())) else 0


def parse_names(words: str | None, option: str = "--methods") -> list[str] | None:
    """Read names with commas between; None stays None, which means all.

    Raises:
        SettingsError: If there is no name.
    """
    if words is None:
        return None
    names = [word.strip() for word in words.split(",") if word.strip()]
    if not names:
        raise SettingsError(f"{option} {words!r}: found no name, expected names with commas between")
    return names


def _make(job: "Job", *, contestants: "Contestants", overwrite: bool, made: "dict[Job, Comparison]") -> "Outcome":
    """Make the sheet of one photograph, and keep what became of its methods in `made`."""
    from clearfundus.interfaces.batch import Outcome, digest_file, judge_existing, make_folder
    from clearfundus.interfaces.comparison import compare_photo, note_of
    from clearfundus.photo import read_photo, write_photo

    source = digest_file(job.source)
    if job.target.exists() and not overwrite:
        able = [one for one in contestants.values() if not isinstance(one, MissingExtraError)]
        return judge_existing(job, note_of(able), source)
    comparison = compare_photo(read_photo(job.source), contestants)
    note = MappingProxyType({**comparison.sheet.provenance, "input": source})
    make_folder(job.target.parent)
    write_photo(replace(comparison.sheet, provenance=note), job.target, overwrite=overwrite, inputs=(job.source,))
    made[job] = comparison
    height, width = comparison.sheet.pixels.shape[:2]
    return Outcome(job=job, status="done", width=width, height=height)


def _faults(comparison: "Comparison | None") -> str:
    """Say which methods failed; empty if none did."""
    trials = comparison.trials if comparison else ()
    return "".join(f"; {trial.method.name} failed: {trial.error}" for trial in trials if trial.error)


def _summary_object(
    contestants: "Contestants", outcomes: Sequence["Outcome"], made: "Mapping[Job, Comparison]"
) -> dict[str, object]:
    from clearfundus.interfaces.batch import of_status, paths_of

    able = {name: one for name, one in contestants.items() if not isinstance(one, MissingExtraError)}
    weights = next((one.weights for one in able.values() if one.weights), None)
    return {
        "version": __version__,
        "methods": {name: dict(one.provenance) for name, one in able.items()},
        "missing": {name: str(one) for name, one in contestants.items() if name not in able},
        "weights": weights and describe_weights(weights),
        "done": [
            {
                **paths_of(outcome),
                "width": outcome.width,
                "height": outcome.height,
                "seconds": outcome.seconds,
                **_of_methods(made[outcome.job]),
            }
            for outcome in of_status(outcomes, "done")
        ],
        "skipped": [{**paths_of(outcome), "reason": outcome.reason} for outcome in of_status(outcomes, "skipped")],
        "failed": [{**paths_of(outcome), "error": outcome.reason} for outcome in of_status(outcomes, "failed")],
    }


def _of_methods(comparison: "Comparison") -> dict[str, object]:
    return {
        "part": dict(zip(("top", "left", "side"), comparison.part, strict=True)),
        "method_seconds": {trial.method.name: trial.seconds for trial in comparison.trials if not trial.error},
        "method_errors": {trial.method.name: trial.error for trial in comparison.trials if trial.error},
    }
