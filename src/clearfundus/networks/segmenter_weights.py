"""The weights of a vessel segmenter: saved in fp32, for it is small, with its settings and its threshold."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from clearfundus.errors import WeightsError
from clearfundus.networks.device import place
from clearfundus.networks.segmenter import Segmenter, SegmenterSettings
from clearfundus.networks.weights_file import read_tensors, write_tensors
from clearfundus.pretrained.reading import locate

ROLE = "segmenter"


@dataclass(frozen=True, kw_only=True)
class LoadedSegmenter:
    """A segmenter ready to run, and what its file says of it.

    Attributes:
        network: In eval mode, float32.
        name: The name given at training.
        sha256: Hash of the tensors, hexadecimal.
        diameter: Field diameter in pixels of the photographs it was trained on.
        threshold: Probability from which on a pixel counts as vessel, chosen on photographs held out of training.
        card: Training data, steps, seed and such, as text.
        terms: What the weights may be used for.
    """

    network: Segmenter
    name: str
    sha256: str
    diameter: int
    threshold: float
    card: dict[str, str]
    terms: str


def save_segmenter(
    network: Segmenter, path: Path, *, name: str, diameter: int, threshold: float, card: dict[str, str]
) -> str:
    """Write a segmenter to a weights file, whole or not at all.

    Args:
        network: The segmenter.
        path: The file; replaced if it exists.
        name: The weights' name.
        diameter: Field diameter in pixels of the training photographs.
        threshold: Probability from which on a pixel counts as vessel.
        card: More about the training, text to text.

    Returns:
        The hash of the tensors.

    Raises:
        WeightsError: If a weight is not finite.
    """
    description = {
        "name": name,
        "role": ROLE,
        "diameter": str(diameter),
        "threshold": repr(threshold),
        "segmenter": json.dumps(asdict(network.settings)),
        "card": json.dumps(card),
    }
    return write_tensors(path, _kept(network.state_dict()), description)


def load_segmenter(source: str | Path, *, device: torch.device | None = None) -> LoadedSegmenter:
    """Load a shipped segmenter by name, or one from a weights file.

    Args:
        source: A name of `shipped_weights()`, or a path.
        device: Where to put the network; the CPU if None.

    Raises:
        WeightsError: If the file is missing, truncated or altered, or holds no segmenter.
    """
    path = locate(source, ROLE)
    metadata, tensors = read_tensors(path, ROLE)
    try:
        settings: dict[str, Any] = json.loads(metadata["segmenter"])
        with torch.random.fork_rng(devices=[]):
            network = Segmenter(SegmenterSettings(widths=tuple(settings["widths"])))
        expected = _kept(network.state_dict()).keys()
        if tensors.keys() != expected:
            raise WeightsError(f"{path}: its tensors do not fit the architecture it names; get it again")
        network.load_state_dict(tensors, strict=False)  # all but the counters that `_kept` leaves out
        loaded = LoadedSegmenter(
            network=network.eval(),
            name=metadata["name"],
            sha256=metadata["sha256"],
            diameter=int(metadata["diameter"]),
            threshold=float(metadata["threshold"]),
            card=json.loads(metadata["card"]),
            terms=metadata["terms"],
        )
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise WeightsError(f"{path}: its description is incomplete or damaged ({error!r}); get it again") from error
    place(network, device or torch.device("cpu"))
    return loaded


def _kept(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights; how many batches a norm has seen is of no use after the training."""
    return {
        name: value.detach().float().cpu().contiguous()
        for name, value in tensors.items()
        if not name.endswith("num_batches_tracked")
    }
