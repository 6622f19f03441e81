"""Weights files found, read and verified, without torch: safetensors with a description and hashes inside.

A file is used only if its hashes and its role agree with what it says of itself; pickles are never read. The hashes
find damage, not forgery: who can rewrite the file can rewrite them.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from clearfundus.errors import WeightsError
from clearfundus.pretrained import shipped_path, shipped_weights

FORMAT = "clearfundus-weights-1"
DESCRIPTION_HASH = "description_sha256"

Arrays = dict[str, NDArray[Any]]
"""Weights by name."""


def hash_arrays(arrays: Mapping[str, NDArray[Any]]) -> str:
    """Return the SHA-256 of names, types (as torch writes them), shapes and bytes, in order of name."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name]).reshape(arrays[name].shape)  # else () would become (1,)
        digest.update(f"{name} torch.{array.dtype.name} {array.shape}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def hash_description(metadata: Mapping[str, str]) -> str:
    """Return the SHA-256 of all that a file says of its tensors, in order of key; of everything but this hash."""
    described = {key: value for key, value in metadata.items() if key != DESCRIPTION_HASH}
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()


def locate(source: str | Path | None, role: str) -> Path:
    """Return the file of shipped weights, by name, or a file itself.

    Args:
        source: A name of `shipped_weights()`, a path, or None for the default.
        role: What it must hold.

    Raises:
        WeightsError: If there is none.
    """
    if source is None or str(source) in shipped_weights():
        try:
            return shipped_path(None if source is None else str(source), role)
        except (KeyError, StopIteration) as error:
            raise WeightsError(f"no {role} ships as {source or 'the default'}; give a weights file") from error
    path = Path(source)
    if path.is_dir():
        file = path / f"{role}.safetensors"
        raise WeightsError(f"{path}: found a folder, expected a weights file; of a run's folder name {file}")
    if not path.is_file():
        known = ", ".join(name for name, one in shipped_weights().items() if role in one.files) or "none"
        raise WeightsError(f"{path}: no such weights file, nor a shipped name; shipped: {known}")
    return path


def read_arrays(path: Path, role: str) -> tuple[dict[str, str], Arrays]:
    """Read and verify a weights file.

    Args:
        path: The file.
        role: What it must hold: "enhancer", "blurrer" or "segmenter".

    Returns:
        Its description, and its weights by name.

    Raises:
        WeightsError: If it is unreadable or altered, of another format or role, or holds a value that is not finite.
    """
    metadata, arrays = _read(path)
    _verify(path, metadata, arrays, role)
    if not all(bool(np.isfinite(value).all()) for value in arrays.values()):
        raise WeightsError(f"{path}: holds values that are not finite; get it again")
    return metadata, arrays


def read_uneven_error(card: Mapping[str, str]) -> float:
    """Return by what the uneven part of an enhancer's change is damped; 0 where its card does not say.

    Raises:
        ValueError: If it is no number from 0 to 1.
    """
    error = float(card.get("uneven_error", "0"))
    if not 0 <= error <= 1:
        raise ValueError(f"uneven_error: found {error:g}, expected a value in [0, 1]")
    return error


def _verify(path: Path, metadata: Mapping[str, str], arrays: Arrays, role: str) -> None:
    if hash_arrays(arrays) != metadata.get("sha256"):
        raise WeightsError(f"{path}: its tensors do not match the hash inside: the file was altered; get it again")
    # the tensors fit a generator with and without the skip, and say nothing of the scale: so this is hashed too
    if metadata.get(DESCRIPTION_HASH) != hash_description(metadata):
        raise WeightsError(
            f"{path}: its description does not match the hash inside: the file was altered; get it again"
        )
    if metadata.get("role") != role:
        raise WeightsError(f"{path}: holds a {metadata.get('role')!r}, expected a {role!r}")


def _read(path: Path) -> tuple[dict[str, str], Arrays]:
    try:
        with safe_open(path, framework="numpy") as file:
            metadata: dict[str, str] = file.metadata() or {}
            known = metadata.get("format") == FORMAT
            arrays = {key: file.get_tensor(key) for key in (file.keys() if known else ())}
    except (SafetensorError, OSError, TypeError) as error:  # a TypeError: a type that numpy does not have
        raise WeightsError(f"{path}: no readable safetensors file ({error}); get it again") from error
    if not known:
        raise WeightsError(
            f"{path}: found format {metadata.get('format')!r}, expected {FORMAT!r}: not a weights file of clearfundus"
        )
    return metadata, arrays
