"""Amounts of memory as people write them."""

import re

from clearfundus.errors import SettingsError

UNITS = {"B": 1, "MB": 10**6, "GB": 10**9, "MIB": 2**20, "GIB": 2**30}
"""Unit in capitals -> bytes."""


def parse_bytes(text: str) -> int:
    """Read an amount of memory with its unit, as 3GiB, 800 MB or 1.5gib.

    Raises:
        SettingsError: If it is no positive number with a unit.
    """
    match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)\s*([A-Z]+)", text.strip().upper(), re.ASCII)
    count = round(float(match[1]) * UNITS[match[2]]) if match and match[2] in UNITS else 0
    if count < 1:
        raise SettingsError(f"memory limit: found {text!r}, expected a number with MiB, GiB, MB or GB, as in 3GiB")
    return count
