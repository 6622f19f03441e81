"""`clearfundus enhance`: photographs in, clear photographs out."""

import json
import shlex
import sys
import time
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from clearfundus.errors import SettingsError
from clearfundus.interfaces.methods import SHORT_SOURCES
from clearfundus.version import __version__

if TYPE_CHECKING:
    from clearfundus.engines.weights import EngineWeights
    from clearfundus.interfaces.batch import Outcome
    from clearfundus.interfaces.jobs import Jobs
    from clearfundus.networks.weights import LoadedWeights
    from clearfundus.pipeline import PreparedMethod

METHOD_HELP = f"One of {', '.join(SHORT_SOURCES)}; `clearfundus methods` tells more."


def enhance(  # noqa: PLR0913 - one argument an option; this is the command line itself
    inputs: list[Path],
    /,
    *,
    output: Annotated[Path, Parameter(name=["--output", "-o"])],
    method: Annotated[str, Parameter(help=METHOD_HELP)] = "gan",
    weights: str | None = None,
    device: str = "auto",
    engine: Literal["auto", "torch", "onnxruntime", "openvino"] = "auto",
    precision: Literal["auto", "fp32", "bf16"] = "auto",
    size: Literal["change", "guided", "native"] | int | None = None,
    memory_limit: str | None = None,
    workers: int | None = None,
    set_: Annotated[tuple[str, ...], Parameter(name="--set", negative="")] = (),
    format_: Annotated[Literal["lossless", "same"], Parameter(name="--format")] = "lossless",
    overwrite: Annotated[bool, Parameter(negative="")] = False,
    json_: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """Make blurry photographs clear.

    Args:
        inputs: Photographs, and folders to search for them, with all folders below.
        output: Folder for the results, which keep the names and the tree of an input folder. For a single
            photograph, a file.
        method: Name of a method.
        weights: Name of shipped weights (`clearfundus info` lists them), a weights file, or a file that
            `clearfundus export` made.
        device: auto, cpu, cuda or cuda:N. A named device is never replaced by another.
        engine: What runs the network. auto is torch where it is installed, and for exported files what reads them;
            but OpenVINO in bf16, which is faster, where precision is auto, too, and the processor has bf16.
        precision: What torch or OpenVINO computes the network in. auto takes bf16 where the processor has it and the
            result on a drawn photograph is that of fp32 to within 1.5/255, and fp32 elsewhere. fp32: alike on every
            machine.
        size: Diameter in pixels at which the network sees the field of view, or native for the photograph's
            own. change: the diameter the weights are made for; the change that the network makes is enlarged and
            added. guided: the same diameter, but the photograph's own fine detail takes part in the change. Unset:
            change. The result has the photograph's full resolution in any case.
        memory_limit: Most memory to hold while the network runs, as 3GiB or 800MB; on a GPU, of its memory. The
            result is the same, and a photograph that cannot be done within it is refused with the least that would
            do. Unset: half of what is available. One photograph at a time is worked on beside it.
        workers: Most photographs to work on, and to hold in memory, at a time. Unset: 3 with a network; with another
            method one for each core, 8 at most. The results are the same.
        set_: A parameter of the method, as name=value; may be given again.
        format_: In an output folder, lossless keeps the format of a PNG, TIFF, PPM, WebP or JPEG 2000 file and
            makes all others PNG, so that every pixel outside the field of view stays as it was; same keeps JPEG,
            too, at quality 95.
        overwrite: Make results anew that are there already. An input is never overwritten.
        json_: Write one JSON object to standard output.
    """
    from clearfundus.interfaces.batch import of_status, summary_of
    from clearfundus.interfaces.byte_sizes import parse_bytes
    from clearfundus.interfaces.jobs import plan_jobs
    from clearfundus.pipeline import prepare_method

    started = time.perf_counter()
    planned = plan_jobs(inputs, output, output_format=format_)
    parameters = parse_parameters(set_)
    limit = None if memory_limit is None else parse_bytes(memory_limit)
    choices: dict[str, Any] = {"weights": weights, "device": device, "engine": engine, "precision": precision}
    prepared = prepare_method(method, **choices, size=size, memory_limit=limit, parameters=parameters)
    outcomes = _run_shown(planned, prepared, overwrite=overwrite, workers=workers)
    seconds = round(time.perf_counter() - started, 3)
    if json_:
        text = json.dumps(_summary_object(prepared, planned, outcomes, seconds), indent=2)
    else:
        text = summary_of(planned, outcomes, seconds)
    sys.stdout.write(text + "\n")
    return 1 if of_status(outcomes, "failed") else 0


def _run_shown(planned: "Jobs", prepared: "PreparedMethod", *, overwrite: bool, workers: int | None) -> list["Outcome"]:
    """Enhance all photographs, and show how far it has come."""
    from clearfundus.interfaces.batch import line_of, run_jobs
    from clearfundus.interfaces.progress import show_progress

    outcomes: list[Outcome] = []
    with show_progress(len(planned.jobs)) as report:
        for outcome in run_jobs(planned.jobs, prepared, overwrite=overwrite, workers=workers):
            outcomes.append(outcome)
            report(line_of(outcome), notable=outcome.status == "failed")
    return outcomes


def parse_parameters(words: Sequence[str]) -> dict[str, Any]:
    """Read `name=value` words; a value is read as TOML (3, 3.0, true), and as plain text where it is none.

    Raises:
        SettingsError: If a word has no name or more than one value, a name comes twice, or a number is too long.
    """
    parameters: dict[str, Any] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not (name and equals):
            raise SettingsError(f"--set {word}: expected name=value, as in --set clip_limit=3.0")
        if name in parameters:
            raise SettingsError(f"--set {word}: {name} is set twice")
        parameters[name] = _parse_value(word, value)
    return parameters


def _parse_value(word: str, value: str) -> Any:
    try:
        table = tomllib.loads(f"value = {value}")
    except tomllib.TOMLDecodeError:
        return value
    except ValueError as error:  # Python reads no whole number of more than 4300 digits
        raise SettingsError(f"--set {word[:40]}...: a number of {len(value)} digits is too large") from error
    if table.keys() != {"value"}:
        raise SettingsError(
            f"--set {word!r}: found several lines, expected one value; give each parameter its own --set"
        )
    return table["value"]


def write_parameter(name: str, value: bool | float | str) -> str:
    """Write a parameter as `name=value`, as `parse_parameters` reads it; to be pasted behind `--set` in a shell."""
    word = f"{name}={str(value).lower() if isinstance(value, bool) else value}"
    if isinstance(value, str) and parse_parameters([word]) != {name: value}:  # text that looks like a number
        word = f"{name}={json.dumps(value)}"
    return shlex.quote(word)


def _summary_object(
    prepared: "PreparedMethod", planned: "Jobs", outcomes: Sequence["Outcome"], seconds: float
) -> dict[str, object]:
    from clearfundus.interfaces.batch import of_status, paths_of, per_minute

    return {
        "version": __version__,
        "method": prepared.name,
        "settings": dict(prepared.provenance),
        "weights": prepared.weights and describe_weights(prepared.weights),
        "done": [
            {**paths_of(outcome), "width": outcome.width, "height": outcome.height, "seconds": outcome.seconds}
            for outcome in of_status(outcomes, "done")
        ],
        "skipped": [{**paths_of(outcome), "reason": outcome.reason} for outcome in of_status(outcomes, "skipped")],
        "failed": [{**paths_of(outcome), "error": outcome.reason} for outcome in of_status(outcomes, "failed")],
        "ignored": planned.ignored,
        "seconds": seconds,
        "per_minute": per_minute(outcomes, seconds),
    }


def describe_weights(weights: "LoadedWeights | EngineWeights") -> dict[str, object]:
    """Return what the JSON output tells of weights."""
    return {
        "name": weights.name,
        "sha256": weights.sha256,
        "diameter": weights.diameter,
        "terms": weights.terms,
        "precision": weights.precision,
    }
