import json
from collections.abc import Callable
from pathlib import Path

import pytest

import clearfundus as cf
from clearfundus.engines import onnx_runtime
from clearfundus.interfaces.cli import main
from drawn import draw_fundus

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a clearfundus command: exit code, standard output, standard error."""

    def call(*words: object) -> tuple[int, str, str]:
        code = main([*map(str, words)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.mark.parametrize(("file_format", "suffixes"), [("onnx", [".onnx"]), ("openvino", [".bin", ".xml"])])
def test_what_is_exported_enhances_as_its_weights_do(
    file_format: str, suffixes: list[str], run: Run, tiny_weights: Path, tmp_path: Path
) -> None:
    target = tmp_path / "out" / f"tiny{suffixes[-1]}"
    target.parent.mkdir()
    code, out, err = run("export", "--format", file_format, "--weights", tiny_weights, "-o", target, "--json")
    assert (code, err) == (0, "")
    facts = json.loads(out)
    assert sorted(path.suffix for path in target.parent.iterdir()) == suffixes
    assert facts["bytes"] == sum(path.stat().st_size for path in target.parent.iterdir())
    assert sorted(facts["files"]) == sorted(str(path) for path in target.parent.iterdir())
    assert facts["sha256"] == cf.load_weights(tiny_weights).sha256
    assert facts["precision"] == "fp32"
    assert 0 <= facts["difference_from_torch"] < 1e-4
    cf.write_photo(draw_fundus(96), tmp_path / "eye.png")
    for name, words in {"own": ["--weights", target], "torch": ["--weights", tiny_weights]}.items():
        words += ["--precision", "fp32"]  # with which "auto" is torch for a weights file, whatever is installed
        code, _, err = run("enhance", tmp_path / "eye.png", "-o", tmp_path / f"{name}.png", *words)
        assert code == 0, err
    found, expected = (cf.read_photo(tmp_path / f"{name}.png").pixels for name in ("own", "torch"))
    assert abs(found - expected).max() <= 1.01 / 255
    assert cf.read_provenance(tmp_path / "own.png")["engine"] in ("onnxruntime", "openvino")
    assert "engine" not in cf.read_provenance(tmp_path / "torch.png")


def test_it_says_in_words_what_was_written(run: Run, tiny_weights: Path, tmp_path: Path) -> None:
    code, out, _ = run("export", "--weights", tiny_weights, "-o", tmp_path / "tiny.onnx")
    assert code == 0
    assert out.startswith(f"wrote {tmp_path / 'tiny.onnx'}: tiny, SHA-256 of the weights ")
    assert "differs from torch by 0.0" in out
    assert "not a medical device" in out


def test_a_file_that_is_there_is_replaced_only_if_asked(run: Run, tiny_weights: Path, tmp_path: Path) -> None:
    target = tmp_path / "tiny.xml"
    target.with_suffix(".bin").write_bytes(b"mine")
    words = "export", "--format", "openvino", "--weights", tiny_weights, "-o", target
    code, _, err = run(*words)
    assert code == 2
    assert f"{target.with_suffix('.bin')} exists; use --overwrite" in err
    assert target.with_suffix(".bin").read_bytes() == b"mine"
    assert not target.exists()
    assert run(*words, "--overwrite")[0] == 0
    assert target.with_suffix(".bin").read_bytes() != b"mine"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("-o", "a.xml"), "a.xml: found suffix '.xml', expected '.onnx' for --format onnx"),
        (("-o", "a.onnx", "--format", "openvino"), "expected '.xml' for --format openvino"),
        (("-o", "b.onnx", "--weights", "a.onnx"), "--weights a.onnx: is exported already"),
        (("-o", "b.onnx", "--weights", "nothing"), "nothing: no such weights file"),
    ],
)
def test_wrong_usage_is_told_and_nothing_is_written(
    words: tuple[str, ...], message: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err = run("export", *words)
    assert code == 2
    assert message in err
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_told(run: Run, tiny_weights: Path, tmp_path: Path) -> None:
    code, _, err = run("export", "--weights", tiny_weights, "-o", tmp_path / "no" / "tiny.onnx")
    assert code == 1
    assert "tiny.onnx: cannot be written (No such file or directory); name another file" in err


def test_a_network_that_differs_from_torch_is_not_written(
    run: Run, tiny_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = onnx_runtime.start

    def wrong(exported):
        return lambda picture: right(exported)(picture) * 0.9

    monkeypatch.setattr(onnx_runtime, "start", wrong)
    code, _, err = run("export", "--weights", tiny_weights, "-o", tmp_path / "tiny.onnx")
    assert code == 2
    assert "onnxruntime: the exported network differs from torch's by 0.0" in err
    assert not (tmp_path / "tiny.onnx").exists()
