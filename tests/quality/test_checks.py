import numpy as np
import pytest

from clearfundus.errors import QualityError
from clearfundus.quality.checks import check_gray

GOOD = np.random.default_rng(0).integers(0, 256, (40, 50)).astype(np.float64)


def test_whole_levels_pass_in_both_types() -> None:
    np.testing.assert_array_equal(check_gray(GOOD, "niqe", 40), GOOD)
    found = check_gray(GOOD.astype(np.uint8), "niqe", 40)
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, GOOD)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (GOOD / 255, r"niqe: found levels that are not whole numbers in \[0, 1\], expected whole levels of 0 to 255"),
        (GOOD * 0.5, "not whole numbers"),
        (GOOD + 1, r"found levels in \[1, 256\], expected 0 to 255"),
        (GOOD - 1, r"found levels in \[-1, 254\]"),
        (np.where(GOOD > 200, np.nan, GOOD), r"found levels in \[nan, nan\]"),
        (GOOD.astype(np.float32), "found type float32, expected uint8 or float64"),
        (GOOD.astype(np.int64), "found type int64"),
        (np.dstack([GOOD] * 3), r"found an array of shape \(40, 50, 3\), expected \(height, width\)"),
        (GOOD[:39], "found 50 x 39 pixels, expected 40 x 40 at least"),
        (GOOD[:0], "found 50 x 0 pixels"),
    ],
)
def test_everything_else_is_refused_with_what_was_found(wrong: np.ndarray, message: str) -> None:
    with pytest.raises(QualityError, match=message):
        check_gray(wrong, "niqe", 40)
