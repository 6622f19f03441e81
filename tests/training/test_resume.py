"""A run killed by SIGKILL, in each of its stages, and started again, ends like one that was never disturbed."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from clearfundus import load_weights
from clearfundus.training.checkpoint import list_checkpoints
from clearfundus.training.reading import settings_from
from clearfundus.training.run import Sources, train
from tiny_run import tiny_table, write_config

PAIRS, UNPAIRED = 60, 30
# every option that carries state or chance from one iteration to the next
SETTINGS: dict[str, Any] = {
    "simulated": {"steps": PAIRS, "blurrer_every": 3},
    "unpaired": {"steps": UNPAIRED, "pool": 3},
    "loss": {"simulated": 1.0, "image": 0.5, "cycle_noise": 1.0},
    "data": {"gain_jitter": 0.1, "shrink": 0.3, "finest": 0.8},
    "generator": {"upsample": "resize", "skip": True},
    "every": {"log": 1, "checkpoint": 5, "validate": 20, "sample": 45},
}
PATIENCE = 120.0  # seconds for one start of Python and a few iterations, on a machine with much else to do


def start(config: Path, sources: Sources, folder: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "clearfundus", "train", "--config", config, "--blurry", sources.blurry]
    command += ["--clear", sources.clear, "-o", folder, "--device", "cpu"]
    return subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def kill_from(process: subprocess.Popen[bytes], folder: Path, step: int) -> int:
    """Wait for the checkpoint of an iteration or a later one, kill the process, and return the newest one's."""
    deadline = time.monotonic() + PATIENCE
    while not any(int(path.name) >= step for path in list_checkpoints(folder)):
        assert process.poll() is None, process.stderr.read().decode()
        assert time.monotonic() < deadline, "no checkpoint came"
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL, "it ended before it could be killed"
    return int(list_checkpoints(folder)[-1].name)


def saved(folder: Path) -> dict[str, torch.Tensor]:
    newest = list_checkpoints(folder)[-1]
    assert int(newest.name) == PAIRS + UNPAIRED
    return {**load_file(newest / "state.safetensors"), **load_file(newest / "pools_0.safetensors")}


def logged(folder: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key not in ("time", "seconds")} for line in lines]


@pytest.mark.slow
def test_a_run_killed_in_each_stage_and_resumed_equals_an_undisturbed_one_bit_for_bit(
    sources: Sources, tmp_path: Path
) -> None:
    config = write_config(tmp_path / "run.toml", **SETTINGS)
    killed = tmp_path / "killed"
    first = kill_from(start(config, sources, killed), killed, 5)
    assert 5 <= first < PAIRS, "killed in the stage of simulated pairs"
    second = kill_from(start(config, sources, killed), killed, PAIRS + 5)
    assert PAIRS < second < PAIRS + UNPAIRED, "killed in the unpaired stage"
    last = start(config, sources, killed)
    _, messages = last.communicate(timeout=PATIENCE)
    assert last.returncode == 0, messages.decode()
    assert f"[{second}/{PAIRS + UNPAIRED}] resumed" in messages.decode()

    straight = tmp_path / "straight"
    for _ in train(settings_from(tiny_table(**SETTINGS), "run"), sources, straight, "cpu"):
        pass

    one, other = saved(straight), saved(killed)
    kinds = {"translator", "average", "judges", "generator_optimizer", "judge_optimizer", "clear", "blurry"}
    assert {name.split(".")[0] for name in one} == kinds
    assert one.keys() == other.keys()
    assert [name for name in one if not torch.equal(one[name], other[name])] == []
    for role in ("enhancer", "blurrer"):
        weights = [load_weights(folder / f"{role}.safetensors", role=role) for folder in (straight, killed)]
        assert weights[0].sha256 == weights[1].sha256
        assert weights[0].card == weights[1].card
    assert logged(straight) == logged(killed)  # every loss and figure, each once
    for sheet in (straight / "samples").iterdir():
        assert sheet.read_bytes() == (killed / "samples" / sheet.name).read_bytes()
