"""`clearfundus export`: the enhancer as a file that ONNX Runtime or OpenVINO runs."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from clearfundus.errors import PhotoWriteError, SettingsError

if TYPE_CHECKING:
    from clearfundus.engines.exported import Exported
    from clearfundus.engines.weights import EngineName

SUFFIX_OF: Mapping[str, str] = MappingProxyType({"onnx": ".onnx", "openvino": ".xml"})
"""Format -> suffix of the file to write."""


def export(
    *,
    output: Annotated[Path, Parameter(name=["--output", "-o"])],
    format_: Annotated[Literal["onnx", "openvino"], Parameter(name="--format")] = "onnx",
    weights: str | None = None,
    overwrite: Annotated[bool, Parameter(negative="")] = False,
    json_: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """Write the enhancer as a file for other engines, with its name, hash and terms of use inside.

    Where torch is installed, the file is compared with it first, and not written if they differ by more than 1/255.

    Args:
        output: The file to write: .onnx, or .xml for OpenVINO, which has a .bin beside it.
        format_: onnx, which ONNX Runtime and OpenVINO read, or openvino.
        weights: Name of shipped weights (`clearfundus info` lists them), or a weights file.
        overwrite: Replace a file that is there.
        json_: Write one JSON object to standard output.
    """
    from clearfundus.engines.exported import write_exported
    from clearfundus.methods.engine import choose_engine
    from clearfundus.methods.parity import measure_parity

    files = _check_output(output, format_, weights, overwrite=overwrite)
    engine: EngineName = "openvino" if format_ == "openvino" else "onnxruntime"
    choose_engine(engine, weights)
    exported = _export(weights, format_)
    difference = measure_parity(exported, weights, engine)
    try:
        write_exported(exported, output)
    except OSError as error:
        raise PhotoWriteError(f"{output}: cannot be written ({error.strerror}); name another file") from error
    facts = _facts(exported, files, difference)
    sys.stdout.write((json.dumps(facts, indent=2) if json_ else _line(facts)) + "\n")
    return 0


def _export(weights: str | None, file_format: str) -> "Exported":
    from clearfundus.engines.exported import export_onnx
    from clearfundus.engines.openvino_runtime import export_openvino

    exported = export_onnx(weights)
    return export_openvino(exported) if file_format == "openvino" else exported


def _check_output(output: Path, file_format: str, weights: str | None, *, overwrite: bool) -> list[Path]:
    """Return the files to write, or raise a SettingsError if their names do not do."""
    suffix = SUFFIX_OF[file_format]
    if output.suffix != suffix:
        raise SettingsError(f"{output}: found suffix {output.suffix!r}, expected {suffix!r} for --format {file_format}")
    if weights is not None and Path(weights).suffix.lower() in SUFFIX_OF.values():
        raise SettingsError(f"--weights {weights}: is exported already; give the weights file that it was made from")
    files = [output, *([output.with_suffix(".bin")] if file_format == "openvino" else [])]
    for file in files:
        if file.exists() and not overwrite:
            raise SettingsError(f"{file} exists; use --overwrite to replace it, or name another file")
        if weights is not None and file.exists() and Path(weights).exists() and file.samefile(weights):
            raise SettingsError(f"{file} is the weights file itself; name another file")
    return files


def _facts(exported: "Exported", files: list[Path], difference: float | None) -> dict[str, object]:
    described = exported.description
    return {
        "files": [str(file) for file in files],
        "bytes": len(exported.model) + len(exported.constants),
        "format": exported.format,
        "precision": described["precision"],
        "weights": described["name"],
        "sha256": described["sha256"],
        "diameter": int(described["diameter"]),
        "terms": described["terms"],
        "difference_from_torch": difference,
    }


def _line(facts: Mapping[str, object]) -> str:
    files = facts["files"]
    named = " and ".join(files) if isinstance(files, list) else files
    difference = facts["difference_from_torch"]
    compared = (
        f"differs from torch by {255 * difference:.5f}/255 at most"
        if isinstance(difference, float)
        else "not compared with torch, which is not installed"
    )
    return f"wrote {named}: {facts['weights']}, SHA-256 of the weights {facts['sha256']}; {compared}. {facts['terms']}"
