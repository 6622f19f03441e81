import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import clearfundus as cf
from clearfundus.interfaces import cli
from clearfundus.interfaces.cli import VERBS, main
from clearfundus.methods import METHODS
from drawn import draw_fundus

HELP_SECONDS = 0.3
HEAVY = ("torch", "numpy", "cv2", "PIL", "scipy", "skimage", "tifffile")


def plain_environment() -> dict[str, str]:
    """Return the environment without what makes subprocesses measure their coverage, which takes time."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COV")}


@pytest.mark.parametrize("words", [["--help"], [], *([verb, "--help"] for verb in VERBS)])
def test_help_is_given_and_is_no_error(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 0
    assert "Usage: clearfundus" in capsys.readouterr().out


@pytest.mark.parametrize("verb", VERBS)
def test_the_help_of_every_verb_shows_an_example_and_json(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    main([verb, "--help"])
    out = capsys.readouterr().out
    assert f" clearfundus {verb} " in out.partition("Example")[2]
    assert "--json" in out


def test_the_help_of_enhance_names_every_method(capsys: pytest.CaptureFixture[str]) -> None:
    main(["enhance", "--help"])
    out = capsys.readouterr().out
    assert [method for method in METHODS if method not in out] == []


def test_the_help_says_that_this_is_no_medical_device(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--help"])
    assert "Not a medical device" in " ".join(capsys.readouterr().out.split())


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.strip() == cf.__version__


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["enhence"], 'Did you mean "enhance"'),
        (["enhance"], "see: clearfundus enhance --help"),
        (["methods", "--jsn"], "see: clearfundus methods --help"),
    ],
)
def test_wrong_usage_has_exit_code_2_and_a_hint(
    words: list[str], hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("clearfundus: ")
    assert hint in captured.err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (cf.SettingsError("said"), 2),
        (cf.WeightsError("said"), 2),
        (cf.DeviceError("said"), 2),
        (cf.PhotoError("said"), 1),
        (cf.TrainingError("said"), 1),
        (OSError("said"), 1),
        (ZeroDivisionError("said"), 1),
        (KeyboardInterrupt(), 130),
    ],
)
def test_every_error_becomes_a_message_and_an_exit_code(
    error: BaseException, code: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        def call(words: list[str]) -> None:
            raise error

        return call

    monkeypatch.setattr(cli, "build_app", fail)
    assert main(["info"]) == code
    err = capsys.readouterr().err
    assert ("interrupted" if code == 130 else "said") in err
    assert "Traceback" not in err


def test_an_unexpected_error_shows_its_traceback_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(cli, "build_app", fail)
    monkeypatch.setenv(cli.TRACEBACK, "1")
    with pytest.raises(ZeroDivisionError):
        main(["info"])


@pytest.mark.parametrize("words", [["--help"], ["enhance", "--help"], ["--version"], ["enhance"]])
def test_help_imports_nothing_heavy(words: list[str]) -> None:
    code = (
        "import sys; from clearfundus.interfaces.cli import main; "
        f"main({words}); print([name for name in {HEAVY} if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert found.stdout.splitlines()[-1] == "[]"


def test_help_takes_less_than_0_3_seconds() -> None:
    """The best of ten runs, so that a busy machine does not fail it; slower machines get the time they need.

    A bare interpreter starts in about 15 ms where `--help` takes 150. A machine, or a moment, where even the best bare
    start takes longer than 30 ms is not the one that the 0.3 s are promised for: there the limit grows with it.
    """

    def seconds(*words: str) -> float:
        started = time.perf_counter()
        subprocess.run([sys.executable, *words], check=True, capture_output=True, env=plain_environment())
        return time.perf_counter() - started

    bare = min(seconds("-c", "pass") for _ in range(5))
    limit = HELP_SECONDS * max(1.0, bare / 0.03)
    best = float("inf")
    for _ in range(10):
        best = min(best, seconds("-m", "clearfundus", "--help"))
        if best < limit:
            break
    assert best < limit


def test_clahe_runs_without_importing_torch(tmp_path: Path) -> None:
    cf.write_photo(draw_fundus(96), tmp_path / "eye.png")
    words = ["enhance", str(tmp_path / "eye.png"), "-o", str(tmp_path / "out"), "--method", "clahe"]
    code = (
        "import sys; from clearfundus.interfaces.cli import main; "
        f"assert main({words}) == 0; print('torch' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert found.stdout.splitlines()[-1] == "False"
    assert (tmp_path / "out" / "eye.png").is_file()


def test_the_module_runs_as_the_command_does() -> None:
    command = [sys.executable, "-m", "clearfundus", "enhance"]
    found = subprocess.run(command, check=False, capture_output=True, text=True)
    assert found.returncode == 2
    assert found.stderr.startswith("clearfundus: ")
