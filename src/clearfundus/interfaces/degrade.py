"""`clearfundus degrade`: clear photographs in, bad ones out, and beside each a record that repeats it."""

import hashlib
import json
import math
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from clearfundus.errors import PhotoWriteError, SettingsError
from clearfundus.files import write_whole
from clearfundus.version import __version__

if TYPE_CHECKING:
    from clearfundus.fundus.degradations import Model
    from clearfundus.interfaces.batch import Outcome
    from clearfundus.interfaces.jobs import Job, Jobs

ModelName = Literal["cataract", "peli", "arcnet", "cofe", "focus"]
SEVERITY, SEED = 0.5, 0
RECORD_SUFFIX = ".degradation.json"
MODEL_HELP = (
    "cataract: scatter, defocus, uneven light and noise, as in training. peli: scattering with an uneven "
    "transmission. arcnet: haze that grows outwards. cofe: wrong light, dust, blur, or several. focus: defocus."
)


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A degradation, and where it comes from.

    Attributes:
        model: What is applied.
        severity: What it was drawn with; None if a record did not say.
        seed: Likewise.
    """

    model: "Model"
    severity: object
    seed: object

    @property
    def note(self) -> Mapping[str, str]:
        """What the written picture says of itself, the input aside."""
        parameters = json.dumps(self.model.to_record(), sort_keys=True).encode()
        return {
            "method": "degrade",
            "model": self.model.name,
            "severity": str(self.severity),
            "seed": str(self.seed),
            "parameters": hashlib.sha256(parameters).hexdigest()[:12],
        }


Drawing = Callable[[Path], Drawn]
"""What to do to the photograph of that name."""


def degrade(  # noqa: PLR0913 - one argument an option; this is the command line itself
    inputs: list[Path],
    /,
    *,
    output: Annotated[Path, Parameter(name=["--output", "-o"])],
    model: Annotated[ModelName | None, Parameter(help=MODEL_HELP)] = None,
    severity: float | None = None,
    seed: int | None = None,
    repeat: Path | None = None,
    format_: Annotated[Literal["lossless", "same"], Parameter(name="--format")] = "lossless",
    overwrite: Annotated[bool, Parameter(negative="")] = False,
    json_: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """Make clear photographs bad, in a way that is known and can be repeated.

    Beside each result NAME stands NAME.degradation.json: the model with every parameter, severity and seed, the
    strength in dB (peak signal-to-noise ratio over the field of view, less is worse), version and hash of the input. It
    does not name the input.

    Args:
        inputs: Photographs, and folders to search for them, with all folders below.
        output: Folder for the results, which keep the names and the tree of an input folder. For a single
            photograph, a file.
        model: Name of a model.
        severity: How bad, from 0 (hardly at all) to 1. Unset: 0.5.
        seed: Chance is drawn from this number and the name of the file, its folder left out, so that neither order
            nor company of the photographs matters. Unset: 0.
        repeat: A record; its degradation is applied to every photograph, and nothing is drawn.
        format_: In an output folder, lossless keeps the format of a PNG, TIFF, PPM, WebP or JPEG 2000 file and
            makes all others PNG; same keeps JPEG, too, at quality 95.
        overwrite: Make results anew that are there already. An input is never overwritten.
        json_: Write one JSON object to standard output.
    """
    from clearfundus.interfaces.batch import line_of, of_status, run_each, summary_of
    from clearfundus.interfaces.jobs import plan_jobs
    from clearfundus.interfaces.progress import show_progress

    started = time.perf_counter()
    drawing = _choose_drawing(model, severity, seed, repeat)
    planned = plan_jobs(inputs, output, output_format=format_)
    _refuse_records_on_inputs(planned, repeat)
    made: dict[Job, Mapping[str, object]] = {}
    outcomes: list[Outcome] = []
    work = partial(_degrade, drawing=drawing, overwrite=overwrite, made=made)
    with show_progress(len(planned.jobs)) as report:
        for outcome in run_each(planned.jobs, work):
            outcomes.append(outcome)
            strength = made[outcome.job]["decibels"] if outcome.status == "done" else None
            told = f", {strength:.1f} dB" if isinstance(strength, float) else ""
            report(line_of(outcome) + told, notable=outcome.status == "failed")
    seconds = round(time.perf_counter() - started, 3)
    text = summary_of(planned, outcomes, seconds)
    if json_:
        text = json.dumps({**_summary_object(outcomes, made), "ignored": planned.ignored, "seconds": seconds}, indent=2)
    sys.stdout.write(text + "\n")
    return 1 if of_status(outcomes, "failed") else 0


def _choose_drawing(model: str | None, severity: float | None, seed: int | None, repeat: Path | None) -> Drawing:
    """Return what draws the degradation of each photograph, or gives the one of a record.

    Raises:
        SettingsError: If it is not clear what to draw, the severity is out of range, or the record is unusable.
    """
    if repeat is not None:
        if not (model is None and severity is None and seed is None):
            raise SettingsError("--repeat takes everything from the record; leave out --model, --severity and --seed")
        repeated = read_record(repeat)
        return lambda source: repeated
    if model is None:
        raise SettingsError("expected --model NAME, or --repeat FILE with a record; see: clearfundus degrade --help")
    chosen, chosen_severity = model, SEVERITY if severity is None else severity
    chosen_seed = SEED if seed is None else seed
    draw_for(Path(), chosen, chosen_severity, chosen_seed)  # refuses a severity out of range before any work
    return lambda source: draw_for(source, chosen, chosen_severity, chosen_seed)


def draw_for(source: Path, model: str, severity: float, seed: int) -> Drawn:
    """Draw the degradation of one photograph.

    Args:
        source: The photograph; of its path only the name counts.
        model: A name in DEGRADATIONS.
        severity: In [0, 1].
        seed: The seed of the whole command.
    """
    import numpy as np

    from clearfundus.fundus.degradations import DEGRADATIONS

    digest = hashlib.sha256(f"{seed}/".encode() + os.fsencode(source.name)).digest()
    random = np.random.default_rng(int.from_bytes(digest))
    drawn = DEGRADATIONS[model].draw(random, severity)
    return Drawn(model=drawn, severity=severity, seed=seed)


def read_record(path: Path) -> Drawn:
    """Read the degradation of a record.

    Raises:
        SettingsError: If it cannot be read or is no such record.
    """
    from clearfundus.fundus.degradations import from_record

    try:
        record = json.loads(path.read_text(encoding="utf-8-sig"))
        model = from_record(record)
    except OSError as error:
        raise SettingsError(f"--repeat {path}: cannot be read ({error.strerror}); check the name") from error
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"--repeat {path}: is no JSON file ({error})") from error
    except SettingsError as error:
        raise SettingsError(f"--repeat {path}: {error}") from error
    severity = record.get("severity")
    if severity is not None and (type(severity) not in {int, float} or not 0 <= severity <= 1):
        raise SettingsError(f"--repeat {path}: severity: found {severity!r}, expected a number in [0, 1]")
    return Drawn(model=model, severity=severity, seed=record.get("seed"))


def record_path(target: Path) -> Path:
    """Return where the record of a written picture stands: beside it."""
    return target.with_name(target.name + RECORD_SUFFIX)


def _refuse_records_on_inputs(planned: "Jobs", repeat: Path | None) -> None:
    inputs = {job.source.resolve() for job in planned.jobs} | ({repeat.resolve()} if repeat else set())
    for job in planned.jobs:
        if record_path(job.target).resolve() in inputs:
            raise SettingsError(
                f"the record {record_path(job.target)} would replace an input, which is never overwritten; "
                "choose another output"
            )


def _degrade(job: "Job", *, drawing: Drawing, overwrite: bool, made: "dict[Job, Mapping[str, object]]") -> "Outcome":
    """Degrade one photograph, and keep its record in `made`."""
    from clearfundus.fundus.degradations import decibels
    from clearfundus.fundus.field import find_field
    from clearfundus.interfaces.batch import Outcome, digest_file, judge_existing, make_folder
    from clearfundus.photo import read_photo, write_photo

    source, drawn, record_file = digest_file(job.source), drawing(job.source), record_path(job.target)
    if job.target.exists() and not overwrite:
        judged = judge_existing(job, drawn.note, source)
        if judged.status == "failed" or record_file.exists():
            return judged
        overwrite = True  # the same picture again, for the record that is missing
    if record_file.exists() and not overwrite:
        raise PhotoWriteError(f"{record_file}: is there already; use --overwrite to replace it")
    photo = read_photo(job.source)
    field = find_field(photo)
    degraded = drawn.model.apply(photo, field)
    strength = decibels(photo, degraded, field)
    record = {
        **drawn.model.to_record(),
        "severity": drawn.severity,
        "seed": drawn.seed,
        "decibels": strength if math.isfinite(strength) else None,
        "version": __version__,
        "input": source,
    }
    make_folder(job.target.parent)
    note = MappingProxyType({**drawn.note, "input": source})
    write_photo(replace(degraded, provenance=note), job.target, overwrite=overwrite, inputs=(job.source,))
    write_whole(record_file, (json.dumps(record, indent=2) + "\n").encode())
    made[job] = record
    height, width = photo.pixels.shape[:2]
    return Outcome(job=job, status="done", width=width, height=height)


def _summary_object(outcomes: Iterable["Outcome"], made: "Mapping[Job, Mapping[str, object]]") -> dict[str, object]:
    from clearfundus.interfaces.batch import digest_file, of_status, paths_of

    found = list(outcomes)
    return {
        "version": __version__,
        "done": [
            {
                **paths_of(outcome),
                "input_hash": made[outcome.job]["input"],
                "record": str(record_path(outcome.job.target)),
                **{name: made[outcome.job][name] for name in ("model", "severity", "seed", "decibels")},
                "width": outcome.width,
                "height": outcome.height,
                "seconds": outcome.seconds,
            }
            for outcome in of_status(found, "done")
        ],
        "skipped": [
            {**paths_of(outcome), "input_hash": digest_file(outcome.job.source), "reason": outcome.reason}
            for outcome in of_status(found, "skipped")
        ],
        "failed": [{**paths_of(outcome), "error": outcome.reason} for outcome in of_status(found, "failed")],
    }
