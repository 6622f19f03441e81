"""Forward and backward passes as CUDA graphs: a GPU is told once what to do, and then only to do it again.

One iteration launches thousands of kernels, most of which take a GPU less time than it takes Python to launch them.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn

WARM_UP = 3
"""Passes before the capture, in which cuDNN tries its ways and the allocator finds its blocks (PyTorch's advice)."""


class Passed(NamedTuple):
    """What a forward and backward pass leaves besides gradients."""

    loss: Tensor
    terms: dict[str, Tensor]
    made: tuple[Tensor, ...] = ()
    """Pictures that later passes want, without gradient."""


Inputs = tuple[Tensor | None, ...]
Pass = Callable[..., Passed]
"""Takes `Inputs`; leaves gradients in the networks' parameters."""


class _Capture(NamedTuple):
    """A graph, and the memory that it reads and writes."""

    graph: torch.cuda.CUDAGraph
    inputs: Inputs
    passed: Passed
    gradients: list[Tensor | None]


class CapturedPass:
    """A pass over inputs of one shape, captured on the first call and replayed on all."""

    def __init__(self, work: Pass, networks: Iterable[nn.Module]) -> None:
        """Prepare to capture.

        Args:
            work: The pass; nothing in it may wait for the device, or depend on a value that is there.
            networks: Those whose gradients it leaves.
        """
        self._work = work
        self._parameters = [one for network in networks for one in network.parameters()]
        self._capture: _Capture | None = None

    def __call__(self, *inputs: Tensor | None) -> Passed:
        """Do the pass; what it returns is the caller's to keep, the gradients hold until the next pass."""
        with torch.cuda.device(self._parameters[0].device):
            if self._capture is None:
                self._capture = self._captured(tuple(None if one is None else one.clone() for one in inputs))
            capture = self._capture
            _overwrite(capture.inputs, inputs)
            capture.graph.replay()
        for parameter, gradient in zip(self._parameters, capture.gradients, strict=True):
            parameter.grad = gradient  # another pass may have put its own there
        return _copy(capture.passed)

    def _captured(self, inputs: Inputs) -> _Capture:
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        graph = torch.cuda.CUDAGraph()
        with _trying_all_ways():
            with torch.cuda.stream(stream):
                for _ in range(WARM_UP):
                    self._forget_gradients()
                    self._work(*inputs)
            self._forget_gradients()  # so that the graph writes gradients, and adds to none
            # other threads make batches meanwhile, and may use the device
            with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
                passed = self._work(*inputs)
        torch.cuda.current_stream().wait_stream(stream)
        return _Capture(graph, inputs, _detached(passed), [parameter.grad for parameter in self._parameters])

    def _forget_gradients(self) -> None:
        for parameter in self._parameters:
            parameter.grad = None


@contextmanager
def _trying_all_ways() -> Iterator[None]:
    """Have cuDNN measure which of its ways is the fastest; its other settings stay as they are."""
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = True
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before


def _overwrite(static: Inputs, new: Inputs) -> None:
    """Write new inputs where a graph reads them.

    Raises:
        ValueError: If they are of other shapes, or there are others, than those that were captured.
    """
    captured, given = ([None if one is None else tuple(one.shape) for one in each] for each in (static, new))
    if captured != given:
        raise ValueError(f"inputs of a captured pass: found shapes {given}, expected those of its capture, {captured}")
    for one, other in zip(static, new, strict=True):
        if one is not None and other is not None:
            one.copy_(other)


def _detached(passed: Passed) -> Passed:
    """Return the same numbers without the way that led to them, which would be kept as long as they are."""
    loss, terms, made = passed
    return Passed(
        loss.detach(), {name: term.detach() for name, term in terms.items()}, tuple(one.detach() for one in made)
    )


def _copy(passed: Passed) -> Passed:
    """Return copies: the next replay writes over what it was given."""
    loss, terms, made = passed
    return Passed(
        loss.clone(), {name: term.clone() for name, term in terms.items()}, tuple(one.clone() for one in made)
    )
