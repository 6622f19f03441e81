from math import inf, isnan

import numpy as np
import pytest
from scipy.stats import bootstrap, norm

from clearfundus.evaluation import bootstrap as module
from clearfundus.evaluation.bootstrap import mean_intervals
from clearfundus.evaluation.results import Interval


def test_of_many_normal_values_it_is_the_closed_form() -> None:
    values = np.random.default_rng(0).normal(30, 4, (400, 1))
    (found,) = mean_intervals(values, seed=1)
    half = norm.ppf(0.975) * values.std() / 20
    assert found.mean == values.mean()
    assert found.low == pytest.approx(values.mean() - half, abs=0.05 * half)
    assert found.high == pytest.approx(values.mean() + half, abs=0.05 * half)


def test_of_few_skewed_values_it_is_scipy_s_bca() -> None:
    values = np.random.default_rng(2).exponential(1, 15)
    (found,) = mean_intervals(values[:, None], seed=3)
    made = bootstrap((values,), np.mean, n_resamples=40_000, method="BCa", random_state=np.random.default_rng(4))
    width = made.confidence_interval.high - made.confidence_interval.low
    assert found.low == pytest.approx(made.confidence_interval.low, abs=0.02 * width)
    assert found.high == pytest.approx(made.confidence_interval.high, abs=0.02 * width)
    # and not the plain percentiles, which lie lower for values skewed to the right
    plain = bootstrap((values,), np.mean, n_resamples=40_000, method="percentile", random_state=1).confidence_interval
    assert found.high - plain.high > 0.03 * width


def test_it_holds_the_true_mean_about_as_often_as_it_says() -> None:
    random = np.random.default_rng(5)
    samples = random.normal(0, 1, (40, 300))
    held = [one.low <= 0 <= one.high for one in mean_intervals(samples, seed=6)]
    assert 0.90 <= np.mean(held) <= 0.98


def test_the_same_seed_gives_the_same_interval_and_another_another() -> None:
    values = np.random.default_rng(7).normal(size=(9, 1))
    assert mean_intervals(values, seed=1) == mean_intervals(values, seed=1)
    assert mean_intervals(values, seed=1) != mean_intervals(values, seed=2)


def test_columns_share_their_resamples() -> None:
    values = np.random.default_rng(8).normal(size=(9, 1))
    one, shifted = mean_intervals(np.concatenate([values, values + 1000], axis=1), seed=1)
    assert shifted.low - one.low == pytest.approx(1000)
    assert shifted.high - one.high == pytest.approx(1000)


def test_equal_values_have_an_interval_without_width() -> None:
    assert mean_intervals(np.full((5, 1), 0.1), seed=0) == [Interval(mean=0.1, low=0.1, high=0.1)]


def test_of_two_values_it_is_from_one_to_the_other() -> None:
    (found,) = mean_intervals(np.array([[24.31], [27.03]]), seed=0)
    assert (found.low, found.high) == (pytest.approx(24.31), pytest.approx(27.03))


@pytest.mark.parametrize(("values", "mean"), [([[3.0]], 3.0), ([[3.0], [inf]], inf)])
def test_no_interval_is_made_up(values: list[list[float]], mean: float) -> None:
    (found,) = mean_intervals(np.array(values), seed=0)
    assert found.mean == mean
    assert isnan(found.low)
    assert isnan(found.high)


def test_infinite_values_do_not_touch_the_other_columns() -> None:
    values = np.random.default_rng(9).normal(size=(6, 2))
    alone = mean_intervals(values[:, 1:], seed=0)
    values[2, 0] = inf
    assert mean_intervals(values, seed=0)[1] == alone[0]


def test_the_resamples_are_whole_chunks() -> None:
    assert module.RESAMPLES % module.CHUNK == 0
