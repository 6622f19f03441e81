"""What is planned against what tensors take: those alive at one time, and, of a process, all of it."""

import subprocess
import sys

import numpy as np
import pytest

from clearfundus.errors import PhotoMemoryError
from clearfundus.networks.generator import Generator, GeneratorSettings
from clearfundus.networks.memory import (
    KEPT_ROWS,
    LEAST_ROWS,
    MARGIN,
    MEBIBYTE,
    MOST_ROWS,
    Demand,
    choose_rows,
    one_pass_bytes,
    peak_bytes,
)
from clearfundus.networks.precision import in_bf16
from clearfundus.networks.streaming import run_in_strips
from networks_live import live_bytes

PAPER = GeneratorSettings()
LARGE = Demand(settings=PAPER, height=4096, width=4096)


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).random((height, width, 3), dtype=np.float32)


SETTINGS = [
    GeneratorSettings(width=16, blocks=1, norm=norm, upsample=upsample, skip=True, gain=True)
    for norm in ("instance", "none")
    for upsample in ("transposed", "resize")
]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize(("height", "width", "rows"), [(201, 320, 16), (330, 150, 64), (160, 160, 256)])
def test_tensors_take_what_is_planned(settings: GeneratorSettings, height: int, width: int, rows: int) -> None:
    network, pixels = Generator(settings).eval(), noise(height, width)
    taken = live_bytes(lambda: run_in_strips(network, pixels, rows=rows))
    planned = peak_bytes(Demand(settings=settings, height=height, width=width), rows) - MARGIN
    assert taken <= planned
    assert planned < 1.6 * taken + 2**18


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_in_bf16_tensors_take_what_is_planned(settings: GeneratorSettings) -> None:
    network, pixels = Generator(settings).eval(), noise(320, 128)
    converted = in_bf16(network)
    taken = live_bytes(lambda: run_in_strips(converted, pixels, rows=16))
    planned = peak_bytes(Demand(settings=settings, height=320, width=128, item_bytes=2), 16) - MARGIN
    assert taken <= planned < 1.8 * taken


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_one_pass_takes_what_is_planned(settings: GeneratorSettings) -> None:
    network, pixels = Generator(settings).eval(), noise(200, 160)
    taken = live_bytes(lambda: run_in_strips(network, pixels, rows=KEPT_ROWS, keep=True))
    planned = one_pass_bytes(Demand(settings=settings, height=200, width=160)) - MARGIN
    assert taken <= planned < 1.6 * taken


def test_one_pass_in_bf16_takes_what_is_planned_the_features_of_the_stem_in_float32() -> None:
    settings = GeneratorSettings(width=16, blocks=1)
    network, pixels = in_bf16(Generator(settings).eval()), noise(2048, 128)  # so high that a strip is little
    taken = live_bytes(lambda: run_in_strips(network, pixels, rows=KEPT_ROWS, keep=True))
    planned = one_pass_bytes(Demand(settings=settings, height=2048, width=128, item_bytes=2)) - MARGIN
    assert taken <= planned < 1.6 * taken


PROGRAM = """
import numpy, torch
torch.set_num_threads(1)
from clearfundus.networks.budget import held_bytes
from clearfundus.networks.generator import Generator, GeneratorSettings
from clearfundus.networks.precision import in_bf16
from clearfundus.networks.streaming import run_in_strips
network = Generator(GeneratorSettings(width=16, blocks=1)).eval()
pixels = numpy.random.default_rng(0).random((1200, 1000, 3), dtype=numpy.float32)
run_in_strips(network, pixels[:64, :64], rows=16)  # what the first run sets up
before = held_bytes(torch.device("cpu"))
run_in_strips(network, pixels, rows=64)
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(int(status["VmHWM"].split()[0]) * 1024 - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of a process is read from /proc")
def test_a_process_takes_no_more_than_is_planned() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    demand = Demand(settings=GeneratorSettings(width=16, blocks=1), height=1200, width=1000)
    assert int(done.stdout) <= peak_bytes(demand, 64)
    assert int(done.stdout) < one_pass_bytes(demand) / 2


def test_4096_pixels_with_the_paper_network_are_planned_within_3_gib_and_one_pass_is_not() -> None:
    everything_else = 600 * MEBIBYTE  # torch and this package; the picture; what is done before and after
    assert peak_bytes(LARGE, LEAST_ROWS) + everything_else < 3 * 2**30
    assert one_pass_bytes(LARGE) > 7 * 2**30


@pytest.mark.parametrize("rows", [16, 64])
def test_memory_in_bf16_is_half_of_it(rows: int) -> None:
    half = Demand(settings=PAPER, height=4096, width=4096, item_bytes=2)
    assert 0.45 < (peak_bytes(half, rows) - MARGIN) / (peak_bytes(LARGE, rows) - MARGIN) < 0.6


@pytest.mark.parametrize("rows", [16, 32, 64, 128, 256])
def test_the_highest_strips_that_fit_are_chosen(rows: int) -> None:
    demand = Demand(settings=PAPER, height=2000, width=30000)  # so wide that it is the strips that count
    assert choose_rows(demand, peak_bytes(demand, rows)) == rows
    assert choose_rows(demand, peak_bytes(demand, rows) + 1000, held=1000) == rows
    if rows > LEAST_ROWS:
        assert choose_rows(demand, peak_bytes(demand, rows) - 1) == rows // 2


def test_strips_are_no_higher_than_pays() -> None:
    assert choose_rows(Demand(settings=PAPER, height=4096, width=64), 2**40) == MOST_ROWS


def test_a_limit_that_is_too_low_is_refused_with_the_least_that_would_do() -> None:
    held = 300 * MEBIBYTE
    with pytest.raises(PhotoMemoryError, match=r"found 1024 MiB, expected at least \d+ MiB for 4096 x 4096") as caught:
        choose_rows(LARGE, 1024 * MEBIBYTE, held)
    assert "300 MiB are taken already" in str(caught.value)
    least = int(str(caught.value).split("at least ")[1].split()[0]) * MEBIBYTE
    assert choose_rows(LARGE, least, held) == LEAST_ROWS
    with pytest.raises(PhotoMemoryError):
        choose_rows(LARGE, least - MEBIBYTE, held)
