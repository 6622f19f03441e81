"""The benchmark of vessels: a row is measured in a process of its own, and what is over a limit is marked."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    """The script, imported as it is when run: with its folder on the path. It is no part of the package."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        spec = importlib.util.spec_from_file_location("benchmark_of_vessels", BENCHMARKS / "vessels.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return module


def test_a_row_is_measured_in_a_process_of_its_own_and_described(benchmark: ModuleType) -> None:
    row = {"task": "segment", "segmenter": "gabor", "shape": [200, 240], "device": "cpu", "repeats": 1}
    found = benchmark.in_own_process(row, str(BENCHMARKS / "vessels.py"))
    assert [len(parts) for parts in found["times"]] == [len(benchmark.PARTS)] * 2
    cells = [cell.strip() for cell in benchmark.describe(row, found).strip("| ").split("|")]
    assert len(cells) == len(benchmark.COLUMNS)
    assert cells[:3] == ["segment", "gabor", "240 x 200"]
    assert "OVER" not in cells[3]


def test_what_is_over_a_limit_is_marked(benchmark: ModuleType) -> None:
    row = {"task": "track", "segmenter": "gabor", "shape": [200, 240]}
    found = {"times": [[1.0] * 5, [3.0] * 5], "bytes": 3 * 2**30}
    line = benchmark.describe(row, found)
    assert "15.00 OVER 10 |" in line
    assert "3.00 OVER 2 GiB" in line


def test_a_failed_row_says_so(benchmark: ModuleType) -> None:
    line = benchmark.describe({"task": "track", "segmenter": "wnet", "shape": [160, 200]}, None)
    assert "failed" in line
    assert line.count("|") == len(benchmark.COLUMNS) + 1
