"""A segmenter's weights file: what was saved comes back, and what was altered does not."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from clearfundus import WeightsError
from clearfundus.networks.generator import Generator, GeneratorSettings
from clearfundus.networks.segmenter import Segmenter, SegmenterSettings, run_segmenter
from clearfundus.networks.segmenter_weights import load_segmenter, save_segmenter
from clearfundus.networks.weights import load_weights, save_weights


@pytest.fixture
def saved(tmp_path: Path) -> tuple[Segmenter, Path]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = Segmenter(SegmenterSettings(widths=(2, 3, 4)))
        network(torch.randn(2, 3, 16, 16))  # so that the norms' running means are not what they begin as
    path = tmp_path / "net.safetensors"
    save_segmenter(network, path, name="net", diameter=540, threshold=0.47, card={"seed": "1"})
    return network.eval(), path


def test_what_was_saved_comes_back(saved: tuple[Segmenter, Path]) -> None:
    network, path = saved
    loaded = load_segmenter(path)
    assert (loaded.name, loaded.diameter, loaded.threshold, loaded.card) == ("net", 540, 0.47, {"seed": "1"})
    assert "not a medical device" in loaded.terms
    pixels = np.random.default_rng(0).uniform(0, 1, (16, 20, 3)).astype(np.float32)
    mask = np.ones((16, 20), np.bool_)
    one, other = (run_segmenter(each, pixels, mask, flips=False) for each in (network, loaded.network))
    assert np.allclose(one, other, atol=1e-6)
    assert not loaded.network.training


def test_an_altered_threshold_is_found(saved: tuple[Segmenter, Path]) -> None:
    _, path = saved
    with safe_open(path, framework="pt") as file:
        metadata, tensors = file.metadata(), {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    save_file(tensors, path, {**metadata, "threshold": "0.2"})
    with pytest.raises(WeightsError, match="does not match the hash"):
        load_segmenter(path)


def test_a_generator_is_no_segmenter_and_the_other_way_round(saved: tuple[Segmenter, Path], tmp_path: Path) -> None:
    save_weights(Generator(GeneratorSettings(width=2, blocks=1)), tmp_path / "g.safetensors", name="g")
    with pytest.raises(WeightsError, match="expected a 'segmenter'"):
        load_segmenter(tmp_path / "g.safetensors")
    with pytest.raises(WeightsError, match="expected a 'enhancer'"):
        load_weights(saved[1])


def test_weights_that_are_not_finite_are_not_saved(saved: tuple[Segmenter, Path], tmp_path: Path) -> None:
    network, _ = saved
    with torch.no_grad():
        network.first.head.bias[0] = float("nan")
    with pytest.raises(WeightsError, match="not finite"):
        save_segmenter(network, tmp_path / "bad.safetensors", name="bad", diameter=540, threshold=0.5, card={})
    assert not (tmp_path / "bad.safetensors").exists()
