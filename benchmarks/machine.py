"""What a measurement was made on: device, threads, versions, and whether anything else was running."""

import os
import platform
from pathlib import Path

import torch

BUSY = 0.5
"""Load average of the last minute above which a figure is not to be trusted: something else was running."""


def describe_machine(device: torch.device) -> str:
    """Say in one line what the figures were measured on, and warn if the machine was busy."""
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{_processor()}, {os.cpu_count()} cores"
    line = f"{where}; {torch.get_num_threads()} threads; torch {torch.__version__}; Python {platform.python_version()}"
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    line += f"; load average at the start {load:.1f}"
    return f"{line}. BUSY: something else is running; measure again when nothing is" if load > BUSY else line


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.exists():
        return platform.processor() or platform.machine()
    names = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
    return names[0].partition(":")[2].strip() if names else platform.machine()


if __name__ == "__main__":
    from clearfundus.networks.device import choose_device

    print(describe_machine(choose_device()))
