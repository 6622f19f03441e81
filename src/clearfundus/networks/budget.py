"""What memory this process holds, and what it can still have, on the device a network runs on."""

import os
from pathlib import Path

import torch

MACHINE = Path("/proc/meminfo")
PROCESS = Path("/proc/self/statm")
GROUP = Path("/sys/fs/cgroup")
"""What a container may take and has taken (Linux, control groups, version 2)."""


def held_bytes(device: torch.device) -> int:
    """Return the bytes of a device's memory that this process holds now; 0 on a system that does not tell."""
    if device.type == "cuda":
        return torch.cuda.memory_allocated(device)
    try:
        pages = int(PROCESS.read_text("ascii").split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def available_bytes(device: torch.device) -> int | None:
    """Return the bytes that this process can have besides, or None on a system that does not tell."""
    if device.type == "cuda":
        free: int = torch.cuda.mem_get_info(device)[0]
        return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    known = [found for found in (_available_in_machine(), _available_in_group()) if found is not None]
    return min(known, default=None)


def _available_in_machine() -> int | None:
    """Return what Linux says is available; elsewhere all the machine's memory, if the system tells that."""
    if MACHINE.exists():
        lines = dict(line.split(":", 1) for line in MACHINE.read_text("ascii").splitlines())
        return int(lines["MemAvailable"].split()[0]) * 1024  # the file says kB and means KiB
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError):  # Windows has no sysconf
        return None


def _available_in_group() -> int | None:
    """Return what the container leaves, its files in memory not counted as taken; None outside of one."""
    try:
        limit = (GROUP / "memory.max").read_text("ascii").strip()
        taken = int((GROUP / "memory.current").read_text("ascii"))
        parts = dict(line.split() for line in (GROUP / "memory.stat").read_text("ascii").splitlines())
    except OSError:
        return None
    if limit == "max":
        return None
    return max(int(limit) - taken + int(parts.get("file", 0)), 0)
