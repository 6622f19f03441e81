"""Weights files of torch tensors; `pretrained/reading.py` says what stands in them and how they are verified."""

from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from clearfundus.errors import WeightsError
from clearfundus.files import write_whole
from clearfundus.pretrained.reading import DESCRIPTION_HASH, FORMAT, hash_arrays, hash_description, read_arrays

TERMS = "Research use only; not a medical device."


def hash_tensors(tensors: dict[str, Tensor]) -> str:
    """Return the SHA-256 of names, types, shapes and bytes, in order of name."""
    return hash_arrays({name: tensor.detach().cpu().numpy() for name, tensor in tensors.items()})


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
    """Read and verify a weights file, as `read_arrays` does, into tensors."""
    metadata, arrays = read_arrays(path, role)
    return metadata, {name: torch.from_numpy(array) for name, array in arrays.items()}
