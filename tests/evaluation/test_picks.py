from math import inf, isnan, nan

import pytest

from clearfundus.evaluation.picks import CASE_MEASURES, Pick, pick_cases
from clearfundus.evaluation.results import Row
from clearfundus.quality import METRICS


def rows(
    values: dict[str, float], of_set: str = "pairs", method: str = "gan", protocol: str = "fov", metric: str = ""
) -> list[Row]:
    return [
        Row(
            set=of_set,
            photograph=photograph,
            method=method,
            metric=metric or CASE_MEASURES[of_set].metric,
            value=value,
            protocol=protocol,
            side=768,
            blocks=None,
            flat_share=None,
            fit="",
        )
        for photograph, value in values.items()
    ]


def picked(found: tuple[Pick, ...]) -> list[tuple[str, str]]:
    return [(one.place, one.photograph) for one in found]


def test_the_highest_ssim_is_the_best_case_of_pairs() -> None:
    found = pick_cases(rows({"a": 0.5, "b": 0.9, "c": 0.1, "d": 0.7, "e": 0.6}), of_set="pairs", method="gan")
    assert picked(found) == [("best", "b"), ("median", "e"), ("worst", "c")]


def test_the_greatest_fall_of_fniqe_is_the_best_case_of_blurry_photographs() -> None:
    inputs = rows({"a": 5, "b": 9, "c": 7}, "blurry", method="input")
    # a has the lowest value, but b fell most and c rose
    found = pick_cases([*inputs, *rows({"a": 4, "b": 5, "c": 7.5}, "blurry")], of_set="blurry", method="gan")
    assert picked(found) == [("best", "b"), ("median", "a"), ("worst", "c")]
    assert found[0] == Pick(place="best", photograph="b", value=5, to_input=-4)


def test_the_median_of_an_even_number_is_the_better_in_the_middle() -> None:
    found = pick_cases(rows({"a": 0.1, "b": 0.2, "c": 0.3, "d": 0.4}), of_set="pairs", method="gan")
    assert picked(found)[1] == ("median", "c")


@pytest.mark.parametrize(
    ("values", "places"),
    [
        ({}, []),
        ({"a": 0.5}, [("only", "a")]),
        ({"a": 0.5, "b": 0.6}, [("best", "b"), ("worst", "a")]),
        ({"a": 0.5, "b": 0.6, "c": 0.7}, [("best", "c"), ("median", "b"), ("worst", "a")]),
    ],
)
def test_no_photograph_is_shown_twice_where_there_are_few(
    values: dict[str, float], places: list[tuple[str, str]]
) -> None:
    assert picked(pick_cases(rows(values), of_set="pairs", method="gan")) == places


def test_a_value_that_is_not_finite_is_not_picked() -> None:
    found = pick_cases(rows({"a": nan, "b": 0.6, "c": inf, "d": -inf}), of_set="simulated", method="gan")
    assert found == ()
    found = pick_cases(rows({"a": nan, "b": 0.6, "c": inf}, "simulated"), of_set="simulated", method="gan")
    assert picked(found) == [("only", "b")]


def test_equal_values_are_put_in_order_by_name() -> None:
    found = pick_cases(rows({"c": 0.5, "a": 0.5, "b": 0.5}), of_set="pairs", method="gan")
    assert [one.photograph for one in found] == ["a", "b", "c"]


def test_only_the_own_set_method_measure_and_protocol_count() -> None:
    others = [
        *rows({"x": 0.99}, "simulated"),
        *rows({"x": 0.99}, method="clahe"),
        *rows({"x": 99.0}, metric="psnr"),
        *rows({"x": 0.99}, protocol="whole"),
    ]
    found = pick_cases([*others, *rows({"a": 0.5, "b": 0.4})], of_set="pairs", method="gan")
    assert [one.photograph for one in found] == ["a", "b"]
    assert all(isnan(one.to_input) for one in found)  # the input was not judged


def test_the_whole_frame_serves_where_the_field_was_not_judged() -> None:
    found = pick_cases(rows({"a": 0.5, "b": 0.4}, protocol="whole"), of_set="pairs", method="gan")
    assert [one.photograph for one in found] == ["a", "b"]


def test_no_case_is_picked_by_another_measure_or_in_an_unknown_set() -> None:
    values = rows({"a": 20.0}, metric="psnr")
    assert pick_cases(values, of_set="pairs", method="gan") == ()
    assert pick_cases(values, of_set="elsewhere", method="gan") == ()


@pytest.mark.parametrize("of_set", CASE_MEASURES)
def test_the_order_follows_the_direction_of_the_metric(of_set: str) -> None:
    measure = CASE_MEASURES[of_set]
    assert METRICS[measure.metric].direction == ("higher" if measure.higher else "lower")
    assert METRICS[measure.metric].needs_reference == (of_set != "blurry")
