"""`clearfundus evaluate --task pictures`: the enhanced pictures themselves are judged, as in Table 1 of the paper."""

import hashlib
import json
import math
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from clearfundus.errors import SettingsError
from clearfundus.interfaces.compare import parse_names
from clearfundus.interfaces.enhance import describe_weights
from clearfundus.version import __version__

if TYPE_CHECKING:
    from clearfundus.evaluation.cases import Case, SetName, Simulation
    from clearfundus.evaluation.parts import Part
    from clearfundus.evaluation.protocol import Rules
    from clearfundus.evaluation.results import Evaluation, Row
    from clearfundus.evaluation.run import Plan
    from clearfundus.evaluation.walk import Outcome
    from clearfundus.interfaces.comparison import Contestants
    from clearfundus.pipeline import PreparedMethod

INPUT_NAMES = frozenset({"input", "identity"})
"""Names of the input among the methods."""
REPORT = "report.html"


@dataclass(frozen=True, kw_only=True)
class PictureOptions:
    """The options of the task, as `clearfundus evaluate --help` tells of them."""

    output: Path
    blurry: Path | None
    pairs: Path | None
    clear: Path | None
    methods: str | None
    weights: str | None
    device: str
    side: int
    protocol: str
    seed: int
    simulated: str
    severity: float
    metrics: str | None
    model: tuple[str, ...]
    json_: bool


def evaluate_pictures(options: PictureOptions) -> int:
    """Judge the pictures that methods make, and write tables and report.

    Args:
        options: What to do.

    Returns:
        The exit code.
    """
    from clearfundus.evaluation.cases import Simulation, find_cases, readable

    started = time.perf_counter()
    folders = _folders(options.output, blurry=options.blurry, pairs=options.pairs, simulated=options.clear)
    wanted = parse_names(options.metrics, "--metrics")
    models = _model_files(options.model)
    rules = _rules(wanted, models, options.protocol, options.side)
    simulation = Simulation(model=options.simulated, severity=options.severity, seed=options.seed)
    contestants = prepare_methods(options.methods, options.weights, options.device)
    plan = _plan(contestants, options.device, rules, simulation, models)
    outcomes = _work(plan, find_cases(folders), options.output)
    extra = {
        "date": time.strftime("%Y-%m-%d %H:%M"),
        "absent": _absent(contestants, wanted or (), [name for one in folders for name in rules.of_set(one)]),
        "folders": {name: readable(folder.resolve().name) for name, folder in folders.items()},
        "weights": weights_of(contestants),
        "device": options.device,
        "seconds_of_this_call": round(time.perf_counter() - started, 3),
    }
    evaluation = _finish(plan, outcomes, options.output, extra)
    _tell(evaluation, outcomes, options.output, as_json=options.json_)
    return 1 if evaluation.failures else 0


def _folders(output: Path, **found: Path | None) -> "dict[SetName, Path]":
    """Return the folders that are given, by the name of their set."""
    folders: dict[Any, Path] = {name: folder for name, folder in found.items() if folder is not None}
    if not folders:
        raise SettingsError("found no photographs to evaluate, expected --blurry, --pairs or --clear, or several")
    for folder in folders.values():
        if output.resolve().is_relative_to(folder.resolve()):
            raise SettingsError(f"output {output} lies within {folder}, whose photographs are read; name another")
    return folders


def _model_files(words: Sequence[str]) -> dict[str, Path]:
    """Read `SLOT=FILE` words."""
    paths = {}
    for word in words:
        slot, equals, file = word.partition("=")
        if not (slot and equals and file):
            raise SettingsError(f"--model {word}: expected SLOT=FILE, as in --model lpips=alex.pt")
        if slot in paths:
            raise SettingsError(f"--model {word}: {slot} is given twice")
        paths[slot] = Path(file)
    return paths


def _rules(wanted: Sequence[str] | None, models: Mapping[str, Path], protocol: str, side: int) -> "Rules":
    from clearfundus.errors import QualityError
    from clearfundus.evaluation.protocol import Rules, choose_metrics
    from clearfundus.quality.models import load_models
    from clearfundus.quality.view import PROTOCOLS

    try:
        metrics = choose_metrics(wanted, load_models(models))
    except QualityError as error:
        raise SettingsError(f"--model: {error}") from error
    return Rules(metrics=metrics, protocols=[one for one in PROTOCOLS if protocol in (one, "both")], side=side)


def prepare_methods(methods: str | None, weights: str | None, device: str) -> "Contestants":
    """Prepare the methods that are named, the input left out, for it is always judged."""
    from clearfundus.interfaces.comparison import prepare_contestants

    names = parse_names(methods, "--methods")
    chosen = None if names is None else [name for name in names if name not in INPUT_NAMES]
    return prepare_contestants(chosen, weights=weights, device=device)


