"""What an evaluation found, in memory and as files, so that a report can be made again from its folder alone.

`per_image.csv` holds one row a value, `table.csv` one row a mean, `run.json` everything else. The fact to know: "input"
is a method's name in all of them, the photograph as it is; and differences are taken photograph by photograph.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any

from clearfundus.errors import SettingsError
from clearfundus.evaluation.csv_cells import as_text, read_csv, write_csv
from clearfundus.files import write_whole

INPUT = "input"
"""The name under which the photograph itself stands among the methods."""
ROWS, TABLE, RUN = "per_image.csv", "table.csv", "run.json"
PICTURES = "pictures"
"""Folder below OUT: SET/PHOTOGRAPH/METHOD.png, and SET/PHOTOGRAPH/reference.png where there is one."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One value.

    Attributes:
        set: "blurry", "pairs" or "simulated".
        photograph: Path below its folder, without the suffix.
        method: Name of the method, or "input".
        metric: Name of the metric.
        value: The value; a PSNR may be infinite.
        protocol: "fov" or "whole".
        side: Longer side in pixels at which it was judged.
        blocks: Number of blocks it rests on, or None.
        flat_share: Share of the windows without structure, or None.
        fit: Name of the model it was measured against; empty where there is none.
    """

    set: str
    photograph: str
    method: str
    metric: str
    value: float
    protocol: str
    side: int
    blocks: int | None
    flat_share: float | None
    fit: str


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A mean over photographs with its 95 % bootstrap interval.

    Attributes:
        mean: The mean.
        low: Lower end; NaN where none can be given, as from one photograph or with infinite values.
        high: Upper end; likewise.
    """

    mean: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Summary:
    """One method under one metric over a set.

    Attributes:
        set: As in `Row`, like the next three.
        method: Name of the method, or "input".
        metric: Name of the metric.
        protocol: "fov" or "whole".
        side: Longer side in pixels at which all were judged.
        fit: Name of the model they were measured against; empty where there is none.
        count: Number of photographs.
        value: The mean.
        deviation: Standard deviation over the photographs (n - 1); None from one photograph or with infinite values.
        blocks: Mean number of blocks that a value rests on, or None.
        flat_share: Mean share of the windows without structure, or None.
        to_input: Mean of the method's value minus the input's, in the metric's unit; None for the input itself.
        best_other: The other method with the best mean, the input not counted; empty where there is none, or where
            the metric has no better or worse.
        to_best_other: Mean of the method's value minus that method's; None where there is none.
        rank: Mean rank among the methods and the input, 1 is best, ties share theirs; None where the metric has no
            better or worse.
    """

    set: str
    method: str
    metric: str
    protocol: str
    side: int
    fit: str
    count: int
    value: Interval
    deviation: float | None
    blocks: float | None
    flat_share: float | None
    to_input: Interval | None
    best_other: str
    to_best_other: Interval | None
    rank: float | None


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """All that an evaluation found.

    Attributes:
        rows: Every value.
        summaries: Every mean.
        failures: Photographs that are left out, as "SET/PHOTOGRAPH", each with the reason.
        run: What is in `run.json` beside these: conventions of each metric, versions, hashes, seeds, seconds, machine.
        pictures: (set, photograph, method) -> the saved 8-bit picture, "input" among the methods.
        references: (set, photograph) -> the saved reference, where there is one.
    """

    rows: tuple[Row, ...]
    summaries: tuple[Summary, ...]
    failures: tuple[tuple[str, str], ...]
    run: Mapping[str, Any]
    pictures: Mapping[tuple[str, str, str], Path]
    references: Mapping[tuple[str, str], Path]


