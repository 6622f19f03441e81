"""`clearfundus evaluate --task vessels`: what fixed segmenters and trackers find on enhanced pictures (Figure 3)."""

import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from clearfundus.errors import SettingsError
from clearfundus.interfaces.compare import parse_names
from clearfundus.interfaces.evaluate_pictures import (
    REPORT,
    describe_methods,
    plain,
    prepare_methods,
    ready_methods,
    weights_of,
)
from clearfundus.version import __version__

if TYPE_CHECKING:
    from clearfundus.evaluation.cases import Case
    from clearfundus.evaluation.vessel_picks import FigurePick
    from clearfundus.evaluation.vessel_results import VesselEvaluation
    from clearfundus.evaluation.vessel_run import VesselPart, VesselPlan
    from clearfundus.evaluation.walk import Outcome
    from clearfundus.pipeline import PreparedMethod
    from clearfundus.vessels.segment import Segmenter

FIGURES = "figures"
"""Folder below OUT: INPUT.png."""


@dataclass(frozen=True, kw_only=True)
class VesselOptions:
    """The options of the task, as `clearfundus evaluate --help` tells of them."""

    output: Path
    labelled: Path | None
    blurry: Path | None
    only: Path | None
    segmenters: str | None
    methods: str | None
    weights: str | None
    device: str
    seed: int
    json_: bool


def evaluate_vessels(options: VesselOptions) -> int:
    """Measure what is found on the pictures that methods make, and write tables, figures and report.

    Args:
        options: What to do.

    Returns:
        The exit code.
    """
    from clearfundus.evaluation.cases import readable

    started = time.perf_counter()
    cases = _cases(options)
    contestants = prepare_methods(options.methods, options.weights, options.device)
    ready = ready_methods(contestants)
    plan = _plan(options, ready, describe_methods(ready, options.device))
    outcomes = _work(plan, cases, options.output)
    folders = {"labelled": options.labelled, "blurry": options.blurry}
    extra = {
        "date": time.strftime("%Y-%m-%d %H:%M"),
        "absent": {name: str(one) for name, one in contestants.items() if isinstance(one, Exception)},
        "folders": {name: readable(folder.resolve().name) for name, folder in folders.items() if folder},
        "weights": weights_of(contestants),
        "device": options.device,
        "seconds_of_this_call": round(time.perf_counter() - started, 3),
    }
    evaluation = _finish(plan, outcomes, options.output, extra)
    _tell(evaluation, outcomes, options)
    return 1 if evaluation.failures else 0


def _cases(options: VesselOptions) -> "tuple[Case, ...]":
    """Return the photographs of the folders that are given."""
    from clearfundus.evaluation.cases import find_cases
    from clearfundus.evaluation.labelled import find_labelled

    if options.labelled is None and options.blurry is None:
        raise SettingsError("found no photographs to evaluate, expected --labelled or --blurry, or both")
    if options.only is not None and options.labelled is None:
        raise SettingsError("found --only without --labelled, whose photographs it names")
    for folder in (options.labelled, options.blurry):
        if folder is not None and options.output.resolve().is_relative_to(folder.resolve()):
            raise SettingsError(
                f"output {options.output} lies within {folder}, whose photographs are read; name another"
            )
    cases = () if options.labelled is None else find_labelled(options.labelled, options.only)
    return (*cases, *(find_cases({"blurry": options.blurry}) if options.blurry else ()))


def _plan(
    options: VesselOptions, methods: "Mapping[str, PreparedMethod]", descriptions: Mapping[str, Mapping[str, str]]
) -> "VesselPlan":
    from clearfundus.evaluation.vessel_run import SIMULATIONS, VesselPlan

    return VesselPlan(
        methods=methods,
        descriptions=descriptions,
        segmenters=_segmenters(options),
        simulations=tuple(replace(one, seed=options.seed) for one in SIMULATIONS),
        seed=options.seed,
    )


