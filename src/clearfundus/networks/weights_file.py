"""Weights files: safetensors with the network's settings, terms and hashes of the tensors and of the rest inside.

A file is used only if its hashes and its role agree with what it says of itself; pickles are never read. The hashes
find damage, not forgery: who can rewrite the file can rewrite them.
"""

import hashlib
import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from clearfundus.errors import WeightsError
from clearfundus.files import write_whole
from clearfundus.pretrained import shipped_path, shipped_weights

FORMAT = "clearfundus-weights-1"
TERMS = "Research use only; not a medical device."
DESCRIPTION_HASH = "description_sha256"


def hash_tensors(tensors: dict[str, Tensor]) -> str:
    """Return the SHA-256 of names, types, shapes and bytes, in order of name."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def hash_description(metadata: dict[str, str]) -> str:
    """Return the SHA-256 of all that a file says of its tensors, in order of key; of everything but this hash."""
    described = {key: value for key, value in metadata.items() if key != DESCRIPTION_HASH}
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()


def write_tensors(path: Path, tensors: dict[str, Tensor], description: dict[str, str]) -> str:
    """Write a weights file, whole or not at all.

    Args:
        path: The file; replaced if it exists.
        tensors: What to keep, as it is to be kept.
        description: Name, role, settings and card, text to text; format, terms and hashes are added.

    Returns:
        The hash of the tensors.

    Raises:
        WeightsError: If a weight is not finite: no file would be better than one that cannot be loaded.
    """
    if not all(bool(torch.isfinite(value).all()) for value in tensors.values()):
        raise WeightsError(f"{path}: found weights that are not finite, as they would be stored; nothing was written")
    digest = hash_tensors(tensors)
    metadata = {"format": FORMAT, "sha256": digest, "terms": TERMS, **description}
    metadata[DESCRIPTION_HASH] = hash_description(metadata)
    write_whole(path, save(tensors, metadata))
    return digest


def read_tensors(path: Path, role: str) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Read and verify a weights file.

    Args:
        path: The file.
        role: What it must hold: "enhancer", "blurrer" or "segmenter".

    Returns:
        Its description, and its tensors by name.

    Raises:
        WeightsError: If it is unreadable or altered, of another format or role, or holds a value that is not finite.
    """
    metadata, tensors = _read(path)
    _verify(path, metadata, tensors, role)
    if not all(bool(torch.isfinite(value).all()) for value in tensors.values()):
        raise WeightsError(f"{path}: holds values that are not finite; get it again")
    return metadata, tensors


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
    if not path.is_file():
        known = ", ".join(name for name, one in shipped_weights().items() if role in one.files) or "none"
        raise WeightsError(f"{path}: no such weights file, nor a shipped name; shipped: {known}")
    return path


def _verify(path: Path, metadata: dict[str, str], tensors: dict[str, Tensor], role: str) -> None:
    if hash_tensors(tensors) != metadata.get("sha256"):
        raise WeightsError(f"{path}: its tensors do not match the hash inside: the file was altered; get it again")
    # the tensors fit a generator with and without the skip, and say nothing of the scale: so this is hashed too
    if metadata.get(DESCRIPTION_HASH) != hash_description(metadata):
        raise WeightsError(
            f"{path}: its description does not match the hash inside: the file was altered; get it again"
        )
    if metadata.get("role") != role:
        raise WeightsError(f"{path}: holds a {metadata.get('role')!r}, expected a {role!r}")


def _read(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    try:
        with safe_open(path, framework="pt") as file:
            metadata: dict[str, str] = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a dict
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path}: no readable safetensors file ({error}); get it again") from error
    if metadata.get("format") != FORMAT:
        raise WeightsError(
            f"{path}: found format {metadata.get('format')!r}, expected {FORMAT!r}: not a weights file of clearfundus"
        )
    return metadata, tensors
