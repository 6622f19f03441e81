"""What an evaluation of vessels found, in memory and as files.

`per_image.csv` holds one row a value, `table.csv` one row a mean, `run.json` everything else. The fact to know: "input"
is a method's name in all of them, the photograph as it is, clear or degraded; differences and recovered shares are
taken photograph by photograph.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from clearfundus.evaluation.csv_cells import as_text, write_csv
from clearfundus.evaluation.results import ROWS, RUN, TABLE, Interval, ends_of
from clearfundus.files import write_whole

CLEAR = "clear"
"""The input that is not degraded."""
TAKEN = "taken"
"""The input of photographs without labels: as the camera took them."""


@dataclass(frozen=True, kw_only=True)
class VesselRow:
    """One value.

    Attributes:
        set: "labelled", or "blurry" for photographs without labels.
        photograph: Path below its folder, without the suffix.
        input: "clear", the name of the degradation, or "taken" for photographs without labels.
        method: Name of the method, or "input".
        segmenter: Name of the segmenter.
        metric: Name of the score.
        value: The value; NaN where it is not defined.
    """

    set: str
    photograph: str
    input: str
    method: str
    segmenter: str
    metric: str
    value: float


@dataclass(frozen=True, kw_only=True)
class VesselSummary:
    """One method under one score.

    Attributes:
        set: As in `VesselRow`, like the next four.
        input: What the method was given.
        segmenter: Which vessels were scored.
        metric: Name of the score.
        method: Name of the method, or "input".
        count: Number of photographs whose value is defined.
        value: Mean over them.
        to_input: Mean of the method's value minus the input's; None for the input itself.
        p: Of Wilcoxon's signed rank test of these differences; likewise.
        pairs: Number of photographs that difference and p rest on; likewise.
        recovered: Share of what degradation took that the method gave back; None where that is not defined.
        recovered_from: Number of photographs that the share rests on; None where nothing was degraded.
        undefined: Why it is not; empty where it is, or where nothing was degraded.
    """

    set: str
    input: str
    segmenter: str
    metric: str
    method: str
    count: int
    value: Interval
    to_input: Interval | None = None
    p: float | None = None
    pairs: int | None = None
    recovered: Interval | None = None
    recovered_from: int | None = None
    undefined: str = ""


@dataclass(frozen=True, kw_only=True)
class VesselEvaluation:
    """All that an evaluation of vessels found.

    Attributes:
        rows: Every value.
        summaries: Every mean.
        failures: Photographs that are left out, as "SET/PHOTOGRAPH", each with the reason.
        run: What is in `run.json` beside these.
    """

    rows: tuple[VesselRow, ...]
    summaries: tuple[VesselSummary, ...]
    failures: tuple[tuple[str, str], ...]
    run: Mapping[str, Any]


def save_vessel_evaluation(evaluation: VesselEvaluation, folder: Path) -> None:
    """Write `per_image.csv`, `table.csv` and `run.json`; files of an earlier run are replaced.

    Args:
        evaluation: What was found.
        folder: The evaluation's folder.

    Raises:
        OSError: If they cannot be written.
    """
    names = [one.name for one in fields(VesselRow)]
    rows = ([as_text(getattr(row, name)) for name in names] for row in evaluation.rows)
    write_whole(folder / ROWS, write_csv(names, rows).encode())
    write_whole(folder / TABLE, write_vessel_summaries(evaluation.summaries).encode())
    failures = [{"photograph": name, "reason": reason} for name, reason in evaluation.failures]
    content = {**evaluation.run, "failures": failures}
    write_whole(folder / RUN, (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode())


def write_vessel_summaries(summaries: Iterable[VesselSummary]) -> str:
    """Return summaries as CSV: each interval is three columns, empty where there is none."""
    intervals = {"value": "", "to_input": "to_input_", "recovered": "recovered_"}
    columns: list[str] = []
    for one in fields(VesselSummary):
        ends = [f"{intervals[one.name]}{end.name}" for end in fields(Interval)] if one.name in intervals else [one.name]
        columns += ends

    def cells(summary: VesselSummary) -> list[str]:
        found: list[str] = []
        for one in fields(VesselSummary):
            value = getattr(summary, one.name)
            found += ends_of(value) if one.name in intervals else [as_text(value)]
        return found

    return write_csv(columns, map(cells, summaries))
