"""Which engine runs the generator: torch, ONNX Runtime or OpenVINO; and one picture through it.

In fp32 the result is the same on each, within a rounding of the written file; the tests hold them to 1/255.
"""

import importlib.util
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

import numpy as np

from clearfundus.engines import openvino_runtime
from clearfundus.engines.exported import SUFFIXES
from clearfundus.engines.picture import translate
from clearfundus.engines.weights import EngineName, EngineWeights, load_engine_weights, read_source, start
from clearfundus.errors import DeviceError, MissingExtraError, SettingsError, WeightsError
from clearfundus.fundus.phantom import draw_phantom
from clearfundus.methods.checks import check_choice, require_extra
from clearfundus.photo import Pixels

if TYPE_CHECKING:
    from clearfundus.networks.weights import LoadedWeights

ENGINES = "auto", "torch", "onnxruntime", "openvino"
"""Names that `choose_engine` takes."""
PRECISIONS = "auto", "fp32", "bf16"
"""Names that `load_model` takes."""
LARGEST_ONE_PASS = 1024
"""Field diameter in pixels up to which OpenVINO, which knows no strips, is taken unasked: it holds .6 GiB there with a
network of the paper's shape in bf16, .9 in fp32. See docs/decisions/0026."""
TRIAL_SIDE = 190
"""Of the drawn photograph on which bf16 is compared with fp32, in pixels; no multiple of 4."""
MOST_DIFFERENCE = 1.5 / 255
"""From fp32 in any value of that photograph, for OpenVINO; torch's bound in `networks/precision.py` is the same."""
DRIVER = Path("/proc/driver/nvidia")
"""Where Linux shows the driver of CUDA devices."""
PACKAGES: Mapping[EngineName, tuple[str, tuple[str, ...]]] = MappingProxyType(
    {"onnxruntime": ("onnx", ("onnx", "onnxruntime")), "openvino": ("openvino", ("onnx", "openvino"))}
)
"""Engine -> the extra that brings it, and what must be importable."""


def choose_engine(name: str, weights: str | Path | None, device: str = "auto") -> str:
    """Decide which engine runs the network; a named one is never replaced by another.

    "auto" is torch, where it is installed, for weights files; and for exported files, which torch does not read, the
    first of ONNX Runtime and OpenVINO that is installed and reads them. Without torch it is the first of these two.

    Args:
        name: "auto", "torch", "onnxruntime" or "openvino".
        weights: As for `load_model`.
        device: As for `load_model`.

    Raises:
        SettingsError: If the name is unknown, or the engine does not read such a file.
        DeviceError: If a device other than the CPU is named for an engine that runs on the CPU only.
        MissingExtraError: If the engine, or with "auto" every one that would do, is not installed.
    """
    check_choice("engine", name, ENGINES)
    readers = _readers(weights)
    if name == "auto":
        name = next((one for one in readers if _installed(one)), readers[0])
    if name not in readers:
        raise SettingsError(f"engine {name!r} does not read {weights}; use --engine {' or '.join(readers)}")
    if name == "torch":
        _require_torch()
        return name
    extra, packages = PACKAGES["openvino" if name == "openvino" else "onnxruntime"]
    require_extra(f"engine {name!r}", extra, packages)
    if device not in ("auto", "cpu"):
        raise DeviceError(
            f"engine {name!r} runs on the CPU; found device {device!r}: use --engine torch, or --device cpu"
        )
    return name


def load_model(
    weights: str | Path | None = None,
    *,
    engine: str = "auto",
    device: str = "auto",
    precision: str = "fp32",
    one_pass: bool = False,
) -> "LoadedWeights | EngineWeights":
    """Load an enhancer onto an engine.

    Engine and precision both "auto", and `one_pass`: OpenVINO in bf16 where it is installed, the processor has bf16,
    the weights bear it and no CUDA device would be used, for that is the fastest way on a processor; there, weights
    that bear bf16 with neither of the two go to OpenVINO in fp32. See docs/decisions/0011 and 0026.

    Args:
        weights: A name of `shipped_weights()`, a weights file, an exported file (.onnx, .xml), or None for the default.
        engine: A name of `ENGINES`.
        device: "auto", "cpu", "cuda" or "cuda:N"; only torch runs elsewhere than on the CPU.
        precision: "fp32"; "bf16"; or "auto", which takes bf16 with torch and OpenVINO, where the device computes it in
            hardware and the result on a drawn photograph differs from that in fp32 by less than 1.5/255.
        one_pass: Whether pictures may be taken in one pass: small ones, with no limit on memory.

    Raises:
        SettingsError: As `choose_engine`, or if bf16 is named and the engine or the weights do not bear it.
        DeviceError: As `choose_engine`, or if the device is not there, or bf16 is named and the device has none.
        MissingExtraError: As `choose_engine`.
        WeightsError: If the file is missing, truncated or altered, or is not of this format, role or architecture.
    """
    check_choice("precision", precision, PRECISIONS)
    chosen = choose_engine(engine, weights, device)
    by_itself = one_pass and (engine, precision) == ("auto", "auto") and _suits_openvino(weights, device)
    on_openvino = _try_openvino(weights) if by_itself else None
    if on_openvino is not None and on_openvino.precision == "bf16":
        return on_openvino
    if chosen == "openvino":
        return _load_openvino(weights, precision)
    if chosen == "onnxruntime":
        if precision == "bf16":
            raise SettingsError(
                "engine 'onnxruntime' does not compute in bf16; use --engine torch or openvino, or --precision fp32"
            )
        return load_engine_weights(weights, "onnxruntime")
    from clearfundus.networks.device import choose_device
    from clearfundus.networks.weights import load_weights

    loaded = load_weights(weights, device=choose_device(device))
    if precision == "fp32":
        return loaded
    settled = _settle(loaded, "bf16" if precision == "bf16" else "auto")
    return settled if on_openvino is None or settled.precision == "bf16" else on_openvino


