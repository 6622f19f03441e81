"""Checks of what a method is given: its numbers, and the optional packages it needs."""

import importlib.util
import math
from collections.abc import Sequence

from clearfundus.errors import MissingExtraError, SettingsError


def check_number(name: str, value: float, low: float, high: float = math.inf, *, above: bool = False) -> None:
    """Refuse a number out of range.

    Args:
        name: The parameter's name, for the message.
        value: Its value.
        low: The least value allowed.
        high: The greatest value allowed; infinite for no limit, and then infinity itself passes.
        above: Whether the value must be greater than `low`.

    Raises:
        SettingsError: If it is NaN, out of range, or true or false, which Python takes for 1 and 0.
    """
    if isinstance(value, bool):
        raise SettingsError(f"{name}: found {value}, expected a number")
    if (value > low if above else value >= low) and value <= high:
        return
    least = f"a number above {low:g}" if above else f"{low:g} or more"
    expected = least if math.isinf(high) else f"{least} and at most {high:g}"
    raise SettingsError(f"{name}: found {value}, expected {expected}")


def check_choice(name: str, value: str, choices: Sequence[str]) -> None:
    """Refuse a word that is none of the choices.

    Raises:
        SettingsError: If it is not.
    """
    if value not in choices:
        raise SettingsError(f"{name}: found {value!r}, expected one of: {', '.join(choices)}")


def require_extra(method: str, extra: str, packages: Sequence[str]) -> None:
    """Refuse to go on without the packages of an optional extra.

    Args:
        method: What needs them, for the message.
        extra: Name of the extra of this package.
        packages: Names that must be importable.

    Raises:
        MissingExtraError: If one is not.
    """
    missing = [package for package in packages if importlib.util.find_spec(package) is None]
    if missing:
        raise MissingExtraError(
            f"{method} needs {' and '.join(missing)}, which is not installed; "
            f"install it with: pip install 'clearfundus[{extra}]'"
        )
