from math import isnan

import numpy as np
import pytest
from scipy.stats import wilcoxon

from clearfundus.errors import QualityError
from clearfundus.evaluation.bootstrap import mean_intervals
from clearfundus.evaluation.paired import paired_difference, recovered_share, signed_rank_p


def all_signs_p(differences: np.ndarray) -> float:
    """The definition, by going through all signs: ranks of sizes, the sum of the positive ones, both tails."""
    sizes = np.abs(differences[differences != 0])
    ranks = np.array([(sizes < one).sum() + ((sizes == one).sum() + 1) / 2 for one in sizes])
    signs = (np.arange(2 ** len(ranks))[:, None] >> np.arange(len(ranks))) & 1
    sums, seen = signs @ ranks, ranks[differences[differences != 0] > 0].sum()
    return float(min(1, 2 * min((sums <= seen).mean(), (sums >= seen).mean())))


@pytest.mark.parametrize("count", [3, 8, 20, 50])
def test_without_ties_the_signed_rank_test_is_scipy_s_exact_one(count: int) -> None:
    differences = np.random.default_rng(count).normal(0.3, 1, count)
    assert signed_rank_p(differences) == pytest.approx(wilcoxon(differences, method="exact").pvalue, rel=1e-9)


@pytest.mark.parametrize("seed", range(8))
def test_ties_and_zeros_are_counted_exactly_too(seed: int) -> None:
    differences = np.random.default_rng(seed).integers(-3, 5, 11).astype(np.float64)
    assert signed_rank_p(differences) == pytest.approx(all_signs_p(differences), rel=1e-12)
    # values such as 0.7 + 0.3 - 0.7 and 0.5 + 0.3 - 0.5 differ by rounding alone
    others = np.linspace(0.5, 0.9, 11)
    assert signed_rank_p(others + differences / 10 - others) == signed_rank_p(differences)


def test_of_many_differences_it_is_scipy_s_normal_law() -> None:
    differences = np.random.default_rng(0).normal(0.1, 1, 300)
    expected = wilcoxon(differences, correction=True, method="asymptotic").pvalue
    assert signed_rank_p(differences) == pytest.approx(expected)
    assert signed_rank_p(differences[:50]) == pytest.approx(
        wilcoxon(differences[:50], correction=True, method="asymptotic").pvalue, rel=0.02
    )


def test_six_gains_of_six_have_the_p_of_two_in_two_to_the_sixth() -> None:
    assert signed_rank_p(np.arange(1.0, 7)) == signed_rank_p(-np.arange(1.0, 7)) == 2 / 2**6


def test_where_nothing_differs_p_is_1() -> None:
    found = paired_difference(np.array([0.3, 0.4]), np.array([0.3, 0.4]), seed=0)
    assert (found.p, found.difference.mean, found.difference.low, found.difference.high) == (1, 0, 0, 0)


def test_a_difference_is_that_of_the_means_with_the_interval_of_the_differences() -> None:
    random = np.random.default_rng(1)
    values, others = random.normal(0.8, 0.1, 12), random.normal(0.7, 0.1, 12)
    found = paired_difference(values, others, seed=5)
    assert found.count == 12
    assert found.difference.mean == pytest.approx(values.mean() - others.mean())
    assert found.difference == mean_intervals((values - others)[:, None], 5)[0]
    assert found.p == pytest.approx(wilcoxon(values, others, method="exact").pvalue)


def test_a_photograph_without_a_value_is_left_out_and_not_counted() -> None:
    values, others = np.array([1, np.nan, 3, 4.0]), np.array([0.5, 1, 1, np.nan])
    found = paired_difference(values, others, seed=0)
    assert (found.count, found.difference.mean) == (2, 1.25)
    mended = recovered_share(values, others, np.array([9, 9, 2, 9.0]), seed=0)
    assert mended.count == 2
    assert mended.share is not None
    assert mended.share.mean == pytest.approx(2.5 / 9.5)


def test_without_any_photograph_nothing_is_defined() -> None:
    empty = np.array([np.nan])
    found = paired_difference(empty, empty, seed=0)
    assert found.count == 0
    assert isnan(found.p)
    assert isnan(found.difference.mean)
    assert recovered_share(empty, empty, empty, seed=0).share is None


@pytest.mark.parametrize("share", [-0.5, 0, 0.37, 1, 1.2])
def test_a_known_share_of_every_loss_is_recovered_exactly(share: float) -> None:
    random = np.random.default_rng(2)
    clear, loss = random.uniform(0.7, 0.9, 10), random.uniform(0.1, 0.3, 10)
    found = recovered_share(clear - loss + share * loss, clear - loss, clear, seed=0)
    assert found.reason == ""
    assert found.share is not None
    assert (found.share.mean, found.share.low, found.share.high) == pytest.approx((share, share, share))


def test_the_share_is_a_ratio_of_means_and_its_interval_that_of_the_delta_method() -> None:
    random = np.random.default_rng(3)
    loss = random.normal(0.2, 0.04, 200)
    gain = 0.5 * loss + random.normal(0, 0.03, 200)
    found = recovered_share(0.6 + gain, np.full(200, 0.6), 0.6 + loss, seed=0).share
    assert found is not None
    ratio = gain.mean() / loss.mean()
    deviation = np.std(gain - ratio * loss) / loss.mean() / np.sqrt(200)
    assert found.mean == pytest.approx(ratio)
    assert found.low == pytest.approx(ratio - 1.96 * deviation, abs=0.1 * deviation)
    assert found.high == pytest.approx(ratio + 1.96 * deviation, abs=0.1 * deviation)


def test_a_score_that_falls_when_things_get_better_has_the_same_share() -> None:
    random = np.random.default_rng(4)
    columns = [random.normal(mean, 0.05, 9) for mean in (0.7, 0.6, 0.8)]
    found, turned = (recovered_share(*one, seed=1).share for one in (columns, [1 - column for column in columns]))
    assert found is not None
    assert turned is not None
    assert (turned.mean, turned.low, turned.high) == pytest.approx((found.mean, found.low, found.high))


def test_where_degradation_takes_nothing_for_sure_there_is_no_share() -> None:
    random = np.random.default_rng(5)
    degraded = random.normal(0.7, 0.1, 10)
    found = recovered_share(degraded + 0.1, degraded, degraded + random.normal(0, 0.05, 10), seed=0)
    assert found.share is None
    assert "nothing sure to recover" in found.reason
    assert recovered_share(degraded, degraded, degraded, seed=0).share is None


def test_one_photograph_gives_no_share_and_says_so() -> None:
    one = np.array([0.5])
    found = recovered_share(one, one - 0.2, one + 0.2, seed=0)
    assert found.share is None
    assert found.reason == "photographs with all three values: 1, expected 2 at least"


def test_values_that_are_not_paired_are_refused() -> None:
    with pytest.raises(QualityError, match=r"shapes \(3,\), \(4,\), expected one value a photograph"):
        paired_difference(np.zeros(3), np.zeros(4), seed=0)
    with pytest.raises(QualityError, match="recovered_share"):
        recovered_share(np.zeros((3, 1)), np.zeros((3, 1)), np.zeros((3, 1)), seed=0)
