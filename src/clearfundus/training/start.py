"""Weights to begin with, in place of random ones: to train what is there further, on other photographs or longer."""

from pathlib import Path
from typing import TYPE_CHECKING

from clearfundus.errors import SettingsError
from clearfundus.networks.weights import LoadedWeights, Role, load_weights

if TYPE_CHECKING:
    from clearfundus.training.config import RunSettings
    from clearfundus.training.step import Translator


def begin_with(translator: "Translator", settings: "RunSettings") -> str:
    """Copy the weights that the settings name into both generators; if they name none, leave them as they are.

    The discriminators, the optimizers and the learning rate begin anew.

    Args:
        translator: The two generators, changed in place.
        settings: `start` is a name of shipped weights, or a folder with `enhancer.safetensors` and
            `blurrer.safetensors`, as a run leaves it.

    Returns:
        Name and hash of the enhancer it began with; "" if with none.

    Raises:
        SettingsError: If they are of another architecture, or were trained at another field diameter or surround.
        WeightsError: If there are no such weights.
    """
    if not settings.start:
        return ""
    begun = []
    roles: tuple[Role, ...] = ("enhancer", "blurrer")
    for role in roles:
        found = load_start(settings.start, role)
        wanted = (settings.generator, settings.data.diameter, settings.data.surround)
        has = (found.network.settings, found.diameter, found.surround)
        for what, one, other in zip(("generator", "diameter", "surround"), has, wanted, strict=True):
            if one != other:
                raise SettingsError(
                    f"start {settings.start}, {role}: found {what} {one}, expected the run's {other}; "
                    "change the run's settings or begin without"
                )
        getattr(translator, role).load_state_dict(found.network.state_dict())
        begun.append(f"{found.name} {found.sha256}")
    return begun[0]


def load_start(source: str, role: Role) -> LoadedWeights:
    """Load one generator of shipped weights by their name, or of a run by its folder.

    Raises:
        WeightsError: If there is none.
    """
    folder = Path(source)
    return load_weights(folder / f"{role}.safetensors" if folder.is_dir() else source, role=role)
