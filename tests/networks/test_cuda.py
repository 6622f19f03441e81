"""A picture through a generator on a CUDA device, against the network's own pass in fp32 on the CPU.

`pytest -rP` shows the figures behind the tests.
"""

# ruff: noqa: T201

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch

from clearfundus.errors import PhotoMemoryError
from clearfundus.networks import inference
from clearfundus.networks.device import place
from clearfundus.networks.generator import Generator, GeneratorSettings
from clearfundus.networks.inference import run_generator
from clearfundus.networks.memory import Demand
from clearfundus.networks.memory_cuda import Way, least_bytes, ways
from clearfundus.networks.norm import count_in_parts, instance_norm, merge
from clearfundus.networks.precision import in_bf16
from clearfundus.networks.streaming import run_in_strips
from clearfundus.networks.weights import load_weights
from clearfundus.networks.whole import run_whole
from clearfundus.photo import Pixels
from drawn import draw_fundus
from one_pass import in_one_pass

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")]

CUDA = torch.device("cuda", 0)
SIZES = [(160, 160), (131, 98), (77, 142)]
SHIPPED = ("strong12-skip", "compact9")
LARGE = 2048
GIB = 2**30
SAME = 0.25 / 255
"""What the order of sums may change in fp32."""


@pytest.fixture(autouse=True)
def without_tf32() -> Iterator[None]:
    """fp32 is what it is called, not rounded to 10 bits."""
    before = torch.backends.cudnn.conv.fp32_precision
    torch.backends.cudnn.conv.fp32_precision = "ieee"
    yield
    torch.backends.cudnn.conv.fp32_precision = before


def drawn_generator(**settings: Any) -> Generator:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = Generator(GeneratorSettings(**settings)).eval()
    with torch.no_grad():
        network.head.weight.mul_(0.2)  # so that the output does not saturate
    return network


NETWORKS: dict[str, Callable[[], Generator]] = {
    **{name: (lambda name=name: load_weights(name).network) for name in SHIPPED},
    "paper": drawn_generator,
    "instance resize": lambda: drawn_generator(width=8, blocks=2, upsample="resize", skip=True, gain=True),
    "none transposed": lambda: drawn_generator(width=8, blocks=2, norm="none", skip=True, leak=0.1),
}


@cache
def fundus(height: int, width: int) -> Pixels:
    return np.ascontiguousarray(draw_fundus(max(height, width)).pixels[:height, :width])


def on_cuda(network: Generator, *, bf16: bool = False) -> Generator:
    """Return a copy on the device; what an earlier test took of its memory and did not need is given back."""
    copy = Generator(network.settings).eval()
    copy.load_state_dict(network.state_dict())
    torch.cuda.empty_cache()
    return place(in_bf16(copy) if bf16 else copy, CUDA)


def run(network: Generator, pixels: Pixels, way: Way) -> Pixels:
    if way.rows is None:
        return run_whole(network, pixels)
    return run_in_strips(network, pixels, rows=way.rows, keep=way.keep)


def demand_of(network: Generator, side: int, item_bytes: int) -> Demand:
    return Demand(settings=network.settings, height=side, width=side, item_bytes=item_bytes)


def peak(work: Callable[[], object]) -> int:
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    work()
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated()


@pytest.mark.parametrize("name", NETWORKS)
def test_the_result_is_that_of_one_pass_on_the_cpu(name: str) -> None:
    network = NETWORKS[name]()
    exact, converted = on_cuda(network), on_cuda(network, bf16=True)
    # bf16 is accepted by its own check only; random weights with instance norm may be farther off
    bearable = 1.5 / 255 if name in SHIPPED else 6 / 255
    for height, width in SIZES:
        pixels = fundus(height, width)
        expected = in_one_pass(network, pixels)
        difference = np.abs(run_generator(exact, pixels) - expected).max()
        in_half = np.abs(run_generator(converted, pixels) - expected).max()
        print(f"{name} {height} x {width}: fp32 {255 * difference:.4f}/255, bf16 {255 * in_half:.3f}/255")
        assert difference < 1 / 255
        assert in_half < bearable


@pytest.mark.parametrize("bf16", [False, True])
@pytest.mark.parametrize("name", ["paper", "strong12-skip", "instance resize"])
def test_every_way_gives_the_same(name: str, bf16: bool) -> None:
    network = NETWORKS[name]()
    pixels = fundus(330, 61)
    exact, network = in_one_pass(network, pixels), on_cuda(network, bf16=bf16)
    first = run(network, pixels, Way(None, True))
    rounding = np.abs(first - exact).max()
    for way in (Way(256, True), Way(64, True), Way(256, False), Way(64, False), Way(16, False)):
        found = run(network, pixels, way)
        print(f"{name} bf16 {bf16} {way}: {255 * np.abs(found - first).max():.4f}/255 from one piece")
        # where a norm is folded into bf16 weights, or not, it rounds another way
        assert np.abs(found - first).max() < (max(2 * rounding, 1 / 255) if bf16 else SAME)


