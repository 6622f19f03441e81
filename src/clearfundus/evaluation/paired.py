"""Paired statistics: what a method changes on the same photographs, how sure that is, and how much of a loss it mends.

The fact to know: photographs with a value that is not finite on either side are left out of a pair, and each result
says on how many photographs it rests.

Source: signed rank test of Wilcoxon, Biometrics Bulletin 1 (1945), with zero differences left out.
"""

from dataclasses import dataclass
from math import nan

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata, wilcoxon

from clearfundus.errors import QualityError
from clearfundus.evaluation.bootstrap import CONFIDENCE, mean_intervals, resampled_means
from clearfundus.evaluation.results import Interval

MOST_EXACT = 50
"""Differences up to which the signed rank test counts all signs; more are near enough to the normal law."""
ROUNDING = 1e-12
"""Share of the largest difference below which two differences tie: it is rounding that tells them apart."""
CONVENTION = (
    "differences are taken photograph by photograph; p: two-sided signed rank test of Wilcoxon, zero differences left "
    f"out, exact up to {MOST_EXACT} photographs, not corrected for the number of tests; recovered share: (enhanced - "
    f"degraded) / (clear - degraded), a ratio of means over photographs, with the {CONFIDENCE:.0%} percentile interval "
    "of its bootstrap over photographs; it is not defined where the interval of clear - degraded holds 0"
)

Values = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Paired:
    """What changed between two values of each photograph.

    Attributes:
        count: Photographs with both values.
        difference: Mean of value minus other with its 95 % interval, in the score's unit; NaN from no photograph.
        p: Of the two-sided signed rank test, in (0, 1]; NaN from no photograph, 1 if nothing differs.
    """

    count: int
    difference: Interval
    p: float


@dataclass(frozen=True, kw_only=True)
class Recovered:
    """How much of what degradation took a method gave back.

    Attributes:
        count: Photographs with all three values.
        share: 1 for all of it, 0 for nothing, below 0 for harm; with its 95 % interval. None where it is not defined.
        reason: Why it is not defined; empty otherwise.
    """

    count: int
    share: Interval | None
    reason: str = ""


def paired_difference(values: Values, others: Values, seed: int) -> Paired:
    """Compare two values of each photograph.

    Args:
        values: Of the photographs, (N,).
        others: Of the same photographs in the same order, (N,).
        seed: Of the bootstrap.

    Raises:
        QualityError: If they are not paired.
    """
    values, others = _together("paired_difference", values, others)
    if not len(values):
        return Paired(count=0, difference=Interval(mean=nan, low=nan, high=nan), p=nan)
    differences = values - others
    (difference,) = mean_intervals(differences[:, None], seed)
    return Paired(count=len(values), difference=difference, p=signed_rank_p(differences))


def recovered_share(enhanced: Values, degraded: Values, clear: Values, seed: int) -> Recovered:
    """Compare what a method gave back with what degradation took: (enhanced - degraded) / (clear - degraded).

    Args:
        enhanced: A score of each degraded photograph after the method, (N,).
        degraded: That of the degraded photographs themselves, (N,), in the same order.
        clear: That of the clear photographs, (N,).
        seed: Of the bootstrap.

    Raises:
        QualityError: If they are not paired.
    """
    enhanced, degraded, clear = _together("recovered_share", enhanced, degraded, clear)
    count = len(enhanced)
    if count < 2:
        return Recovered(
            count=count, share=None, reason=f"photographs with all three values: {count}, expected 2 at least"
        )
    gain, loss = enhanced - degraded, clear - degraded
    (lost,) = mean_intervals(loss[:, None], seed)
    if lost.low <= 0 <= lost.high:
        reason = f"clear - degraded is {lost.mean:.3g} ({lost.low:.3g} to {lost.high:.3g}): nothing sure to recover"
        return Recovered(count=count, share=None, reason=reason)
    drawn = resampled_means(np.stack([gain, loss], axis=1), np.random.default_rng(seed))
    with np.errstate(divide="ignore", invalid="ignore"):  # a resample in which nothing was lost: infinite, or no number
        ratios = drawn[:, 0] / drawn[:, 1]
    low, high = np.quantile(ratios[~np.isnan(ratios)], ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2))
    return Recovered(
        count=count, share=Interval(mean=float(gain.mean() / loss.mean()), low=float(low), high=float(high))
    )


def signed_rank_p(differences: Values) -> float:
    """Return p of Wilcoxon's two-sided signed rank test; 1 if nothing differs.

    Args:
        differences: (N,), finite. Zeros are left out; ties share the mean of their ranks.
    """
    largest = float(np.abs(differences).max(initial=0))
    if largest == 0:
        return 1.0
    rounded = np.rint(differences / largest / ROUNDING)  # so that equal differences tie
    rounded = rounded[rounded != 0]
    if len(rounded) > MOST_EXACT:
        return float(wilcoxon(rounded, correction=True, method="asymptotic").pvalue)
    doubled = np.rint(2 * rankdata(np.abs(rounded))).astype(np.int64)  # whole numbers, also where ranks are shared
    ways = np.ones(1)  # ways[s]: in how many choices of signs the positive ranks sum to s / 2
    for rank in doubled:
        ways = np.pad(ways, (0, rank)) + np.pad(ways, (rank, 0))
    positive = int(doubled[rounded > 0].sum())
    smaller = min(positive, int(doubled.sum()) - positive)
    return float(min(1.0, 2 * ways[: smaller + 1].sum() / ways.sum()))


def _together(measure: str, *columns: Values) -> list[Values]:
    """Return columns of paired values without the photographs where one is not finite."""
    arrays = [np.asarray(one, np.float64) for one in columns]
    if any(one.ndim != 1 or len(one) != len(arrays[0]) for one in arrays):
        raise QualityError(
            f"{measure}: found values of shapes {', '.join(str(one.shape) for one in arrays)}, expected one value a "
            "photograph in each, of the same photographs"
        )
    usable = np.isfinite(arrays).all(axis=0)
    return [one[usable] for one in arrays]
