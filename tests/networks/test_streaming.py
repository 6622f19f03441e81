"""A picture in strips against the network itself, in one pass."""

import gc
import itertools
import weakref

import numpy as np
import pytest
import torch

from clearfundus.errors import SettingsError
from clearfundus.networks.generator import Generator, GeneratorSettings
from clearfundus.networks.precision import in_bf16
from clearfundus.networks.streaming import run_in_strips
from clearfundus.networks.weights import load_weights
from clearfundus.photo import Pixels
from drawn import draw_fundus
from one_pass import in_one_pass

ROUNDING = 1e-4
"""What the order of sums may change; 1/255 is what nobody could see."""
SIZES = [(32, 32), (37, 22), (21, 50), (64, 17), (7, 40), (6, 5), (5, 8)]
SETTINGS = [
    GeneratorSettings(width=4, blocks=blocks, norm=norm, upsample=upsample, skip=skip, gain=gain)
    for (norm, upsample), (skip, gain, blocks) in itertools.product(
        itertools.product(("instance", "none"), ("transposed", "resize")),
        [(False, False, 1), (True, False, 2), (True, True, 1)],
    )
]


def noise(height: int, width: int) -> Pixels:
    """Return a picture whose parts differ, so that statistics of a part are not those of the whole."""
    rng = np.random.default_rng(height * 1000 + width)
    light = np.linspace(0.2, 1, height)[:, None, None] * np.linspace(1, 0.4, width)[None, :, None]
    return (0.2 + 0.6 * light * rng.random((height, width, 3))).astype(np.float32)


def drawn_generator(settings: GeneratorSettings, seed: int) -> Generator:
    """Return a generator none of whose weights is zero, and whose output neither saturates nor is clipped."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Generator(settings).eval()
        for name, parameter in network.named_parameters():
            if name.endswith("bias"):
                torch.nn.init.normal_(parameter, std=0.1)
        with torch.no_grad():
            network.head.weight.mul_(0.2)
    return network


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_strips_give_what_one_pass_gives(settings: GeneratorSettings) -> None:
    rng = np.random.default_rng(SETTINGS.index(settings))
    for seed, (height, width) in enumerate([*SIZES, *rng.integers(5, 70, (5, 2)).tolist()]):
        network, pixels = drawn_generator(settings, seed), noise(height, width)
        rows = 4 * int(rng.integers(1, 6))
        expected = in_one_pass(network, pixels)
        found = run_in_strips(network, pixels, rows=rows)
        assert found.dtype == np.float32
        assert np.abs(found - expected).max() < ROUNDING, (height, width, rows)
        assert expected.std() > 0.01  # not one gray
        assert ((expected > 0) & (expected < 1)).mean() > 0.8  # nothing is hidden by clipping


@pytest.mark.parametrize("rows", [4, 8, 20, 64, 256])
def test_the_height_of_the_strips_does_not_matter(rows: int) -> None:
    network, pixels = drawn_generator(SETTINGS[0], 0), noise(66, 47)
    assert np.abs(run_in_strips(network, pixels, rows=rows) - in_one_pass(network, pixels)).max() < ROUNDING


def test_tiles_each_by_itself_would_not_do() -> None:
    network, pixels = drawn_generator(SETTINGS[0], 0), noise(64, 48)
    expected = in_one_pass(network, pixels)
    tiles = np.concatenate([in_one_pass(network, pixels[:32]), in_one_pass(network, pixels[32:])])
    assert np.abs(tiles - expected).mean() > 0.1 * expected.std()


@pytest.mark.parametrize("role", ["enhancer", "blurrer"])
@pytest.mark.parametrize(("height", "width"), [(130, 97), (75, 141)])
def test_the_shipped_weights_give_what_one_pass_gives(role: str, height: int, width: int) -> None:
    network = load_weights(role=role).network
    pixels = np.ascontiguousarray(draw_fundus(150).pixels[:height, :width])
    assert np.abs(run_in_strips(network, pixels, rows=32) - in_one_pass(network, pixels)).max() < ROUNDING


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_what_is_kept_does_not_matter(settings: GeneratorSettings) -> None:
    network, pixels = drawn_generator(settings, 3), noise(50, 39)
    found = run_in_strips(network, pixels, rows=16, keep=True)
    assert np.abs(found - in_one_pass(network, pixels)).max() < ROUNDING


@pytest.mark.parametrize("keep", [False, True])
def test_in_bf16_the_shipped_weights_give_what_one_pass_in_fp32_gives(keep: bool) -> None:
    network = load_weights().network
    pixels = np.ascontiguousarray(draw_fundus(96).pixels[:, :75])
    found = run_in_strips(in_bf16(network), pixels, rows=16, keep=keep)
    assert 0 < np.abs(found - in_one_pass(network, pixels)).max() < 1.5 / 255


@pytest.mark.parametrize("settings", SETTINGS[:6:2], ids=str)
def test_in_bf16_strips_are_no_farther_from_fp32_than_autocast_is(settings: GeneratorSettings) -> None:
    """With instance norm bf16 itself costs several 255ths, in one pass too."""
    network, pixels = drawn_generator(settings, 1), noise(90, 75)
    exact = in_one_pass(network, pixels)
    in_strips = np.abs(run_in_strips(in_bf16(network), pixels, rows=16) - exact).mean()
    with torch.autocast("cpu", torch.bfloat16):
        at_once = np.abs(in_one_pass(network, pixels) - exact).mean()
    assert 0 < in_strips < 1.3 * at_once


def test_network_and_picture_stay_as_they_were() -> None:
    network, pixels = drawn_generator(SETTINGS[0], 0), noise(40, 30)
    before, copy = {name: value.clone() for name, value in network.state_dict().items()}, pixels.copy()
    first = run_in_strips(network, pixels, rows=8)
    assert np.array_equal(run_in_strips(network, pixels, rows=8), first)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert np.array_equal(pixels, copy)


@pytest.mark.parametrize("rows", [0, -4, 6])
def test_strips_of_a_height_that_the_network_cannot_halve_twice_are_refused(rows: int) -> None:
    with pytest.raises(SettingsError, match=rf"rows in a strip: found {rows}, expected a positive multiple of 4"):
        run_in_strips(drawn_generator(SETTINGS[0], 0), noise(16, 16), rows=rows)


def test_a_picture_is_given_up_as_soon_as_it_is_done() -> None:
    pixels = np.zeros((20, 12, 3), np.float32)
    network = drawn_generator(GeneratorSettings(width=4, blocks=1), seed=0)
    gc.disable()  # not only when the collector of cycles comes by
    try:
        gone = weakref.ref(pixels)
        run_in_strips(network, pixels, rows=8)
        del pixels
        assert gone() is None
    finally:
        gc.enable()
