"""Several processes, started by torchrun, that train one model on parts of every batch."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist

from clearfundus.errors import DeviceError
from clearfundus.networks.device import choose_device


@dataclass(frozen=True, kw_only=True)
class Ranks:
    """This process among its peers.

    Attributes:
        rank: Its number, from 0.
        count: How many there are.
        local: Its number on this machine, which is also its CUDA device.
        local_count: How many there are on this machine.
    """

    rank: int = 0
    count: int = 1
    local: int = 0
    local_count: int = 1


@contextmanager
def join_peers(device_name: str) -> Iterator[tuple[Ranks, torch.device]]:
    """Join the processes that torchrun started, if it did, and leave them at the end.

    Args:
        device_name: As for `choose_device`; with several processes "auto" and "cuda" mean one CUDA device each.

    Raises:
        DeviceError: If a device is not there, or one CUDA device is named for several processes.
    """
    if "WORLD_SIZE" not in os.environ:
        yield Ranks(), choose_device(device_name)
        return
    ranks = Ranks(
        rank=int(os.environ["RANK"]),
        count=int(os.environ["WORLD_SIZE"]),
        local=int(os.environ["LOCAL_RANK"]),
        local_count=int(os.environ["LOCAL_WORLD_SIZE"]),
    )
    if ranks.count > 1 and device_name.startswith("cuda:"):
        raise DeviceError(f"found device {device_name!r} for {ranks.count} processes; expected auto, cpu or cuda")
    device = choose_device(device_name)
    if device.type == "cuda":
        if device_name in ("auto", "cuda"):  # a named one is never replaced
            device = choose_device(f"cuda:{ranks.local}")
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield ranks, device
    finally:
        dist.destroy_process_group()


def agree(here: bool, ranks: Ranks, device: torch.device) -> bool:
    """Return whether something holds on every process."""
    if ranks.count == 1:
        return here
    flag = torch.tensor(int(here), device=device)
    dist.all_reduce(flag, dist.ReduceOp.MIN)
    return bool(flag)


def wait_for_peers(ranks: Ranks) -> None:
    """Return when every process has come here."""
    if ranks.count > 1:
        dist.barrier()
