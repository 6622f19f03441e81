"""Which cases a report shows: of each method the best, the median and the worst, by one measure that is fixed per set.

The fact to know: the measure is fixed before any result is seen, and no picture is looked at, so nobody's taste picks.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from clearfundus.evaluation.results import INPUT, Row

PRIMARY = "fov"
"""The protocol that is shown where there are several."""


@dataclass(frozen=True, kw_only=True)
class CaseMeasure:
    """What a set's cases are put in order by.

    Attributes:
        metric: Name of the metric.
        higher: Whether higher is better.
        to_input: Whether the input's own value is taken off.
    """

    metric: str
    higher: bool
    to_input: bool


CASE_MEASURES: Mapping[str, CaseMeasure] = MappingProxyType(
    {
        "blurry": CaseMeasure(metric="fniqe", higher=False, to_input=True),
        "pairs": CaseMeasure(metric="ssim", higher=True, to_input=False),
        "simulated": CaseMeasure(metric="ssim", higher=True, to_input=False),
    }
)
"""Set -> measure. Without a reference the input's value says most about the result's, so it is taken off."""


@dataclass(frozen=True, kw_only=True)
class Pick:
    """One case of a method.

    Attributes:
        place: "best", "median", "worst", or "only".
        photograph: Its name.
        value: The metric's value.
        to_input: The value minus the input's; NaN where the input has none.
    """

    place: str
    photograph: str
    value: float
    to_input: float


def primary_protocol(protocols: Sequence[str]) -> str:
    """Return the protocol to show: "fov" where it is among them, else the first."""
    return PRIMARY if PRIMARY in protocols else protocols[0]


def pick_cases(rows: Sequence[Row], *, of_set: str, method: str) -> tuple[Pick, ...]:
    """Return the best, the median and the worst case of a method.

    Of an even number the median is the better of the two in the middle. Two photographs give a best and a worst, one
    gives "only". A photograph without a finite value is not picked, and a tie goes by name.

    Args:
        rows: All rows of an evaluation.
        of_set: Which set; one that `CASE_MEASURES` does not know gives no case.
        method: Which method.
    """
    measure = CASE_MEASURES.get(of_set)
    chosen = [row for row in rows if measure and row.set == of_set and row.metric == measure.metric]
    if measure is None or not chosen:
        return ()
    protocol = primary_protocol([row.protocol for row in chosen])
    values = {(row.method, row.photograph): row.value for row in chosen if row.protocol == protocol}
    inputs = {photograph: value for (name, photograph), value in values.items() if name == INPUT}
    cases = [
        Pick(place="", photograph=photograph, value=value, to_input=value - inputs.get(photograph, math.nan))
        for (name, photograph), value in values.items()
        if name == method
    ]

    def order(case: Pick) -> float:
        judged = case.to_input if measure.to_input else case.value
        return -judged if measure.higher else judged

    finite = [case for case in cases if math.isfinite(order(case))]
    ordered = sorted(finite, key=lambda case: (order(case), case.photograph))
    return tuple(replace(ordered[index], place=place) for place, index in _places(len(ordered)))


def _places(count: int) -> tuple[tuple[str, int], ...]:
    """Return names and positions among so many ordered cases, each position once."""
    if count < 2:
        return (("only", 0),)[:count]
    if count == 2:
        return ("best", 0), ("worst", 1)
    return ("best", 0), ("median", (count - 1) // 2), ("worst", count - 1)
