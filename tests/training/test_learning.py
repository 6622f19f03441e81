"""A whole run on drawn photographs, small enough for a test, has to do what the package is for."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clearfundus import Field, Photo, enhance
from clearfundus.fundus.degrade import Degradation, degrade
from clearfundus.training.run import train
from drawn import draw_fundus, field_mask
from tiny_run import draw_sources, tiny_settings

SIZE = 112
HAZE = Degradation(transmission_low=0.5, transmission_high=0.5, veil=0.5, blur=0.006, light=0.0, noise=0.003, seed=1)
SETTINGS: dict[str, Any] = {
    "ema": 0.98,
    "data": {"diameter": 108},
    "generator": {"width": 8, "blocks": 1, "skip": True},
    "discriminator": {"width": 8},
    "simulated": {
        "steps": 800,
        "learning_rate": 5e-3,
        "degrade": {
            "transmission": [0.45, 0.55],
            "veil": [0.4, 0.6],
            "blur": [0.004, 0.008],
            "light": 0.0,
            "noise": 0.003,
            "untouched": 0.0,
        },
    },
    "unpaired": {"steps": 30, "learning_rate": 2e-4, "discriminator_rate": 2e-4, "pool": 10},
    "loss": {"feature": 3, "identity": 5, "image": 1, "simulated": 5},
    "every": {"log": 200},
}


def blur(photo: Photo) -> Photo:
    return degrade(photo, Field(mask=field_mask(SIZE)), HAZE)


def gradient_energy(photo: Photo) -> float:
    down, across = np.gradient(photo.pixels[..., 1].astype(np.float64))
    row, column = np.mgrid[:SIZE, :SIZE] - (SIZE - 1) / 2
    core = np.hypot(row, column) < 0.4 * SIZE  # the rim's own edge is no detail
    return float((down**2 + across**2)[core].mean())


def distance(photo: Photo, truth: Photo) -> float:
    return float(np.abs(photo.pixels - truth.pixels)[field_mask(SIZE)].mean())


@pytest.mark.slow
def test_a_tiny_run_yields_an_enhancer_that_sharpens_eyes_it_never_saw(tmp_path: Path) -> None:
    sources = draw_sources(tmp_path, count=8, size=SIZE, blur=blur)
    events = list(train(tiny_settings(**SETTINGS), sources, tmp_path / "run", "cpu"))
    assert {event.message for event in events if event.kind == "training"} == {"simulated", "unpaired"}
    for seed in range(4):
        truth = draw_fundus(SIZE, np.random.default_rng([99, seed]))
        blurry = blur(truth)
        enhanced = enhance(blurry, weights=tmp_path / "run" / "enhancer.safetensors", size="native")
        # measured: gradient energy 5.2 times the blurry one's where the truth has 7.2 times, and 0.44 of its error
        assert 2 * gradient_energy(blurry) < gradient_energy(enhanced) < 1.2 * gradient_energy(truth)
        assert distance(enhanced, truth) < 0.7 * distance(blurry, truth)
