"""Weights files: safetensors with the network's settings, terms and hashes of the tensors and of the rest inside.

A file is used only if its hashes and its architecture agree with what it says of itself; pickles are never read. The
hashes find damage, not forgery: who can rewrite the file can rewrite them.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from clearfundus.errors import SettingsError, WeightsError
from clearfundus.files import write_whole
from clearfundus.networks.device import place
from clearfundus.networks.generator import Generator, GeneratorSettings
from clearfundus.pretrained import shipped_path, shipped_weights

FORMAT = "clearfundus-weights-1"
TERMS = "Research use only; not a medical device."
DESCRIPTION_HASH = "description_sha256"

Role = Literal["enhancer", "blurrer"]


@dataclass(frozen=True, kw_only=True)
class LoadedWeights:
    """A generator ready to run, and what its file says of it.

    Attributes:
        network: The generator, in eval mode, float32.
        name: The name given at training.
        role: "enhancer" or "blurrer".
        sha256: Hash of the tensors, hexadecimal; the same for the same weights in any file.
        diameter: Field diameter in pixels of the photographs it was trained on.
        surround: What stood outside the field in training: "fill" (reflected retina) or "black".
        card: Training data, steps, seed and such, as text.
        terms: What the weights may be used for.
    """

    network: Generator
    name: str
    role: str
    sha256: str
    diameter: int
    surround: str
    card: dict[str, str]
    terms: str


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


def save_weights(
    network: Generator,
    path: Path | str,
    *,
    name: str,
    role: Role = "enhancer",
    diameter: int = 512,
    card: dict[str, str] | None = None,
) -> str:
    """Write a generator to a weights file, in fp16, whole or not at all.

    Args:
        network: The generator.
        path: The file; replaced if it exists.
        name: The weights' name.
        role: "enhancer" or "blurrer".
        diameter: Field diameter in pixels of the training photographs.
        card: More about the training, text to text; "surround" says what stood outside the field ("fill").

    Returns:
        The hash of the tensors.

    Raises:
        WeightsError: If a weight is not finite, in fp16: no file would be better than one that cannot be loaded.
    """
    tensors = {key: value.detach().half().cpu().contiguous() for key, value in network.state_dict().items()}
    if not all(bool(torch.isfinite(value).all()) for value in tensors.values()):
        raise WeightsError(f"{path}: found weights that are not finite in fp16; nothing was written")
    digest = hash_tensors(tensors)
    metadata = {
        "format": FORMAT,
        "name": name,
        "role": role,
        "sha256": digest,
        "diameter": str(diameter),
        "terms": TERMS,
        "generator": json.dumps(asdict(network.settings)),
        "card": json.dumps({"surround": "fill", **(card or {})}),
    }
    metadata[DESCRIPTION_HASH] = hash_description(metadata)
    write_whole(Path(path), save(tensors, metadata))
    return digest


def load_weights(
    source: str | Path | None = None, *, role: Role = "enhancer", device: torch.device | None = None
) -> LoadedWeights:
    """Load shipped weights by name, or a weights file by path.

    Args:
        source: A name of `shipped_weights()`, a path, or None for the default.
        role: Which generator of shipped weights to load; a file must hold this one.
        device: Where to put the network; the CPU if None.

    Raises:
        WeightsError: If the file is missing, truncated or altered, or is not of this format, role or architecture.
    """
    weights = read_weights_file(_locate(source, role), role)
    place(weights.network, device or torch.device("cpu"))
    return weights


def read_weights_file(path: Path, role: Role) -> LoadedWeights:
    """Read and verify one weights file; as `load_weights` for a path, onto the CPU."""
    metadata, tensors = _read(path)
    _verify(path, metadata, tensors, role)
    network = _build(path, metadata, tensors)
    try:
        card: dict[str, str] = json.loads(metadata["card"])
        return LoadedWeights(
            network=network.eval(),
            name=metadata["name"],
            role=role,
            sha256=metadata["sha256"],
            diameter=int(metadata["diameter"]),
            surround=card["surround"],
            card=card,
            terms=metadata["terms"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise WeightsError(f"{path}: its description is incomplete or damaged ({error!r}); get it again") from error


def _verify(path: Path, metadata: dict[str, str], tensors: dict[str, Tensor], role: Role) -> None:
    if hash_tensors(tensors) != metadata.get("sha256"):
        raise WeightsError(f"{path}: its tensors do not match the hash inside: the file was altered; get it again")
    # the tensors fit a generator with and without the skip, and say nothing of the scale: so this is hashed too
    if metadata.get(DESCRIPTION_HASH) != hash_description(metadata):
        raise WeightsError(
            f"{path}: its description does not match the hash inside: the file was altered; get it again"
        )
    if metadata.get("role") != role:
        raise WeightsError(f"{path}: holds a {metadata.get('role')!r}, expected a {role!r}")


def _locate(source: str | Path | None, role: Role) -> Path:
    if source is None or str(source) in shipped_weights():
        try:
            return shipped_path(None if source is None else str(source), role)
        except (KeyError, StopIteration) as error:
            raise WeightsError(f"no {role} ships as {source or 'the default'}; give a weights file") from error
    path = Path(source)
    if not path.is_file():
        known = ", ".join(shipped_weights()) or "none"
        raise WeightsError(f"{path}: no such weights file, nor a shipped name; shipped: {known}")
    return path


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


def _build(path: Path, metadata: dict[str, str], tensors: dict[str, Tensor]) -> Generator:
    try:
        settings: dict[str, Any] = json.loads(metadata["generator"])
        with torch.random.fork_rng(devices=[]):
            network = Generator(GeneratorSettings(**settings))
        network.load_state_dict({key: value.float() for key, value in tensors.items()})
    except (KeyError, TypeError, ValueError, RuntimeError, SettingsError) as error:
        raise WeightsError(f"{path}: its tensors do not fit the architecture it names: {error}") from error
    if not all(bool(torch.isfinite(value).all()) for value in network.state_dict().values()):
        raise WeightsError(f"{path}: holds values that are not finite; get it again")
    return network
