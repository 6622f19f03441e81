"""The weights that ship with the package: names, files and their hashes, readable without torch."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

from clearfundus.errors import WeightsError

FOLDER = Path(__file__).parent
INDEX = FOLDER / "index.json"


@dataclass(frozen=True, kw_only=True)
class ShippedWeights:
    """One set of shipped weights.

    Attributes:
        name: The name to load it by.
        summary: One line for a list.
        files: Role ("enhancer" and "blurrer", or "segmenter") to file name in this folder.
        file_sha256: Role to hash of that file.
        diameter: Field diameter in pixels of the training photographs.
        terms: What the weights may be used for.
        default: Whether these are the enhancer that is used when none is named.
    """

    name: str
    summary: str
    files: Mapping[str, str]
    file_sha256: Mapping[str, str]
    diameter: int
    terms: str
    default: bool


@cache
def shipped_weights() -> Mapping[str, ShippedWeights]:
    """Return the shipped weights by name, read from `index.json`."""
    entries = json.loads(INDEX.read_text(encoding="utf-8"))
    return MappingProxyType({entry["name"]: ShippedWeights(**entry) for entry in entries})


def default_weights() -> ShippedWeights:
    """Return the weights that are used when none are named."""
    return next(weights for weights in shipped_weights().values() if weights.default)


def shipped_path(name: str | None, role: str) -> Path:
    """Return the file of shipped weights, after comparing its hash with the index.

    Args:
        name: A name of `shipped_weights()`, or None for the default.
        role: "enhancer", "blurrer" or "segmenter".

    Raises:
        WeightsError: If there is no such file, or it is not the one that was shipped.
    """
    weights = default_weights() if name is None else shipped_weights()[name]
    path = FOLDER / weights.files[role]
    if not path.is_file():
        raise WeightsError(f"{path}: shipped weights are missing; install the package again")
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != weights.file_sha256[role]:
        raise WeightsError(
            f"{path}: found SHA-256 {found[:12]}, expected {weights.file_sha256[role][:12]}: the file is truncated or "
            "altered; install the package again"
        )
    return path
