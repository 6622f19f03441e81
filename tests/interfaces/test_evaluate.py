import hashlib
import io
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

import clearfundus as cf
from clearfundus import pipeline
from clearfundus.evaluation.results import Interval, Summary, load_evaluation
from clearfundus.interfaces import comparison
from clearfundus.interfaces.cli import main
from clearfundus.interfaces.evaluation_table import print_tables
from clearfundus.interfaces.methods import SHORT_SOURCES
from clearfundus.methods import METHODS
from drawn import blur_fundus, draw_fundus

Run = Callable[..., tuple[int, str, str]]
QUICK = ("--side", "64", "--metrics", "psnr,ssim,entropy")


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run `clearfundus evaluate`: exit code, standard output, standard error."""

    def call(*words: object) -> tuple[int, str, str]:
        code = main(["evaluate", *map(str, words)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture
def eyes(tmp_path: Path) -> Path:
    """A folder with the folders blurry, pairs and clear, of two photographs or pairs each."""
    for name in ("blurry", "pairs", "clear"):
        (tmp_path / name).mkdir()
    for seed, name in enumerate(("a", "b")):
        clear = draw_fundus(72, np.random.default_rng(seed))
        cf.write_photo(blur_fundus(clear), tmp_path / "blurry" / f"{name}.png")
        cf.write_photo(blur_fundus(clear), tmp_path / "pairs" / f"{name}_blurry.png")
        cf.write_photo(clear, tmp_path / "pairs" / f"{name}_clear.png")
        cf.write_photo(clear, tmp_path / "clear" / f"{name}.png")
    return tmp_path


def test_three_sets_become_a_table_with_the_means_of_every_method(run: Run, eyes: Path, tiny_weights: Path) -> None:
    out = eyes / "out"
    folders = [word for name in ("blurry", "pairs", "clear") for word in (f"--{name}", eyes / name)]
    words = [*folders, "-o", out, "--methods", "input,clahe,gan", "--weights", tiny_weights, "--device", "cpu", *QUICK]
    code, told, progress = run(*words)
    assert code == 0, progress
    assert "[6/6] done simulated/b" in progress
    for word in ("blurry photographs: 2", "pairs, against", "simulated, against", "clahe", "gan", "entropy", "psnr"):
        assert word in told
    assert "6 done, 0 measured before, 0 failed" in told
    found = load_evaluation(out)
    assert {(one.set, one.metric) for one in found.summaries} == {
        ("blurry", "entropy"),
        *((name, metric) for name in ("pairs", "simulated") for metric in ("psnr", "ssim")),
    }
    assert list(dict.fromkeys(one.method for one in found.summaries)) == ["input", "clahe", "gan"]
    assert {one.count for one in found.summaries} == {2}
    assert found.run["weights"]["gan"]["sha256"] == cf.load_weights(tiny_weights).sha256
    assert all(path.is_file() for path in [*found.pictures.values(), *found.references.values()])
    assert len(found.pictures) == 3 * 6
    assert (out / "report.html").read_text(encoding="utf-8").startswith("<!")


def test_one_method_is_judged_beside_itself_with_other_weights(run: Run, eyes: Path, tiny_weights: Path) -> None:
    words = ["--blurry", eyes / "blurry", "-o", eyes / "out", "--weights", tiny_weights, "--device", "cpu", *QUICK]
    assert run(*words, "--methods", "gan,gan:paper-skip")[0] == 0
    found = load_evaluation(eyes / "out")
    assert list(dict.fromkeys(one.method for one in found.summaries)) == ["input", "gan", "gan:paper-skip"]
    hashes = {name: one["sha256"] for name, one in found.run["weights"].items()}
    assert hashes == {
        name: cf.load_weights(path).sha256 for name, path in (("gan", tiny_weights), ("gan:paper-skip", "paper-skip"))
    }
    assert len({path.read_bytes() for path in found.pictures.values()}) == 3 * 2


def test_run_again_it_measures_nothing_and_with_other_settings_it_refuses(run: Run, eyes: Path) -> None:
    words = ["--blurry", eyes / "blurry", "-o", eyes / "out", "--methods", "clahe"]
    assert run(*words, *QUICK)[0] == 0
    before = (eyes / "out" / "per_image.csv").read_bytes()
    code, told, _ = run(*words, *QUICK)
    assert code == 0
    assert "0 done, 2 measured before, 0 failed" in told
    assert (eyes / "out" / "per_image.csv").read_bytes() == before
    found = load_evaluation(eyes / "out").run
    assert "seconds" not in found
    assert found["seconds_of_this_call"] >= 0
    code, _, err = run(*words, "--side", 96, "--metrics", "entropy")
    assert code == 2
    assert "was made with other settings: metrics = " in err
    assert "side = 64, now 96" in err


def test_a_bad_photograph_is_named_and_the_exit_code_says_so(run: Run, eyes: Path) -> None:
    (eyes / "blurry" / "bad.png").write_bytes(b"no picture")
    code, out, err = run("--blurry", eyes / "blurry", "-o", eyes / "out", "--methods", "clahe", "--json", *QUICK)
    assert code == 1
    found = json.loads(out)
    assert (found["done"], found["skipped"], found["failed"]) == (2, 0, 1)
    assert [one["photograph"] for one in found["failures"]] == ["blurry/bad"]
    assert "failed blurry/bad: " in err
    assert {one["method"]: one["count"] for one in found["table"]} == {"input": 2, "clahe": 2}
    code, out, _ = run("--blurry", eyes / "blurry", "-o", eyes / "out", "--methods", "clahe", *QUICK)
    assert code == 1
    assert "left out: blurry/bad: " in out


def test_no_file_that_is_handed_on_says_where_the_photographs_lie(run: Run, eyes: Path) -> None:
    (eyes / "blurry" / "left").mkdir()
    (eyes / "blurry" / "left" / "bad.png").write_bytes(b"no picture")
    code, out, _ = run("--blurry", eyes / "blurry", "-o", eyes / "out", "--methods", "clahe", *QUICK)
    assert code == 1
    assert f"left out: blurry/left/bad: {Path('left', 'bad.png')}: " in out
    found = load_evaluation(eyes / "out")
    assert found.run["folders"] == {"blurry": "blurry"}
    for name in ("run.json", "report.html"):
        assert str(eyes) not in (eyes / "out" / name).read_text(encoding="utf-8")


def test_file_names_that_are_no_utf_8_are_written_out(run: Run, eyes: Path) -> None:
    for content, name in (((eyes / "blurry" / "a.png").read_bytes(), b"eye\xff.png"), (b"no picture", b"bad\xfe.png")):
        try:
            (eyes / "blurry" / os.fsdecode(name)).write_bytes(content)
        except OSError:
            pytest.skip("this file system has no such names")
    code, out, err = run("--blurry", eyes / "blurry", "-o", eyes / "out", "--methods", "clahe", *QUICK)
    assert code == 1, err
    found = load_evaluation(eyes / "out")
    assert {row.photograph for row in found.rows} == {"a", "b", r"eye\xff"}
    assert r"left out: blurry/bad\xfe: " in out
    assert found.run["photographs"][r"blurry/eye\xff"]["files"]["photo"]["name"] == r"eye\xff.png"
    assert r"eye\xff" in (eyes / "out" / "report.html").read_text(encoding="utf-8")


def test_no_value_of_the_json_output_is_no_json(run: Run, eyes: Path) -> None:
    for file in (eyes / "pairs").glob("*_clear.png"):
        file.write_bytes(file.with_name(file.name.replace("clear", "blurry")).read_bytes())
    out = run("--pairs", eyes / "pairs", "-o", eyes / "out", "--methods", "input", "--json", *QUICK)[1]

    def refuse(word: str) -> None:
        raise AssertionError(word)

    (psnr,) = (one for one in json.loads(out, parse_constant=refuse)["table"] if one["metric"] == "psnr")
    assert psnr["value"] == {"mean": "inf", "low": "nan", "high": "nan"}


def test_the_json_output_holds_the_hashes_of_weights_and_inputs(run: Run, eyes: Path, tiny_weights: Path) -> None:
    words = ["-o", eyes / "out", "--methods", "gan", "--weights", tiny_weights, "--device", "cpu", "--json"]
    found = json.loads(run("--pairs", eyes / "pairs", *words, *QUICK)[1])
    assert found["weights"]["gan"]["sha256"] == cf.load_weights(tiny_weights).sha256
    assert found["methods"]["gan"]["sha256"] == found["weights"]["gan"]["sha256"]
    assert found["models"] == {}
    clear = found["inputs"]["pairs/a"]["clear"]
    content = (eyes / "pairs" / "a_clear.png").read_bytes()
    assert clear == {"name": "a_clear.png", "sha256": hashlib.sha256(content).hexdigest()}


def test_a_measure_without_a_set_is_said_to_be_absent(run: Run, eyes: Path) -> None:
    assert (
        "absent: psnr: none of the folders"
        in run("--blurry", eyes / "blurry", "-o", eyes / "out", "--methods", "input", *QUICK)[1]
    )


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_another_model_file_is_another_setting(run: Run, eyes: Path) -> None:
    import torch

    class Constant(torch.nn.Module):
        def __init__(self, value: float) -> None:
            super().__init__()
            self.value = value

        def forward(self, picture: torch.Tensor) -> torch.Tensor:
            return picture.mean() * 0 + self.value

    words = ["--blurry", eyes / "blurry", "-o", eyes / "out", "--methods", "input", "--side", 64, "--metrics", "fiqa"]
    for value in (1.0, 2.0):
        torch.jit.trace(Constant(value), torch.zeros(1, 3, 8, 8)).save(str(eyes / f"{value}.pt"))
    assert run(*words, "--model", f"fiqa={eyes / '1.0.pt'}")[0] == 0
    assert {one.value for one in load_evaluation(eyes / "out").rows} == {1.0}
    code, _, err = run(*words, "--model", f"fiqa={eyes / '2.0.pt'}")
    assert code == 2
    assert "models = " in err


def test_if_every_photograph_fails_the_report_says_why(run: Run, eyes: Path) -> None:
    # NIQE's blocks do not fit into a field of 64 pixels
    words = ["--side", 64, "--metrics", "niqe", "--methods", "input"]
    code, out, _ = run("--blurry", eyes / "blurry", "-o", eyes / "out", *words)
    assert code == 1
    assert "left out: blurry/a: input cannot be judged" in out
    assert "blurry/a" in (eyes / "out" / "report.html").read_text(encoding="utf-8")
    assert list((eyes / "out" / "pictures").rglob("*.png")) == []


def test_both_protocols_are_measured(run: Run, eyes: Path) -> None:
    words = ["--clear", eyes / "clear", "-o", eyes / "out", "--methods", "clahe", "--protocol", "both", *QUICK]
    assert run(*words, "--simulated", "peli", "--severity", "0.3", "--seed", "4")[0] == 0
    found = load_evaluation(eyes / "out")
    assert {one.protocol for one in found.summaries} == {"fov", "whole"}
    assert found.run["simulation"] == {"model": "peli", "severity": 0.3, "seed": 4}


def test_what_is_absent_is_said(run: Run, eyes: Path, monkeypatch: pytest.MonkeyPatch, tiny_weights: Path) -> None:
    monkeypatch.setattr(pipeline, "EXTRAS", {"clahe": ("curvelet", ("no_such_package",))})
    few = {name: METHODS[name] for name in ("gan", "clahe", "identity")}
    monkeypatch.setattr(comparison, "METHODS", few)
    words = ["--blurry", eyes / "blurry", "-o", eyes / "out", "--weights", tiny_weights, "--device", "cpu"]
    code, out, err = run(*words, "--side", 64, "--metrics", "entropy,fiqa")
    assert code == 0, err
    assert "absent: clahe: " in out
    assert "absent: fiqa: no file was given for it with --model" in out
    found = load_evaluation(eyes / "out")
    assert {one.method for one in found.summaries} == {"input", "gan"}
    assert {one.metric for one in found.summaries} == {"entropy"}
    assert found.run["absent"].keys() == {"clahe", "fiqa"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--blurry", "blurry"], "--output"),
        (["-o", "out"], "found no photographs to evaluate, expected --blurry, --pairs or --clear"),
        (["-o", "out", "--blurry", "none"], "found no folder"),
        (["-o", "blurry/out", "--blurry", "blurry"], "lies within"),
        (["-o", "clear", "--blurry", "blurry"], "holds something that is no evaluation"),
        (["-o", "out", "--blurry", "blurry", "--methods", "sharpen"], "unknown method 'sharpen'"),
        (["-o", "out", "--blurry", "blurry", "--methods", ","], "--methods ',': found no name"),
        (["-o", "out", "--blurry", "blurry", "--metrics", ","], "--metrics ',': found no name"),
        (["-o", "out", "--blurry", "blurry", "--metrics", "beauty"], "found beauty, expected some of"),
        (["-o", "out", "--blurry", "blurry", "--metrics", "psnr"], "without a reference"),
        (["-o", "out", "--blurry", "blurry", "--weights", "paper-skip"], "takes no weights"),
        (["-o", "out", "--blurry", "blurry", "--model", "lpips"], "expected SLOT=FILE"),
        (["-o", "out", "--blurry", "blurry", "--model", "beauty=x.pt"], "found the slot 'beauty'"),
        (["-o", "out", "--blurry", "blurry", "--side", "4"], "side: found 4"),
        (["-o", "out", "--blurry", "blurry", "--model", "fiqa=a", "--model", "fiqa=b"], "fiqa is given twice"),
        (["-o", "out", "--blurry", "blurry", "--seed", "-1"], "seed: found -1"),
        (["-o", "out", "--clear", "clear", "--severity", "2"], "severity: found 2.0"),
        (["-o", "out", "--clear", "clear", "--simulated", "fog"], "fog"),
    ],
)
def test_wrong_usage_is_named_and_nothing_is_written(
    words: list[str], message: str, run: Run, eyes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(eyes)
    before = sorted(eyes.rglob("*"))
    code, out, err = run(*([] if "--methods" in words else ["--methods", "clahe"]), *words)
    assert code == 2
    assert out == ""
    assert message in err
    assert sorted(eyes.rglob("*")) == before


def test_a_table_too_wide_for_the_terminal_becomes_several() -> None:
    value = Interval(mean=12.4, low=11.0, high=13.0)
    names = [f"metric_{at}" for at in range(6)]
    summaries = [
        Summary(
            set="blurry",
            method=method,
            metric=name,
            protocol="fov",
            side=768,
            fit="live",
            count=3,
            deviation=0.125,
            blocks=40.5,
            flat_share=0.25,
            value=value,
            to_input=None,
            best_other="",
            to_best_other=None,
            rank=None,
        )
        for method in ("input", "clahe")
        for name in names
    ]
    for terminal, tables in ((True, 2), (False, 1)):
        text = io.StringIO()
        console = Console(file=text, force_terminal=terminal, width=80, color_system=None)
        print_tables(summaries, dict.fromkeys(names, "higher"), console)
        lines = text.getvalue().splitlines()
        assert sum("method" in line for line in lines) == tables
        assert all(name in text.getvalue() for name in names)
        assert text.getvalue().count("12.40") == 12
        assert not terminal or max(len(line) for line in lines if "metric_" in line) <= 80


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
@pytest.mark.parametrize("clear", ["chase", ""])
def test_make_table1_degrades_the_test_eyes_and_takes_no_drawing_for_a_photograph(clear: str, tmp_path: Path) -> None:
    (tmp_path / "chase").mkdir()
    for name in ("Image_10L.jpg", "Image_11L.jpg", "Image_14R.jpg", "Image_11L_1stHO.png", "Image_11L_2ndHO.png"):
        (tmp_path / "chase" / name).touch()
    makefile = Path(__file__).parents[2] / "Makefile"
    words = ["make", "-C", tmp_path, "-f", makefile, "-o", "setup", "table1", "RUN=echo", f"CLEAR={clear}"]
    told = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    taken = sorted(path.name for path in (tmp_path / "out").rglob("*.*"))
    assert taken == (["Image_11L.jpg", "Image_14R.jpg"] if clear else [])
    assert ("--clear out/table1_clear --simulated cataract --severity 0.6" in told) is bool(clear)


def test_the_help_names_every_method() -> None:
    from clearfundus.interfaces.evaluate import METHODS_HELP

    assert all(name in METHODS_HELP for name in SHORT_SOURCES)


@pytest.mark.data
@pytest.mark.slow
def test_real_photographs_are_evaluated(run: Run, data_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "blurry").mkdir()
    (tmp_path / "pairs").mkdir()
    for file in sorted((data_folder / "test" / "blurry").iterdir())[::24]:
        (tmp_path / "blurry" / file.name).symlink_to(file)
    for name in ("A01_blurry.jpg", "A01_clear_native.jpg"):
        (tmp_path / "pairs" / name).symlink_to(data_folder / "test" / "pairs" / name)
    words = ["--blurry", tmp_path / "blurry", "--pairs", tmp_path / "pairs", "-o", tmp_path / "out"]
    code, out, err = run(*words, "--methods", "clahe", "--json")
    assert code == 0, err
    values = {(one["metric"], one["method"]): one["value"]["mean"] for one in json.loads(out)["table"]}
    assert values["entropy", "clahe"] > values["entropy", "input"]
    assert values["psnr_fitted", "input"] > values["psnr", "input"]
    assert load_evaluation(tmp_path / "out").run["photographs"]["pairs/A01"]["inliers"] >= 30
