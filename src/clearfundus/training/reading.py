"""The settings of a run, from TOML or from a run's own record; nothing is coerced, nothing is unknown."""

import math
import tomllib
import typing
from collections.abc import Mapping
from dataclasses import MISSING, asdict, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from clearfundus.errors import SettingsError
from clearfundus.training.config import RunSettings
from clearfundus.training.ranges import check_ranges

SettingsType = TypeVar("SettingsType")


def read_settings(path: Path | str) -> RunSettings:
    """Read a run's settings from a TOML file.

    Raises:
        SettingsError: If the file is missing or no TOML, or a setting is unknown, missing, mistyped or out of range.
    """
    path = Path(path)
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{path}: no readable TOML file: {error}") from error
    return settings_from(table, path.name)


def settings_from(table: Mapping[str, Any], where: str) -> RunSettings:
    """Build a run's settings from nested tables.

    Args:
        table: As read from TOML.
        where: Name of the source, for messages.

    Raises:
        SettingsError: See `read_settings`.
    """
    settings = _build(RunSettings, table, where)
    check_ranges(settings, where)
    return settings


def complete_record(recorded: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return a run's recorded settings, as nested tables, with those that did not exist when it began.

    Args:
        recorded: As they stand in the run's folder.
        where: Name of the source, for messages.

    Raises:
        SettingsError: If they are no settings of a run.
    """
    split_seed = recorded.get("data", {}).get("split_seed", recorded.get("seed", 0))  # it split by its own seed
    data = {**recorded.get("data", {}), "split_seed": split_seed}
    return asdict(settings_from({**recorded, "data": data}, where))


def _build(kind: type[SettingsType], table: Mapping[str, Any], where: str) -> SettingsType:
    known = {entry.name: entry for entry in fields(kind)}  # type: ignore[arg-type]
    types_of = typing.get_type_hints(kind)
    for key in table:
        if key not in known:
            raise SettingsError(f"{where}: unknown setting {key!r}; known: {', '.join(known)}")
    for key, entry in known.items():
        if key not in table and entry.default is MISSING and entry.default_factory is MISSING:
            raise SettingsError(f"{where}: {key}: found none, expected a value of type {types_of[key].__name__}")
    values = {key: _value(types_of[key], value, where, key) for key, value in table.items()}
    try:
        return kind(**values)
    except SettingsError as error:  # two settings that do not go together
        raise SettingsError(f"{where}: {error}") from error


def _value(kind: Any, value: object, where: str, key: str) -> object:
    if is_dataclass(kind):
        if not isinstance(value, Mapping):
            raise SettingsError(f"{where}: {key}: found {value!r}, expected a table")
        inner = f"{where[:-1]}.{key}]" if where.endswith("]") else f"{where} [{key}]"
        return _build(typing.cast("type[Any]", kind), value, inner)
    if typing.get_origin(kind) is tuple:
        parts = typing.get_args(kind)
        if not isinstance(value, list | tuple) or len(value) != len(parts):
            raise SettingsError(f"{where}: {key}: found {value!r}, expected {len(parts)} values")
        return tuple(_value(part, one, where, key) for part, one in zip(parts, value, strict=True))
    if typing.get_origin(kind) is Literal:
        choices = typing.get_args(kind)
        if not any(value == choice and type(value) is type(choice) for choice in choices):  # 4.0 is not 4 here
            raise SettingsError(f"{where}: {key}: found {value!r}, expected one of {choices}")
        return value
    return _plain(kind, value, f"{where}: {key}")


def _plain(kind: type[object], value: object, where: str) -> object:
    if kind is float and type(value) is int:
        return float(value)  # the same number: 10 for 10.0
    if type(value) is not kind:
        raise SettingsError(f"{where}: found {value!r}, expected a value of type {kind.__name__}")
    if isinstance(value, float) and not math.isfinite(value):
        raise SettingsError(f"{where}: found {value!r}, expected a finite number")
    return value
