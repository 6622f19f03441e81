"""A run of both stages on a CUDA device."""

from pathlib import Path

import pytest
import torch

from clearfundus import enhance, prepare_method
from clearfundus.training.run import train
from drawn import draw_fundus
from tiny_run import draw_sources, tiny_settings


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_run_in_bf16_is_stopped_and_resumed_and_its_weights_enhance(tmp_path: Path) -> None:
    settings = tiny_settings(
        precision="bf16",
        simulated={"steps": 2, "blurrer_every": 1},
        unpaired={"steps": 2},
        loss={"simulated": 1, "cycle_noise": 1},
        every={"checkpoint": 1},
    )
    sources, folder = draw_sources(tmp_path, count=3), tmp_path / "run"
    events = train(settings, sources, folder, "cuda")
    next(event for event in events if event.kind == "checkpoint" and event.step == 3)
    events.close()
    resumed = list(train(settings, sources, folder, "cuda"))
    assert [event.step for event in resumed if event.kind == "resumed"] == [3]
    assert resumed[-1].kind == "done"
    photo = draw_fundus(128)
    results = [
        enhance(photo, prepare_method("gan", weights=folder / "enhancer.safetensors", device=device))
        for device in ("cuda", "cpu")
    ]
    assert abs(results[0].pixels - results[1].pixels).max() < 0.02  # TF32 rounds to 10 bits
    assert abs(results[0].pixels - photo.pixels).max() > 0
