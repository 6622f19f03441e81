import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from clearfundus.evaluation import vessel_run
from clearfundus.evaluation.cases import Simulation
from clearfundus.fundus.field import Field
from clearfundus.fundus.phantom import draw_phantom
from clearfundus.interfaces.cli import main
from clearfundus.photo import Gray, Pixels
from clearfundus.vessels import segment
from clearfundus.vessels.segment import Segmenter
from evaluation.drawn_labels import write_labelled

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the task with one degradation and a segmenter that costs nothing: exit code, standard output and error."""
    monkeypatch.setattr(vessel_run, "SIMULATIONS", (Simulation(model="focus", severity=0.5),))
    monkeypatch.setattr(segment, "prepare_segmenter", quick_segmenter)

    def call(*words: object) -> tuple[int, str, str]:
        code = main(["evaluate", "--task", "vessels", *map(str, words)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def quick_segmenter(name: str, *, device: str, flips: bool) -> Segmenter:
    """Return a segmenter that takes what is dark for vessels."""

    def function(pixels: Pixels, field: Field) -> Gray:
        green = pixels[..., 1]
        dark = green < np.median(green[field.mask]) - 0.05
        return np.where(dark & field.mask, 0.9, 0.1).astype(np.float32)

    return Segmenter(name=name, weights="", threshold=0.5, function=function)


@pytest.fixture(scope="module")
def eyes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("eyes")
    phantom = draw_phantom(160, 1)
    for name in ("a", "b"):
        write_labelled(phantom, place / "drawn", name)
    return place


def test_table_figure_and_report_are_written_and_told(run: Run, eyes: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = ["--labelled", eyes / "drawn", "-o", out, "--methods", "clahe", "--segmenters", "gabor"]
    code, told, progress = run(*words)
    assert code == 0, progress
    assert "[2/2] done labelled/b" in progress
    for word in ("clear, vessels by gabor", "focus, vessels by gabor", "degraded (focus)", "clahe", "cldice"):
        assert word in told
    assert "2 done, 0 measured before, 0 failed" in told
    assert {path.name for path in out.iterdir()} == {
        "parts",
        "figures",
        "table.csv",
        "per_image.csv",
        "run.json",
        "report.html",
    }
    assert [path.name for path in (out / "figures").iterdir()] == ["focus.png"]
    code, told, _ = run(*words, "--json")
    found = json.loads(told)
    assert (code, found["done"], found["skipped"]) == (0, 0, 2)
    assert found["segmenters"] == {"gabor": {"weights": "", "threshold": 0.5}}
    assert {one["method"] for one in found["table"]} == {"input", "clahe"}


def test_only_named_photographs_are_taken_and_an_unreadable_one_is_left_out_of_all(
    run: Run, eyes: Path, tmp_path: Path
) -> None:
    phantom = eyes / "drawn" / "a.png"
    (tmp_path / "in").mkdir()
    for name in ("a.png", "a_vessels.png", "b.png", "b_vessels.png"):
        (tmp_path / "in" / name).write_bytes((eyes / "drawn" / name).read_bytes())
    (tmp_path / "in" / "b.png").write_bytes(phantom.read_bytes()[:500])
    (tmp_path / "only.txt").write_text("b\na\n")
    words = ["--labelled", tmp_path / "in", "--only", tmp_path / "only.txt", "--methods", "clahe"]
    code, told, _ = run(*words, "--segmenters", "gabor", "-o", tmp_path / "out")
    assert code == 1
    assert "1 done, 0 measured before, 1 failed" in told
    assert "left out: labelled/b: " in told
    assert str(tmp_path / "in") not in (tmp_path / "out" / "run.json").read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "expected --labelled or --blurry"),
        (("--only", "x.txt", "--blurry", "."), "--only without --labelled"),
        (("--labelled", "{eyes}", "--pairs", "x"), "found --pairs with --task vessels; that is for --task pictures"),
        (("--labelled", "{eyes}", "--metrics", "psnr", "--side", "64"), "found --side, --metrics with --task vessels"),
        (("--labelled", "{eyes}", "--methods", "nonsense"), "unknown method 'nonsense'"),
        (("--labelled", "{eyes}/.."), "whose photographs are read"),
    ],
)
def test_wrong_usage_is_refused(run: Run, eyes: Path, tmp_path: Path, words: tuple[str, ...], message: str) -> None:
    place = tmp_path / "drawn"
    write_labelled(draw_phantom(64, 1), place, "a")
    told = [word.format(eyes=place) for word in words]
    out = tmp_path / "out" if "{eyes}/.." in words else tmp_path.parent / f"{tmp_path.name}_out"
    code, _, error = run(*told, "-o", out)
    assert code == 2
    assert message in error


def test_options_of_vessels_are_refused_for_pictures(
    capsys: pytest.CaptureFixture[str], eyes: Path, tmp_path: Path
) -> None:
    code = main(["evaluate", "--blurry", str(eyes), "--segmenters", "gabor", "-o", str(tmp_path / "out")])
    assert code == 2
    assert "found --segmenters with --task pictures; that is for --task vessels" in capsys.readouterr().err


def test_an_unknown_segmenter_is_refused(eyes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["evaluate", "--task", "vessels", "--labelled", str(eyes / "drawn"), "--segmenters", "none"]
    assert main([*words, "-o", str(tmp_path / "out")]) == 2
    assert "unknown segmenter 'none'; known: wnet, wnet-robust, gabor" in capsys.readouterr().err
