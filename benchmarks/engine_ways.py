"""The ways to run a generator over one picture that engines.py compares: `python benchmarks/engine_ways.py` lists them.

Each goes from the same array, (H, W, 3) in [0, 1], to such an array, weights loaded, files aside. A process that is
started with `--row` makes one way ready and runs it once for each line that it reads.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from memory import most_memory
from numpy.typing import NDArray

from clearfundus.engines import onnx_runtime, openvino_runtime
from clearfundus.engines.exported import export_onnx
from clearfundus.engines.picture import Run, translate
from clearfundus.photo import Pixels

if TYPE_CHECKING:
    from torch import nn

Translate = Callable[[Pixels], Pixels]
SEED = 0


def main() -> None:
    """List the ways, or serve one of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--row", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.row:
        serve(**json.loads(arguments.row))
    else:
        print("\n".join(WAYS))


def serve(way: str, weights: str | None, side: int) -> None:
    """Make a way ready, say so, and run it once for each line read; each time tell seconds and greatest memory."""
    pixels = np.random.default_rng(SEED).random((side, side, 3), np.float32)
    work = WAYS[way].prepare(weights)
    print(json.dumps("ready"), flush=True)
    for _ in sys.stdin:
        started = time.perf_counter()
        work(pixels)
        seconds = time.perf_counter() - started
        print(json.dumps({"seconds": seconds, "bytes": most_memory()}), flush=True)


def plain_loop(weights: str | None) -> Translate:
    """Torch as other projects use it: fp32, torch's own memory layout and its own instance norm."""
    import torch

    from clearfundus.networks.weights import load_weights

    network = as_others_have_it(load_weights(weights).network)

    def run(picture: NDArray[np.float32]) -> NDArray[Any]:
        with torch.no_grad():
            output: NDArray[Any] = network(torch.from_numpy(picture)).numpy()
        return output

    return _through(run)


def as_others_have_it(network: "nn.Module") -> "nn.Module":
    """Give a network torch's own memory layout, and torch's own instance norm in place of this package's."""
    import torch

    from clearfundus.networks.norm import InstanceNorm

    class OwnNorm(torch.nn.Module):
        def forward(self, features: torch.Tensor) -> torch.Tensor:
            return torch.nn.functional.instance_norm(features)

    for parent in list(network.modules()):
        for name, layer in list(parent.named_children()):
            if isinstance(layer, InstanceNorm):
                setattr(parent, name, OwnNorm())
    return network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload, no-any-return]


def one_pass(weights: str | None) -> Translate:
    """This package, in one pass whatever that takes."""
    from clearfundus.networks.inference import run_generator
    from clearfundus.networks.weights import load_weights

    network = load_weights(weights).network
    return lambda pixels: run_generator(network, pixels, memory_limit=sys.maxsize)


def one_pass_bf16(weights: str | None) -> Translate:
    """This package, in one pass, with its features in bf16."""
    from clearfundus.networks.inference import run_generator
    from clearfundus.networks.precision import in_bf16
    from clearfundus.networks.weights import load_weights

    network = in_bf16(load_weights(weights).network)
    return lambda pixels: run_generator(network, pixels, memory_limit=sys.maxsize)


def in_strips(weights: str | None) -> Translate:
    """This package, in the strips that it takes where memory allows no more than one pass."""
    from clearfundus.networks.memory import MOST_ROWS
    from clearfundus.networks.streaming import run_in_strips
    from clearfundus.networks.weights import load_weights

    network = load_weights(weights).network
    return lambda pixels: run_in_strips(network, pixels, rows=MOST_ROWS)


def by_onnx_runtime(weights: str | None) -> Translate:
    """This package's graph on ONNX Runtime."""
    return _through(onnx_runtime.start(export_onnx(weights)))


def by_openvino(weights: str | None) -> Translate:
    """This package's graph on OpenVINO, in fp32, as the package asks for."""
    return _through(openvino_runtime.start(export_onnx(weights)))


def by_openvino_bf16(weights: str | None) -> Translate:
    """This package's graph on OpenVINO, in bf16."""
    return _through(openvino_runtime.start(export_onnx(weights), bf16=True))


def _through(run: Run) -> Translate:
    return lambda pixels: translate(run, pixels)


class Way(NamedTuple):
    """A row of the table.

    Attributes:
        prepare: From weights (a name, a file or None for the default) to what is measured.
        precision: "fp32" or "bf16".
        engine: What must be installed: a name of `clearfundus.methods.engine.ENGINES`.
    """

    prepare: Callable[[str | None], Translate]
    precision: str
    engine: str


PLAIN, ONE_PASS, ONE_PASS_BF16, STRIPS = "plain eager loop", "one pass", "one pass, bf16", "strips"
OPENVINO, OPENVINO_BF16 = "OpenVINO", "OpenVINO, bf16"
WAYS: Mapping[str, Way] = MappingProxyType(
    {
        PLAIN: Way(plain_loop, "fp32", "torch"),
        ONE_PASS: Way(one_pass, "fp32", "torch"),
        ONE_PASS_BF16: Way(one_pass_bf16, "bf16", "torch"),
        STRIPS: Way(in_strips, "fp32", "torch"),
        "ONNX Runtime": Way(by_onnx_runtime, "fp32", "onnxruntime"),
        OPENVINO: Way(by_openvino, "fp32", "openvino"),
        OPENVINO_BF16: Way(by_openvino_bf16, "bf16", "openvino"),
    }
)


if __name__ == "__main__":
    main()