def save_evaluation(evaluation: Evaluation, folder: Path) -> None:
    """Write `per_image.csv`, `table.csv` and `run.json`; files of an earlier run are replaced.

    Args:
        evaluation: What was found; its pictures lie below the folder already.
        folder: The evaluation's folder.

    Raises:
        OSError: If they cannot be written.
    """
    write_whole(folder / ROWS, write_rows(evaluation.rows).encode())
    write_whole(folder / TABLE, write_summaries(evaluation.summaries).encode())
    content = {
        **evaluation.run,
        "failures": [{"photograph": name, "reason": reason} for name, reason in evaluation.failures],
        "pictures": [[*key, _below(path, folder)] for key, path in evaluation.pictures.items()],
        "references": [[*key, _below(path, folder)] for key, path in evaluation.references.items()],
    }
    write_whole(folder / RUN, (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode())


def load_evaluation(folder: Path) -> Evaluation:
    """Read what `save_evaluation` wrote.

    Args:
        folder: The evaluation's folder, which may have been moved with all that is below it.

    Raises:
        SettingsError: If a file is missing, or is not what was written.
    """
    try:
        run = json.loads((folder / RUN).read_text(encoding="utf-8"))
        failures = tuple((one["photograph"], one["reason"]) for one in run.pop("failures"))
        pictures = {(one[0], one[1], one[2]): folder / one[3] for one in run.pop("pictures")}
        references = {(one[0], one[1]): folder / one[2] for one in run.pop("references")}
        rows = read_rows((folder / ROWS).read_text(encoding="utf-8"))
        summaries = read_summaries((folder / TABLE).read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise SettingsError(
            f"{folder}: holds no finished evaluation ({type(error).__name__}: {error}); give the folder named with -o"
        ) from error
    return Evaluation(
        rows=rows,
        summaries=summaries,
        failures=failures,
        run=MappingProxyType(run),
        pictures=MappingProxyType(pictures),
        references=MappingProxyType(references),
    )


def write_rows(rows: Iterable[Row]) -> str:
    """Return rows as CSV; floats are written so that they are read back exactly."""
    names = [one.name for one in fields(Row)]
    return write_csv(names, ([as_text(getattr(row, name)) for name in names] for row in rows))


def read_rows(text: str) -> tuple[Row, ...]:
    """Read what `write_rows` returned.

    Raises:
        ValueError: If it is no such CSV.
    """
    return tuple(
        Row(
            **{name: one[name] for name in ("set", "photograph", "method", "metric", "protocol", "fit")},
            value=float(one["value"]),
            side=int(one["side"]),
            blocks=int(one["blocks"]) if one["blocks"] else None,
            flat_share=_number(one["flat_share"]),
        )
        for one in read_csv(text, [one.name for one in fields(Row)])
    )


_INTERVALS = {"value": "", "to_input": "to_input_", "to_best_other": "to_best_other_"}
"""Attribute of a summary -> prefix of its three columns."""
_PLACE = ("set", "method", "metric", "protocol")
_SPREAD = ("deviation", "blocks", "flat_share")


def _columns(attribute: str) -> list[str]:
    return [f"{_INTERVALS[attribute]}{one.name}" for one in fields(Interval)]


_SUMMARY_COLUMNS = [*_PLACE, "side", "fit", "count", *_columns("value"), *_SPREAD, "rank"]
_SUMMARY_COLUMNS += [*_columns("to_input"), "best_other", *_columns("to_best_other")]


def write_summaries(summaries: Iterable[Summary]) -> str:
    """Return summaries as CSV: each interval is three columns, empty where there is none."""

    def cells(one: Summary) -> list[str]:
        return [
            *(as_text(getattr(one, name)) for name in (*_PLACE, "side", "fit", "count")),
            *ends_of(one.value),
            *(as_text(getattr(one, name)) for name in _SPREAD),
            as_text(one.rank),
            *ends_of(one.to_input),
            one.best_other,
            *ends_of(one.to_best_other),
        ]

    return write_csv(_SUMMARY_COLUMNS, map(cells, summaries))


def read_summaries(text: str) -> tuple[Summary, ...]:
    """Read what `write_summaries` returned.

    Raises:
        ValueError: If it is no such CSV.
    """
    found = []
    for one in read_csv(text, _SUMMARY_COLUMNS):
        value = _interval(one, "value")
        if value is None:
            raise ValueError(f"{TABLE}: found a row without a mean: {one}")
        found.append(
            Summary(
                **{name: one[name] for name in (*_PLACE, "fit", "best_other")},
                side=int(one["side"]),
                count=int(one["count"]),
                deviation=_number(one["deviation"]),
                blocks=_number(one["blocks"]),
                flat_share=_number(one["flat_share"]),
                value=value,
                to_input=_interval(one, "to_input"),
                to_best_other=_interval(one, "to_best_other"),
                rank=_number(one["rank"]),
            )
        )
    return tuple(found)


def ends_of(interval: Interval | None) -> list[str]:
    """Return mean, lower and upper end as text, empty where there is no interval."""
    return ["", "", ""] if interval is None else [as_text(one) for one in (interval.mean, interval.low, interval.high)]


def _interval(row: Mapping[str, str], attribute: str) -> Interval | None:
    mean, low, high = (row[column] for column in _columns(attribute))
    return Interval(mean=float(mean), low=float(low), high=float(high)) if mean else None


def _number(text: str) -> float | None:
    return float(text) if text else None


def _below(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()
