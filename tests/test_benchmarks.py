import importlib.util
import math
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from clearfundus.methods import METHODS

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    """The script, imported as it is when run: with its folder on the path. It is no part of the package."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        spec = importlib.util.spec_from_file_location("benchmark_of_methods", BENCHMARKS / "methods.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return module


def test_every_method_without_weights_has_a_row(benchmark: ModuleType) -> None:
    assert set(benchmark.methods_without_weights()) == set(METHODS) - {"gan"}


def test_a_row_is_measured_in_a_process_of_its_own_and_described(benchmark: ModuleType) -> None:
    row = {"method": "clahe", "shape": [160, 200], "threads": 1, "repeats": 2}
    found = benchmark.in_own_process(row, str(BENCHMARKS / "methods.py"))
    assert len(found["times"]) == 3
    assert found["megapixels"] < 0.16 * 0.2  # the crop's, not the frame's
    assert math.isclose(sum(found["shares"].values()), 1)
    assert found["shares"]["cv2"] > 0
    cells = benchmark.describe(row, found).strip("| ").split("|")
    assert len(cells) == len(benchmark.COLUMNS)
    assert [cell.strip() for cell in cells[:2]] == ["clahe", "200 x 160"]


def test_a_failed_row_says_so(benchmark: ModuleType) -> None:
    line = benchmark.describe({"method": "clahe", "shape": [160, 200]}, None)
    assert "failed" in line
    assert line.count("|") == len(benchmark.COLUMNS) + 1


@pytest.mark.parametrize(
    ("code", "owner"),
    [
        ("<LUT>", "cv2"),
        ("<method 'apply' of 'cv2.CLAHE' objects>", "cv2"),
        ("<method 'astype' of 'numpy.ndarray' objects>", "numpy"),
        ("<built-in method scipy.fft._pocketfft.pypocketfft.r2c>", "scipy"),
        ("<built-in method builtins.len>", "Python's own library"),
        (np.percentile.__wrapped__.__code__, "numpy"),
        (METHODS["clahe"].__code__, "own Python"),
    ],
)
def test_time_is_laid_on_the_library_that_owns_the_function(benchmark: ModuleType, code: object, owner: str) -> None:
    assert benchmark.owner(code) == owner


def test_instructions_are_counted_in_the_given_place_only(benchmark: ModuleType) -> None:
    def turn(times: int) -> None:
        for number in range(times):
            math.floor(number)

    before = sys.gettrace()
    few, many = (benchmark.count_instructions(lambda times=times: turn(times), __file__) for times in (100, 200))
    assert 100 * 3 < many - few < 100 * 20
    assert benchmark.count_instructions(lambda: turn(100), str(BENCHMARKS)) == 0
    assert sys.gettrace() is before
