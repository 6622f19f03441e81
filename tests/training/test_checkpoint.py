import json
import os
import re
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from clearfundus import TrainingError
from clearfundus.networks import device as devices
from clearfundus.training import checkpoint
from clearfundus.training.checkpoint import list_checkpoints, load_checkpoint, save_checkpoint
from clearfundus.training.config import RunSettings
from clearfundus.training.distributed import Ranks
from clearfundus.training.state import State, Trainer, new_state
from tiny_run import random_batch, tiny_settings

CPU = torch.device("cpu")
ALONE = Ranks()
SETTINGS = tiny_settings(simulated={"steps": 2}, unpaired={"steps": 6})


def advanced(steps: int, settings: RunSettings = SETTINGS) -> State:
    one = Trainer(new_state(settings, CPU), settings, CPU, ALONE)
    go_on(one, steps)
    return one.state


def go_on(one: Trainer, steps: int) -> None:
    while one.state.step < steps:
        simulated = one.state.step < one.settings.simulated.steps
        one.advance(random_batch(seed=one.state.step, count=0 if simulated else 1, pairs=int(simulated)))


def saved_tensors(state: State, folder: Path) -> dict[str, torch.Tensor]:
    """Return all that a checkpoint of the state holds."""
    place = save_checkpoint(state, folder, ALONE)
    return {**load_file(place / "state.safetensors"), **load_file(place / "pools_0.safetensors")}


@pytest.mark.parametrize("steps", [0, 1, 5])
def test_a_loaded_checkpoint_is_the_saved_state_bit_for_bit(steps: int, tmp_path: Path) -> None:
    state = advanced(steps)
    tensors = saved_tensors(state, tmp_path / "one")
    loaded = new_state(tiny_settings(seed=9), CPU)
    load_checkpoint(loaded, list_checkpoints(tmp_path / "one")[-1], ALONE)
    assert loaded.step == steps
    again = saved_tensors(loaded, tmp_path / "two")
    assert tensors.keys() == again.keys()
    assert all(torch.equal(tensors[name], again[name]) for name in tensors)
    assert len(loaded.clear_pool) == len(state.clear_pool) == min(2, max(0, steps - 2))


def test_a_checkpoint_holds_networks_average_both_optimizers_and_pools(tmp_path: Path) -> None:
    tensors = saved_tensors(advanced(4), tmp_path)
    kinds = {name.split(".")[0] for name in tensors}
    assert kinds == {"translator", "average", "judges", "generator_optimizer", "judge_optimizer", "clear", "blurry"}
    moments = {name.split(".")[2] for name in tensors if name.startswith("judge_optimizer")}
    assert moments == {"step", "exp_avg", "exp_avg_sq"}


@pytest.mark.parametrize("at", [1, 2, 4])
def test_training_goes_on_from_a_checkpoint_as_if_nothing_had_happened(at: int, tmp_path: Path) -> None:
    straight = saved_tensors(advanced(7), tmp_path / "straight")
    save_checkpoint(advanced(at), tmp_path / "halved", ALONE)
    state = new_state(tiny_settings(seed=9), CPU)
    load_checkpoint(state, list_checkpoints(tmp_path / "halved")[0], ALONE)
    go_on(Trainer(state, SETTINGS, CPU, ALONE), 7)
    halved = saved_tensors(state, tmp_path / "halved")
    assert straight.keys() == halved.keys()
    assert [name for name in straight if not torch.equal(straight[name], halved[name])] == []


def test_the_newest_two_are_kept(tmp_path: Path) -> None:
    state = new_state(SETTINGS, CPU)
    for step in (1, 2, 10, 9_999_999):
        state.step = step
        save_checkpoint(state, tmp_path, ALONE)
    assert [path.name for path in list_checkpoints(tmp_path)] == ["00000010", "09999999"]
    assert len(list((tmp_path / "checkpoints").iterdir())) == 2


@pytest.mark.parametrize("kind", [OSError, SafetensorError])  # safetensors has an error of its own for a full disk
def test_a_checkpoint_that_was_not_finished_is_none(
    kind: type[Exception], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = advanced(1)
    save_checkpoint(state, tmp_path, ALONE)

    def full_disk(*_: object) -> None:
        raise kind("no space left on device")

    state.step = 2
    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_text", full_disk)  # after the tensors, before the folder gets its name
        with pytest.raises(TrainingError, match=r"no checkpoint can be written .*no space .*; make room or check"):
            save_checkpoint(state, tmp_path, ALONE)
    assert [path.name for path in list_checkpoints(tmp_path)] == ["00000001"]
    # what it left behind is in nobody's way
    save_checkpoint(state, tmp_path, ALONE)
    assert [path.name for path in list_checkpoints(tmp_path)] == ["00000001", "00000002"]
    assert len(list((tmp_path / "checkpoints").iterdir())) == 2


def test_saving_the_same_iteration_again_keeps_the_first(tmp_path: Path) -> None:
    state = advanced(1)
    folder = save_checkpoint(state, tmp_path, ALONE)
    before = (folder / "state.safetensors").stat().st_mtime_ns
    assert save_checkpoint(state, tmp_path, ALONE) == folder
    assert (folder / "state.safetensors").stat().st_mtime_ns == before
    assert len(list((tmp_path / "checkpoints").iterdir())) == 1


def test_a_new_run_has_no_checkpoints(tmp_path: Path) -> None:
    assert list_checkpoints(tmp_path) == []


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9])


