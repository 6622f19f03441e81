"""The report of an evaluation: one page that needs no other file and no network, whole or not at all.

It says before anything else what may be compared with what. Pictures are chosen by rule (`picks.py`), never by eye.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from clearfundus.evaluation.figures import Figure, draw_measure
from clearfundus.evaluation.picks import CASE_MEASURES, CaseMeasure, Pick, pick_cases, primary_protocol
from clearfundus.evaluation.protocol import FITTED
from clearfundus.evaluation.report_pictures import REFERENCE, Key, Shown, show_pictures
from clearfundus.evaluation.report_tables import (
    WORDS,
    Table,
    direction_of,
    format_number,
    input_table,
    rival_table,
    value_table,
)
from clearfundus.evaluation.results import INPUT, Evaluation, Row, Summary
from clearfundus.files import write_whole
from clearfundus.photo.sheet import DETAIL
from clearfundus.quality import METRICS
from clearfundus.version import __version__

TEMPLATE = "report.html"
SHIPPED_FIT = "clear54"
"""Name of the fit of F-NIQE that ships with the package."""
FEW = 30
"""Below so many photographs a set is called small."""
ELSEWHERE = ("metrics", "methods", "photographs")
"""What of `Evaluation.run` has a place of its own; all else stands in the table of the run."""
FIRST = ("date", "version", "weights", "device", "absent", "seconds_of_this_call")
"""What of it stands in the head, too."""
SET_WORDS = {
    "blurry": "Blurry photographs, without a reference",
    "pairs": (
        "Two real photographs of one eye: the clear one, laid over the blurry one, is its reference, and where they "
        "overlap is judged"
    ),
    "simulated": "Clear photographs, degraded by calculation; the photograph before that is the reference",
}


@dataclass(frozen=True, kw_only=True)
class Case:
    """A case of a method: which one it is, and its pictures from input to reference."""

    pick: Pick
    pictures: tuple[Shown, ...]


@dataclass(frozen=True, kw_only=True)
class Part:
    """What the report says on one set.

    Attributes:
        name: The set.
        words: What it is.
        photographs: Name of each, and what the run notes of it.
        small: Whether that is few.
        sides: Sides at which it was judged.
        fits: Models that values were measured against.
        undirected: Metrics without better or worse.
        protocols: Each with its tables: means, to the input, to the best other method.
        shown: The protocol of figures and cases.
        figures: Metric and its plot.
        measure: What puts the cases in order; None where no case can be shown.
        cases: Each method with its cases.
    """

    name: str
    words: str
    photographs: Sequence[tuple[str, str]]
    small: bool
    sides: Sequence[int]
    fits: Sequence[str]
    undirected: Sequence[str]
    protocols: Sequence[tuple[str, tuple[Table, Table, Table]]]
    shown: str
    figures: Sequence[tuple[str, Figure]]
    measure: CaseMeasure | None
    cases: Sequence[tuple[str, tuple[Case, ...]]]


def write_report(evaluation: Evaluation, path: Path) -> None:
    """Write the report as one HTML file; an existing file is replaced.

    Args:
        evaluation: What was found. A picture of it that is missing is named as missing in the report.
        path: Where; its folder must exist.

    Raises:
        OSError: If it cannot be written there.
    """
    write_whole(path, _page(evaluation).encode("utf-8"))


def _page(evaluation: Evaluation) -> str:
    methods = dict.fromkeys(one.method for one in evaluation.summaries)
    metrics = dict.fromkeys(one.metric for one in evaluation.summaries)
    return render_page(
        TEMPLATE,
        parts=list(_parts(evaluation)),
        head=list(flat({key: evaluation.run[key] for key in FIRST if key in evaluation.run})),
        failures=evaluation.failures,
        methods=[(name, _note(evaluation.run, "methods", name)) for name in methods],
        metrics=[
            (name, WORDS[direction_of(name, evaluation.run)], _convention(name, evaluation.run)) for name in metrics
        ],
        run=list(flat({key: value for key, value in evaluation.run.items() if key not in ELSEWHERE})),
        version=__version__,
        today=datetime.now(UTC).date().isoformat(),
        detail=DETAIL,
        number=format_number,
        few=FEW,
        shipped_fit=SHIPPED_FIT if any(row.fit == SHIPPED_FIT for row in evaluation.rows) else "",
    )


def render_page(template: str, **values: object) -> str:
    """Return a page made from a template beside this module; values are escaped.

    Args:
        template: Its file's name.
        values: What it shows.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    loader = FileSystemLoader(Path(__file__).parent)
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template(template).render(**values)