def ready_methods(contestants: "Contestants") -> "dict[str, PreparedMethod]":
    """Return those that can run here."""
    from clearfundus.pipeline import PreparedMethod

    return {name: one for name, one in contestants.items() if isinstance(one, PreparedMethod)}


def _plan(
    contestants: "Contestants", device: str, rules: "Rules", simulation: "Simulation", models: Mapping[str, Path]
) -> "Plan":
    from clearfundus.evaluation.run import Plan

    ready = ready_methods(contestants)
    return Plan(
        methods=ready,
        descriptions=describe_methods(ready, device),
        rules=rules,
        simulation=simulation,
        models={slot: hashlib.sha256(file.read_bytes()).hexdigest() for slot, file in models.items()},
    )


def describe_methods(ready: "Mapping[str, PreparedMethod]", device: str) -> Mapping[str, Mapping[str, str]]:
    """Return name -> method, parameters and weights, as text."""
    return MappingProxyType(
        {
            name: {
                **one.provenance,
                **({"sha256": one.weights.sha256, "device": _device(device)} if one.weights else {}),
            }
            for name, one in ready.items()
        }
    )


def _device(device: str) -> str:
    """Return the device that the word stands for here; its last digits are not those of another."""
    from clearfundus.networks.device import choose_device

    return str(choose_device(device))


def _work(plan: "Plan", cases: "Sequence[Case]", output: Path) -> "list[Outcome[Part[Row]]]":
    """Do the work and show how far it has come."""
    from clearfundus.evaluation.run import evaluate as measure
    from clearfundus.interfaces.progress import show_progress

    outcomes = []
    with show_progress(len(cases)) as report:
        for outcome in measure(plan, cases, output):
            outcomes.append(outcome)
            told = f": {outcome.reason}" if outcome.reason else f", {outcome.seconds:.1f} s" if outcome.seconds else ""
            report(f"{outcome.status} {outcome.case.name}{told}", notable=outcome.status == "failed")
    return outcomes


def _absent(contestants: "Contestants", wanted: Sequence[str], measured: Sequence[str]) -> dict[str, str]:
    """Return what was asked for and is not there, with the reason."""
    from clearfundus.quality.models import SLOTS

    missing = {name: str(one) for name, one in contestants.items() if isinstance(one, Exception)}
    for name in wanted:
        if name not in measured:
            slot = "no file was given for it with --model" if name in SLOTS else ""
            missing[name] = slot or "none of the folders given holds what it is measured on"
    return missing


def weights_of(contestants: "Contestants") -> dict[str, object]:
    """Return the weights of each method that has some."""
    return {name: describe_weights(one.weights) for name, one in ready_methods(contestants).items() if one.weights}


def _finish(
    plan: "Plan", outcomes: "Sequence[Outcome[Part[Row]]]", output: Path, extra: Mapping[str, object]
) -> "Evaluation":
    """Write tables and report."""
    from clearfundus.evaluation.report import write_report
    from clearfundus.evaluation.results import save_evaluation
    from clearfundus.evaluation.run import conclude

    evaluation = conclude(plan, outcomes, output, extra)
    save_evaluation(evaluation, output)
    write_report(evaluation, output / REPORT)
    return evaluation


def _tell(evaluation: "Evaluation", outcomes: "Sequence[Outcome[Part[Row]]]", output: Path, *, as_json: bool) -> None:
    """Write the result to standard output."""
    counts = {name: sum(one.status == name for one in outcomes) for name in ("done", "skipped", "failed")}
    if as_json:
        found = {
            "version": __version__,
            "output": str(output),
            **counts,
            "failures": [{"photograph": name, "reason": reason} for name, reason in evaluation.failures],
            "absent": evaluation.run["absent"],
            "methods": evaluation.run["methods"],
            "weights": evaluation.run["weights"],
            "models": evaluation.run["models"],
            "inputs": {name: one["files"] for name, one in evaluation.run["photographs"].items()},
            "table": [plain(asdict(one)) for one in evaluation.summaries],
            "seconds": evaluation.run["seconds_of_this_call"],
        }
        sys.stdout.write(json.dumps(found, indent=2) + "\n")
        return
    from clearfundus.evaluation.cases import readable
    from clearfundus.interfaces.evaluation_table import print_tables

    print_tables(evaluation.summaries, {name: one["direction"] for name, one in evaluation.run["metrics"].items()})
    lines = [
        f"{counts['done']} done, {counts['skipped']} measured before, {counts['failed']} failed; "
        f"see {readable(str(output / REPORT))}",
        *(f"left out: {name}: {reason}" for name, reason in evaluation.failures),
        *(f"absent: {name}: {reason}" for name, reason in evaluation.run["absent"].items()),
    ]
    sys.stdout.write("\n".join(lines) + "\n")


def plain(value: Any) -> Any:
    """Return what JSON can hold: infinity and NaN become text."""
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
