import os

import numpy as np
import pytest
import torch

from clearfundus.engines.picture import count_threads, translate
from clearfundus.networks.inference import run_generator


class Uneven(torch.nn.Module):
    """Brightens the right and lower parts, beyond 1 in places; so orientation, padding and clipping all show."""

    def __init__(self) -> None:
        super().__init__()
        self.unused = torch.nn.Parameter(torch.zeros(1))

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        return picture + picture.mean(dim=3, keepdim=True) + picture.cumsum(dim=2) / picture.shape[2]


@pytest.mark.parametrize("sides", [(8, 8), (9, 14), (11, 7), (5, 6)])
def test_a_picture_is_padded_and_cropped_as_for_torch(sides: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).random((*sides, 3), dtype=np.float32)
    shown = []

    def run(picture: np.ndarray) -> np.ndarray:
        shown.append(picture)
        return Uneven()(torch.from_numpy(picture)).detach().numpy()

    found = translate(run, pixels)
    assert found.shape == pixels.shape
    assert np.allclose(found, run_generator(Uneven(), pixels), atol=1e-6)
    assert shown[0].flags.c_contiguous
    assert shown[0].dtype == np.float32
    assert all(side % 4 == 0 for side in shown[0].shape[2:])


@pytest.mark.parametrize(("asked", "expected"), [("3", 3), ("0", None), ("", None), ("many", None), ("-1", None)])
def test_threads_are_those_that_torch_would_take(asked: str, expected: int | None, monkeypatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", asked)
    assert count_threads() == (expected or len(os.sched_getaffinity(0)))
