"""Which photographs and methods a figure shows: by rule, before any picture is looked at.

The fact to know: a photograph is the one whose gain is the median, not the best one.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from clearfundus.evaluation.results import INPUT
from clearfundus.evaluation.vessel_results import CLEAR, TAKEN, VesselRow, VesselSummary

FIRST_CHOICE = "gan"
"""The method that a figure shows if it is there: the package's own default."""
SCORES = ("track_correct", "f1", "vessel_length")
"""By the first of these that was measured photographs and methods are put in order; more is taken for better, which of
vessel_length, without labels, says no more than that something changed."""


@dataclass(frozen=True, kw_only=True)
class FigurePick:
    """What one figure shows.

    Attributes:
        input: The degradation, or "taken".
        set: "labelled" or "blurry".
        photograph: Its name.
        methods: The methods: the package's default, and the best of the others.
        metric: The score that decided.
    """

    input: str
    set: str
    photograph: str
    methods: tuple[str, ...]
    metric: str


def pick_figures(
    rows: Sequence[VesselRow], summaries: Sequence[VesselSummary], segmenter: str
) -> tuple[FigurePick, ...]:
    """Return a figure for each degradation, and one for photographs without labels.

    Args:
        rows: All values.
        summaries: All means.
        segmenter: The one that was tracked on.
    """
    found = []
    for input_ in dict.fromkeys(row.input for row in rows):
        held = [row for row in rows if row.input == input_ and row.segmenter == segmenter and input_ != CLEAR]
        metric = next((name for name in SCORES if any(_is_known(row, name) for row in held)), None)
        methods = _methods([one for one in summaries if (one.input, one.segmenter) == (input_, segmenter)], metric)
        if metric and methods:
            photograph = _median([row for row in held if row.metric == metric], methods[0])
            set_ = "blurry" if input_ == TAKEN else "labelled"
            found.append(FigurePick(input=input_, set=set_, photograph=photograph, methods=methods, metric=metric))
    return tuple(found)


def _is_known(row: VesselRow, metric: str) -> bool:
    return row.metric == metric and math.isfinite(row.value)


def _methods(summaries: Sequence[VesselSummary], metric: str | None) -> tuple[str, ...]:
    """Return the default method, if it is there, and the best of the others by the mean."""
    means = {one.method: one.value.mean for one in summaries if one.metric == metric and one.method != INPUT}
    first = [name for name in means if name == FIRST_CHOICE]
    others = [name for name in means if name not in (*first, "identity") and math.isfinite(means[name])]
    best = [max(others, key=lambda name: means[name])] if others else []
    return (*first, *best)


def _median(rows: Sequence[VesselRow], method: str) -> str:
    """Return the photograph whose gain by a method is the median, of an even number the lower one; a tie by name."""
    values = {(row.method, row.photograph): row.value for row in rows}
    gains = [
        (value - values[INPUT, photograph], photograph)
        for (name, photograph), value in values.items()
        if name == method and math.isfinite(value - values[INPUT, photograph])
    ]
    names = [photograph for _, photograph in sorted(gains)]
    return names[(len(names) - 1) // 2] if names else rows[0].photograph
