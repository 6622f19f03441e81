"""Weights to begin with, in place of random ones: to train what is there further, on other photographs or longer."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from clearfundus.errors import SettingsError
from clearfundus.networks.weights import LoadedWeights, Role, load_weights
from clearfundus.pretrained import shipped_weights

if TYPE_CHECKING:
    from clearfundus.training.config import RunSettings
    from clearfundus.training.step import Translator

ROLES: tuple[Role, ...] = ("enhancer", "blurrer")

Start = Mapping[Role, LoadedWeights]
"""Both generators to begin with; empty for random ones."""


def load_start(settings: "RunSettings") -> Start:
    """Load the weights that the settings name to begin with.

    Args:
        settings: `start` is a name of shipped weights, or a folder with `enhancer.safetensors` and
            `blurrer.safetensors`, as a run leaves it; "" for none.

    Raises:
        SettingsError: If it is neither, or they are of another architecture, field diameter or surround.
        WeightsError: If a file in that folder cannot be used.
    """
    if not settings.start:
        return {}
    found: dict[Role, LoadedWeights] = {role: load_weights(_file(settings.start, role), role=role) for role in ROLES}
    wanted = (settings.generator, settings.data.diameter, settings.data.surround)
    for role, one in found.items():
        has = (one.network.settings, one.diameter, one.surround)
        for what, is_there, expected in zip(("generator", "diameter", "surround"), has, wanted, strict=True):
            if is_there != expected:
                raise SettingsError(
                    f"start {settings.start}, {role}: found {what} {is_there}, expected the run's {expected}; "
                    "change the run's settings or begin without"
                )
    return found


def _file(source: str, role: Role) -> str | Path:
    """Return what `load_weights` takes for one generator; a shipped name goes before a folder called the same."""
    shipped = {name for name, one in shipped_weights().items() if set(ROLES) <= one.files.keys()}
    if source in shipped:
        return source
    if Path(source).is_dir():
        return Path(source) / f"{role}.safetensors"
    raise SettingsError(
        f"start: found {source!r}, expected the folder of a run or one of: {', '.join(sorted(shipped))}"
    )


def begin_with(translator: "Translator", start: Start) -> str:
    """Copy weights into both generators; the discriminators, the optimizers and the learning rate begin anew.

    Args:
        translator: The two generators, changed in place.
        start: What `load_start` gave.

    Returns:
        Name and hash of the enhancer it began with; "" if with none.
    """
    for role, one in start.items():
        getattr(translator, role).load_state_dict(one.network.state_dict())
    return f"{start['enhancer'].name} {start['enhancer'].sha256}" if start else ""