def run_model(model: "LoadedWeights | EngineWeights", pixels: Pixels, memory_limit: int | None = None) -> Pixels:
    """Translate one picture as in one piece, on the engine that its model was loaded onto.

    Args:
        model: What `load_model` returned.
        pixels: RGB, (H, W, 3) in [0, 1], any size.
        memory_limit: As for `networks.inference.run_generator`; torch alone heeds it.

    Returns:
        RGB, (H, W, 3), float32 in [0, 1].

    Raises:
        PhotoMemoryError: If torch would take more memory than the limit, or than there is.
    """
    if isinstance(model, EngineWeights):
        return translate(model.run, pixels)
    from clearfundus.networks.inference import run_generator

    return run_generator(model.network, pixels, memory_limit)


def _settle(loaded: "LoadedWeights", precision: Literal["auto", "bf16"]) -> "LoadedWeights":
    """Return the weights in bf16 if they may be; they are tried on a drawn photograph, whose sides are padded."""
    from clearfundus.networks.device import has_bf16
    from clearfundus.networks.precision import is_in_bf16, settle_precision

    if precision == "auto" and not has_bf16(next(loaded.network.parameters()).device):
        return loaded  # nothing is drawn for it
    network = settle_precision(loaded.network, precision, draw_phantom(TRIAL_SIDE, 0).photo.pixels)
    return replace(loaded, network=network, precision="bf16" if is_in_bf16(network) else "fp32")


def _suits_openvino(weights: str | Path | None, device: str) -> bool:
    """Say whether OpenVINO may be faster than torch for weights: it is installed, and runs where they would run.

    torch is not imported for this: it may have a CUDA device if it is installed and the NVIDIA driver or its
    `nvidia-smi` is there. In doubt the choice is left to torch.
    """
    has_driver = DRIVER.exists() or shutil.which("nvidia-smi") is not None
    on_cpu = device == "cpu" or (device == "auto" and not (_installed("torch") and has_driver))
    return on_cpu and _readers(weights)[0] == "torch" and _installed("openvino")


def _try_openvino(weights: str | Path | None) -> EngineWeights | None:
    """Return the weights on OpenVINO, in bf16 if they bear it; None where the processor has none, or OpenVINO fails."""
    try:
        if openvino_runtime.has_bf16():
            return _load_openvino(weights, "auto")
    except (ImportError, WeightsError):  # a broken OpenVINO, or weights that any engine will refuse, by their name
        return None
    return None


def _load_openvino(weights: str | Path | None, precision: str) -> EngineWeights:
    """Return the weights on OpenVINO, in bf16 if they may be: tried as `_settle` does, against OpenVINO's own fp32."""
    exported = read_source(weights)
    full = start(exported, "openvino")
    if precision == "fp32":
        return full
    if full.precision != "fp32":
        refusal: DeviceError | SettingsError = SettingsError(
            f"precision bf16: {weights} is in {full.precision}; use --precision auto"
        )
    elif not openvino_runtime.has_bf16():
        refusal = DeviceError("OpenVINO finds no bf16 arithmetic in this processor; use --precision fp32 or auto")
    else:
        reduced = start(exported, "openvino", bf16=True)
        difference = _difference(full, reduced)
        if difference < MOST_DIFFERENCE:
            return reduced
        refusal = SettingsError(
            f"precision bf16: with these weights found a difference of {255 * difference:.1f}/255 from fp32 on a drawn "
            f"picture, expected less than {255 * MOST_DIFFERENCE:.1f}/255; use fp32 or auto"
        )
    if precision == "bf16":
        raise refusal
    return full


def _difference(full: EngineWeights, reduced: EngineWeights) -> float:
    """Return the greatest difference of any value between two networks' results on the drawn photograph."""
    trial = draw_phantom(TRIAL_SIDE, 0).photo.pixels
    return float(np.abs(translate(full.run, trial) - translate(reduced.run, trial)).max())


def _readers(weights: str | Path | None) -> tuple[str, ...]:
    """Return the engines that read a file, the preferred one first."""
    file_format = None if weights is None else SUFFIXES.get(Path(weights).suffix.lower())
    if file_format is None:
        return "torch", "onnxruntime", "openvino"
    return ("openvino",) if file_format == "openvino" else ("onnxruntime", "openvino")


def _installed(name: str) -> bool:
    packages = next((packages for engine, (_, packages) in PACKAGES.items() if engine == name), ("torch",))
    return all(importlib.util.find_spec(package) is not None for package in packages)


def _require_torch() -> None:
    if importlib.util.find_spec("torch") is None:
        raise MissingExtraError(
            "engine 'torch' needs torch, which is not installed; install it with: pip install torch, "
            "or use --engine onnxruntime with: pip install 'clearfundus[onnx]'"
        )