def _parts(evaluation: Evaluation) -> Iterator[Part]:
    """Yield the sets in the order in which they come."""
    names = list(dict.fromkeys(row.set for row in evaluation.rows))
    picks = {
        (of_set, method): pick_cases(evaluation.rows, of_set=of_set, method=method)
        for of_set in names
        for method in dict.fromkeys(row.method for row in evaluation.rows if row.set == of_set)
        if method != INPUT
    }
    shown = show_pictures(
        evaluation,
        [(of_set, pick.photograph, method) for (of_set, method), found in picks.items() for pick in found],
    )
    for number, name in enumerate(names, start=1):
        cases = [
            (method, tuple(Case(pick=pick, pictures=_beside(shown, name, pick, method)) for pick in found))
            for (of_set, method), found in picks.items()
            if of_set == name
        ]
        yield _part(evaluation, name, cases, prefix=f"set{number}")


def _part(evaluation: Evaluation, name: str, cases: Sequence[tuple[str, tuple[Case, ...]]], *, prefix: str) -> Part:
    rows = [row for row in evaluation.rows if row.set == name]
    summaries = [one for one in evaluation.summaries if one.set == name]
    directions = {one.metric: direction_of(one.metric, evaluation.run) for one in summaries}
    protocols = list(dict.fromkeys(one.protocol for one in summaries))
    shown = primary_protocol(protocols or [row.protocol for row in rows])
    photographs = list(dict.fromkeys(row.photograph for row in rows))
    return Part(
        name=name,
        words=SET_WORDS.get(name, name),
        photographs=[(one, _note(evaluation.run, "photographs", f"{name}/{one}")) for one in photographs],
        small=len(photographs) < FEW,
        sides=sorted({row.side for row in rows}),
        fits=sorted({row.fit for row in rows if row.fit}),
        undirected=[metric for metric, direction in directions.items() if direction == "none"],
        protocols=[(one, _tables([two for two in summaries if two.protocol == one], directions)) for one in protocols],
        shown=shown,
        figures=list(_figures(rows, [one for one in summaries if one.protocol == shown], directions, prefix)),
        measure=CASE_MEASURES.get(name) if any(found for _, found in cases) else None,
        cases=cases,
    )


def _tables(summaries: Sequence[Summary], directions: Mapping[str, str]) -> tuple[Table, Table, Table]:
    return value_table(summaries, directions), input_table(summaries, directions), rival_table(summaries, directions)


def _figures(
    rows: Sequence[Row], summaries: Sequence[Summary], directions: Mapping[str, str], prefix: str
) -> Iterator[tuple[str, Figure]]:
    """Yield a plot for each metric, of the summaries' protocol."""
    for number, metric in enumerate(dict.fromkeys(one.metric for one in summaries), start=1):
        ones = [one for one in summaries if one.metric == metric]
        own = [row for row in rows if row.metric == metric and row.protocol == ones[0].protocol]
        if own:
            better = WORDS[directions[metric]]
            yield metric, draw_measure(own, ones, better=better, prefix=f"{prefix}plot{number}")


def _beside(shown: Mapping[Key, Shown], of_set: str, pick: Pick, method: str) -> tuple[Shown, ...]:
    keys = [(of_set, pick.photograph, name) for name in (INPUT, method, REFERENCE)]
    return tuple(shown[key] for key in keys if key in shown)


def _convention(metric: str, run: Mapping[str, Any]) -> str:
    """Return what a metric's values rest on: as the run has it, else as `METRICS` does."""
    noted = _of(run, "metrics", metric).get("conventions")
    known = METRICS.get(metric.removesuffix(FITTED))
    return str(noted) if noted else known.conventions if known else ""


def _note(run: Mapping[str, Any], part: str, name: str) -> str:
    """Return all that the run notes of a method or photograph, on one line."""
    return "; ".join(f"{key} {value}" for key, value in flat(_of(run, part, name)))


def _of(run: Mapping[str, Any], part: str, name: str) -> Mapping[str, Any]:
    """Return what the run notes of something, or nothing."""
    found = run.get(part)
    found = found.get(name) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield every value of a tree with the path to it."""
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{key}: ")
        elif isinstance(value, list | tuple):
            yield f"{prefix}{key}", ", ".join(str(one) for one in value)
        else:
            yield f"{prefix}{key}", str(value)
