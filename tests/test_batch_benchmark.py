"""The benchmark of the batch: each way is measured in a process of its own, and the table says which one is faster."""

import importlib.util
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from clearfundus import read_photo

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
SCRIPT = str(BENCHMARKS / "batch.py")
SHAPE = (160, 200)
COUNT = 3
GIB = 2**30
WITHOUT_TORCH = 200 * 2**20
"""Bytes between what such a row takes, 115 MiB, and what it takes with torch imported, 298 MiB (measured)."""


@pytest.fixture(scope="module")
def benchmark() -> Iterator[ModuleType]:
    """The script, imported as it is when run: with its folder on the path. It is no part of the package."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        spec = importlib.util.spec_from_file_location("benchmark_of_batch", SCRIPT)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        yield module


@pytest.fixture
def folder(benchmark: ModuleType, tmp_path: Path) -> Path:
    benchmark.write_photographs(tmp_path, COUNT, SHAPE)
    return tmp_path


def cells_of(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("| \n").split("|")]


def way(*rates: float, workers: int = 1, size: int = GIB) -> list[dict[str, Any]]:
    """Return what was measured of one way; each repeat took more memory than the one before."""
    return [{"rate": rate, "workers": workers, "bytes": size * turn} for turn, rate in enumerate(rates, 1)]


def test_a_row_is_measured_in_a_process_of_its_own(benchmark: ModuleType, folder: Path) -> None:
    ballast = np.ones(WITHOUT_TORCH, np.uint8)  # what this process holds is not the row's
    row = {"method": "clahe", "folder": str(folder), "device": "cpu", "workers": 1}
    found = benchmark.in_own_process(row, SCRIPT)
    assert found["rate"] > 0
    assert found["workers"] == 1
    assert 20 * 2**20 < found["bytes"] < ballast.nbytes
    assert sorted(path.name for path in folder.iterdir()) == ["0.jpg", "1.jpg", "2.jpg"]  # results go elsewhere
    assert {read_photo(path).pixels.shape for path in folder.iterdir()} == {(*SHAPE, 3)}


def test_the_rate_is_of_all_photographs_and_not_of_the_one_before(
    benchmark: ModuleType, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # a clock on which the photographs that count take 6 seconds
    monkeypatch.setattr(benchmark, "time", SimpleNamespace(perf_counter=iter([100.0, 106.0]).__next__))
    found = benchmark.measure("clahe", str(folder), "cpu", COUNT + 2)
    assert found["rate"] == 60 * COUNT / 6
    assert found["workers"] == COUNT  # there is no more to do at a time


def test_a_photograph_that_fails_fails_its_row(
    benchmark: ModuleType, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (folder / "1.jpg").write_bytes((folder / "1.jpg").read_bytes()[:100])
    row = {"method": "clahe", "folder": str(folder), "device": "cpu", "workers": 1}
    assert benchmark.in_own_process(row, SCRIPT) is None
    assert "clahe: " in capfd.readouterr().err
    line = benchmark.describe("clahe", [[None], way(5.0)])
    assert "failed" in line
    assert len(cells_of(line + "end")) == len(benchmark.COLUMNS) + 1


def test_the_ratio_is_of_the_overlapped_to_one_after_the_other(benchmark: ModuleType) -> None:
    runs: Sequence[Any] = [way(10, 90, 20), [None, *way(30, 60, 50, workers=3, size=GIB // 4)]]
    cells = dict(zip(benchmark.COLUMNS, cells_of(benchmark.describe("gan", runs)), strict=True))
    assert cells == {
        "method": "gan",
        "one after the other": "20.0",  # the median
        "overlapped": "50.0",
        "min - max": "30.0 - 60.0",
        "ratio": "2.50",
        "at a time": "3",
        "memory, one after the other": "3.00 GiB",  # the most
        "memory, overlapped": "0.75 GiB",
    }


def test_the_table_has_a_row_for_every_method_measured_in_both_ways(
    benchmark: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(benchmark, "METHODS", ("clahe",))
    monkeypatch.setattr(benchmark, "SIZES", ((10, 10), SHAPE))
    monkeypatch.setattr("sys.argv", ["batch.py", "--quick", "--device", "cpu"])
    monkeypatch.setenv("OMP_NUM_THREADS", "2")  # of the processes that measure: as on a machine that can overlap
    benchmark.main()
    said, _, header, _, row = capsys.readouterr().out.splitlines()
    assert said.endswith("2 JPEG photographs of 200 x 160")
    assert cells_of(header) == list(benchmark.COLUMNS)
    cells = dict(zip(benchmark.COLUMNS, cells_of(row), strict=True))
    assert cells["method"] == "clahe"
    assert cells["at a time"] == "2"
    fast = float(cells["overlapped"])
    assert cells["min - max"] == f"{fast:.1f} - {fast:.1f}"
    assert float(cells["ratio"]) == pytest.approx(fast / float(cells["one after the other"]), abs=0.006)
