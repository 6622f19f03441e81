"""The scripts behind the default weights, run as a user runs them, on weights and files made here."""

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from clearfundus.networks.generator import Generator, GeneratorSettings
from clearfundus.networks.weights import read_weights_file, save_weights
from conftest import REPOSITORY

ROLES = ("enhancer", "blurrer")


def run(script: str, *words: object) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, str(REPOSITORY / "scripts" / script), *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def make_run(folder: Path, seed: int, *, leak: float = 0.1) -> Path:
    folder.mkdir()
    for role in ROLES:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            network = Generator(GeneratorSettings(width=4, blocks=1, skip=True, leak=leak))
        card = {"settings": json.dumps({"name": folder.name, "seed": seed})}
        save_weights(network, folder / f"{role}.safetensors", name=folder.name, role=role, diameter=64, card=card)
    return folder


def test_the_mean_lies_in_the_middle_and_names_what_it_is_of(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / name, seed) for seed, name in enumerate(("one", "other"))]
    code, text = run("mean_weights.py", *runs, "--name", "both", "-o", tmp_path / "mean")
    assert code == 0, text
    for role in ROLES:
        one, other, mean = (
            read_weights_file(folder / f"{role}.safetensors", role) for folder in (*runs, tmp_path / "mean")
        )
        assert (mean.name, mean.diameter) == ("both", 64)
        assert mean.card["mean_of"] == f"one {one.sha256}, other {other.sha256}"
        assert json.loads(mean.card["settings"]) == {"name": "both", "seed": 0}
        for key, value in mean.network.state_dict().items():
            middle = (one.network.state_dict()[key] + other.network.state_dict()[key]) / 2
            torch.testing.assert_close(value, middle, rtol=1e-3, atol=1e-4)  # written in half precision


def test_runs_of_different_shapes_have_no_mean_and_none_is_overwritten(tmp_path: Path) -> None:
    one, other = make_run(tmp_path / "one", 0), make_run(tmp_path / "other", 1, leak=0.3)
    before = (one / "enhancer.safetensors").read_bytes()
    code, text = run("mean_weights.py", one, other, "--name", "both", "-o", tmp_path / "mean")
    assert (code, "expected runs of one shape" in text) == (1, True)
    code, text = run("mean_weights.py", one, one, "--name", "both", "-o", one)
    assert (code, "which are never overwritten" in text) == (2, True)
    assert (one / "enhancer.safetensors").read_bytes() == before


@pytest.fixture
def vessels(tmp_path: Path) -> Path:
    """The vessel data sets with empty files for photographs: links are made by name."""
    split = json.loads((REPOSITORY / "configs" / "vessels_split.json").read_text())
    names = {"chase_db1": "{}.jpg", "hrf": "images/{}.JPG", "les_av": "images/{}.png"}
    for part in split.values():
        for collection, eyes in part.items():
            for eye in eyes:
                file = tmp_path / "vessels" / collection / names[collection].format(eye)
                file.parent.mkdir(parents=True, exist_ok=True)
                file.touch()
    return tmp_path / "vessels"


def test_the_eyes_for_training_are_linked_and_no_others(vessels: Path, tmp_path: Path) -> None:
    split = json.loads((REPOSITORY / "configs" / "vessels_split.json").read_text())
    folder = tmp_path / "eyes"
    for _ in range(2):  # again, as after the data was moved
        code, text = run("link_training_eyes.py", vessels, "-o", folder)
        assert (code, "26 photographs linked" in text) == (0, True)
        linked = {link.resolve().stem for link in folder.iterdir()}
        assert linked == {eye for eyes in split["train"].values() for eye in eyes}
        vessels = vessels.rename(tmp_path / "moved")


def test_a_missing_eye_is_named(vessels: Path, tmp_path: Path) -> None:
    (vessels / "hrf" / "images" / "01_g.JPG").unlink()
    code, text = run("link_training_eyes.py", vessels, "-o", tmp_path / "eyes")
    assert (code, "found 0 photographs, expected one" in text) == (2, True)
    assert "01_g" in text


def test_what_ships_are_both_generators_or_the_enhancer_alone_if_so_asked_or_a_segmenter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(REPOSITORY / "scripts")
    ship_weights = importlib.import_module("ship_weights")
    enhancer, blurrer = tmp_path / "enhancer.safetensors", tmp_path / "blurrer.safetensors"
    assert ship_weights.found(tmp_path, enhancer_alone=False) == {"enhancer": enhancer, "blurrer": blurrer}
    assert ship_weights.found(tmp_path, enhancer_alone=True) == {"enhancer": enhancer}
    enhancer.touch()
    assert ship_weights.found(enhancer, enhancer_alone=False) == {"segmenter": enhancer}
