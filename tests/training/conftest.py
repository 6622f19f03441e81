import pytest

from clearfundus.training.run import Sources
from tiny_run import draw_sources


@pytest.fixture(scope="session")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Sources:
    """Five drawn photographs of each side, of different eyes; not to be changed."""
    return draw_sources(tmp_path_factory.mktemp("photographs"))
