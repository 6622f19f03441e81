"""The tables of a report as text: methods are rows, metrics columns.

What is marked best, better or worse follows the metric's direction; a metric without one is never marked.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Protocol, TypeVar

from clearfundus.evaluation.protocol import FITTED
from clearfundus.evaluation.results import Interval, Summary
from clearfundus.quality import METRICS

FIGURES = 4
"""Significant figures of the column's median."""
WORDS = {"higher": "higher is better", "lower": "lower is better", "none": "no better or worse"}
ABSENT = "\N{EN DASH}"


class HasMean(Protocol):
    """What a cell can be made of: `Summary`, or another with these."""

    @property
    def method(self) -> str:
        """Name of the row."""

    @property
    def metric(self) -> str:
        """Name of the column."""

    @property
    def count(self) -> int:
        """Number of photographs."""

    @property
    def value(self) -> Interval:
        """Their mean."""


Mean = TypeVar("Mean", bound=HasMean)


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One cell.

    Attributes:
        mean: The mean.
        interval: Its interval in brackets; empty where there is none.
        mark: "best", "better", "worse", or empty.
        note: Smaller words below.
    """

    mean: str
    interval: str = ""
    mark: str = ""
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Column:
    """A metric: its name, words on its direction, and the number of photographs, empty where that differs."""

    metric: str
    better: str
    count: str


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table: its columns, and of each method its name and one cell a column."""

    columns: tuple[Column, ...]
    lines: tuple[tuple[str, tuple[Cell, ...]], ...]


def direction_of(metric: str, run: Mapping[str, Any]) -> str:
    """Return "higher", "lower" or "none": as the run has it, else as `METRICS` does; "none" where neither knows it."""
    noted = run.get("metrics")
    noted = noted.get(metric) if isinstance(noted, Mapping) else None
    if isinstance(noted, Mapping) and noted.get("direction") in WORDS:
        return str(noted["direction"])
    known = METRICS.get(metric.removesuffix(FITTED))
    return known.direction if known else "none"


def format_number(value: float, decimals: int, *, signed: bool = False) -> str:
    """Return a number as it is to be read: NaN and inf as such, never a negative zero, a true minus sign."""
    if math.isnan(value):
        return "NaN"
    text = f"{value:{'+' if signed else ''}.{decimals}f}"
    if not any(digit in text for digit in "123456789i"):
        text = text.lstrip("+-")
    return text.replace("-", "\N{MINUS SIGN}")


def value_table(summaries: Sequence[Summary], directions: Mapping[str, str]) -> Table:
    """Return the means of one set and protocol; the best of each column is marked, the input among them."""
    best = {metric: best_mean(summaries, metric, direction) for metric, direction in directions.items()}

    def cell(one: Summary, decimals: int, count: str) -> Cell:
        mark = "best" if one.value.mean == best[one.metric] else ""
        return make_cell(one.value, decimals, mark=mark, note="; ".join(filter(None, [_spread(one, decimals), count])))

    return make_table(summaries, directions, cell)


def input_table(summaries: Sequence[Summary], directions: Mapping[str, str]) -> Table:
    """Return the differences to the input; those whose interval leaves out zero are marked better or worse."""

    def cell(one: Summary, decimals: int, count: str) -> Cell:
        return difference_cell(one.to_input, decimals, directions[one.metric], count)

    return make_table([one for one in summaries if one.to_input is not None], directions, cell)


def rival_table(summaries: Sequence[Summary], directions: Mapping[str, str]) -> Table:
    """Return the differences to the best other method, and the mean rank."""

    def cell(one: Summary, decimals: int, count: str) -> Cell:
        rank = "" if one.rank is None else f"mean rank {format_number(one.rank, 1)}"
        words = [f"to {one.best_other}" if one.best_other else "", rank, count]
        return difference_cell(one.to_best_other, decimals, directions[one.metric], "; ".join(filter(None, words)))

    told = [one for one in summaries if one.to_best_other is not None or one.rank is not None]
    return make_table(told, directions, cell)


def best_mean(summaries: Sequence[Mean], metric: str, direction: str) -> float | None:
    """Return the best mean under a metric; None where nothing is better or worse."""
    means = [one.value.mean for one in summaries if one.metric == metric and not math.isnan(one.value.mean)]
    if direction == "none" or not means:
        return None
    return max(means) if direction == "higher" else min(means)


def make_table(
    summaries: Sequence[Mean], directions: Mapping[str, str], cell: Callable[[Mean, int, str], Cell]
) -> Table:
    """Return the table of the metrics and methods that are there, in the order in which they come.

    Args:
        summaries: One for each cell that is filled.
        directions: Metric -> "higher", "lower" or "none": what is better.
        cell: Makes a cell of a summary, the number of decimals of its column, and words on the number of photographs.
    """
    metrics = list(dict.fromkeys(one.metric for one in summaries))
    places = {(one.method, one.metric): one for one in summaries}
    columns = {metric: [one for one in summaries if one.metric == metric] for metric in metrics}
    decimals = {metric: _decimals([one.value.mean for one in ones]) for metric, ones in columns.items()}
    counts = {metric: {one.count for one in ones} for metric, ones in columns.items()}

    def filled(method: str, metric: str) -> Cell:
        one = places.get((method, metric))
        if one is None:
            return Cell(mean=ABSENT)
        return cell(one, decimals[metric], f"n = {one.count}" if len(counts[metric]) > 1 else "")

    return Table(
        columns=tuple(
            Column(metric=name, better=WORDS[directions[name]], count=_one_count(counts[name])) for name in metrics
        ),
        lines=tuple(
            (method, tuple(filled(method, metric) for metric in metrics))
            for method in dict.fromkeys(one.method for one in summaries)
        ),
    )


def _spread(one: Summary, decimals: int) -> str:
    """Return the deviation over photographs, and what the values rest on."""
    deviation = "" if one.deviation is None else f"SD {format_number(one.deviation, decimals)}"
    blocks = "" if one.blocks is None else f"blocks {format_number(one.blocks, 0)}"
    flat = "" if one.flat_share is None else f"flat {one.flat_share:.0%}"
    return "; ".join(filter(None, [deviation, blocks, flat]))


def _one_count(counts: set[int]) -> str:
    return f"n = {min(counts)}" if len(counts) == 1 else ""


def _decimals(means: Sequence[float]) -> int:
    """Return how many decimals give a column's median its significant figures."""
    sizes = [abs(mean) for mean in means if math.isfinite(mean) and mean != 0]
    return min(max(FIGURES - 1 - math.floor(math.log10(median(sizes))), 0), 6) if sizes else 2


def difference_cell(interval: Interval | None, decimals: int, direction: str, note: str) -> Cell:
    """Return a difference; marked better or worse if its interval leaves out zero."""
    if interval is None:
        return Cell(mean=ABSENT, note=note)
    sides = {"higher": ("better", "worse"), "lower": ("worse", "better"), "none": ("", "")}[direction]
    mark = sides[0] if interval.low > 0 else sides[1] if interval.high < 0 else ""
    return make_cell(interval, decimals, mark=mark, note=note, signed=True)


def make_cell(interval: Interval, decimals: int, *, mark: str, note: str, signed: bool = False) -> Cell:
    """Return a mean with its interval."""
    mean, low, high = (
        format_number(one, decimals, signed=signed) for one in (interval.mean, interval.low, interval.high)
    )
    known = not (math.isnan(interval.low) or math.isnan(interval.high))
    return Cell(mean=mean, interval=f"[{low}, {high}]" if known else "no interval", mark=mark, note=note)
