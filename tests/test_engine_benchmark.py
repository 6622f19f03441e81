"""The benchmark of engines: every way makes the same picture, ways run in turn, and operations and shares are right."""

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from clearfundus.networks.generator import Generator, GeneratorSettings
from clearfundus.networks.norm import InstanceNorm
from clearfundus.networks.operations import generator_operations
from clearfundus.networks.weights import save_weights

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
WAYS = ("plain eager loop", "one pass", "one pass, bf16", "strips", "ONNX Runtime", "OpenVINO", "OpenVINO, bf16")
SPEAKER = """
import json, sys
row = json.loads(sys.argv[2])
print(json.dumps("ready"), flush=True)
for count, _ in enumerate(sys.stdin):
    if row["way"] == "dies" and count == 1:
        sys.exit(1)
    with open({log!r}, "a") as log:
        log.write(row["way"] + " ")
    print(json.dumps({{"seconds": 2.0 + count, "bytes": 7}}), flush=True)
"""
"""A process that runs nothing, and writes down when it was told to."""


@pytest.fixture(scope="module")
def benchmark() -> Iterator[ModuleType]:
    """The script, imported as it is when run: with its folder on the path. It is no part of the package."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        spec = importlib.util.spec_from_file_location("benchmark_of_engines", BENCHMARKS / "engines.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        patch.setitem(sys.modules, spec.name, module)
        spec.loader.exec_module(module)
        yield module


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_weights(Generator(GeneratorSettings(width=4, blocks=2)), path, name="tiny")
    return str(path)


@pytest.fixture
def case(benchmark: ModuleType) -> Any:
    settings = GeneratorSettings(width=4, blocks=2)
    return benchmark.Case(weights=None, settings=settings, side=64, rates={"fp32": 1e9, "bf16": 2e9})


def runner(benchmark: ModuleType, way: str, runs: list[float]) -> Any:
    made = object.__new__(benchmark.Runner)
    made.way, made.runs, made.most_bytes, made.failed = way, runs, 2**30, False
    return made


@pytest.mark.parametrize("way", WAYS[1:])
def test_every_way_makes_the_picture_of_the_plain_loop(benchmark: ModuleType, weights: str, way: str) -> None:
    assert tuple(benchmark.WAYS) == WAYS
    for package in benchmark.packages_of(benchmark.WAYS[way].engine):
        pytest.importorskip(package)
    pixels = np.random.default_rng(1).random((64, 64, 3), np.float32)
    expected, found = (benchmark.WAYS[one].prepare(weights)(pixels) for one in (WAYS[0], way))
    assert expected.std() > 0.01
    assert np.abs(found - expected).max() < (0.05 if "bf16" in way else 1e-4)


def test_the_plain_loop_has_nothing_of_this_package(benchmark: ModuleType) -> None:
    network = Generator(GeneratorSettings(width=4, blocks=2)).to(memory_format=torch.channels_last)
    plain = sys.modules["engine_ways"].as_others_have_it(network)
    assert not any(isinstance(layer, InstanceNorm) for layer in plain.modules())
    assert plain.down[0].weight.is_contiguous()


@pytest.mark.parametrize("upsample", ["transposed", "resize"])
def test_the_convolutions_together_have_the_operations_of_the_network(benchmark: ModuleType, upsample: Any) -> None:
    settings = GeneratorSettings(width=4, blocks=2, upsample=upsample, skip=True, gain=True)
    steps = sys.modules["engine_rates"].convolutions(Generator(settings), 64)
    assert len(steps) == 1 + 2 + 2 * 2 + 2 + 1
    assert sum(step.operations for step in steps) == generator_operations(settings, 64, 64)
    assert len({step.name for step in steps}) == len(steps) - 3  # the blocks' convolutions are alike


def test_the_convolutions_alone_take_their_operations_at_their_own_rates(benchmark: ModuleType, weights: str) -> None:
    module = sys.modules["engine_rates"]
    settings = GeneratorSettings(width=4, blocks=2)
    steps = module.convolutions(Generator(settings), benchmark.SIDE)
    rates = {step.name: 2e9 for step in steps}
    whole = generator_operations(settings, benchmark.SIDE, benchmark.SIDE)
    assert module.seconds_alone(weights, rates) == pytest.approx(whole / 2e9)
    stem = steps[0]
    slower = module.seconds_alone(weights, {**rates, stem.name: 1e9})
    assert slower == pytest.approx(whole / 2e9 + stem.operations / 2e9)


@pytest.mark.parametrize(
    ("runs", "enough"),
    [
        ([], False),
        ([1.0], False),  # it has only warmed up
        ([1.0] * 5, False),
        ([1.0] * 6, True),
        ([11.0] * 4, True),
        ([11.0] * 3, False),
        ([59.0], False),
        ([59.0, 59.0], True),  # 118 s are over the 60 of a row
        ([61.0], True),
    ],
)
def test_a_row_is_repeated_as_often_as_its_time_allows(benchmark: ModuleType, runs: list[float], enough: bool) -> None:
    assert benchmark.Limits().are_met(runs) == enough


def test_ways_run_in_turn_and_one_that_dies_leaves_the_others_be(benchmark: ModuleType, tmp_path: Path) -> None:
    script, log = tmp_path / "speaker.py", tmp_path / "log"
    script.write_text(SPEAKER.format(log=str(log)))
    runners = [benchmark.Runner(way, None, 8, script) for way in ("one", "dies", "other")]
    benchmark.run_in_turn(runners, benchmark.Limits(repeats=2))
    assert log.read_text().split() == ["one", "dies", "other", "one", "other", "one", "other"]
    assert [one.failed for one in runners] == [False, True, False]
    assert runners[0].counted == [3.0, 4.0]
    assert runners[0].most_bytes == 7


def test_a_row_has_its_ratio_share_and_growth(benchmark: ModuleType, case: Any) -> None:
    operations = generator_operations(case.settings, 64, 64)
    seconds = operations / 1e9  # at the best rate of fp32, half that of bf16
    measured = runner(benchmark, "one pass, bf16", [9.0, seconds, seconds])
    plain = runner(benchmark, "plain eager loop", [9.0, 3 * seconds, 5 * seconds])
    line = benchmark.describe(case, measured, plain, seconds / 64**2 / 2, chosen=True)
    cells = [cell.strip() for cell in line.strip("| ").split("|")]
    assert len(cells) == len(benchmark.COLUMNS)
    assert cells[0] == "one pass, bf16 *"
    assert cells[4:6] == ["2", "4.00 x"]
    assert cells[8:] == ["50% BELOW 85%", "1.00 GiB", "2.00"]


def test_only_the_way_of_the_package_is_marked(benchmark: ModuleType, case: Any) -> None:
    line = benchmark.describe(case, runner(benchmark, "ONNX Runtime", [9.0, 9.0]), None, 1.0, chosen=False)
    assert "BELOW" not in line
    assert "*" not in line


def test_the_way_of_the_package_follows_what_memory_allows(
    benchmark: ModuleType, case: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clearfundus.engines.openvino_runtime.has_bf16", lambda: False)
    monkeypatch.setattr("clearfundus.networks.device.has_bf16", lambda device: False)
    assert benchmark.chosen_ways(case) == ("one pass",)
    monkeypatch.setattr("clearfundus.networks.inference.available_bytes", lambda device: 64 * 2**20)
    wide = benchmark.Case(weights=None, settings=case.settings, side=1024, rates=case.rates)
    assert benchmark.chosen_ways(wide) == ("strips",)


def test_an_engine_that_is_not_installed_is_said_to_be(
    benchmark: ModuleType, case: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert benchmark.why_not("OpenVINO", case) == "not installed"
    assert benchmark.why_not("one pass", case) == ""


def test_what_other_programs_take_is_counted(
    benchmark: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = sys.modules["machine"]
    count, own = tmp_path / "stat", iter([10.0, 10.5, 10.5, 11.0])
    monkeypatch.setattr(machine, "COUNT", count)
    monkeypatch.setattr(machine, "_own_seconds", lambda: next(own))
    monkeypatch.setattr(machine.os, "sysconf", lambda name: 100)
    count.write_text("cpu  100 0 0 100 0 0 0 0 50 0\ncpu0 1\n")
    watch = machine.Watch()
    # 2 s passed: 1 idle or waiting, 1 at work (0.2 of it stolen), half a second of which is this process's
    count.write_text("cpu  180 0 0 150 50 0 0 20 90 0\ncpu0 1\n")
    assert watch.others() == pytest.approx(0.25)
    assert "BUSY" in watch.describe()
    assert "BUSY" not in watch.describe()  # another half a second is its own


def test_a_system_that_does_not_count_is_not_called_busy(
    benchmark: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = sys.modules["machine"]
    monkeypatch.setattr(machine, "COUNT", tmp_path / "none")
    assert machine.Watch().others() is None
    assert "BUSY" not in machine.Watch().describe()
