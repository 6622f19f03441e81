"""A generator as an ONNX graph, written layer by layer from its settings and its weights; torch is not asked.

`networks/generator.py` is the same network in torch; the tests hold one against the other. Height and width are
dynamic, in multiples of 4. The weights stand in the graph as their file has them, in fp16, and are widened to fp32
by the engine, once, when it reads the graph: all arithmetic is fp32. Those of the convolutions that make four pixels at
once (`kernels.py`) are sums of weights, or surrounded by zeros, and stand there in fp32.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from clearfundus.engines.kernels import SQUARE, Kernel, Weight, enlarging_kernel, square_kernel
from clearfundus.errors import WeightsError
from clearfundus.pretrained.reading import Arrays
from clearfundus.pretrained.shape import GeneratorSettings

if TYPE_CHECKING:
    from onnx import ModelProto

INPUT, OUTPUT = "picture", "output"
OPSET, IR_VERSION = 17, 8
"""Of 2022: old enough for any engine in use, new enough for every layer here."""
NORM_EPSILON = 1e-5
"""As in `networks/norm.py`."""
FLOAT = 1
"""`onnx.TensorProto.FLOAT`."""
CROP = {"first": [1, 1], "last": [-1, -1], "axes": [2, 3]}
"""Of Slice: without the outermost rows and columns."""


def build_graph(settings: GeneratorSettings, arrays: Arrays) -> "ModelProto":
    """Write a generator down as an ONNX model.

    Args:
        settings: Its shape.
        arrays: Its weights, named as in its weights file.

    Returns:
        A model from "picture", (N, 3, H, W) in [-1, 1] with H and W multiples of 4, to "output" of the same shape.

    Raises:
        WeightsError: If the weights do not fit the settings.
    """
    import onnx

    layers = _Layers(arrays, settings)
    _generator(layers, settings)
    if left := arrays.keys() - layers.used:
        raise WeightsError(f"the weights do not fit the generator they name: it has no {', '.join(sorted(left)[:3])}")
    shape: list[str | int | None] = ["batch", 3, "height", "width"]
    graph = onnx.helper.make_graph(
        layers.nodes,
        "generator",
        [onnx.helper.make_tensor_value_info(INPUT, FLOAT, shape)],
        [onnx.helper.make_tensor_value_info(OUTPUT, FLOAT, shape)],
        layers.constants,
    )
    opset = onnx.helper.make_opsetid("", OPSET)
    return onnx.helper.make_model(graph, opset_imports=[opset], ir_version=IR_VERSION, producer_name="clearfundus")


def _generator(layers: "_Layers", settings: GeneratorSettings) -> None:
    """Write the layers in the order of `Generator.forward`."""
    width = settings.width
    features = layers.activate(layers.convolve(INPUT, "stem.0", (width, 3, 7)))
    features = layers.activate(layers.convolve(features, "down.0", (2 * width, width, 3), stride=2))
    features = layers.activate(layers.convolve(features, "down.3", (4 * width, 2 * width, 3), stride=2))
    for block in range(settings.blocks):
        shape, body = (4 * width, 4 * width, 3), f"bottleneck.{block}.body"
        inner = layers.activate(layers.convolve(features, f"{body}.0", shape))
        features = layers.add("Add", [features, layers.normalise(layers.convolve(inner, f"{body}.3", shape))])
    first, second = ("up.0", "up.3") if settings.upsample == "transposed" else ("up.1", "up.5")
    for name, channels in ((first, 4 * width), (second, 2 * width)):
        if settings.upsample == "transposed":
            features = layers.activate(layers.convolve_transposed(features, name, (channels, channels // 2, 3)))
        else:
            features = layers.convolve_enlarged(features, name, (channels // 2, channels, 3))
    output = layers.convolve_by_squares(features, "head", (6 if settings.gain else 3, width, 7))
    _finish(layers, settings, output)


def _finish(layers: "_Layers", settings: GeneratorSettings, output: str) -> None:
    if not settings.skip:
        layers.add("Tanh", [output], output=OUTPUT)
        return
    picture = INPUT
    if settings.gain:
        output, gain = layers.split(output)
        picture = layers.add("Add", [INPUT, layers.add("Mul", [INPUT, gain])])
    layers.add("Add", [picture, layers.add("Tanh", [output])], output=OUTPUT)


class _Layers:
    """The nodes and constants of a graph, as they are added one after the other; each call returns a tensor's name."""

    def __init__(self, arrays: Arrays, settings: GeneratorSettings) -> None:
        self.arrays, self.settings = arrays, settings
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.used: set[str] = set()
        self._channels: dict[str, int] = {}

    def add(self, operation: str, inputs: Sequence[str], *, output: str = "", **attributes: Any) -> str:
        from onnx import helper

        name = output or f"{operation.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operation, list(inputs), [name], name=name, **attributes))
        return name

    def split(self, features: str) -> tuple[str, str]:
        from onnx import helper

        names = f"{features}_first", f"{features}_second"
        self.nodes.append(helper.make_node("Split", [features], names, name=f"{features}_split", axis=1))
        return names

    def convolve(self, features: str, name: str, shape: tuple[int, int, int], *, stride: int = 1) -> str:
        """Convolve; `shape` is output channels, input channels, side. A side of 7 is padded by reflection."""
        margin = shape[2] // 2
        if shape[2] == 7:
            features, margin = self.reflect(features, margin), 0
        convolved = self._convolve(features, self._weights(name, shape, shape[0]), shape[2], margin, stride)
        self._channels[convolved] = shape[0]
        return convolved

    def convolve_by_squares(self, features: str, name: str, shape: tuple[int, int, int]) -> str:
        """Pad by reflection and convolve, four pixels at once; `shape` as before."""
        weights = self._four_at_once(name, shape, square_kernel)
        padded = self.reflect(features, shape[2] // 2)
        return self._take_apart(self._convolve(padded, weights, shape[2] + 1, 0, 2))

    def convolve_enlarged(self, features: str, name: str, shape: tuple[int, int, int]) -> str:
        """Enlarge x2, each value a square of four, convolve and activate; `shape` as before, its side 3."""
        grown = self._convolve(features, self._four_at_once(name, shape, enlarging_kernel), 2, 1, 1)
        early = self.settings.norm == "none"  # engines join an activation to the convolution before it
        grown = self._take_apart(self.activate(grown) if early else grown)
        corners = [self._constant(f"{name}.{key}", np.array(at, np.int64)) for key, at in CROP.items()]
        cropped = self.add("Slice", [grown, *corners])
        self._channels[cropped] = shape[0]
        return cropped if early else self.activate(cropped)

    def reflect(self, features: str, margin: int) -> str:
        pads = self._constant(f"{features}.pads", np.array([0, 0, margin, margin] * 2, np.int64))
        return self.add("Pad", [features, pads], mode="reflect")

    def _convolve(self, features: str, weights: list[str], side: int, margin: int, stride: int) -> str:
        how: dict[str, Any] = {"kernel_shape": [side] * 2, "pads": [margin] * 4, "strides": [stride] * 2}
        return self.add("Conv", [features, *weights], **how)

    def _take_apart(self, squares: str) -> str:
        return self.add("DepthToSpace", [squares], blocksize=2, mode="DCR")

    def convolve_transposed(self, features: str, name: str, shape: tuple[int, int, int]) -> str:
        """Enlarge x2 by a transposed convolution; `shape` is input channels, output channels, side."""
        inputs = [features, *self._weights(name, shape, shape[1])]
        how: dict[str, Any] = {"kernel_shape": [3, 3], "pads": [1] * 4, "strides": [2, 2], "output_padding": [1, 1]}
        convolved = self.add("ConvTranspose", inputs, **how)
        self._channels[convolved] = shape[1]
        return convolved

    def normalise(self, features: str) -> str:
        if self.settings.norm == "none":
            return features
        channels = self._channels[features]
        one = self._constant(f"{features}.one", np.ones(channels, np.float32))
        zero = self._constant(f"{features}.zero", np.zeros(channels, np.float32))
        return self.add("InstanceNormalization", [features, one, zero], epsilon=NORM_EPSILON)

    def activate(self, features: str) -> str:
        normal = self.normalise(features)
        if self.settings.leak == 0:
            return self.add("Relu", [normal])
        return self.add("LeakyRelu", [normal], alpha=self.settings.leak)

    def _weights(self, name: str, shape: tuple[int, int, int], channels: int) -> list[str]:
        weight, bias = self._take(name, shape, channels)
        return [self._widened(f"{name}.weight", weight), self._widened(f"{name}.bias", bias)]

    def _four_at_once(
        self, name: str, shape: tuple[int, int, int], make_kernel: Callable[[Weight], Kernel]
    ) -> list[str]:
        weight, bias = self._take(name, shape, shape[0])
        kernel, biases = make_kernel(weight), np.tile(bias.astype(np.float32), len(SQUARE))
        return [self._constant(f"{name}.weight", kernel), self._constant(f"{name}.bias", biases)]

    def _take(self, name: str, shape: tuple[int, int, int], channels: int) -> list[Weight]:
        """Return a layer's weight and bias, of the shapes that are expected."""
        expected = {f"{name}.weight": (*shape, shape[2]), f"{name}.bias": (channels,)}
        for key, needed in expected.items():
            array = self.arrays.get(key)
            if array is None or array.shape != needed:
                found = "none" if array is None else f"one of shape {array.shape}"
                raise WeightsError(
                    f"the weights do not fit the generator they name: {key}: found {found}, expected shape {needed}"
                )
        self.used |= expected.keys()
        return [self.arrays[key] for key in expected]

    def _widened(self, name: str, array: "np.ndarray[Any, Any]") -> str:
        constant = self._constant(name, array)
        return constant if array.dtype == np.float32 else self.add("Cast", [constant], to=FLOAT)

    def _constant(self, name: str, array: "np.ndarray[Any, Any]") -> str:
        from onnx import numpy_helper

        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name
