"""The README's promises: every command and every block of Python in it is run, on drawn photographs."""

import re
import runpy
import shlex
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

import clearfundus as cf
from clearfundus.interfaces import SAFETY, cli
from clearfundus.methods import METHODS
from drawn import blur_fundus, draw_fundus
from tiny_run import write_config, write_photographs

REPOSITORY = Path(__file__).parents[1]
TEXT = (REPOSITORY / "README.md").read_text(encoding="utf-8")
FENCES = re.findall(r"^```(\w+)\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
COMMANDS = ("clearfundus", "make", "pip", "python", "torchrun")
SECONDS = {"every": {"log": 1, "sample": 2, "validate": 2, "checkpoint": 2}, "data": {"validation": 0.3}}


def blocks(language: str) -> list[str]:
    return [content for name, content in FENCES if name == language]


def command_lines() -> Iterator[list[str]]:
    """Yield the words of every command in the README, in its order: fenced lines and what stands `in code`."""
    for language, fence, inline in re.findall(r"^```(\w+)\n(.*?)^```|`([^`]+)`", TEXT, re.MULTILINE | re.DOTALL):
        lines = fence.splitlines() if language == "bash" else [" ".join(inline.split())]
        for line in lines:
            words = shlex.split(line)
            if language == "bash" or (len(words) > 1 and words[0] in COMMANDS):
                yield words


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with all that the README names, drawn and tiny; it is the working directory."""
    hazy = blur_fundus(draw_fundus(96))
    (tmp_path / "photographs" / "left").mkdir(parents=True)
    for name in ("eye.jpg", "other_eye.png", "photographs/one.jpg", "photographs/left/two.tif"):
        cf.write_photo(hazy, tmp_path / name)
    for side in ("blurry", "clear"):
        write_photographs(tmp_path / side, 4, blur=blur_fundus if side == "blurry" else None, size=96)
    (tmp_path / "configs").mkdir()
    for config in (REPOSITORY / "configs").glob("*.toml"):
        write_config(tmp_path / "configs" / config.name, unpaired={"steps": 2}, **SECONDS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run_clearfundus(words: list[str]) -> None:
    assert cli.main(words) == 0, words


def run_make(words: list[str]) -> None:
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    assert [target for target in words if not re.search(rf"^{target}:", makefile, re.MULTILINE)] == []


def run_pip(words: list[str]) -> None:
    assert words[0] == "install"
    extras = re.findall(r"^clearfundus\[(\w+)\]$", words[1]) if len(words) == 2 else []
    assert extras or set(words[1:]) <= {"."}
    declared = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert set(extras) <= declared["optional-dependencies"].keys()
    assert (REPOSITORY / "pyproject.toml").is_file()


def run_python(words: list[str]) -> None:
    assert (REPOSITORY / words[0]).is_file()


def run_torchrun(words: list[str]) -> None:
    """Let torchrun's own parser judge its options; what it would start is run here, by one process."""
    from torch.distributed.run import get_args_parser

    parsed = get_args_parser().parse_args(words)
    assert parsed.module
    assert parsed.training_script == "clearfundus"
    run_clearfundus(parsed.training_script_args)


RUNNERS: Mapping[str, Callable[[list[str]], None]] = MappingProxyType(
    {
        "clearfundus": run_clearfundus,
        "make": run_make,
        "pip": run_pip,
        "python": run_python,
        "torchrun": run_torchrun,
    }
)


@pytest.mark.slow
def test_every_command_of_the_readme_runs(place: Path) -> None:
    ran = set()
    for command, *words in command_lines():
        RUNNERS[command](words)
        ran.add((command, *words[:1]))
    # were the reading of the README broken, nothing would be run
    assert {("clearfundus", "enhance"), ("clearfundus", "train"), ("make", "demo"), ("pip", "install")} <= ran
    assert (place / "eye_clear.png").is_file()
    assert sorted(path.name for path in (place / "enhanced").rglob("two.*")) == ["two.tif"]
    assert (place / "runs" / "paper" / "enhancer.safetensors").is_file()
    assert cf.read_provenance(place / "eye_mine.png")["weights"] == "tiny"


@pytest.mark.parametrize("block", blocks("python"))
def test_every_block_of_python_runs(place: Path, block: str) -> None:
    before = set(place.iterdir())
    (place / "block.py").write_text(block, encoding="utf-8")
    runpy.run_path(str(place / "block.py"))
    written = set(place.iterdir()) - before - {place / "block.py"}
    assert {path.name for path in written} == set(re.findall(r'write_photo\(\w+, "([^"]+)"\)', block))


def test_every_option_that_the_readme_names_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    for verb in cli.VERBS:
        cli.main([verb, "--help"])
    known = {*re.findall(r"--[a-z-]+", capsys.readouterr().out), "--nproc-per-node", "--help"}
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", TEXT))
    assert len(named) > 8
    assert named - known == set()


def test_the_table_of_methods_has_every_method() -> None:
    section = TEXT.partition("## Methods")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `(\w+)`", section, re.MULTILINE) == list(METHODS)


def test_the_table_of_exit_codes_is_the_command_line_s() -> None:
    section = TEXT.partition("| exit code |")[2].partition("\n## ")[0]
    codes = [int(code) for code in re.findall(r"^\| (\d+) \|", section, re.MULTILINE)]
    assert codes == [cli.DONE, cli.SOME_FAILED, cli.WRONG_USAGE, cli.INTERRUPTED]


def test_the_readme_says_that_this_is_no_medical_device() -> None:
    opening = TEXT.partition("## ")[0]
    assert "Not a medical device" in opening
    assert "Not a medical device" in SAFETY


def test_the_picture_is_small_enough_to_load_quickly() -> None:
    picture = REPOSITORY / "docs" / "images" / "demo.jpg"
    assert picture.stat().st_size < 400_000
    assert "gan" in cf.read_provenance(picture).values()


def test_no_figure_is_left_to_be_measured() -> None:
    assert "TODO" not in TEXT
