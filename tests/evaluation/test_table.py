from dataclasses import replace
from math import inf

import numpy as np
import pytest

from clearfundus.errors import QualityError
from clearfundus.evaluation.results import Row, Summary
from clearfundus.evaluation.table import difference, rank, summarise

DIRECTIONS = {"psnr": "higher", "niqe": "lower", "entropy": "none"}


def row(photograph: str, method: str, value: float, metric: str = "psnr", set_: str = "pairs") -> Row:
    return Row(
        set=set_,
        photograph=photograph,
        method=method,
        metric=metric,
        value=value,
        protocol="fov",
        side=768,
        blocks=None,
        flat_share=None,
        fit="",
    )


def rows(values: dict[str, list[float]], metric: str = "psnr") -> list[Row]:
    count = len(next(iter(values.values())))
    return [row(f"p{at}", method, values[method][at], metric) for at in range(count) for method in values]


def by_method(found: tuple[Summary, ...]) -> dict[str, Summary]:
    return {one.method: one for one in found}


def test_the_difference_to_the_input_is_paired() -> None:
    # the photographs differ by 20, the method by 1 each: unpaired intervals would overlap
    found = by_method(summarise(rows({"input": [10, 20, 30], "gan": [11, 21, 31]}), DIRECTIONS, 0))
    assert found["gan"].value.high - found["gan"].value.low > 5
    assert found["gan"].to_input is not None
    assert (found["gan"].to_input.mean, found["gan"].to_input.low, found["gan"].to_input.high) == (1, 1, 1)
    assert found["input"].to_input is None


@pytest.mark.parametrize(("metric", "best"), [("psnr", ["b", "b", "c", "b"]), ("niqe", ["a", "c", "a", "a"])])
def test_the_best_other_is_best_by_the_metric_s_direction_and_never_the_input(metric: str, best: list[str]) -> None:
    values = {"input": [0.0, 99.0], "a": [1.0, 2.0], "b": [5.0, 6.0], "c": [3.0, 4.0]}
    found = by_method(summarise(rows(values, metric), DIRECTIONS, 0))
    assert [one.best_other for one in found.values()] == best
    assert found["b"].to_best_other is not None
    assert found["b"].to_best_other.mean == 5.5 - np.mean(values[found["b"].best_other])


def test_a_single_method_has_no_other() -> None:
    found = by_method(summarise(rows({"input": [1.0], "a": [2.0]}), DIRECTIONS, 0))
    assert found["a"].best_other == ""
    assert found["a"].to_best_other is None
    assert found["input"].best_other == "a"


def test_ranks_are_means_over_photographs_and_ties_share_theirs() -> None:
    values = np.array([[3.0, 2.0, 1.0], [5.0, 5.0, 1.0], [4.0, 4.0, 4.0]])
    assert rank(values, "higher").tolist() == pytest.approx([(1 + 1.5 + 2) / 3, (2 + 1.5 + 2) / 3, (3 + 3 + 2) / 3])
    assert rank(values, "lower").tolist() == pytest.approx([(3 + 2.5 + 2) / 3, (2 + 2.5 + 2) / 3, (1 + 1 + 2) / 3])


def test_a_metric_without_better_or_worse_has_no_ranks_but_differences() -> None:
    found = by_method(summarise(rows({"input": [1, 2], "a": [3, 5], "b": [0, 0]}, "entropy"), DIRECTIONS, 0))
    assert found["a"].rank is None
    assert found["a"].best_other == ""
    assert found["a"].to_best_other is None
    assert found["a"].to_input is not None
    assert found["a"].to_input.mean == 2.5


def test_two_infinite_values_do_not_differ() -> None:
    found = difference(np.array([inf, inf, 1.0]), np.array([inf, 3.0, 2.0]))
    assert found.tolist() == [0, inf, -1]


def test_sets_metrics_and_methods_keep_their_order_and_do_not_mix() -> None:
    values = [row("p", "input", 1), row("p", "a", 2), row("p", "input", 3, "niqe"), row("p", "a", 4, "niqe")]
    values += [row("p", "input", 5, set_="simulated"), row("p", "a", 6, set_="simulated")]
    found = summarise(values, DIRECTIONS, 0)
    assert [(one.set, one.metric, one.method, one.value.mean) for one in found] == [
        ("pairs", "psnr", "input", 1),
        ("pairs", "psnr", "a", 2),
        ("pairs", "niqe", "input", 3),
        ("pairs", "niqe", "a", 4),
        ("simulated", "psnr", "input", 5),
        ("simulated", "psnr", "a", 6),
    ]


def test_a_mean_says_how_values_spread_and_what_they_rest_on() -> None:
    values = rows({"input": [1.0, 3.0], "a": [5.0, inf]})
    values = [replace(one, blocks=40 + at, flat_share=0.1 * at, fit="live") for at, one in enumerate(values)]
    found = by_method(summarise(values, DIRECTIONS, 0))
    one = found["input"]
    assert (one.side, one.fit, one.blocks, one.flat_share) == (768, "live", 41, pytest.approx(0.1))
    assert one.deviation == pytest.approx(2**0.5)
    assert found["a"].deviation is None
    plain = by_method(summarise(rows({"input": [1.0]}), DIRECTIONS, 0))["input"]
    assert (plain.deviation, plain.blocks, plain.flat_share) == (None, None, None)


def test_values_of_several_sides_or_fits_are_not_averaged() -> None:
    for change in ({"side": 64}, {"fit": "other"}):
        one, other = row("p0", "input", 1), replace(row("p1", "input", 1), **change)  # type: ignore[arg-type]
        with pytest.raises(QualityError, match="several sides or of several fits"):
            summarise([one, other], DIRECTIONS, 0)


def test_a_missing_value_is_refused() -> None:
    with pytest.raises(QualityError, match="pairs/p1: found psnr of input, expected it of input, a"):
        summarise([row("p0", "input", 1), row("p0", "a", 1), row("p1", "input", 1)], DIRECTIONS, 0)
    with pytest.raises(QualityError, match="twice"):
        summarise([row("p0", "input", 1), row("p0", "input", 1)], DIRECTIONS, 0)
