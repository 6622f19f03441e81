"""The benchmark of CUDA devices, as far as it goes without one: what it refuses, and what its rows say."""

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch

from clearfundus.networks.generator import Generator, GeneratorSettings

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
PEAKS = {"fp32": 1e12, "bf16": 2e12}


@pytest.fixture(scope="module")
def benchmark() -> Iterator[ModuleType]:
    """The script, imported as it is when run: with its folder on the path. It is no part of the package."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        spec = importlib.util.spec_from_file_location("benchmark_of_gpu", BENCHMARKS / "gpu.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        patch.setitem(sys.modules, spec.name, module)  # dataclasses look their module up
        spec.loader.exec_module(module)
        yield module


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A CUDA device that has nothing to do and of whose memory 5 MiB were taken."""
    for name in ("synchronize", "reset_peak_memory_stats", "empty_cache"):
        monkeypatch.setattr(torch.cuda, name, lambda *_: None)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda *_: 0)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda *_: 5 * 2**20)


def test_without_a_cuda_device_it_says_so(benchmark: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(sys, "argv", ["gpu.py", "--quick"])
    with pytest.raises(SystemExit, match="measures a CUDA device: found cpu"):
        benchmark.main()


@pytest.mark.usefixtures("counted")
def test_every_way_has_a_row_and_one_that_fails_says_so_and_the_rest_go_on(
    benchmark: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "Stream", ModuleType)  # fails: it wants a name
    case = benchmark.make_case(Generator(GeneratorSettings(width=4, blocks=1)).eval(), 32)
    benchmark.print_rows(case, PEAKS, quick=True)
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in capsys.readouterr().out.splitlines()]
    columns = benchmark.HEADER.splitlines()[0].count("|") - 1
    assert [len(row) for row in rows] == [columns] * (len(benchmark.WAYS) - 1)  # torch.compile is not quick
    failed = {row[0]: row[1] for row in rows if "failed" in row[1]}
    assert failed["CUDA graph of it, bf16"].startswith("failed: ")
    assert set(failed) <= {"CUDA graph of it, bf16", "the same under a limit"}  # a CPU counts all the process holds
    assert rows[0][0] == "plain eager, fp32"
    assert rows[0][4] == "1.00 x"
    assert rows[0][5] == "5 MiB"
    assert float(rows[2][1]) > 0


def test_what_is_timed_in_bf16_computes_what_the_plain_call_does_and_leaves_it_as_it_is(benchmark: ModuleType) -> None:
    case = benchmark.make_case(Generator(GeneratorSettings(width=4, blocks=1)).eval(), 32)
    with torch.inference_mode():
        output = benchmark.on_tensors(case)[0]()
        plain = benchmark.eager(case)[0]()
    assert output.shape == plain.shape == (1, 3, 32, 32)
    assert (output - plain).abs().mean() < 0.1
    assert case.network.head.weight.dtype == case.shipped.head.weight.dtype == torch.float32
    assert case.shipped.down[0].weight.dtype == torch.bfloat16
    assert case.network.down[0].weight.dtype == torch.float32  # it is a copy that is converted
