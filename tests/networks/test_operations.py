import itertools

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from clearfundus.networks.generator import Generator, GeneratorSettings
from clearfundus.networks.operations import generator_operations

SETTINGS = [
    GeneratorSettings(width=width, blocks=blocks, upsample=upsample, skip=gain, gain=gain)
    for (width, blocks), upsample, gain in itertools.product([(4, 1), (6, 3)], ("transposed", "resize"), (False, True))
]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize(("height", "width"), [(32, 32), (20, 44)])
def test_the_number_is_what_torch_counts(settings: GeneratorSettings, height: int, width: int) -> None:
    network = Generator(settings)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.zeros(1, 3, height, width))
    assert generator_operations(settings, height, width) == counter.get_total_flops()


def test_a_side_that_is_no_multiple_of_4_is_padded_to_one() -> None:
    settings = GeneratorSettings()
    assert generator_operations(settings, 29, 42) == generator_operations(settings, 32, 44)


def test_the_paper_network_takes_some_400_gigaflop_at_512_pixels() -> None:
    # by hand: 512^2 x 2 x (49 3 64 + 9 64 128 / 4 + 9 128 256 / 16 + 18 9 256^2 / 16 + 9 256 128 / 16
    #                       + 9 128 64 / 4 + 49 64 3)
    assert generator_operations(GeneratorSettings(), 512, 512) == 2**19 * (9408 + 18432 * 4 + 663552 + 9408)