def lose_a_tensor(path: Path) -> None:
    tensors = load_file(path)
    del tensors["average.enhancer.head.bias"]
    save_file(tensors, path)


def reshape_a_tensor(path: Path) -> None:
    tensors = load_file(path)
    tensors["judges.clear.convolutions.0.bias"] = torch.zeros(7)
    save_file(tensors, path)


def reshape_a_moment(path: Path) -> None:
    tensors = load_file(path)
    tensors["judge_optimizer.0.exp_avg"] = torch.zeros(1)
    save_file(tensors, path)


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("state.safetensors", truncate),
        ("state.safetensors", Path.unlink),
        ("state.safetensors", lose_a_tensor),
        ("state.safetensors", reshape_a_tensor),
        ("pools_0.safetensors", truncate),
        ("pools_0.safetensors", Path.unlink),
        ("step.json", truncate),
        ("step.json", Path.unlink),
        ("step.json", lambda path: path.write_text("[]")),
        ("step.json", lambda path: path.write_text('{"processes": 1, "step": 3}')),
        ("step.json", lambda path: path.write_text('{"processes": 1, "arithmetic": "cpu fp32"}')),
        ("step.json", lambda path: path.write_text('{"processes": 1, "arithmetic": "cpu fp32", "step": "first"}')),
        ("state.safetensors", reshape_a_moment),
    ],
)
def test_a_damaged_checkpoint_is_named(name: str, damage: object, tmp_path: Path) -> None:
    folder = save_checkpoint(advanced(3), tmp_path, ALONE)
    damage(folder / name)
    with pytest.raises(
        TrainingError, match=f"(?s){re.escape(str(folder))}: damaged checkpoint .*; delete it to resume from"
    ):
        load_checkpoint(new_state(SETTINGS, CPU), folder, ALONE)


def test_another_number_of_processes_is_refused(tmp_path: Path) -> None:
    folder = save_checkpoint(advanced(1), tmp_path, ALONE)
    with pytest.raises(TrainingError, match="made by 1 processes, found 2; resume with as many"):
        load_checkpoint(new_state(SETTINGS, CPU), folder, Ranks(rank=0, count=2, local=0))
    progress = json.loads((folder / "step.json").read_text())
    assert progress == {"step": 1, "processes": 1, "arithmetic": "cpu fp32", "start": ""}


def test_another_arithmetic_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = save_checkpoint(advanced(1), tmp_path, ALONE)
    monkeypatch.setattr(devices, "has_bf16", lambda _: True)
    with pytest.raises(TrainingError, match="made in cpu fp32, found cpu bf16; resume on the same type of device"):
        load_checkpoint(new_state(tiny_settings(precision="auto"), CPU), folder, ALONE)


def test_loaded_moments_have_the_layout_of_their_weights(tmp_path: Path) -> None:
    folder = save_checkpoint(advanced(4), tmp_path, ALONE)
    state = new_state(SETTINGS, CPU)
    load_checkpoint(state, folder, ALONE)
    compared = 0
    for optimizer in state.optimizers.values():
        for parameter, moments in optimizer.state.items():
            assert moments["exp_avg"].stride() == moments["exp_avg_sq"].stride() == parameter.stride()
            compared += not parameter.is_contiguous()
    assert compared > 4  # channels_last and nothing else, in most convolutions


def test_every_file_is_on_the_disk_before_the_checkpoint_gets_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: set[int] = set()
    named: list[set[int]] = []
    rename = Path.rename

    def watch(self: Path, target: Path) -> Path:
        named.append(set(synced))
        return rename(self, target)

    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.add(os.fstat(descriptor).st_ino))
    monkeypatch.setattr(Path, "rename", watch)
    folder = save_checkpoint(new_state(SETTINGS, CPU), tmp_path, ALONE)
    assert named == [{path.stat().st_ino for path in folder.iterdir()}]
    assert len(named[0]) == 3


def test_each_process_keeps_its_own_pools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "wait_for_peers", lambda _: None)  # here the processes save one after the other
    first, second = advanced(4), advanced(5)
    second.step = first.step
    partial = tmp_path / "checkpoints" / f".{first.step:08d}.part"
    partial.mkdir(parents=True)
    save_checkpoint(second, tmp_path, Ranks(rank=1, count=2, local=1))
    assert [path.name for path in partial.iterdir()] == ["pools_1.safetensors"]  # networks are the first one's to save
    wanted = torch.stack(second.clear_pool)
    assert torch.equal(
        torch.stack([load_file(partial / "pools_1.safetensors")[f"clear.{i:04d}"] for i in (0, 1)]), wanted
    )
