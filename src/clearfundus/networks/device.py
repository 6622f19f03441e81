"""The device and the precision a run uses: "auto" may choose, a named one is never replaced by another."""

import re
from typing import Literal, TypeVar

import torch
from torch import nn

from clearfundus.errors import DeviceError

Network = TypeVar("Network", bound=nn.Module)
Precision = Literal["auto", "fp32", "bf16"]


def choose_device(name: str = "auto") -> torch.device:
    """Turn a device name into a device.

    Args:
        name: "auto" (the first CUDA device, else the CPU), "cpu", "cuda" or "cuda:N".

    Raises:
        DeviceError: If the name is unknown or the device is not there.
    """
    if name == "auto":
        return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    if name == "cpu":
        return torch.device("cpu")
    match = re.fullmatch(r"cuda(?::(\d+))?", name)
    if match is None:
        raise DeviceError(f"device {name!r} is unknown; expected auto, cpu, cuda or cuda:N")
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if int(match[1] or 0) >= count:
        raise DeviceError(f"device {name!r} is not here: found {count} CUDA devices; use --device cpu or auto")
    return torch.device("cuda", int(match[1] or 0))


def has_bf16(device: torch.device) -> bool:
    """Say whether the device computes bf16 in hardware; emulated it is 10 times slower than fp32 on a CPU."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def use_bf16(precision: Precision, device: torch.device) -> bool:
    """Decide whether to compute in bf16.

    Raises:
        DeviceError: If bf16 is named and the device has none.
    """
    if precision == "fp32":
        return False
    if has_bf16(device):
        return True
    if precision == "bf16":
        raise DeviceError(f'{device} has no bf16 arithmetic; set precision = "fp32" or "auto"')
    return False


def place(network: Network, device: torch.device) -> Network:
    """Move a network to a device in channels_last layout, which tensor cores want.

    What it gains on a CPU depends on the machine; benchmarks/training_step.py shows it (column "plain layout").
    """
    network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network
