"""From values of vessel scores to means: each method beside its input, and beside the clear photograph.

Everything is paired by photograph. The fact to know: where a score is not defined for a photograph, that photograph is
left out of that mean and that difference alone, and the number of photographs says so.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import nan

import numpy as np
from numpy.typing import NDArray

from clearfundus.evaluation.bootstrap import mean_intervals
from clearfundus.evaluation.paired import paired_difference, recovered_share
from clearfundus.evaluation.results import INPUT, Interval
from clearfundus.evaluation.vessel_results import CLEAR, VesselRow, VesselSummary

Values = NDArray[np.float64]
Place = tuple[str, str]
"""Input and method."""


@dataclass(frozen=True, kw_only=True)
class _Group:
    """One score of one segmenter over one set: (input, method) -> its values, (photographs,), in one order."""

    set: str
    segmenter: str
    metric: str
    values: Mapping[Place, Values]


def summarise_vessels(rows: Sequence[VesselRow], seed: int) -> tuple[VesselSummary, ...]:
    """Return the means of all inputs and methods, in the order in which they first come.

    Args:
        rows: The values.
        seed: Of the bootstrap.
    """
    return tuple(one for group in _groups(rows) for one in _summaries(group, seed))


def _groups(rows: Sequence[VesselRow]) -> Iterator[_Group]:
    found: dict[tuple[str, str, str], list[VesselRow]] = {}
    for row in rows:
        found.setdefault((row.set, row.segmenter, row.metric), []).append(row)
    for (set_, segmenter, metric), held in found.items():
        photographs = list(dict.fromkeys(row.photograph for row in held))
        at = {name: index for index, name in enumerate(photographs)}
        values: dict[Place, Values] = {}
        for row in held:
            column = values.setdefault((row.input, row.method), np.full(len(photographs), nan))
            column[at[row.photograph]] = row.value
        yield _Group(set=set_, segmenter=segmenter, metric=metric, values=values)


def _summaries(group: _Group, seed: int) -> Iterator[VesselSummary]:
    for (input_, method), values in group.values.items():
        known = values[np.isfinite(values)]
        mean = Interval(mean=nan, low=nan, high=nan)
        if len(known):
            (mean,) = mean_intervals(known[:, None], seed)
        degraded, clear = group.values.get((input_, INPUT)), group.values.get((CLEAR, INPUT))
        changed = None if method == INPUT or degraded is None else paired_difference(values, degraded, seed)
        shared = None
        if changed is not None and degraded is not None and clear is not None and input_ != CLEAR:
            shared = recovered_share(values, degraded, clear, seed)
        yield VesselSummary(
            set=group.set,
            input=input_,
            segmenter=group.segmenter,
            metric=group.metric,
            method=method,
            count=len(known),
            value=mean,
            to_input=changed.difference if changed else None,
            p=changed.p if changed else None,
            pairs=changed.count if changed else None,
            recovered=shared.share if shared else None,
            recovered_from=shared.count if shared else None,
            undefined=shared.reason if shared else "",
        )
