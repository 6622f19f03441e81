"""What each process of `test_distributed.py` does; started by torchrun as `peers.py JOB FOLDER`.

`FOLDER` holds run.toml and photographs; each process writes there what it saw and what it ended with.
"""

import hashlib
import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import save_file

from clearfundus.networks.weights_file import hash_tensors
from clearfundus.training import run
from clearfundus.training.config import LossSettings
from clearfundus.training.distributed import join_peers
from clearfundus.training.reading import read_settings
from clearfundus.training.run import Sources
from clearfundus.training.state import State, Trainer, new_state
from clearfundus.training.step import Batch

FULL_BATCH = 2


class Watched(Trainer):
    """A trainer that remembers the state it trained and what it was shown."""

    state_of_all: State
    shown: list[str]

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)
        Watched.state_of_all, Watched.shown = self.state, []

    def advance(self, batch: Batch) -> dict[str, torch.Tensor]:
        pictures = torch.cat([batch.blurry, batch.clear, batch.truth]).contiguous()
        Watched.shown.append(hashlib.sha256(pictures.numpy().tobytes()).hexdigest())
        return super().advance(batch)


def train(folder: Path) -> None:
    """Train a whole run; write the hashes of all that this process ended with."""
    run.Trainer = Watched
    sources = Sources(blurry=folder / "blurry", clear=folder / "clear")
    events = [event.kind for event in run.train(read_settings(folder / "run.toml"), sources, folder / "run", "cpu")]
    state = Watched.state_of_all
    moments = {
        f"{name}.{index}.{key}": value
        for name, optimizer in state.optimizers.items()
        for index, entry in optimizer.state_dict()["state"].items()
        for key, value in entry.items()
    }
    networks = {name: hash_tensors(network.state_dict()) for name, network in state.networks.items()}
    found = {
        **networks,
        "moments": hash_tensors(moments),
        "pools": hash_tensors({str(i): one for i, one in enumerate((*state.clear_pool, *state.blurry_pool))}),
        "shown": Watched.shown,
        "events": events,
    }
    (folder / f"rank_{os.environ['RANK']}.json").write_text(json.dumps(found))


def take_gradients(folder: Path) -> None:
    """Do one iteration of each stage on this process's part of one batch; write the gradients."""
    settings = read_settings(folder / "run.toml")
    settings = replace(settings, simulated=replace(settings.simulated, steps=1), loss=LossSettings())
    with join_peers("cpu") as (ranks, device):
        trainer = Trainer(new_state(settings, device), settings, device, ranks)
        gradients = {}
        for stage in ("simulated", "unpaired"):
            part = slice(ranks.rank, FULL_BATCH, ranks.count)
            trainer.advance(stage_batch(stage, part))
            gradients |= {
                f"{stage}.{name}.{key}": parameter.grad.contiguous()
                for name, network in (("translator", trainer.state.translator), ("judges", trainer.state.judges))
                for key, parameter in network.named_parameters()
                if parameter.grad is not None
            }
            # the second stage's gradients are taken at the same weights, whatever Adam's first step made of rounding
            trainer.state.translator.load_state_dict(new_state(settings, device).translator.state_dict())
        save_file(gradients, folder / f"gradients_{ranks.count}_{ranks.rank}.safetensors")


def stage_batch(stage: str, part: slice) -> Batch:
    """Return one process's part of one random batch."""
    pictures = torch.rand((4, FULL_BATCH, 3, 64, 64), generator=torch.Generator().manual_seed(0)) * 2 - 1
    blurry, clear, degraded, truth = pictures
    if stage == "simulated":
        return Batch(blurry=blurry[:0], clear=clear[:0], degraded=degraded[part], truth=truth[part], noise=None)
    return Batch(blurry=blurry[part], clear=clear[part], degraded=degraded[part], truth=truth[part], noise=None)


if __name__ == "__main__":
    torch.set_num_threads(1)
    # one job a process: peers that part and meet again under one torchrun can wait for each other for ever
    {"train": train, "gradients": take_gradients}[sys.argv[1]](Path(sys.argv[2]))
