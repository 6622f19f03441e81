import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from clearfundus import WeightsError, load_weights, pretrained
from clearfundus.networks.generator import Generator, GeneratorSettings
from clearfundus.networks.inference import run_generator
from clearfundus.networks.segmenter_weights import load_segmenter
from clearfundus.networks.weights import save_weights
from clearfundus.networks.weights_file import TERMS
from clearfundus.pretrained import default_weights, shipped_path, shipped_weights
from clearfundus.training.validation import answer
from clearfundus.vessels import segment
from drawn import blur_fundus, draw_fundus

SEGMENTERS = [name for name, weights in shipped_weights().items() if "segmenter" in weights.files]
ENHANCERS = [name for name in shipped_weights() if name not in SEGMENTERS]
SHIPPED = [(name, role) for name in ENHANCERS for role in shipped_weights()[name].files]


def test_there_is_one_default() -> None:
    assert [weights.name for weights in shipped_weights().values() if weights.default] == [default_weights().name]


@pytest.mark.parametrize(("name", "role"), SHIPPED)
def test_a_shipped_file_is_the_one_in_the_index_and_loads(name: str, role: str) -> None:
    entry, path = shipped_weights()[name], shipped_path(name, role)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == entry.file_sha256[role]
    loaded = load_weights(name, role=role)
    assert (loaded.name, loaded.role, loaded.diameter, loaded.terms) == (name, role, entry.diameter, entry.terms)
    assert "not a medical device" in loaded.terms
    assert int(loaded.card["steps"]) > 0
    assert path.stat().st_size < 25e6


@pytest.mark.parametrize("name", ENHANCERS)
def test_shipped_weights_hold_an_enhancer_most_a_blurrer_and_tell_who_they_are(name: str) -> None:
    entry = shipped_weights()[name]
    roles = {"enhancer"} if name == "paper" else {"enhancer", "blurrer"}  # its blurrer would make the package too large
    assert set(entry.files) == set(entry.file_sha256) == roles
    assert entry.summary
    assert entry.terms == TERMS


@pytest.mark.parametrize("name", SEGMENTERS)
def test_a_shipped_segmenter_is_the_one_in_the_index_small_and_loads(name: str) -> None:
    entry, path = shipped_weights()[name], shipped_path(name, "segmenter")
    assert set(entry.files) == {"segmenter"}
    assert hashlib.sha256(path.read_bytes()).hexdigest() == entry.file_sha256["segmenter"]
    loaded = load_segmenter(name)
    assert (loaded.name, loaded.diameter, loaded.terms) == (name, entry.diameter, entry.terms) == (name, 540, TERMS)
    assert 0 < loaded.threshold < 1
    assert path.stat().st_size < 1e6
    assert not entry.default


def test_every_segmenter_with_weights_ships_them() -> None:
    assert set(SEGMENTERS) == {name for name in segment.SEGMENTERS if name != "gabor"}


def test_a_segmenter_is_no_enhancer() -> None:
    with pytest.raises(WeightsError, match="no enhancer ships as wnet"):
        load_weights("wnet")


def test_all_weights_together_keep_the_package_small() -> None:
    assert sum(path.stat().st_size for path in pretrained.FOLDER.glob("*.safetensors")) < 40e6


def test_no_weights_lie_in_the_package_that_the_index_does_not_name() -> None:
    named = {file for weights in shipped_weights().values() for file in weights.files.values()}
    assert {path.name for path in pretrained.FOLDER.glob("*.safetensors")} == named


@pytest.mark.parametrize("name", ENHANCERS)
def test_the_shipped_enhancer_gives_a_photograph(name: str) -> None:
    from clearfundus import enhance

    blurry = blur_fundus(draw_fundus(160))
    result = enhance(blurry, weights=name)
    assert result.pixels.shape == blurry.pixels.shape
    assert np.isfinite(result.pixels).all()
    assert not np.array_equal(result.pixels, blurry.pixels)


@pytest.mark.parametrize("name", ENHANCERS)
def test_the_shipped_enhancer_answers_to_the_photograph(name: str) -> None:
    # a dead network gives every pixel the same gain and offset, and 0 here
    import skimage.data

    retina = skimage.data.retina()[300:812, 300:812].astype(np.float32) / 255
    enhanced = run_generator(load_weights(name).network, retina)
    assert answer(enhanced, retina, np.ones((512, 512), np.bool_)) > 0.3


def test_none_means_the_default() -> None:
    assert load_weights().sha256 == load_weights(default_weights().name).sha256
    assert shipped_path(None, "enhancer") == shipped_path(default_weights().name, "enhancer")


def test_the_index_is_read_without_torch() -> None:
    code = (
        "import sys; from clearfundus.pretrained import default_weights, shipped_path; "
        "shipped_path(None, 'enhancer'); sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.fixture
def other_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder in place of the package's own, with an enhancer and no blurrer."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = Generator(GeneratorSettings(width=4, blocks=1))
    save_weights(network, tmp_path / "small.safetensors", name="small", diameter=64)
    entry = {
        "name": "small",
        "summary": "for a test",
        "files": {"enhancer": "small.safetensors"},
        "file_sha256": {"enhancer": hashlib.sha256((tmp_path / "small.safetensors").read_bytes()).hexdigest()},
        "diameter": 64,
        "terms": TERMS,
        "default": True,
    }
    (tmp_path / "index.json").write_text(json.dumps([entry]))
    monkeypatch.setattr(pretrained, "FOLDER", tmp_path)
    monkeypatch.setattr(pretrained, "INDEX", tmp_path / "index.json")
    shipped_weights.cache_clear()
    yield tmp_path
    shipped_weights.cache_clear()


def test_what_the_index_names_is_loaded_by_name_and_by_default(other_package: Path) -> None:
    assert list(shipped_weights()) == ["small"]
    assert load_weights("small").diameter == load_weights().diameter == 64


def test_a_missing_shipped_file_is_refused(other_package: Path) -> None:
    (other_package / "small.safetensors").unlink()
    with pytest.raises(WeightsError, match=r"small\.safetensors: shipped weights are missing; install"):
        load_weights("small")


def test_an_altered_shipped_file_is_refused_with_both_hashes(other_package: Path) -> None:
    path = other_package / "small.safetensors"
    expected = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
    path.write_bytes(path.read_bytes()[:-1])
    found = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
    with pytest.raises(
        WeightsError, match=f"found SHA-256 {found}, expected {expected}: the file is truncated or altered"
    ):
        load_weights("small")


def test_a_role_that_does_not_ship_is_refused(other_package: Path) -> None:
    with pytest.raises(WeightsError, match="no blurrer ships as small; give a weights file"):
        load_weights("small", role="blurrer")


def test_a_package_without_weights_says_so(other_package: Path) -> None:
    (other_package / "index.json").write_text("[]")
    shipped_weights.cache_clear()
    with pytest.raises(WeightsError, match="no enhancer ships as the default; give a weights file"):
        load_weights()
