"""The tables of an evaluation by vessels as text: methods are rows, scores columns.

The fact to know: the last row, the clear photograph as it is, is what every method strives for; it is no method, and
never marked best.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from clearfundus.evaluation.report_tables import (
    ABSENT,
    Cell,
    Table,
    best_mean,
    difference_cell,
    format_number,
    make_cell,
    make_table,
)
from clearfundus.evaluation.results import INPUT
from clearfundus.evaluation.vessel_results import CLEAR, TAKEN, VesselSummary

MASKS = ("auc", "f1", "sensitivity", "specificity", "accuracy", "cldice")
CENTRELINES = ("centreline_precision", "centreline_recall", "centreline_f", "betti0_error", "betti1_error")
FOLLOWING = ("track_correct", "track_wrong", "path_success")
TREES = ("av_recall", "av_recall_rooted", "av_purity", "purity", "inverse_purity", "pair_f", "apls", "fragments")
HEADLINES = ("f1", "cldice", "track_correct", "av_recall")
"""Scores of each table; the headlines are repeated from the others."""
LEAST_P = 0.0001


def label_of(method: str, input_: str) -> str:
    """Return a method's row: the input is named for what it is."""
    names = {CLEAR: "clear, untouched", TAKEN: "as taken"}
    return names.get(input_, f"degraded ({input_})") if method == INPUT else method


def vessel_value_table(summaries: Sequence[VesselSummary], directions: Mapping[str, str]) -> Table:
    """Return the means of one input and segmenter, and, below a degraded one, those of the clear photograph.

    Args:
        summaries: Of one set and segmenter, of one input and of the clear one; the scores to show.
        directions: Score -> what is better.
    """
    given = next((one.input for one in summaries if one.input != CLEAR), CLEAR)
    own = [one for one in summaries if one.input == given]
    clear = [one for one in summaries if given != CLEAR and one.input == CLEAR and one.method == INPUT]
    metrics = dict.fromkeys(one.metric for one in own)
    best = {metric: best_mean(own, metric, directions[metric]) for metric in metrics}

    def cell(one: VesselSummary, decimals: int, count: str) -> Cell:
        is_best = one.input == given and one.value.mean == best[one.metric]
        return make_cell(one.value, decimals, mark="best" if is_best else "", note=count)

    named = [replace(one, method=label_of(one.method, given)) for one in own]
    named += [replace(one, method=label_of(INPUT, CLEAR)) for one in clear]
    return make_table(named, directions, cell)


def vessel_gain_table(summaries: Sequence[VesselSummary], directions: Mapping[str, str]) -> Table:
    """Return the differences to the input, each with p and the recovered share; arguments as above, of one input."""

    def cell(one: VesselSummary, decimals: int, count: str) -> Cell:
        return difference_cell(
            one.to_input, decimals, directions[one.metric], "; ".join(filter(None, _told(one, count)))
        )

    return make_table([one for one in summaries if one.to_input is not None], directions, cell)


def _told(one: VesselSummary, count: str) -> list[str]:
    """Return p, the recovered share with its interval, and the number of photographs."""
    p = "" if one.p is None else f"p < {LEAST_P}" if one.p < LEAST_P else f"p {one.p:.2g}"
    recovered = f"recovered {ABSENT}" if one.undefined else ""
    if one.recovered is not None:
        share, low, high = (
            format_number(100 * end, 0) for end in (one.recovered.mean, one.recovered.low, one.recovered.high)
        )
        fewer = "" if one.recovered_from == one.pairs else f", of {one.recovered_from}"
        recovered = f"recovered {share} % [{low}, {high}]{fewer}"
    return [p, recovered, count if one.pairs == one.count else f"{one.pairs} pairs"]
