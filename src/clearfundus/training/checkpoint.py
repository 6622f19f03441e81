"""Checkpoints: a folder that appears whole or not at all, with all that an exact resume needs.

Chance needs no state: it is a function of the iteration (see `schedule.random_at`), and so is the place in the data.
"""

import json
import os
import shutil
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from clearfundus.errors import TrainingError
from clearfundus.training.distributed import Ranks, wait_for_peers
from clearfundus.training.pool import Pool
from clearfundus.training.state import State

KEPT = 2
FOLDER = "checkpoints"


def save_checkpoint(state: State, run: Path, ranks: Ranks) -> Path:
    """Save the state; all processes call this together.

    Args:
        state: What to save.
        run: The run folder; on several machines one that all see.
        ranks: This process among its peers; the first saves the networks, each its own pools.

    Returns:
        The checkpoint's folder.

    Raises:
        TrainingError: If it cannot be written.
    """
    try:
        return _save(state, run, ranks)
    except (OSError, SafetensorError) as error:
        raise TrainingError(
            f"{run}: no checkpoint can be written there ({error}); make room or check your rights, then give the "
            "same command again"
        ) from error


def _save(state: State, run: Path, ranks: Ranks) -> Path:
    final = run / FOLDER / f"{state.step:08d}"
    partial = final.with_name(f".{final.name}.part")
    if ranks.rank == 0:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
    wait_for_peers(ranks)
    pools = {f"clear.{i:04d}": one for i, one in enumerate(state.clear_pool)}
    pools |= {f"blurry.{i:04d}": one for i, one in enumerate(state.blurry_pool)}
    save_file(_plain(pools), partial / f"pools_{ranks.rank}.safetensors")
    if ranks.rank == 0:
        save_file(_plain(_tensors(state)), partial / "state.safetensors")
        progress = {"step": state.step, "processes": ranks.count, "arithmetic": state.arithmetic, "start": state.start}
        (partial / "step.json").write_text(json.dumps(progress))
    wait_for_peers(ranks)
    if ranks.rank == 0:
        _bring_to_disk(partial)
        if final.exists():
            shutil.rmtree(partial)
        else:
            partial.rename(final)
        for old in list_checkpoints(run)[:-KEPT]:
            shutil.rmtree(old)
    wait_for_peers(ranks)
    return final


def list_checkpoints(run: Path) -> list[Path]:
    """Return a run's complete checkpoints, oldest first."""
    return sorted(path for path in (run / FOLDER).glob("[0-9]*") if path.is_dir())


def load_checkpoint(state: State, folder: Path, ranks: Ranks) -> None:
    """Bring a new state to where a checkpoint stands, bit for bit.

    Args:
        state: A state of the same settings; changed in place.
        folder: The checkpoint.
        ranks: This process among its peers.

    Raises:
        TrainingError: If the checkpoint is damaged, or was made by another number of processes or in another
            arithmetic.
    """
    device = next(state.translator.parameters()).device
    try:
        progress = json.loads((folder / "step.json").read_text())
        if progress["processes"] != ranks.count:
            raise TrainingError(
                f"{folder}: made by {progress['processes']} processes, found {ranks.count}; resume with as many"
            )
        if progress["arithmetic"] != state.arithmetic:
            raise TrainingError(
                f"{folder}: made in {progress['arithmetic']}, found {state.arithmetic}; resume on the same type of "
                "device with the same precision"
            )
        tensors = load_file(folder / "state.safetensors", device=str(device))
        pools = load_file(folder / f"pools_{ranks.rank}.safetensors", device=str(device))
        for name, network in state.networks.items():
            network.load_state_dict(_under(tensors, name))
        for name, optimizer in state.optimizers.items():
            _load_optimizer(optimizer, _under(tensors, name))
        state.step, state.start = int(progress["step"]), str(progress.get("start", ""))
    except (OSError, ValueError, TypeError, KeyError, RuntimeError, SafetensorError) as error:
        raise TrainingError(
            f"{folder}: damaged checkpoint ({error}); delete it to resume from the one before"
        ) from error
    state.clear_pool, state.blurry_pool = _pool(pools, "clear"), _pool(pools, "blurry")


def _tensors(state: State) -> dict[str, Tensor]:
    found = {
        f"{name}.{key}": value
        for name, network in state.networks.items()
        for key, value in network.state_dict().items()
    }
    for name, optimizer in state.optimizers.items():
        for index, moments in optimizer.state_dict()["state"].items():
            found |= {f"{name}.{index}.{key}": value for key, value in moments.items()}
    return found


def _load_optimizer(optimizer: torch.optim.Adam, tensors: dict[str, Tensor]) -> None:
    parameters = dict(enumerate(one for group in optimizer.param_groups for one in group["params"]))
    moments: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        index, key = name.split(".")
        # Adam counts its steps on the CPU, or, fused, where the parameters are: then `load_state_dict` moves them
        loaded = value.cpu() if key == "step" else _laid_out_like(parameters[int(index)], value)
        moments.setdefault(int(index), {})[key] = loaded
    optimizer.load_state_dict({"state": moments, "param_groups": optimizer.state_dict()["param_groups"]})


def _laid_out_like(parameter: Tensor, value: Tensor) -> Tensor:
    """Give a moment its parameter's layout, channels_last, as Adam itself does, so that no update mixes two layouts."""
    if value.shape != parameter.shape:
        raise ValueError(f"a moment of shape {tuple(value.shape)} for weights of shape {tuple(parameter.shape)}")
    return torch.empty_like(parameter).copy_(value)


def _bring_to_disk(folder: Path) -> None:
    """Let no crash of the machine leave a folder with its final name and half its files."""
    for path in folder.iterdir():
        with path.open("rb+") as file:
            os.fsync(file.fileno())


def _plain(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Copy to the CPU; a picture of a batch is a view, and safetensors saves no views."""
    return {name: value.detach().cpu().clone(memory_format=torch.contiguous_format) for name, value in tensors.items()}


def _under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(f"{prefix}."): value for name, value in tensors.items() if name.startswith(f"{prefix}.")}


def _pool(tensors: dict[str, Tensor], side: str) -> Pool:
    """Rebuild a pool in its order, in the layout that fakes have."""
    return tuple(tensors[name] for name in sorted(tensors) if name.startswith(f"{side}."))