def _segmenters(options: VesselOptions) -> "Mapping[str, Segmenter]":
    from clearfundus.vessels.segment import SEGMENTERS, prepare_segmenter

    names = parse_names(options.segmenters, "--segmenters") or list(SEGMENTERS)
    # one pass a picture: the mean over four mirror images costs four times as much, and is the same for all columns
    return MappingProxyType({name: prepare_segmenter(name, device=options.device, flips=False) for name in names})


def _work(plan: "VesselPlan", cases: "Sequence[Case]", output: Path) -> "list[Outcome[VesselPart]]":
    """Do the work and show how far it has come."""
    from clearfundus.evaluation.vessel_run import evaluate_vessels as measure
    from clearfundus.interfaces.progress import show_progress

    outcomes = []
    with show_progress(len(cases)) as report:
        for outcome in measure(plan, cases, output):
            outcomes.append(outcome)
            told = f": {outcome.reason}" if outcome.reason else f", {outcome.seconds:.1f} s" if outcome.seconds else ""
            report(f"{outcome.status} {outcome.case.name}{told}", notable=outcome.status == "failed")
    return outcomes


def _finish(
    plan: "VesselPlan", outcomes: "Sequence[Outcome[VesselPart]]", output: Path, extra: Mapping[str, object]
) -> "VesselEvaluation":
    """Write tables, figures and report."""
    from clearfundus.evaluation.vessel_figure import draw_vessel_figure
    from clearfundus.evaluation.vessel_picks import pick_figures
    from clearfundus.evaluation.vessel_report import write_vessel_report
    from clearfundus.evaluation.vessel_results import save_vessel_evaluation
    from clearfundus.evaluation.vessel_run import conclude_vessels

    evaluation = conclude_vessels(plan, outcomes, extra)
    save_vessel_evaluation(evaluation, output)
    cases = {one.case.name: one.case for one in outcomes}
    figures: list[tuple[FigurePick, Path]] = []
    for pick in pick_figures(evaluation.rows, evaluation.summaries, plan.tracker):
        path = output / FIGURES / f"{pick.input}.png"
        draw_vessel_figure(plan, cases[f"{pick.set}/{pick.photograph}"], pick, evaluation.rows, path)
        figures.append((pick, path))
    write_vessel_report(evaluation, figures, output / REPORT)
    return evaluation


def _tell(evaluation: "VesselEvaluation", outcomes: "Sequence[Outcome[VesselPart]]", options: VesselOptions) -> None:
    """Write the result to standard output."""
    counts = {name: sum(one.status == name for one in outcomes) for name in ("done", "skipped", "failed")}
    run = evaluation.run
    if options.json_:
        found = {
            "version": __version__,
            "output": str(options.output),
            **counts,
            "failures": [{"photograph": name, "reason": reason} for name, reason in evaluation.failures],
            **{name: run[name] for name in ("absent", "methods", "weights", "segmenters", "tracked_on")},
            "inputs": {name: one["files"] for name, one in run["photographs"].items()},
            "table": [plain(asdict(one)) for one in evaluation.summaries],
            "seconds": run["seconds_of_this_call"],
        }
        sys.stdout.write(json.dumps(found, indent=2) + "\n")
        return
    from clearfundus.evaluation.cases import readable
    from clearfundus.evaluation.vessel_report import headline_tables
    from clearfundus.interfaces.evaluation_table import print_table, wide_console

    console = wide_console()
    for name, table in headline_tables(evaluation):
        print_table(f"{name}, vessels by {run['tracked_on']}, mean and 95 % interval, * best mean", table, console)
    lines = [
        f"{counts['done']} done, {counts['skipped']} measured before, {counts['failed']} failed; "
        f"see {readable(str(options.output / REPORT))}",
        *(f"left out: {name}: {reason}" for name, reason in evaluation.failures),
        *(f"absent: {name}: {reason}" for name, reason in run["absent"].items()),
    ]
    sys.stdout.write("\n".join(lines) + "\n")
