"""A picture in one piece against the network itself."""

import numpy as np
import pytest
import torch

from clearfundus.networks import stages, whole
from clearfundus.networks.generator import Generator, GeneratorSettings
from clearfundus.networks.picture import OnDevice, PaddedPicture
from clearfundus.networks.precision import in_bf16
from clearfundus.networks.stages import Rows
from clearfundus.networks.whole import run_whole
from clearfundus.photo import Pixels
from one_pass import in_one_pass

SETTINGS = [
    GeneratorSettings(width=4, blocks=2, norm=norm, upsample=upsample, skip=skip, gain=skip)
    for norm in ("instance", "none")
    for upsample in ("transposed", "resize")
    for skip in (False, True)
]


@pytest.fixture(params=["as on a CPU", "as on a CUDA device"])
def padding(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "as on a CUDA device":
        for module in (stages, whole):
            monkeypatch.setattr(module, "pad_by_reflection", stages.reflect)


def noise(height: int, width: int) -> Pixels:
    return np.random.default_rng(height * 1000 + width).random((height, width, 3), dtype=np.float32)


def drawn_generator(settings: GeneratorSettings) -> Generator:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = Generator(settings).eval()
    with torch.no_grad():
        network.head.weight.mul_(0.2)  # so that the output does not saturate
    return network


@pytest.mark.usefixtures("padding")
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize(("height", "width"), [(32, 32), (37, 22), (7, 40), (6, 5)])
def test_it_is_the_networks_own_pass(settings: GeneratorSettings, height: int, width: int) -> None:
    network, pixels = drawn_generator(settings), noise(height, width)
    expected = in_one_pass(network, pixels)
    found = run_whole(network, pixels)
    assert found.dtype == np.float32
    assert np.abs(found - expected).max() < 1e-4
    assert expected.std() > 0.01


@pytest.mark.usefixtures("padding")
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_in_bf16_it_is_no_farther_from_fp32_than_autocast_is(settings: GeneratorSettings) -> None:
    network, pixels = drawn_generator(settings), noise(90, 75)
    exact = in_one_pass(network, pixels)
    difference = np.abs(run_whole(in_bf16(network), pixels) - exact).mean()
    with torch.autocast("cpu", torch.bfloat16):
        assert 0 < difference < 1.3 * np.abs(in_one_pass(network, pixels) - exact).mean()


def test_network_and_picture_stay_as_they_were() -> None:
    network, pixels = drawn_generator(SETTINGS[0]), noise(40, 30)
    before, copy = {name: value.clone() for name, value in network.state_dict().items()}, pixels.copy()
    run_whole(network, pixels)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert np.array_equal(pixels, copy)


def test_a_picture_put_on_a_device_gives_the_same_rows() -> None:
    pixels = noise(10, 7)
    pixels.setflags(write=False)
    here, there = PaddedPicture(pixels, torch.device("cpu")), PaddedPicture(pixels, torch.device("cpu"))
    there._take = OnDevice(pixels, torch.device("cpu")).take
    for rows in (Rows(0, 12), Rows(3, 9), Rows(0, 18)):
        assert torch.equal(there.rows_around(rows), here.rows_around(rows))
        assert torch.equal(there.rows(rows), here.rows(rows))
    assert there.rows(Rows(0, 12)).is_contiguous(memory_format=torch.channels_last)
