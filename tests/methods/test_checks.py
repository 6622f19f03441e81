import math

import pytest

from clearfundus.errors import MissingExtraError, SettingsError
from clearfundus.methods.checks import check_choice, check_number, require_extra


@pytest.mark.parametrize("value", [0, 0.5, 1])
def test_a_number_in_range_passes(value: float) -> None:
    check_number("share", value, 0, 1)


def test_infinity_passes_where_there_is_no_limit() -> None:
    check_number("tau1", math.inf, 0)


@pytest.mark.parametrize(
    ("value", "limits", "above", "message"),
    [
        (-0.1, (0, 1), False, "share: found -0.1, expected 0 or more and at most 1"),
        (1.5, (0, 1), False, "at most 1"),
        (0, (0,), True, "share: found 0, expected a number above 0"),
        (math.nan, (0,), False, "share: found nan, expected 0 or more"),
        (math.inf, (0, 1), False, "share: found inf"),
        (True, (0, 1), False, "share: found True, expected a number"),
        (False, (0,), False, "share: found False, expected a number"),
    ],
)
def test_a_number_out_of_range_is_named(value: float, limits: tuple, above: bool, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        check_number("share", value, *limits, above=above)


def test_a_word_that_is_no_choice_is_named() -> None:
    check_choice("mode", "auto", ("auto", "published"))
    with pytest.raises(SettingsError, match=r"mode: found 'best', expected one of: auto, published"):
        check_choice("mode", "best", ("auto", "published"))


def test_a_missing_package_names_its_install_line() -> None:
    require_extra("starck2003", "curvelet", ["numpy"])
    with pytest.raises(MissingExtraError, match=r"needs no_such_package.*pip install 'clearfundus\[curvelet\]'"):
        require_extra("starck2003", "curvelet", ["numpy", "no_such_package"])
