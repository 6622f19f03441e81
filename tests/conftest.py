"""What all tests share."""

import os
import sys
from pathlib import Path

# The same as torch.set_num_threads(1), but it holds in subprocesses too, and need not import torch. Threads that
# fight over two cores make tests slow.
os.environ["OMP_NUM_THREADS"] = "1"
sys.path.insert(0, str(Path(__file__).parent))  # so that tests can say `from drawn import draw_fundus`

import pytest

from clearfundus import Photo

REPOSITORY = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of real photographs; the test is skipped where there is none."""
    folder = Path(os.environ.get("CLEARFUNDUS_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real photographs at {folder}; set CLEARFUNDUS_DATA")
    return folder


@pytest.fixture
def drawn() -> Photo:
    """A drawn, clear fundus photograph of 128 x 128 pixels."""
    from drawn import draw_fundus

    return draw_fundus(128)


@pytest.fixture(scope="session")
def tiny_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A weights file of an untrained generator, small enough to run in no time; its diameter is 64 pixels."""
    import torch

    from clearfundus.networks.generator import Generator, GeneratorSettings
    from clearfundus.networks.weights import save_weights

    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = Generator(GeneratorSettings(width=4, blocks=1, skip=True))
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_weights(network, path, name="tiny", diameter=64)
    return path
