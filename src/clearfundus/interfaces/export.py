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


def export(  # noqa: PLR0913 - one argument an option; this is the command line itself
    *,
    output: Annotated[Path, Parameter(name=["--output", "-o"])],
    format_: Annotated[Literal["onnx", "openvino"], Parameter(name="--format")] = "onnx",
    weights: str | None = None,
    precision: Literal["fp32", "int8"] = "fp32",
    calibration: Path | None = None,
    overwrite: Annotated[bool, Parameter(negative="")] = False,
    json_: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """Write the enhancer as a file for other engines, with its name, hash and terms of use inside.

    Where torch is installed, the file is compared with it first, and not written if they differ by more than 1/255.

    Args:
        output: The file to write: .onnx, or .xml for OpenVINO, which has a .bin beside it.
        format_: onnx, which ONNX Runtime and OpenVINO read, or openvino.
        weights: Name of shipped weights (`clearfundus info` lists them), or a weights file.
        precision: fp32, or int8, which is for --format openvino, quicker, and refused unless it does the same within
            a bound on the photographs given.
        calibration: For int8: a folder of photographs like those to enhance, 4 to 32.
        overwrite: Replace a file that is there.
        json_: Write one JSON object to standard output.
    """
    from clearfundus.engines.exported import write_exported
    from clearfundus.methods.engine import choose_engine
    from clearfundus.methods.parity import measure_parity

    files = _check_output(output, format_, weights, overwrite=overwrite)
    _check_precision(precision, format_, calibration)
    engine: EngineName = "openvino" if format_ == "openvino" else "onnxruntime"
    choose_engine(engine, weights)
    exported = _export(weights, format_)
    loss: dict[str, object] = {"difference_from_torch": measure_parity(exported, weights, engine)}
    if precision == "int8":
        exported, loss = _quantise(exported, calibration)
    try:
        write_exported(exported, output)
    except OSError as error:
        raise PhotoWriteError(f"{output}: cannot be written ({error.strerror}); name another file") from error
    facts = _facts(exported, files) | loss
    sys.stdout.write((json.dumps(facts, indent=2) if json_ else _line(facts)) + "\n")
    return 0


def _export(weights: str | None, file_format: str) -> "Exported":
    from clearfundus.engines.exported import export_onnx
    from clearfundus.engines.openvino_runtime import export_openvino

    exported = export_onnx(weights)
    return export_openvino(exported) if file_format == "openvino" else exported


def _quantise(exported: "Exported", calibration: Path | None) -> "tuple[Exported, dict[str, object]]":
    from clearfundus.engines.quantisation import quantise
    from clearfundus.methods.calibration import read_calibration

    described = exported.description
    surround = json.loads(described["card"])["surround"]
    photographs = read_calibration(calibration or Path(), int(described["diameter"]), surround)
    quantised, loss = quantise(exported, photographs)
    return quantised, {"mean_difference_from_fp32": loss.mean, "tail_difference_from_fp32": loss.tail}


def _check_precision(precision: str, file_format: str, calibration: Path | None) -> None:
    from clearfundus.methods.checks import require_extra

    if (precision == "int8") != (calibration is not None):
        raise SettingsError(f"--precision {precision}: --calibration goes with int8, and int8 with --calibration")
    if precision == "int8" and file_format != "openvino":
        raise SettingsError(f"--precision int8: found --format {file_format}, expected openvino")
    if precision == "int8":
        require_extra("--precision int8", "int8", ("nncf", "onnx", "openvino"))


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


def _facts(exported: "Exported", files: list[Path]) -> dict[str, object]:
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
    }


def _line(facts: Mapping[str, object]) -> str:
    files = facts["files"]
    named = " and ".join(files) if isinstance(files, list) else files
    compared = "not compared with torch, which is not installed"
    if isinstance(difference := facts.get("difference_from_torch"), float):
        compared = f"differs from torch by {255 * difference:.5f}/255 at most"
    elif isinstance(mean := facts.get("mean_difference_from_fp32"), float):
        compared = f"int8, differs from fp32 by {255 * mean:.2f}/255 on average on the worst photograph"
    return f"wrote {named}: {facts['weights']}, SHA-256 of the weights {facts['sha256']}; {compared}. {facts['terms']}"
