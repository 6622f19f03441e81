"""The weights of a generator: saved in fp16 with its settings; loaded by the name they ship under, or from a file."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from clearfundus.errors import SettingsError, WeightsError
from clearfundus.networks.device import place
from clearfundus.networks.generator import Generator, GeneratorSettings
from clearfundus.networks.weights_file import read_tensors, write_tensors
from clearfundus.pretrained.reading import locate, read_uneven_error

Role = Literal["enhancer", "blurrer"]


@dataclass(frozen=True, kw_only=True)
class LoadedWeights:
    """A generator ready to run, and what its file says of it.

    Attributes:
        network: The generator, in eval mode; float32, or what `networks.precision.in_bf16` made of it.
        name: The name given at training.
        role: "enhancer" or "blurrer".
        sha256: Hash of the tensors, hexadecimal; the same for the same weights in any file.
        diameter: Field diameter in pixels of the photographs it was trained on.
        surround: What stood outside the field in training: "fill" (reflected retina) or "black".
        uneven_error: By which what is uneven in the change is damped, if above 0; see `fundus/unevenness.py`.
        card: Training data, steps, seed and such, as text.
        terms: What the weights may be used for.
        precision: "fp32" or "bf16", as the network is.
    """

    network: Generator
    name: str
    role: str
    sha256: str
    diameter: int
    surround: str
    uneven_error: float
    card: dict[str, str]
    terms: str
    precision: Literal["fp32", "bf16"] = "fp32"


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
        card: More about the training, text to text; "surround" says what stood outside the field ("fill"),
            "uneven_error" by what the unevenness of a change is damped (nothing).

    Returns:
        The hash of the tensors.

    Raises:
        WeightsError: If a weight is not finite, in fp16: no file would be better than one that cannot be loaded.
    """
    tensors = {key: value.detach().half().cpu().contiguous() for key, value in network.state_dict().items()}
    description = {
        "name": name,
        "role": role,
        "diameter": str(diameter),
        "generator": json.dumps(asdict(network.settings)),
        "card": json.dumps({"surround": "fill", **(card or {})}),
    }
    return write_tensors(Path(path), tensors, description)


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
    weights = read_weights_file(locate(source, role), role)
    place(weights.network, device or torch.device("cpu"))
    return weights


def read_weights_file(path: Path, role: Role) -> LoadedWeights:
    """Read and verify one weights file; as `load_weights` for a path, onto the CPU."""
    metadata, tensors = read_tensors(path, role)
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
            uneven_error=read_uneven_error(card),
            card=card,
            terms=metadata["terms"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise WeightsError(f"{path}: its description is incomplete or damaged ({error!r}); get it again") from error


def _build(path: Path, metadata: dict[str, str], tensors: dict[str, Tensor]) -> Generator:
    try:
        settings: dict[str, Any] = json.loads(metadata["generator"])
        with torch.random.fork_rng(devices=[]):
            network = Generator(GeneratorSettings(**settings))
        network.load_state_dict({key: value.float() for key, value in tensors.items()})
    except (KeyError, TypeError, ValueError, RuntimeError, SettingsError) as error:
        raise WeightsError(f"{path}: its tensors do not fit the architecture it names: {error}") from error
    return network
