"""Weights ready to run on an engine other than torch."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from clearfundus.engines import onnx_runtime, openvino_runtime
from clearfundus.engines.exported import SUFFIXES, Exported, export_onnx, read_exported
from clearfundus.engines.picture import Run
from clearfundus.errors import WeightsError
from clearfundus.pretrained.reading import read_uneven_error

EngineName = Literal["onnxruntime", "openvino"]


@dataclass(frozen=True, kw_only=True)
class EngineWeights:
    """A generator ready to run, and what its file says of it; torch's is `networks.weights.LoadedWeights`.

    Attributes:
        engine: "onnxruntime" or "openvino".
        precision: "fp32", "bf16", or "int8" for a network that was quantised at its export.
        run: From (1, 3, H, W) in [-1, 1] to the same shape; see `engines.picture.translate`.
        name: The name given at training.
        role: "enhancer".
        sha256: Hash of the tensors it was made from, hexadecimal; the same for the same weights on any engine.
        diameter: Field diameter in pixels of the photographs it was trained on.
        surround: What stood outside the field in training: "fill" (reflected retina) or "black".
        uneven_error: By which what is uneven in the change is damped, if above 0; see `fundus/unevenness.py`.
        card: Training data, steps, seed and such, as text.
        terms: What the weights may be used for.
    """

    engine: EngineName
    precision: str
    run: Run
    name: str
    role: str
    sha256: str
    diameter: int
    surround: str
    uneven_error: float
    card: dict[str, str]
    terms: str


def load_engine_weights(source: str | Path | None, engine: EngineName) -> EngineWeights:
    """Load the enhancer of shipped weights, of a weights file or of an exported file onto an engine.

    Args:
        source: A name of `shipped_weights()`, a path, or None for the default.
        engine: The engine; its packages must be installed.

    Raises:
        WeightsError: If the file is missing, truncated or altered, or is not of this format, role or architecture.
    """
    return start(read_source(source), engine)


def read_source(source: str | Path | None) -> Exported:
    """Read shipped weights, a weights file or an exported file as an exported generator.

    Args:
        source: As for `load_engine_weights`.

    Raises:
        WeightsError: As `load_engine_weights`.
    """
    is_exported = source is not None and Path(source).suffix.lower() in SUFFIXES
    return read_exported(Path(str(source))) if is_exported else export_onnx(source)


def start(exported: Exported, engine: EngineName, *, bf16: bool = False) -> EngineWeights:
    """Make an engine ready to run an exported generator.

    Args:
        exported: The generator.
        engine: The engine; its packages must be installed.
        bf16: Whether to compute in bf16, which is for OpenVINO alone.

    Raises:
        WeightsError: If the engine does not read it, or its description is incomplete.
    """
    is_onnx_runtime = engine == "onnxruntime"
    run = onnx_runtime.start(exported) if is_onnx_runtime else openvino_runtime.start(exported, bf16=bf16)
    described = exported.description
    try:
        card: dict[str, str] = json.loads(described["card"])
        return EngineWeights(
            engine=engine,
            precision="bf16" if bf16 else described["precision"],
            run=run,
            name=described["name"],
            role=described["role"],
            sha256=described["sha256"],
            diameter=int(described["diameter"]),
            surround=card["surround"],
            uneven_error=read_uneven_error(card),
            card=card,
            terms=described["terms"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise WeightsError(
            f"the network's description is incomplete or damaged ({error!r}); export it again"
        ) from error
