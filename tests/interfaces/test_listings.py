"""`clearfundus methods` and `clearfundus info`."""

import hashlib
import json
import shlex
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import pytest

import clearfundus as cf
from clearfundus import pretrained
from clearfundus.interfaces.cli import main
from clearfundus.interfaces.enhance import parse_parameters
from clearfundus.methods import EXTRAS
from clearfundus.pipeline import free_parameters, prepare_method
from clearfundus.pretrained import FOLDER, ShippedWeights, reading, shipped_weights


def test_methods_are_listed_with_source_and_parameters(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["methods", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found) == list(cf.METHODS)
    assert found["clahe"]["parameters"] == {"clip_limit": 2.0, "tiles": 8}
    assert "Zuiderveld" in found["clahe"]["source"]
    assert "10.1007/978-3-030-32239-7_9" in found["gan"]["source"]
    assert [name for name, entry in found.items() if entry["needs_weights"]] == ["gan"]
    assert all(entry["summary"].endswith(".") for entry in found.values())


def test_methods_are_listed_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["methods"]) == 0
    out = capsys.readouterr().out
    assert "clahe: Equalise the lightness" in out
    assert "  --set clip_limit=2.0" in out
    assert "  needs weights: yes" in out


def test_every_listed_parameter_can_be_pasted_behind_set(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["methods"]) == 0
    pasted: dict[str, list[str]] = {}
    for line in capsys.readouterr().out.splitlines():
        if not line.startswith(" "):
            words = pasted[line.partition(":")[0]] = []
        elif line.startswith("  --set "):
            words += shlex.split(line)[1:]
    assert "continuous=false" in pasted["starck2003"]
    for name, method in cf.METHODS.items():
        assert parse_parameters(pasted[name]) == free_parameters(method)
        for word in pasted[name]:
            if name not in EXTRAS or all(map(find_spec, EXTRAS[name][1])):
                prepare_method(name, parameters=parse_parameters([word]))


def test_info_tells_versions_device_weights_and_terms(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["version"] == cf.__version__
    assert found["dependencies"]["torch"] == metadata.version("torch")
    assert "pytest" not in found["dependencies"]  # of the extra `dev`
    assert found["device"]["auto"] in {"cpu", "cuda:0"}
    assert "Not a medical device" in found["safety"]
    assert [one["name"] for one in found["weights"]] == list(shipped_weights())
    for one in found["weights"]:
        for file in one["files"].values():
            content = (FOLDER / file["file"]).read_bytes()
            assert file["file_sha256"] == hashlib.sha256(content).hexdigest()
            assert file["bytes"] == len(content)
        if "enhancer" in one["files"]:
            assert one["files"]["enhancer"]["sha256"] == cf.load_weights(one["name"]).sha256


def test_info_is_given_although_weights_are_damaged(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = ShippedWeights(
        name="broken",
        summary="For this test.",
        files={"enhancer": "broken.safetensors"},
        file_sha256={"enhancer": "0"},
        diameter=512,
        terms="None.",
        default=True,
    )
    monkeypatch.setattr(pretrained, "FOLDER", tmp_path)
    monkeypatch.setattr(pretrained, "shipped_weights", lambda: {"broken": broken})
    monkeypatch.setattr(reading, "shipped_weights", lambda: {"broken": broken})
    (tmp_path / "broken.safetensors").write_bytes(b"damaged")
    assert main(["info"]) == 0
    out = capsys.readouterr().out
    assert "broken (default): For this test." in out
    assert "altered" in out


def test_info_is_told_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info"]) == 0
    out = capsys.readouterr().out
    assert f"clearfundus {cf.__version__}" in out
    assert "device: auto is " in out
    assert "weights: " in out
    assert "Not a medical device" in out
