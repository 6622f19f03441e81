"""How fast each convolution of a generator is alone: `python benchmarks/engine_rates.py` for the default weights.

The fastest is the rate that nothing which runs the whole network in the same precision can be expected to exceed.
"""

import argparse
import copy
import json
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, cast

import torch
from enhance import in_own_process
from torch import Tensor, nn

from clearfundus.networks.generator import Generator
from clearfundus.networks.weights import load_weights

SIDE = 512
"""Of the square picture whose features have the sizes at which convolutions are measured."""
REPEATS = 5
SHORTEST = 0.3
"""Seconds for which a convolution is repeated at least: short ones are uneven."""
PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}

Convolution = nn.Conv2d | nn.ConvTranspose2d


class Step(NamedTuple):
    """A convolution where it stands in a network.

    Attributes:
        layer: The layer.
        shape: Of what it is given, (1, C, H, W), without padding.
        operations: Its floating-point operations.
    """

    layer: Convolution
    shape: tuple[int, ...]
    operations: int

    @property
    def name(self) -> str:
        """What the layer does, in words; the same for layers that take the same time."""
        layer = self.layer
        kind = "transposed " if isinstance(layer, nn.ConvTranspose2d) else ""
        stride = f", stride {layer.stride[0]}" if layer.stride[0] > 1 else ""
        rows, columns = layer.kernel_size
        channels = f"{layer.in_channels} to {layer.out_channels} channels"
        return f"{kind}{rows} x {columns}, {channels}{stride}, of {self.shape[3]} x {self.shape[2]}"


def main() -> None:
    """Print the rate of each convolution, as a table or as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--row", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.row:
        print(json.dumps(measure(**json.loads(arguments.row))))
        return
    found = measure_in_own_process(None, "fp32")
    print("| convolution | Gflop/s, fp32 |\n|---|---|")
    print("\n".join(f"| {name} | {rate / 1e9:.0f} |" for name, rate in found.items()))


def measure_in_own_process(weights: str | None, precision: str) -> dict[str, float]:
    """Return what `measure` does, in a new process.

    Raises:
        RuntimeError: If that process fails; it has said why.
    """
    found = in_own_process({"weights": weights, "precision": precision}, __file__)
    if found is None:
        raise RuntimeError("the convolutions could not be measured alone; the reason stands above")
    return found


def measure(weights: str | None, precision: str) -> dict[str, float]:
    """Return the best rate of each distinct convolution of a network, in operations a second."""
    rates: dict[str, float] = {}
    for step in convolutions(load_weights(weights).network, SIDE):
        if step.name not in rates:
            rates[step.name] = step.operations / least_seconds(_alone(step, PRECISIONS[precision]))
    return rates


def seconds_alone(weights: str | None, rates: Mapping[str, float]) -> float:
    """Return the seconds of all convolutions of a network, each at its own rate, with nothing between them.

    Args:
        weights: A file, or None for the default.
        rates: What `measure` gave for them.
    """
    return sum(step.operations / rates[step.name] for step in convolutions(load_weights(weights).network, SIDE))


def convolutions(network: Generator, side: int) -> list[Step]:
    """Return the convolutions of a network in their order, for a square picture."""
    steps: list[Step] = []

    def note(layer: nn.Module, given: tuple[Tensor], returned: Tensor) -> None:
        convolution = cast("Convolution", layer)
        steps.append(Step(convolution, tuple(given[0].shape), _operations(convolution, given[0], returned)))

    hooks = [layer.register_forward_hook(note) for layer in network.modules() if isinstance(layer, Convolution)]
    with torch.inference_mode():
        network(torch.zeros(1, 3, side, side))
    for hook in hooks:
        hook.remove()
    return steps


def _operations(layer: Any, given: Tensor, returned: Tensor) -> int:
    """A convolution works on each pixel that it makes, a transposed one on each that it is given."""
    pixels = given if isinstance(layer, nn.ConvTranspose2d) else returned
    return 2 * pixels[0, 0].numel() * int(layer.weight.numel())


def _alone(step: Step, kind: torch.dtype) -> Callable[[], object]:
    layer = copy.deepcopy(step.layer).to(dtype=kind, memory_format=torch.channels_last)  # type: ignore[call-overload]
    layer.padding_mode = "zeros"  # the convolution itself pads with zeros; reflected margins are another step
    features = torch.randn(step.shape).to(dtype=kind, memory_format=torch.channels_last)
    return lambda: layer(features)


def least_seconds(work: Callable[[], object]) -> float:
    """Return the seconds of the fastest of several runs after a first that does not count."""
    times: list[float] = []
    with torch.inference_mode():
        work()
        while len(times) < REPEATS or sum(times) < SHORTEST:
            started = time.perf_counter()
            work()
            times.append(time.perf_counter() - started)
    return min(times)


if __name__ == "__main__":
    main()
