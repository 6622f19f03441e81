"""OpenVINO, on the CPU: running a generator in fp32 or bf16, and its own form of an exported one.

OpenVINO reports its use to its maker when it is imported, and its default arithmetic is bf16 where the processor has
it. Neither is wanted here unasked: the reports are switched off for this process, and the precision is always named.
"""

import sys
import tempfile
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from clearfundus.engines.exported import SEAL, SECTION, UNSEALED, Exported, seal
from clearfundus.engines.picture import Run, count_threads
from clearfundus.errors import WeightsError

FROM_ONNX = "framework"
"""Where OpenVINO keeps what an ONNX file says of itself, its seal included."""


REPORTS = "openvino_telemetry"
"""The package that reports; without it OpenVINO and NNCF go on in silence."""


def import_openvino() -> Any:
    """Import OpenVINO, with its reports to its maker switched off."""
    sys.modules.setdefault(REPORTS, None)  # type: ignore[arg-type]  # Python's own way to make an import fail
    import openvino

    return openvino


def has_bf16() -> bool:
    """Say whether OpenVINO finds that the processor computes bf16 in hardware."""
    return "BF16" in import_openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def start(exported: Exported, *, bf16: bool = False) -> Run:
    """Make ready to run an exported generator, ONNX or OpenVINO.

    Args:
        exported: The generator.
        bf16: Whether to compute all up to its last convolution in bf16. What follows, which joins the change to the
            picture, is in fp32 in any case, so that no bands arise.

    Raises:
        WeightsError: If OpenVINO refuses it.
    """
    openvino = import_openvino()

    core = openvino.Core()
    settings = {"INFERENCE_PRECISION_HINT": "bf16" if bf16 else "f32", "INFERENCE_NUM_THREADS": count_threads()}
    try:
        compiled = core.compile_model(read_model(exported), "CPU", settings)
    except Exception as error:
        raise WeightsError(f"OpenVINO refuses the network: {error}") from error

    def run(picture: NDArray[np.float32]) -> NDArray[np.float32]:
        return cast("NDArray[np.float32]", compiled(picture)[0])

    return run


def read_model(exported: Exported) -> Any:
    """Return an exported generator as OpenVINO's model."""
    openvino = import_openvino()

    if exported.format == "onnx":
        return openvino.Core().read_model(exported.model)
    return openvino.Core().read_model(exported.model, exported.constants)


def export_openvino(exported: Exported) -> Exported:
    """Turn an exported ONNX generator into OpenVINO's form, sealed, in memory."""
    return write_model(read_model(exported), {**exported.description})


def write_model(model: Any, description: dict[str, str]) -> Exported:
    """Turn OpenVINO's model into its two files, in memory, with a description and a seal.

    Weights are kept in fp16 where they were, which halves the file and changes no value.
    """
    openvino = import_openvino()

    if FROM_ONNX in model.rt_info:
        del model.rt_info[FROM_ONNX]
    for key, value in {**description, "seal": (SEAL + UNSEALED).decode()}.items():
        model.set_rt_info(value, [SECTION, key])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.xml"
        openvino.save_model(model, path, compress_to_fp16=False)
        xml, constants = path.read_bytes(), path.with_suffix(".bin").read_bytes()
    return Exported(format="openvino", model=seal(xml, constants), constants=constants, description=description)
