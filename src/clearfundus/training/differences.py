"""In what two runs differ, in words, for the message that refuses to resume one as the other."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

NAMES_SHOWN = 3
"""How many of the names that were added to a list, or removed, a message shows."""


def differences(one: Mapping[str, Any], other: Mapping[str, Any], prefix: str = "") -> list[str]:
    """List the settings in which two trees differ, as "key: this -> that"; of lists of names what came and went."""
    found: list[str] = []
    for key in sorted({*one, *other}):
        left, right = one.get(key), other.get(key)
        if isinstance(left, Mapping) and isinstance(right, Mapping):
            found += differences(left, right, f"{prefix}{key}.")
        elif left != right:
            change = (
                _change_of_names(left, right) if _are_names(left) and _are_names(right) else f"{left!r} -> {right!r}"
            )
            found.append(f"{prefix}{key}: {change}")
    return found


def _are_names(value: object) -> TypeGuard[list[str]]:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _change_of_names(left: list[str], right: list[str]) -> str:
    added, removed = Counter(right) - Counter(left), Counter(left) - Counter(right)
    changes = [
        f"{names.total()} {what} ({_first(sorted(names.elements()))})"
        for names, what in ((added, "added"), (removed, "removed"))
        if names
    ]
    return ", ".join(changes) or "the same names in another order"


def _first(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:NAMES_SHOWN])) + (", ..." if len(names) > NAMES_SHOWN else "")
