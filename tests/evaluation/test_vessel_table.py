from math import isnan, nan

import numpy as np
import pytest

from clearfundus.evaluation.paired import paired_difference, recovered_share
from clearfundus.evaluation.vessel_results import VesselRow, VesselSummary, write_vessel_summaries
from clearfundus.evaluation.vessel_table import summarise_vessels

CLEAR = (0.8, 0.9, 0.85, 0.7, 0.82)
DEGRADED = (0.5, 0.7, 0.55, 0.6, 0.5)
ENHANCED = (0.6, 0.8, 0.7, 0.62, nan)


def row(at: int, input_: str, method: str, value: float) -> VesselRow:
    return VesselRow(
        set="labelled", photograph=f"p{at}", input=input_, method=method, segmenter="s", metric="f1", value=value
    )


def rows() -> list[VesselRow]:
    values = {
        ("clear", "input"): CLEAR,
        ("clear", "m"): [one - 0.01 for one in CLEAR],
        ("peli", "input"): DEGRADED,
        ("peli", "m"): ENHANCED,
    }
    return [row(at, *place, value) for place, column in values.items() for at, value in enumerate(column)]


def found() -> dict[tuple[str, str], VesselSummary]:
    return {(one.input, one.method): one for one in summarise_vessels(rows(), seed=0)}


def test_means_leave_out_photographs_without_a_value_and_say_how_many_count() -> None:
    assert found()["clear", "input"].count == 5
    assert found()["clear", "input"].value.mean == pytest.approx(np.mean(CLEAR))
    assert found()["peli", "m"].count == 4
    assert found()["peli", "m"].value.mean == pytest.approx(np.mean(ENHANCED[:4]))


def test_a_method_is_compared_with_its_own_input_and_the_share_with_the_clear_photograph() -> None:
    one = found()["peli", "m"]
    arrays = [np.array(values) for values in (ENHANCED, DEGRADED, CLEAR)]
    paired = paired_difference(arrays[0], arrays[1], seed=0)
    shared = recovered_share(*arrays, seed=0)
    assert (one.to_input, one.p) == (paired.difference, paired.p)
    assert one.recovered == shared.share
    gain = np.mean(np.subtract(ENHANCED, DEGRADED)[:4]) / np.mean(np.subtract(CLEAR, DEGRADED)[:4])
    assert one.recovered is not None
    assert one.recovered.mean == pytest.approx(gain)
    assert one.undefined == ""


def test_on_clear_photographs_harm_is_told_and_nothing_can_be_recovered() -> None:
    one = found()["clear", "m"]
    assert one.to_input is not None
    assert one.to_input.mean == pytest.approx(-0.01)
    assert (one.recovered, one.undefined) == (None, "")
    given = found()["peli", "input"]
    assert (given.to_input, given.p, given.recovered) == (None, None, None)


def test_values_are_paired_by_name_in_whatever_order_they_come() -> None:
    turned = {(one.input, one.method): one for one in summarise_vessels(rows()[::-1], seed=0)}
    assert turned["peli", "m"].to_input is not None
    assert turned["peli", "m"].to_input.mean == pytest.approx(found()["peli", "m"].to_input.mean)  # type: ignore[union-attr]
    assert turned["peli", "m"].p == found()["peli", "m"].p


def test_a_difference_says_on_how_many_photographs_it_rests() -> None:
    held = [row(index, "clear", "input", 0.9 + index / 100) for index in range(4)]
    held += [row(index, "peli", "input", 0.2 if index > 1 else nan) for index in range(4)]
    held += [row(index, "peli", "m", 0.5 + index / 100) for index in range(4)]
    one = {(each.input, each.method): each for each in summarise_vessels(held, seed=0)}["peli", "m"]
    assert (one.count, one.pairs, one.recovered_from) == (4, 2, 2)


def test_a_score_that_no_photograph_has_gives_a_mean_that_is_not_defined() -> None:
    (one,) = summarise_vessels([row(0, "clear", "input", nan)], seed=0)
    assert one.count == 0
    assert isnan(one.value.mean)


def test_the_table_has_a_line_a_mean_and_three_columns_an_interval() -> None:
    header, *lines = write_vessel_summaries(summarise_vessels(rows(), seed=0)).splitlines()
    assert header == (
        "set,input,segmenter,metric,method,count,mean,low,high,to_input_mean,to_input_low,to_input_high,p,"
        "pairs,recovered_mean,recovered_low,recovered_high,recovered_from,undefined"
    )
    assert len(lines) == 4
    assert lines[0].startswith(f"labelled,clear,s,f1,input,5,{float(np.mean(CLEAR))!r},")
    assert lines[0].endswith(",,,,,,,,,,")
