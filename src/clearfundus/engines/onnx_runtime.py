"""ONNX Runtime, on the CPU, in fp32."""

from typing import cast

import numpy as np
from numpy.typing import NDArray

from clearfundus.engines.exported import Exported
from clearfundus.engines.graph import INPUT
from clearfundus.engines.picture import Run, count_threads
from clearfundus.errors import WeightsError


def start(exported: Exported) -> Run:
    """Make ready to run an exported generator.

    Raises:
        WeightsError: If it is no ONNX file, or ONNX Runtime refuses it.
    """
    import onnxruntime

    if exported.format != "onnx":
        raise WeightsError(f"ONNX Runtime reads .onnx files; found one of {exported.format}: use --engine openvino")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = count_threads()
    options.log_severity_level = 3  # errors; a warning would break into the progress line
    try:
        session = onnxruntime.InferenceSession(exported.model, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise WeightsError(f"ONNX Runtime refuses the network: {error}") from error

    def run(picture: NDArray[np.float32]) -> NDArray[np.float32]:
        return cast("NDArray[np.float32]", session.run(None, {INPUT: picture})[0])

    return run