@pytest.mark.parametrize("bf16", [False, True])
@pytest.mark.parametrize("name", ["paper", "strong12-skip"])
def test_no_way_takes_more_than_is_planned_nor_than_the_limit(name: str, bf16: bool) -> None:
    network, pixels = on_cuda(NETWORKS[name](), bf16=bf16), fundus(LARGE, LARGE)
    held = torch.cuda.memory_allocated()
    over = []
    for way, planned in ways(demand_of(network, LARGE, 2 if bf16 else 4)):
        if way.rows is not None and way.rows < 64:
            continue  # the same but slower; the lowest is tested below
        taken = peak(lambda way=way: run(network, pixels, way)) - held
        print(f"{name} bf16 {bf16} {way}: {taken / GIB:.3f} of {planned / GIB:.3f} GiB")
        if taken > planned:
            over.append((way, taken, planned))
    assert not over
    for limit in (held + least_bytes(demand_of(network, LARGE, 2 if bf16 else 4)), held + GIB, held + 4 * GIB):
        assert peak(lambda limit=limit: run_generator(network, pixels, memory_limit=limit)) <= limit


def test_too_low_a_limit_is_refused_with_the_least_that_would_do() -> None:
    network, pixels = on_cuda(drawn_generator()), fundus(LARGE, LARGE)
    with pytest.raises(PhotoMemoryError, match="expected at least") as caught:
        run_generator(network, pixels, memory_limit=torch.cuda.memory_allocated() + GIB // 4)
    least = int(str(caught.value).split("at least ")[1].split()[0]) * 2**20
    assert peak(lambda: run_generator(network, pixels, memory_limit=least)) <= least


@pytest.mark.parametrize("bf16", [False, True])
def test_where_others_have_taken_most_of_the_memory_it_goes_in_strips(
    bf16: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, pixels = on_cuda(drawn_generator(), bf16=bf16), fundus(LARGE, LARGE)
    run_generator(network, fundus(64, 64))  # cuDNN takes its own
    expected = run_generator(network, pixels)
    torch.cuda.empty_cache()
    went: list[int] = []

    def remember(network: Generator, pixels: Pixels, *, rows: int, keep: bool) -> Pixels:
        went.append(rows)
        return run_in_strips(network, pixels, rows=rows, keep=keep)

    monkeypatch.setattr(inference, "run_in_strips", remember)
    taken = torch.empty(torch.cuda.mem_get_info()[0] - 3 * GIB // 2, dtype=torch.uint8, device=CUDA)
    found = run_generator(network, pixels)
    del taken
    torch.cuda.empty_cache()
    assert len(went) == 1
    assert np.abs(found - expected).max() < (8 / 255 if bf16 else SAME)  # bf16 does that to random weights


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("side", [512, 4096])
def test_statistics_are_those_in_float64(side: int, kind: torch.dtype) -> None:
    generator = torch.Generator(CUDA).manual_seed(0)
    drawn = torch.randn((1, 8, side, side), device=CUDA, generator=generator) * 3 + 10
    features = drawn.to(kind).contiguous(memory_format=torch.channels_last)
    variance, mean = torch.var_mean(features.double(), (0, 2, 3), correction=0)
    parts = list(count_in_parts(features))
    assert len(parts) == 1
    counted = merge(parts)
    print(f"{side} {kind}: mean off {(counted.mean - mean).abs().max():.1e}", end=", ")
    print(f"variance {(counted.variance / variance - 1).abs().max():.1e}")
    assert (counted.mean - mean).abs().max() < 1e-5
    assert (counted.variance / variance - 1).abs().max() < 1e-5
    with torch.inference_mode():
        normal = instance_norm(features)
    exact = (features.double() - mean[:, None, None]) / (variance + 1e-5).sqrt()[:, None, None]
    assert (normal - exact).abs().max() < (1e-5 if kind == torch.float32 else 0.02)
    assert normal.is_contiguous(memory_format=torch.channels_last)


def test_a_batch_is_normalised_picture_by_picture() -> None:
    features = torch.randn((3, 4, 50, 40), device=CUDA) * torch.tensor([1.0, 5, 20], device=CUDA)[:, None, None, None]
    with torch.inference_mode():
        normal = instance_norm(features)
    assert normal.mean((2, 3)).abs().max() < 1e-5
    assert (normal.std((2, 3), correction=0) - 1).abs().max() < 1e-4
