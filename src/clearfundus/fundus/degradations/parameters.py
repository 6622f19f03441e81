"""From JSON back to the dataclass it was written from: nothing is coerced, and left out is only what has a default.

A parameter that came later has one, under which a record older than it means what it meant.
"""

from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from types import NoneType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from clearfundus.errors import SettingsError

Kind = TypeVar("Kind")

GREATEST = 1e6
"""Size of a number; those that are drawn are shares, levels and lengths in field diameters, far below."""


def read_parameters(kind: type[Kind], found: object, where: str) -> Kind:
    """Make a dataclass from what was read from JSON.

    Args:
        kind: The dataclass; its fields are numbers, words, tuples and dataclasses of these, or None.
        found: What was read.
        where: What is read, for the message.

    Raises:
        SettingsError: If a field without a default is missing, or one is unknown, of the wrong type or out of bounds.
    """
    if not isinstance(found, Mapping):
        raise SettingsError(f"{where}: found {found!r}, expected an object with its parameters")
    hints = get_type_hints(kind)
    defaults = {one.name: one.default for one in fields(kind)}  # type: ignore[arg-type] # every Kind is a dataclass
    required = {name for name, default in defaults.items() if default is MISSING}
    unknown, missing = sorted(found.keys() - defaults.keys()), sorted(required - found.keys())
    if unknown or missing:
        raise SettingsError(
            f"{where}: unknown parameters: {', '.join(unknown) or 'none'}; missing: {', '.join(missing) or 'none'}"
        )
    return kind(**{name: _value(hints[name], found[name], f"{where}.{name}") for name in defaults if name in found})


def _value(hint: Any, found: object, where: str) -> object:
    """Return one value, of the type that the annotation asks for."""
    if NoneType in get_args(hint):
        wanted = next(one for one in get_args(hint) if one is not NoneType)
        return None if found is None else _value(wanted, found, where)
    if is_dataclass(hint):
        return read_parameters(hint, found, where)  # type: ignore[arg-type] # an annotation is a class
    if get_origin(hint) is tuple:
        return _tuple(get_args(hint), found, where)
    if hint is float and type(found) in {int, float} and abs(found) <= GREATEST:  # type: ignore[arg-type] # a number
        return float(found)  # type: ignore[arg-type] # a number
    if hint is not float and type(found) is hint:
        return found
    bounds = f" between {-GREATEST:g} and {GREATEST:g}" if hint is float else ""
    raise SettingsError(f"{where}: found {found!r}, expected {getattr(hint, '__name__', hint)}{bounds}")


def _tuple(hints: tuple[Any, ...], found: object, where: str) -> tuple[object, ...]:
    """Return a tuple, of as many values as the annotation asks for."""
    if not isinstance(found, list | tuple):
        raise SettingsError(f"{where}: found {found!r}, expected a list")
    if hints[-1] is Ellipsis:
        hints = hints[:1] * len(found)
    if len(found) != len(hints):
        raise SettingsError(f"{where}: found {len(found)} values, expected {len(hints)}")
    pairs = zip(hints, found, strict=True)
    return tuple(_value(hint, one, f"{where}[{place}]") for place, (hint, one) in enumerate(pairs))
