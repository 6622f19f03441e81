"""The train verb: what it shows, what it writes, and how it ends. What training does is tested in tests/training."""

import json
import time
from pathlib import Path

import numpy as np
import pytest

from clearfundus.interfaces.cli import main
from clearfundus.interfaces.curves import draw_curves
from clearfundus.interfaces.train import describe
from clearfundus.photo import write_photo
from clearfundus.training.run import Event
from drawn import blur_fundus, draw_fundus

CONFIG = """
name = "tiny"
[data]
diameter = 96
crop = 64
validation = 0.3
[generator]
width = 4
blocks = 1
[discriminator]
width = 4
[unpaired]
steps = 2
[every]
log = 1
sample = 2
validate = 2
checkpoint = 2
"""


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    """The words of a command line that trains for two iterations."""
    for side in ("blurry", "clear"):
        (tmp_path / side).mkdir()
        for number in range(3):
            photo = draw_fundus(96, rng=np.random.default_rng(number + 10 * (side == "blurry")))
            write_photo(blur_fundus(photo) if side == "blurry" else photo, tmp_path / side / f"{number}.png")
    (tmp_path / "tiny.toml").write_text(CONFIG)
    options = {"--config": "tiny.toml", "--blurry": "blurry", "--clear": "clear", "-o": "run"}
    return ["train", *(word for option, name in options.items() for word in (option, str(tmp_path / name)))]


def test_one_command_yields_both_weights_a_log_and_samples(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "--json"]) == 0
    shown = capsys.readouterr()
    summary = json.loads(shown.out)
    assert summary["steps"] == 2
    assert all(Path(path).is_file() for path in summary["weights"].values())
    assert summary["validation"]["sharpness_gain"] > 0
    assert "s an iteration" in shown.err
    log = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in log if line["kind"] == "training"] == [1, 2]
    assert list((tmp_path / "run" / "samples").glob("*.png"))


def test_the_trained_enhancer_enhances(words: list[str], tmp_path: Path) -> None:
    assert main(words) == 0
    weights = str(tmp_path / "run" / "enhancer.safetensors")
    assert main(["enhance", str(tmp_path / "blurry"), "-o", str(tmp_path / "out"), "--weights", weights]) == 0
    assert len(list((tmp_path / "out").glob("*.png"))) == 3


def test_a_photograph_that_cannot_be_read_is_named_and_the_rest_trains(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "clear" / "torn.png").write_bytes(b"")
    assert main([*words, "--json"]) == 1
    summary = json.loads(capsys.readouterr().out)
    assert summary["steps"] == 2
    assert len(summary["left_out"]) == 1
    assert "torn.png" in summary["left_out"][0]


def test_another_configuration_in_the_same_folder_is_wrong_usage_and_shows_the_difference(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 0
    config = tmp_path / "tiny.toml"
    config.write_text(config.read_text().replace("steps = 2", "steps = 3"))
    capsys.readouterr()
    assert main(words) == 2
    assert "settings.unpaired.steps: 2 -> 3" in capsys.readouterr().err


def test_an_unknown_setting_is_wrong_usage(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (tmp_path / "tiny.toml").open("a") as file:
        file.write("[loss]\ncycel = 1.0\n")
    assert main(words) == 2
    assert "unknown setting 'cycel'" in capsys.readouterr().err


def test_tensorboard_gets_the_figures(words: list[str], tmp_path: Path) -> None:
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    assert main([*words, "--tensorboard"]) == 0
    found = reader.EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    found.Reload()
    assert [scalar.step for scalar in found.Scalars("training/adversarial")] == [1, 2]


def test_tensorboard_is_not_opened_in_the_folder_of_another_run(words: list[str], tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    assert main(words) == 0
    config = tmp_path / "tiny.toml"
    config.write_text(config.read_text().replace("steps = 2", "steps = 3"))
    assert main([*words, "--tensorboard"]) == 2
    assert not (tmp_path / "run" / "tensorboard").exists()


def test_the_curves_of_a_resumed_run_forget_what_came_after_the_checkpoint(tmp_path: Path) -> None:
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")

    def draw_losses(resumed: int | None, *losses: float) -> None:
        with draw_curves(tmp_path) as draw:
            if resumed is not None:
                draw(Event(kind="resumed", step=resumed, total=9, values={}))
            for step, loss in enumerate(losses, start=1 + (resumed or 0)):
                draw(Event(kind="training", step=step, total=9, values={"loss": loss}))

    draw_losses(None, 1.0, 2.0, 3.0)
    time.sleep(1.1)  # the names of TensorBoard's files have seconds, and are read in their order
    draw_losses(1, 20.0)
    found = reader.EventAccumulator(str(tmp_path / "tensorboard"))
    found.Reload()
    assert [(scalar.step, scalar.value) for scalar in found.Scalars("training/loss")] == [(1, 1.0), (2, 20.0)]


def test_only_the_first_of_several_processes_speaks_draws_and_fails(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "clear" / "torn.png").write_bytes(b"")
    monkeypatch.setenv("RANK", "1")
    assert main([*words, "--json", "--tensorboard"]) == 0
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", "")
    assert not (tmp_path / "run" / "tensorboard").exists()
    assert (tmp_path / "run" / "enhancer.safetensors").is_file()  # it did train: without WORLD_SIZE it is alone


def test_without_groups_a_warning_says_what_is_taken_for_an_eye(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 0
    assert capsys.readouterr().err.count("each file is taken for an eye of its own") == 1
    names = [f"{side}/{number}.png" for side in ("blurry", "clear") for number in range(3)]
    table = tmp_path / "eyes.csv"
    table.write_text("file,eye_group\n" + "".join(f"{name},{name}\n" for name in names))
    words[-1] = str(tmp_path / "grouped")
    assert main([*words, "--groups", str(table)]) == 0
    assert "eye of its own" not in capsys.readouterr().err


def test_extra_photographs_are_trained_on_and_none_is_held_out(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "extra").mkdir()
    for number in range(2):
        write_photo(draw_fundus(100 + number), tmp_path / "extra" / f"other_{number}.png")
    assert main([*words, "--extra", str(tmp_path / "extra")]) == 0
    capsys.readouterr()
    photographs = json.loads((tmp_path / "run" / "settings.json").read_text())["photographs"]
    assert photographs["extra"] == {"training": ["other_0.png", "other_1.png"], "held out": []}


def test_a_missing_tensorboard_names_the_install_line(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "torch.utils.tensorboard", None)
    assert main([*words, "--tensorboard"]) == 2
    assert "pip install 'clearfundus[tensorboard]'" in capsys.readouterr().err


def test_a_line_tells_speed_and_time_left() -> None:
    event = Event(kind="training", step=10, total=100_010, values={"identity": 0.5, "seconds": 2.0}, message="unpaired")
    # 100,000 iterations of 2 s are 2 days and 27,200 s, which are 7 h 33 min 20 s
    left = "2 d 07:33:20 left at this speed"
    assert describe(event) == f"[10/100010] training  unpaired  identity 0.5  2.000 s an iteration, {left}"
