"""`clearfundus info`: what a bug report needs, and what a user of the weights must know."""

import json
import platform
import re
import sys
from importlib import metadata
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from clearfundus.errors import WeightsError
from clearfundus.interfaces import SAFETY
from clearfundus.version import __version__

if TYPE_CHECKING:
    from clearfundus.pretrained import ShippedWeights


def info(*, json_: Annotated[bool, Parameter(name="--json", negative="")] = False) -> None:
    """Show versions, device, weights and terms of use.

    Args:
        json_: Write one JSON object to standard output.
    """
    facts = {
        "version": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "dependencies": _dependencies(),
        "device": _device(),
        "weights": _weights(),
        "license": "Apache-2.0",
        "safety": SAFETY,
    }
    if json_:
        sys.stdout.write(json.dumps(facts, indent=2) + "\n")
    else:
        sys.stdout.write("\n".join(_lines(facts)) + "\n")


def _dependencies() -> dict[str, str]:
    """Return the versions found of what the package requires, read from its own metadata, and of its engines."""
    required = [one for one in metadata.requires("clearfundus") or [] if "extra ==" not in one]
    names = [re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0] for requirement in required]
    return {name: _version(name) for name in (*names, "onnxruntime", "openvino")}


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


def _device() -> dict[str, Any]:
    from clearfundus.engines.picture import count_threads

    if find_spec("torch") is None:
        return {"auto": "cpu", "bf16": False, "cuda": [], "threads": count_threads()}
    import torch

    from clearfundus.networks.device import choose_device, has_bf16

    device = choose_device("auto")
    names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return {
        "auto": str(device),
        "bf16": has_bf16(device),
        "cuda": names,
        "threads": torch.get_num_threads(),
    }


def _weights() -> list[dict[str, Any]]:
    from clearfundus.pretrained import shipped_weights

    return [
        {
            "name": weights.name,
            "default": weights.default,
            "summary": weights.summary,
            "diameter": weights.diameter,
            "files": {role: _file(weights, role) for role in weights.files},
            "terms": weights.terms,
        }
        for weights in shipped_weights().values()
    ]


def _file(weights: "ShippedWeights", role: str) -> dict[str, Any]:
    """Return a file's facts; `sha256` is the hash whose first digits stand in every picture made with it."""
    from clearfundus.pretrained import FOLDER
    from clearfundus.pretrained.reading import locate, read_arrays

    file = weights.files[role]
    facts: dict[str, Any] = {"file": file, "file_sha256": weights.file_sha256[role]}
    try:
        digest = read_arrays(locate(weights.name, role), role)[0]["sha256"]
    except WeightsError as error:  # the other facts are wanted all the more
        return {**facts, "error": str(error)}
    return {**facts, "bytes": (FOLDER / file).stat().st_size, "sha256": digest}


def _lines(facts: dict[str, Any]) -> list[str]:
    device = facts["device"]
    lines = [
        f"clearfundus {facts['version']} ({facts['license']}), Python {facts['python']}, {facts['platform']}",
        f"device: auto is {device['auto']}{', bf16' if device['bf16'] else ''}, {device['threads']} threads; "
        f"CUDA devices: {', '.join(device['cuda']) or 'none'}",
        "dependencies: " + ", ".join(f"{name} {version}" for name, version in facts["dependencies"].items()),
    ]
    for weights in facts["weights"]:
        lines.append(f"weights: {weights['name']}{' (default)' if weights['default'] else ''}: {weights['summary']}")
        for role, file in weights["files"].items():
            state = file.get("error") or f"{file['bytes'] / 1e6:.1f} MB, SHA-256 of the weights {file['sha256']}"
            lines.append(f"  {role}: {file['file']}, {state}")
        lines.append(f"  terms: {weights['terms']}")
    if not facts["weights"]:
        lines.append("weights: none shipped")
    return [*lines, facts["safety"]]
