"""The evaluation, photograph by photograph: open it, let every method work, judge, save, and go on.

Only one photograph and one result are held at a time. The fact to know: a photograph on which any method or measure
fails is left out of all of them, and named; else the methods would be compared on different photographs.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType

from clearfundus.errors import QualityError, SettingsError
from clearfundus.evaluation.cases import Case, OpenCase, Simulation, open_case, readable
from clearfundus.evaluation.parts import Part, load_part, save_part
from clearfundus.evaluation.protocol import Judge, Rules
from clearfundus.evaluation.record import describe_run, package_versions
from clearfundus.evaluation.results import INPUT, PICTURES, Evaluation, Row
from clearfundus.evaluation.table import summarise
from clearfundus.evaluation.walk import Outcome, Work, apply_method, walk
from clearfundus.fundus.frame import crop_to_field
from clearfundus.methods import Method
from clearfundus.photo import Photo, write_photo
from clearfundus.version import __version__

REFERENCE = "reference"
UNSAFE = r"[^\w.-]"
"""What stands in no file's name on every system; the name of a method with weights of its own has a colon."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All that decides what an evaluation finds, beside the photographs.

    Attributes:
        methods: Methods by name, without the input, which always stands first.
        descriptions: Name -> method, parameters and weights, as text.
        rules: What is measured.
        simulation: How clear photographs are degraded; its seed is that of the bootstrap, too.
        models: Slot -> SHA-256 of the user's own file, for the metrics made of one.
    """

    methods: Mapping[str, Method]
    descriptions: Mapping[str, Mapping[str, str]]
    rules: Rules
    simulation: Simulation
    models: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def settings(self) -> dict[str, object]:
        """Return what must be the same in every part, ready for JSON."""
        return {
            "version": __version__,
            "packages": package_versions(),
            "methods": {name: dict(one) for name, one in self.descriptions.items()},
            "metrics": {name: one.conventions for name, one in self.rules.metrics.items()},
            "metrics_of": {name: list(self.rules.of_set(name)) for name in ("blurry", "pairs", "simulated")},
            "protocols": list(self.rules.protocols),
            "side": self.rules.side,
            "simulation": asdict(self.simulation),
            "models": dict(self.models),
        }


def check_plan(plan: Plan, cases: Sequence[Case]) -> None:
    """Refuse a plan under which a set would get no measure, or a method has the name of something else.

    Args:
        plan: The plan.
        cases: What it is for.

    Raises:
        SettingsError: So.
    """
    for name in (INPUT, REFERENCE):
        if name in plan.methods:
            raise SettingsError(f"methods: found one named {name!r}, which stands for something else; rename it")
    for set_ in dict.fromkeys(case.set for case in cases):
        if not plan.rules.of_set(set_):
            kind = "without" if set_ == "blurry" else "with"
            raise SettingsError(
                f"metrics: found {', '.join(plan.rules.metrics) or 'none'}, expected one {kind} a reference for the "
                f"set {set_!r}; add one, or leave the set out"
            )


def evaluate(plan: Plan, cases: Sequence[Case], folder: Path) -> Iterator[Outcome[Part[Row]]]:
    """Measure photographs one after the other, yielding each outcome as it comes.

    Args:
        plan: How.
        cases: The photographs.
        folder: Where parts and pictures go. What is there already from the same files and settings is not made again.

    Raises:
        SettingsError: If the plan does not fit the cases, the folder is unusable, or a method refuses its settings.
        RunMismatchError: If the folder was made with other settings.
        OSError: If a part or picture cannot be written.
    """
    check_plan(plan, cases)
    yield from walk(
        Work(
            load=partial(_load, plan, folder),
            measure=partial(_measure, plan, folder),
            save=lambda part, case, key: save_part(part, folder, case, key),
            discard=partial(_discard, plan, folder),
        ),
        cases,
        folder,
        plan.settings,
    )


def conclude(
    plan: Plan, outcomes: Sequence[Outcome[Part[Row]]], folder: Path, extra: Mapping[str, object]
) -> Evaluation:
    """Return the evaluation that outcomes add up to.

    Args:
        plan: How they were measured.
        outcomes: What became of each photograph.
        folder: Where the pictures lie.
        extra: What `run.json` is to hold beside what is known here.
    """
    good = [(one.case, one.part) for one in outcomes if one.part is not None]
    rows = tuple(row for _, part in good for row in part.rows)
    directions = {name: metric.direction for name, metric in plan.rules.metrics.items()}
    pictures = {(case.set, case.photograph): _pictures(plan, case, folder) for case, _ in good}
    return Evaluation(
        rows=rows,
        summaries=summarise(rows, directions, plan.simulation.seed),
        failures=tuple((one.case.name, one.reason) for one in outcomes if one.status == "failed"),
        run=MappingProxyType({**describe_run(plan, good), **extra}),
        pictures={
            (*key, name): path for key, all_ in pictures.items() for name, path in all_.items() if name != REFERENCE
        },
        references={key: all_[REFERENCE] for key, all_ in pictures.items() if REFERENCE in all_},
    )


def _load(plan: Plan, folder: Path, case: Case, key: str) -> Part[Row] | None:
    """Return what was measured before, if its pictures are there, too."""
    part = load_part(folder, case, key, Row)
    return part if part and all(path.is_file() for path in _pictures(plan, case, folder).values()) else None


def _discard(plan: Plan, folder: Path, case: Case) -> None:
    """Remove the pictures of a photograph that failed."""
    for path in _pictures(plan, case, folder).values():
        path.unlink(missing_ok=True)


def _measure(plan: Plan, folder: Path, case: Case, hashes: Mapping[str, str]) -> Part[Row]:
    """Open a photograph and judge it and what every method makes of it; each picture is saved and let go."""
    opened = open_case(case, plan.simulation)
    judge = Judge(opened, case.set, plan.rules)
    paths = _pictures(plan, case, folder)
    rows: list[Row] = []
    seconds: dict[str, float] = {}
    enlarged = False
    degraded = {"degraded": json.dumps(dict(opened.notes), sort_keys=True)} if case.set == "simulated" else {}
    if opened.reference is not None:
        _save(opened.reference, paths[REFERENCE], {"method": REFERENCE})
    for name, result, taken in _results(plan, opened):
        _save(result, paths[name], {**plan.descriptions.get(name, {"method": name}), **degraded})
        if name != INPUT:
            seconds[name] = taken
        found, larger = _judged(judge, case, name, result)
        rows += found
        enlarged |= larger
        del result  # before the next is made
    height, width = opened.photo.pixels.shape[:2]
    notes = {
        "files": {role: {"name": readable(path.name), "sha256": hashes[role]} for role, path in case.files.items()},
        "width": width,
        "height": height,
        "field_diameter": round(opened.field.diameter, 1),
        "enlarged": enlarged,
        **opened.notes,
    }
    return Part(rows=tuple(rows), notes=notes, seconds=seconds)


def _judged(judge: Judge, case: Case, method: str, result: Photo) -> tuple[list[Row], bool]:
    """Return a result's values, and whether it was enlarged to be judged."""
    try:
        scores = list(judge.scores(result))
    except QualityError as error:
        raise QualityError(
            f"{method} cannot be judged, so the photograph is left out of all methods: {error}"
        ) from error
    rows = [
        Row(
            set=case.set,
            photograph=case.photograph,
            method=method,
            metric=metric,
            value=score.value,
            protocol=score.protocol,
            side=score.side,
            blocks=score.blocks,
            flat_share=score.flat_share,
            fit=score.fit,
        )
        for metric, score in scores
    ]
    return rows, any(score.enlarged for _, score in scores)


def _results(plan: Plan, opened: OpenCase) -> Iterator[tuple[str, Photo, float]]:
    """Yield the input, then each method's result with the seconds it took; field and surround are made once."""
    yield INPUT, opened.photo, 0.0
    frame = crop_to_field(opened.photo, opened.field)
    for name, method in plan.methods.items():
        yield name, *apply_method(frame, name, method)  # without a name of its own here, a result is let go at once


def _save(photo: Photo, path: Path, note: Mapping[str, str]) -> None:
    """Save a result as an 8-bit PNG, for what is scored is rounded alike.

    Of the photograph's metadata only the colour profile is kept; the note is the method's own, and names no file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    photo = Photo(pixels=photo.pixels, icc_profile=photo.icc_profile, name=photo.name)
    write_photo(replace(photo, provenance=MappingProxyType(dict(note))), path, overwrite=True)


def _pictures(plan: Plan, case: Case, folder: Path) -> dict[str, Path]:
    """Return where the input's, every method's and the reference's pictures lie."""
    names = [INPUT, *plan.methods, *([] if case.set == "blurry" else [REFERENCE])]
    return {name: folder / PICTURES / case.set / case.photograph / f"{re.sub(UNSAFE, '-', name)}.png" for name in names}
