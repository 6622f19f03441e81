"""The cores that this process may run on."""

import os


def count_cores() -> int:
    """Return how many cores there are for this process, which may be fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
