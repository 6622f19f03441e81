"""How far a mean over photographs may be off: 95 % intervals by the bootstrap, photographs drawn with replacement.

Bias-corrected and accelerated (BCa, Efron 1987), from 10,000 resamples. The fact to know: it takes the photographs for
a fair sample of those one asks about, and with few of them the interval is too narrow all the same: on normal data it
holds the true mean in 84 % of cases with 5 photographs, in 92 % with 13, in 93 % with 25.
"""

from math import nan

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from clearfundus.evaluation.results import Interval

RESAMPLES = 10_000
CONFIDENCE = 0.95
CHUNK = 500
"""Resamples that are drawn at a time, so that a thousand photographs need a few megabytes."""
ROUNDING = 1e-12
"""Share of the largest deviation from the mean below which a resample's mean is the mean."""
CONVENTION = (
    f"mean over photographs, {CONFIDENCE:.0%} interval by the bootstrap (BCa, {RESAMPLES} resamples of the "
    "photographs, the same for every method and difference of one set); no interval from one photograph or with "
    "infinite values"
)

Values = NDArray[np.float64]


def mean_intervals(values: Values, seed: int) -> list[Interval]:
    """Return the mean and interval of each column.

    Args:
        values: (photographs, columns). All columns share their resamples, as paired values must.
        seed: Chance is drawn from it alone.
    """
    values = np.asarray(values, dtype=np.float64)
    count, columns = values.shape
    with np.errstate(invalid="ignore"):  # infinity less infinity: a mean that is not defined
        means = values.mean(axis=0)
    usable = np.isfinite(values).all(axis=0) if count > 1 else np.zeros(columns, dtype=np.bool_)
    lows, highs = np.full(columns, nan), np.full(columns, nan)
    if usable.any():
        lows[usable], highs[usable] = _ends(values[:, usable], seed)
    return [
        Interval(mean=float(mean), low=float(low), high=float(high))
        for mean, low, high in zip(means, lows, highs, strict=True)
    ]


def resampled_means(values: Values, random: np.random.Generator) -> Values:
    """Return the mean of every resample, (RESAMPLES, columns).

    Args:
        values: (photographs, columns). All columns share their resamples.
        random: Draws the photographs.
    """
    count = len(values)
    drawn = np.empty((RESAMPLES, values.shape[1]))
    for start in range(0, RESAMPLES, CHUNK):
        # how often each photograph is drawn is all that a mean needs
        times = random.multinomial(count, np.full(count, 1 / count), size=CHUNK)
        drawn[start : start + CHUNK] = times @ values / count
    return drawn


def _ends(values: Values, seed: int) -> tuple[Values, Values]:
    """Return the lower and the upper end for each column of finite values."""
    means = values.mean(axis=0)
    centred = values - means  # so that the rounding of large values plays no part
    drawn = resampled_means(centred, np.random.default_rng(seed))
    largest = np.abs(centred).max(axis=0)
    # few photographs give many resamples whose mean is the mean; rounding must not put them on one side of it
    drawn[np.abs(drawn) <= ROUNDING * largest] = 0
    below = (drawn < 0).mean(axis=0) + (drawn == 0).mean(axis=0) / 2
    # for a mean the jackknife's skewness is that of the values, over 6 n^(1/2)
    scaled = centred / np.where(largest > 0, largest, 1)  # so that squares sum to 1 or more, or to 0
    acceleration = (scaled**3).sum(axis=0) / (6 * np.maximum((scaled**2).sum(axis=0), 1) ** 1.5)
    bias = ndtri(np.clip(below, 1 / len(drawn), 1 - 1 / len(drawn)))
    ends = []
    for share in ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2):
        shifted = bias + ndtri(share)
        wanted = ndtr(bias + shifted / (1 - acceleration * shifted))
        ends.append(np.array([np.quantile(drawn[:, k], one) for k, one in enumerate(wanted)]) + means)
    return ends[0], ends[1]
