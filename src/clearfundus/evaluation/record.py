"""What `run.json` tells of how the numbers came to be: enough to judge them, and to make them again."""

import importlib.metadata
import os
import platform
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from clearfundus.evaluation import bootstrap
from clearfundus.evaluation.cases import Case
from clearfundus.evaluation.parts import Part
from clearfundus.evaluation.results import Row

if TYPE_CHECKING:
    from clearfundus.evaluation.run import Plan

PACKAGES = ("numpy", "scipy", "opencv-contrib-python-headless", "Pillow", "scikit-image", "torch")
"""Whose versions are told, and must not change within an evaluation: they decide the last digits."""


def describe_run(plan: "Plan", good: Sequence[tuple[Case, Part[Row]]]) -> dict[str, Any]:
    """Return what `run.json` tells, ready for JSON.

    Args:
        plan: How photographs were measured.
        good: The photographs that count.
    """
    metrics = {
        name: {
            "direction": one.direction,
            "needs_reference": one.needs_reference,
            "range": [str(end) for end in one.range],
            "conventions": one.conventions,
        }
        for name, one in plan.rules.metrics.items()
    }
    seconds = {name: [part.seconds[name] for _, part in good] for name in plan.methods}
    return {
        **plan.settings,
        "metrics": metrics,
        "seed": plan.simulation.seed,
        "intervals": bootstrap.CONVENTION,
        "photographs": {case.name: part.notes for case, part in good},
        "method_seconds": {name: round(sum(all_) / len(all_), 3) for name, all_ in seconds.items() if all_},
        "machine": describe_machine(),
    }


def describe_machine() -> dict[str, Any]:
    """Return what the seconds rest on."""
    return {"platform": platform.platform(), "python": platform.python_version(), "cores": os.cpu_count()}


def package_versions() -> dict[str, str | None]:
    """Return the version of each of `PACKAGES`; None for one that is not installed."""
    return {name: _version(name) for name in PACKAGES}


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:  # OpenCV has several names
        return None
