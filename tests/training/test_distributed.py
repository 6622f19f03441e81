import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from clearfundus import load_weights
from clearfundus.errors import DeviceError, TrainingError
from clearfundus.training import distributed
from clearfundus.training.checkpoint import list_checkpoints
from clearfundus.training.distributed import Ranks, agree, join_peers, wait_for_peers
from clearfundus.training.run import Sources, train
from tiny_run import draw_sources, tiny_settings, write_config

PEERS = Path(__file__).with_name("peers.py")
STEPS = 5
SETTINGS: dict[str, Any] = {
    "simulated": {"steps": STEPS, "blurrer_every": 2},
    "unpaired": {"steps": STEPS},
    "loss": {"simulated": 1.0, "cycle_noise": 1.0},
    "every": {"checkpoint": 3},
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]]]:
    """A run of both stages by two processes, and what each of them ended with; and gradients, see `peers.py`."""
    folder = tmp_path_factory.mktemp("peers")
    draw_sources(folder)
    write_config(folder / "run.toml", **SETTINGS)
    for job in ("train", "gradients"):
        command = [
            sys.executable,
            "-m",
            "torch.distributed.run",
            "--standalone",
            "--nproc-per-node=2",
            PEERS,
            job,
            folder,
        ]
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=240, check=False)
        assert done.returncode == 0, done.stderr[-4000:]
    return folder, [json.loads((folder / f"rank_{rank}.json").read_text()) for rank in (0, 1)]


@pytest.mark.slow
def test_two_processes_end_with_the_same_networks_averages_and_moments_bit_for_bit(
    trained: tuple[Path, list[dict[str, Any]]],
) -> None:
    first, second = trained[1]
    for name in ("translator", "judges", "average", "moments"):
        assert first[name] == second[name], name


@pytest.mark.slow
def test_two_processes_see_different_photographs_and_keep_different_fakes(
    trained: tuple[Path, list[dict[str, Any]]],
) -> None:
    first, second = trained[1]
    assert len(first["shown"]) == len(second["shown"]) == 2 * STEPS
    assert not set(first["shown"]) & set(second["shown"])
    assert first["pools"] != second["pools"]


@pytest.mark.slow
def test_the_first_process_alone_writes(trained: tuple[Path, list[dict[str, Any]]]) -> None:
    folder, (first, second) = trained
    assert {"training", "validation", "sample", "checkpoint", "done"} <= set(first["events"])
    assert not {"training", "validation", "sample"} & set(second["events"])
    newest = list_checkpoints(folder / "run")[-1]
    assert sorted(path.name for path in newest.iterdir()) == [
        "pools_0.safetensors",
        "pools_1.safetensors",
        "state.safetensors",
        "step.json",
    ]
    steps = [json.loads(line)["step"] for line in (folder / "run" / "log.jsonl").read_text().splitlines()]
    assert steps == [*range(1, 2 * STEPS + 1), 2 * STEPS]
    load_weights(folder / "run" / "enhancer.safetensors")


@pytest.mark.slow
def test_one_process_cannot_go_on_where_two_stopped(trained: tuple[Path, list[dict[str, Any]]]) -> None:
    folder, _ = trained
    sources = Sources(blurry=folder / "blurry", clear=folder / "clear")
    with pytest.raises(TrainingError, match="made by 2 processes, found 1; resume with as many"):
        list(train(tiny_settings(**SETTINGS), sources, folder / "run", "cpu"))


@pytest.mark.slow
def test_two_processes_take_the_gradient_that_one_takes_of_the_whole_batch(
    trained: tuple[Path, list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    # all losses are means over the batch, and instance norm sees each picture alone; so the mean of the gradients
    # of two halves is the gradient of the whole
    folder, _ = trained
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    specification = importlib.util.spec_from_file_location("peers", PEERS)
    peers = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(peers)
    peers.take_gradients(folder)
    whole = load_file(folder / "gradients_1_0.safetensors")
    halves = [load_file(folder / f"gradients_2_{rank}.safetensors") for rank in (0, 1)]
    assert whole.keys() == halves[0].keys() == halves[1].keys()
    assert {name.split(".")[0] + " " + name.split(".")[1] for name in whole} == {
        "simulated translator",
        "unpaired translator",
        "unpaired judges",
    }
    for name, gradient in whole.items():
        assert torch.equal(halves[0][name], halves[1][name]), name
        # sums in another order; the gradient of a bias before a norm is 0 but for rounding, up to 1e-5 in each of both
        tolerance = 3e-5 + 1e-4 * gradient.abs().max().item()
        assert torch.allclose(halves[0][name], gradient, rtol=1e-3, atol=tolerance), name


def test_without_torchrun_a_process_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with join_peers("cpu") as (ranks, device):
        assert ranks == Ranks(rank=0, count=1, local=0)
        assert device == torch.device("cpu")
        assert agree(True, ranks, device)
        assert not agree(False, ranks, device)
        wait_for_peers(ranks)


def pretend(monkeypatch: pytest.MonkeyPatch, *, local: int, devices: int, count: int = 4) -> list[object]:
    """Pretend to be one of some processes on a machine with some CUDA devices; return what was set up."""
    calls: list[object] = []
    for name, value in {
        "RANK": count - 1,
        "WORLD_SIZE": count,
        "LOCAL_RANK": local,
        "LOCAL_WORLD_SIZE": 2,
    }.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: devices > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: devices)
    monkeypatch.setattr(torch.cuda, "set_device", calls.append)
    monkeypatch.setattr(distributed.dist, "init_process_group", calls.append)
    monkeypatch.setattr(distributed.dist, "destroy_process_group", lambda: calls.append("left"))
    return calls


@pytest.mark.parametrize("name", ["auto", "cuda"])
def test_each_process_takes_a_cuda_device_of_its_own(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = pretend(monkeypatch, local=1, devices=2)
    with join_peers(name) as (ranks, device):
        assert ranks == Ranks(rank=3, count=4, local=1, local_count=2)
        assert device == torch.device("cuda:1")
    assert calls == [torch.device("cuda:1"), "nccl", "left"]


def test_a_single_process_under_torchrun_takes_the_cuda_device_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = pretend(monkeypatch, local=0, devices=2, count=1)
    with join_peers("cuda:1") as (_, device):
        assert device == torch.device("cuda:1")
    assert calls == [torch.device("cuda:1"), "nccl", "left"]


def test_processes_on_the_cpu_talk_by_gloo_and_leave_even_after_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = pretend(monkeypatch, local=1, devices=2)
    with pytest.raises(ZeroDivisionError), join_peers("cpu"):
        1 / 0  # noqa: B018 - on the way
    assert calls == ["gloo", "left"]


def test_more_processes_than_cuda_devices_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, local=2, devices=2)
    with pytest.raises(DeviceError, match="'cuda:2' is not here: found 2 CUDA devices"), join_peers("cuda"):
        pass


def test_one_named_cuda_device_for_several_processes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    # a named device is never replaced by another, and two processes cannot share one
    pretend(monkeypatch, local=1, devices=2)
    with (
        pytest.raises(DeviceError, match="device 'cuda:0' for 4 processes; expected auto, cpu or cuda"),
        join_peers("cuda:0"),
    ):
        pass
