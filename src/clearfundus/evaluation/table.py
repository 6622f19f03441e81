"""From values to means: each method under each metric, beside the input and beside the best of the others.

Everything is paired: the same photographs for every method, and differences taken photograph by photograph. The fact to
know: a difference has the metric's own sign, so under a metric where lower is better a negative one is a gain.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from clearfundus.errors import QualityError
from clearfundus.evaluation.bootstrap import mean_intervals
from clearfundus.evaluation.results import INPUT, Row, Summary

Values = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class _Group:
    """One metric over one set: method -> its rows, in the order of photographs; values: (photographs, methods)."""

    set: str
    metric: str
    protocol: str
    rows: Mapping[str, Sequence[Row]]
    values: Values


def summarise(rows: Sequence[Row], directions: Mapping[str, str], seed: int) -> tuple[Summary, ...]:
    """Return the means of all methods, in the order in which sets, metrics and methods first come.

    Args:
        rows: The values: of each photograph, those of all methods.
        directions: Metric -> "higher", "lower" or "none": what is better.
        seed: Of the bootstrap.

    Raises:
        QualityError: If a value is missing or comes twice, or values of one metric differ in side or fit.
    """
    return tuple(one for group in _groups(rows) for one in _summaries(group, directions[group.metric], seed))


def rank(values: Values, direction: str) -> Values:
    """Return each method's mean rank over the photographs; 1 is best, and ties share the mean of their ranks.

    Args:
        values: (photographs, methods).
        direction: "higher" or "lower": what is better.
    """
    ranks: Values = rankdata(-values if direction == "higher" else values, axis=1).mean(axis=0)
    return ranks


def difference(values: Values, others: Values) -> Values:
    """Return values minus others; 0 where both are the same infinity."""
    with np.errstate(invalid="ignore"):
        return np.where(values == others, 0.0, values - others)


def _groups(rows: Sequence[Row]) -> Iterator[_Group]:
    found: dict[tuple[str, str, str], dict[str, dict[str, Row]]] = {}
    for row in rows:
        methods = found.setdefault((row.set, row.metric, row.protocol), {}).setdefault(row.photograph, {})
        if row.method in methods:
            raise QualityError(f"{row.set}/{row.photograph}: found {row.metric} of {row.method} twice, expected once")
        methods[row.method] = row
    for (set_, metric, protocol), photographs in found.items():
        names = list(next(iter(photographs.values())))
        for photograph, methods in photographs.items():
            if set(methods) != set(names):
                raise QualityError(
                    f"{set_}/{photograph}: found {metric} of {', '.join(methods)}, expected it of {', '.join(names)}; "
                    "leave a photograph out of all methods or of none"
                )
        held = {name: [methods[name] for methods in photographs.values()] for name in names}
        if len({(row.side, row.fit) for rows in held.values() for row in rows}) > 1:
            raise QualityError(f"{set_}: found {metric} at several sides or of several fits, expected one of each")
        values = np.array([[row.value for row in rows] for rows in held.values()]).T
        yield _Group(set=set_, metric=metric, protocol=protocol, rows=held, values=values)


def _summaries(group: _Group, direction: str, seed: int) -> Iterator[Summary]:
    values, methods = group.values, list(group.rows)
    best = _best_others(group, direction)
    inputs = values[:, [methods.index(INPUT)]] if INPUT in methods else values
    chosen = [methods.index(name) if name else at for at, name in enumerate(best)]
    columns = np.concatenate([values, difference(values, inputs), difference(values, values[:, chosen])], axis=1)
    intervals = mean_intervals(columns, seed)
    ranks = None if direction == "none" else rank(values, direction)
    for at, (method, rows) in enumerate(group.rows.items()):
        yield Summary(
            set=group.set,
            method=method,
            metric=group.metric,
            protocol=group.protocol,
            side=rows[0].side,
            fit=rows[0].fit,
            count=len(values),
            value=intervals[at],
            deviation=_deviation(values[:, at]),
            blocks=_mean([row.blocks for row in rows]),
            flat_share=_mean([row.flat_share for row in rows]),
            to_input=intervals[len(methods) + at] if INPUT in methods and method != INPUT else None,
            best_other=best[at],
            to_best_other=intervals[2 * len(methods) + at] if best[at] else None,
            rank=None if ranks is None else float(ranks[at]),
        )


def _deviation(values: Values) -> float | None:
    return float(values.std(ddof=1)) if len(values) > 1 and np.isfinite(values).all() else None


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _best_others(group: _Group, direction: str) -> list[str]:
    """Return for each method the other one with the best mean, the input not counted; empty where there is none."""
    if direction == "none":
        return ["" for _ in group.rows]
    sign = 1 if direction == "higher" else -1
    means = dict(zip(group.rows, sign * group.values.mean(axis=0), strict=True))
    best = []
    for method in group.rows:
        others = [name for name in group.rows if name not in (method, INPUT)]
        best.append(max(others, key=lambda name: means[name], default=""))
    return best
