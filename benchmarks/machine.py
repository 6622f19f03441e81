"""What a measurement was made on: device, threads, versions, and whether anything else was running.

The load average remembers the last minute, a benchmark that has just ended included; the processors' own count, where
the system keeps one (Linux), says what other programs do now, and what they did while a table was measured.
"""

import os
import platform
import resource
import time
from pathlib import Path

import torch

BUSY = 0.5
"""Load average of the last minute above which a figure is not to be trusted: something else was running."""
BUSY_SHARE = 0.1
"""Share of all processors' time that others may take while something is measured."""
SAMPLE_SECONDS = 0.5
COUNT = Path("/proc/stat")
"""Time of all processors since the system started (Linux)."""
STATES = 8
"""Of the processors' time: user, nice, system, idle, waiting, two of interrupts, stolen; these hold the rest."""
IDLE = slice(3, 5)


class Watch:
    """Counts what other programs do from its making on; children of this one are its own once they have ended."""

    def __init__(self) -> None:
        """Begin to count."""
        self._all, self._busy = _count()
        self._own = _own_seconds()

    def others(self) -> float | None:
        """Return the share of all processors' time that others have taken; None where the system does not tell."""
        own = _own_seconds() - self._own
        everything, busy = _count()
        if everything <= self._all:
            return None
        return max(busy - self._busy - own, 0.0) / (everything - self._all)

    def describe(self) -> str:
        """Say in one line how much others have taken, and warn if it was too much."""
        share = self.others()
        if share is None:
            return "what other programs did is not known here"
        line = f"other programs took {share:.0%} of the processors' time"
        return f"{line}. BUSY: measure again when nothing else is running" if share > BUSY_SHARE else line


def describe_machine(device: torch.device) -> str:
    """Say in one line what the figures were measured on, and warn if the machine was busy."""
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{_processor()}, {os.cpu_count()} cores"
    line = f"{where}; {torch.get_num_threads()} threads; torch {torch.__version__}; Python {platform.python_version()}"
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    line += f"; load average at the start {load:.1f}"
    watch = Watch()
    time.sleep(SAMPLE_SECONDS)
    share = watch.others()
    if share is not None:
        line += f", {share:.0%} of the processors' time taken by others"
    is_busy = load > BUSY or (share or 0.0) > BUSY_SHARE
    return f"{line}. BUSY: something else is running; measure again when nothing is" if is_busy else line


def _count() -> tuple[float, float]:
    """Return the seconds of all processors since the system started, and those of them in which they worked."""
    if not COUNT.exists():
        return 0.0, 0.0
    ticks = [int(word) for word in COUNT.read_text("ascii").split("\n", 1)[0].split()[1 : 1 + STATES]]
    tick = os.sysconf("SC_CLK_TCK")
    return sum(ticks) / tick, (sum(ticks) - sum(ticks[IDLE])) / tick


def _own_seconds() -> float:
    """Return the processors' seconds of this process and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.exists():
        return platform.processor() or platform.machine()
    names = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
    return names[0].partition(":")[2].strip() if names else platform.machine()


if __name__ == "__main__":
    from clearfundus.networks.device import choose_device

    print(describe_machine(choose_device()))
