"""Exported generators: ONNX files and OpenVINO's pairs of files (.xml, .bin), with all that their weights file says.

A file holds its own seal, the SHA-256 of all its bytes with the seal's digits as zeros, so a file that was altered
and one of another origin are both refused. The seal finds damage, not forgery.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from clearfundus.engines.graph import build_graph
from clearfundus.errors import SettingsError, WeightsError
from clearfundus.files import write_whole
from clearfundus.pretrained.reading import locate, read_arrays
from clearfundus.pretrained.shape import GeneratorSettings

Format = Literal["onnx", "openvino"]
SUFFIXES: Mapping[str, Format] = {".onnx": "onnx", ".xml": "openvino"}
"""Suffix of an exported file -> its format."""
CARRIED = "name", "role", "sha256", "diameter", "generator", "card", "terms"
"""What a weights file says of itself, and what is said again in what is exported from it."""
FORMAT = "clearfundus-exported-1"
SECTION = "clearfundus"
"""Under which an OpenVINO model keeps the description."""
SEAL, UNSEALED = b"clearfundus-seal-", b"0" * 64
SEALED = re.compile(SEAL + rb"([0-9a-f]{64})")


@dataclass(frozen=True, kw_only=True)
class Exported:
    """A generator in the form that engines read.

    Attributes:
        format: "onnx" or "openvino".
        model: The ONNX file, or OpenVINO's XML.
        constants: OpenVINO's second file; empty for ONNX.
        description: What its weights file said of it, "precision", and "format".
    """

    format: Format
    model: bytes
    constants: bytes = b""
    description: Mapping[str, str]


def export_onnx(source: str | Path | None = None, *, role: str = "enhancer") -> Exported:
    """Turn weights into a sealed ONNX file, in memory.

    Args:
        source: A name of `shipped_weights()`, a weights file, or None for the default.
        role: "enhancer" or "blurrer".

    Raises:
        WeightsError: If the file is missing, truncated or altered, or is not of this format, role or architecture.
    """
    path = locate(source, role)
    metadata, arrays = read_arrays(path, role)
    try:
        settings = GeneratorSettings(**json.loads(metadata["generator"]))
        model = build_graph(settings, arrays)
        carried = {key: metadata[key] for key in CARRIED}
    except (KeyError, TypeError, ValueError, SettingsError) as error:
        raise WeightsError(f"{path}: its description is incomplete or damaged ({error!r}); get it again") from error
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from error
    description = {"format": FORMAT, "precision": "fp32", **carried}
    for key, value in {**description, "seal": (SEAL + UNSEALED).decode()}.items():
        model.metadata_props.add(key=key, value=value)
    return Exported(format="onnx", model=seal(model.SerializeToString()), description=description)


def write_exported(exported: Exported, path: Path) -> None:
    """Write an exported generator; for OpenVINO the .bin beside the .xml, which comes last.

    Raises:
        OSError: If it cannot be written there.
    """
    if exported.format == "openvino":
        write_whole(path.with_suffix(".bin"), exported.constants)
    write_whole(path, exported.model)


def read_exported(path: Path) -> Exported:
    """Read and verify an exported generator.

    Args:
        path: An .onnx file, or an .xml file with its .bin beside it.

    Raises:
        WeightsError: If a file is missing, was altered, or was not exported by this package as an enhancer.
    """
    file_format = SUFFIXES[path.suffix.lower()]
    try:
        model = path.read_bytes()
        constants = path.with_suffix(".bin").read_bytes() if file_format == "openvino" else b""
    except OSError as error:
        raise WeightsError(f"{error.filename}: cannot be read ({error.strerror}); export it again") from error
    _verify(path, model, constants)
    description = _describe_onnx(model) if file_format == "onnx" else _describe_openvino(model)
    if description.get("format") != FORMAT or not set(CARRIED) <= description.keys():
        raise WeightsError(f"{path}: found format {description.get('format')!r}, expected {FORMAT!r}; export it again")
    if description["role"] != "enhancer":
        raise WeightsError(f"{path}: holds a {description['role']!r}, expected an 'enhancer'")
    return Exported(format=file_format, model=model, constants=constants, description=description)


def seal(model: bytes, constants: bytes = b"") -> bytes:
    """Return a model file with its seal's zeros replaced by the hash of all bytes."""
    return model.replace(SEAL + UNSEALED, SEAL + _digest(model, constants))


def _verify(path: Path, model: bytes, constants: bytes) -> None:
    found = SEALED.findall(model)
    if len(found) != 1:
        raise WeightsError(f"{path}: holds no seal of clearfundus; give a file that `clearfundus export` made")
    if found[0] != _digest(SEALED.sub(SEAL + UNSEALED, model), constants):
        raise WeightsError(f"{path}: does not match the hash inside: the file was altered; export it again")


def _digest(model: bytes, constants: bytes) -> bytes:
    digest = hashlib.sha256(model)
    digest.update(constants)
    return digest.hexdigest().encode()


def _describe_onnx(model: bytes) -> dict[str, str]:
    import onnx

    return {one.key: one.value for one in onnx.load_from_string(model).metadata_props if one.key != "seal"}


def _describe_openvino(model: bytes) -> dict[str, str]:
    from xml.etree import ElementTree as Xml

    section = Xml.fromstring(model).find(f"rt_info/{SECTION}")
    found = {} if section is None else {one.tag: one.get("value", "") for one in section}
    return {key: value for key, value in found.items() if key != "seal"}
