"""The evaluation by vessels, photograph by photograph: what fixed segmenters find before and after each method.

The fact to know: a photograph on which any method or score fails is left out of all of them, and named; else methods
would be compared on different photographs.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType

from clearfundus.errors import QualityError, SettingsError
from clearfundus.evaluation import bootstrap, paired
from clearfundus.evaluation.cases import Case, Simulation, readable, rounded
from clearfundus.evaluation.parts import Part, load_part, save_part
from clearfundus.evaluation.record import describe_machine, package_versions
from clearfundus.evaluation.results import INPUT
from clearfundus.evaluation.vessel_eyes import LARGEST_FIELD, Eye, EyeInput, inputs_of, open_eye
from clearfundus.evaluation.vessel_results import CLEAR, TAKEN, VesselEvaluation, VesselRow
from clearfundus.evaluation.vessel_scores import (
    conventions,
    directions,
    find_disc_of,
    score_tracking,
    score_vessels,
    score_without_truth,
)
from clearfundus.evaluation.vessel_table import summarise_vessels
from clearfundus.evaluation.walk import Outcome, Work, apply_method, walk
from clearfundus.fundus.frame import crop_to_field
from clearfundus.methods import Method
from clearfundus.photo import Photo
from clearfundus.version import __version__
from clearfundus.vessels.scale import DIAMETER, scale_to_vessels
from clearfundus.vessels.segment import Segmenter
from clearfundus.vessels.trees import Disc

SIMULATIONS = (
    Simulation(model="focus", severity=0.5),
    Simulation(model="arcnet", severity=1.0),
    Simulation(model="peli", severity=2 / 3),
)
"""Degradations under which vessels are lost but not all of them: a defocus of 2 pixels at a field of 540; the cataract
of ArcNet as published; scatter that lets 40 % through, with a blur of 1.5 pixels."""

VesselPart = Part[VesselRow]


@dataclass(frozen=True, kw_only=True)
class VesselPlan:
    """All that decides what an evaluation by vessels finds, beside the photographs.

    Attributes:
        methods: Methods by name, without the input, which always stands first.
        descriptions: Name -> method, parameters and weights, as text.
        segmenters: By name; the first one's probability is what is tracked on.
        simulations: How clear photographs are degraded; the name of each is its model's.
        seed: Of the bootstrap.
    """

    methods: Mapping[str, Method]
    descriptions: Mapping[str, Mapping[str, str]]
    segmenters: Mapping[str, Segmenter]
    simulations: Sequence[Simulation] = SIMULATIONS
    seed: int = 0

    @property
    def tracker(self) -> str:
        """The segmenter on whose probability vessels are followed."""
        return next(iter(self.segmenters))

    @property
    def settings(self) -> dict[str, object]:
        """Return what must be the same in every part, ready for JSON."""
        return {
            "task": "vessels",
            "version": __version__,
            "packages": package_versions(),
            "methods": {name: dict(one) for name, one in self.descriptions.items()},
            "segmenters": {
                name: {"weights": one.weights, "threshold": one.threshold} for name, one in self.segmenters.items()
            },
            "tracked_on": self.tracker,
            "simulations": [asdict(one) for one in self.simulations],
            "scores": conventions(),
            "field_diameter": DIAMETER,
            "largest_field": LARGEST_FIELD,
        }


def evaluate_vessels(plan: VesselPlan, cases: Sequence[Case], folder: Path) -> Iterator[Outcome[VesselPart]]:
    """Measure photographs one after the other, yielding each outcome as it comes.

    Args:
        plan: How.
        cases: Labelled photographs, and perhaps ones of the set "blurry".
        folder: Where parts go. What is there already from the same files and settings is not made again.

    Raises:
        SettingsError: If a method's name stands for something else, the folder is unusable, or a method refuses its
            settings.
        RunMismatchError: If the folder was made with other settings.
        OSError: If a part cannot be written.
    """
    for name in (INPUT, CLEAR, TAKEN):
        if name in plan.methods:
            raise SettingsError(f"methods: found one named {name!r}, which stands for something else; rename it")
    work = Work(
        load=lambda case, key: load_part(folder, case, key, VesselRow),
        measure=partial(_measure, plan),
        save=lambda part, case, key: save_part(part, folder, case, key),
    )
    yield from walk(work, cases, folder, plan.settings)


def conclude_vessels(
    plan: VesselPlan, outcomes: Sequence[Outcome[VesselPart]], extra: Mapping[str, object]
) -> VesselEvaluation:
    """Return the evaluation that outcomes add up to.

    Args:
        plan: How they were measured.
        outcomes: What became of each photograph.
        extra: What `run.json` is to hold beside what is known here.
    """
    good = [(one.case, one.part) for one in outcomes if one.part is not None]
    rows = tuple(row for _, part in good for row in part.rows)
    seconds = {name: [part.seconds[name] for _, part in good if name in part.seconds] for name in plan.methods}
    run = {
        **plan.settings,
        "seed": plan.seed,
        "directions": directions(),
        "intervals": bootstrap.CONVENTION,
        "differences": paired.CONVENTION,
        "photographs": {case.name: part.notes for case, part in good},
        "method_seconds": {name: round(sum(all_) / len(all_), 3) for name, all_ in seconds.items() if all_},
        "machine": describe_machine(),
        **extra,
    }
    return VesselEvaluation(
        rows=rows,
        summaries=summarise_vessels(rows, plan.seed),
        failures=tuple((one.case.name, one.reason) for one in outcomes if one.status == "failed"),
        run=MappingProxyType(run),
    )


def results_of(eye: Eye, given: EyeInput, methods: Mapping[str, Method]) -> Iterator[tuple[str, Photo, float]]:
    """Yield the input, then each method's result, in 8 bits, with the seconds it took.

    Args:
        eye: The photograph.
        given: What the methods get of it.
        methods: By name.

    Raises:
        PhotoError: If a method fails; the message names it.
    """
    yield INPUT, given.photo, 0.0
    frame = crop_to_field(given.photo, eye.field)
    for name, method in methods.items():
        result, seconds = apply_method(frame, name, method)
        yield name, rounded(result), seconds


def _measure(plan: VesselPlan, case: Case, hashes: Mapping[str, str]) -> VesselPart:
    """Open a photograph, and judge the vessels of each input and of what every method makes of it."""
    eye = open_eye(case)
    rows: list[VesselRow] = []
    spent: dict[str, list[float]] = {name: [] for name in plan.methods}
    degradations: dict[str, object] = {}
    disc: Disc | None = None
    for given in inputs_of(eye, plan.simulations):
        degradations[given.name] = dict(given.notes)
        for method, result, seconds in results_of(eye, given, plan.methods):
            if eye.truth is None and method == INPUT:
                disc = find_disc_of(plan.segmenters[plan.tracker](result, eye.field))
            values = _judged(plan, eye, result, disc, method)
            rows += [
                VesselRow(
                    set=case.set,
                    photograph=case.photograph,
                    input=given.name,
                    method=method,
                    segmenter=segmenter,
                    metric=metric,
                    value=value,
                )
                for segmenter, metric, value in values
            ]
            if method != INPUT:
                spent[method].append(seconds)
    notes = {
        "files": {role: {"name": readable(path.name), "sha256": hashes[role]} for role, path in case.files.items()},
        **eye.notes,
        **({"degradations": degradations} if eye.truth is not None else {}),
    }
    means = {name: round(sum(all_) / len(all_), 3) for name, all_ in spent.items()}
    return Part(rows=tuple(rows), notes=notes, seconds=means)


def _judged(
    plan: VesselPlan, eye: Eye, result: Photo, disc: Disc | None, method: str
) -> Iterator[tuple[str, str, float]]:
    """Yield segmenter, score and value of one result; a fault of a score names the method."""
    scaled = scale_to_vessels(result, eye.field)
    for name, segmenter in plan.segmenters.items():
        segmentation = segmenter.on(scaled)
        try:
            values: dict[str, float] = {}
            if eye.truth is not None:
                values = score_vessels(segmentation, eye.truth)
            if name == plan.tracker:
                values |= (
                    score_tracking(segmentation, eye.truth)
                    if eye.truth is not None
                    else score_without_truth(segmentation, disc)
                )
        except QualityError as error:
            raise QualityError(
                f"{method} cannot be judged, so the photograph is left out of all methods: {error}"
            ) from error
        for metric, value in values.items():
            yield name, metric, value
