import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

import clearfundus as cf
from clearfundus.fundus.degradations import DEGRADATIONS, decibels, from_record
from clearfundus.interfaces.batch import digest_file
from clearfundus.interfaces.cli import main
from clearfundus.interfaces.degrade import ModelName, draw_for, record_path
from drawn import draw_fundus

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run `clearfundus degrade`: exit code, standard output, standard error."""

    def call(*words: object) -> tuple[int, str, str]:
        code = main(["degrade", *map(str, words)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two photographs of one eye, one of another name and place, one file that is none, and a text."""
    photos = tmp_path / "in"
    (photos / "left").mkdir(parents=True)
    for name in ("a.png", "b.jpg", "left/c.png"):
        cf.write_photo(draw_fundus(96), photos / name)
    (photos / "bad.jpg").write_bytes(b"not a picture")
    (photos / "notes.txt").touch()
    return photos


def record_of(file: Path) -> dict[str, object]:
    found = json.loads(file.with_name(file.name + ".degradation.json").read_text())
    assert isinstance(found, dict)
    return found


def test_the_command_line_knows_every_model() -> None:
    assert get_args(ModelName) == tuple(DEGRADATIONS)


def test_one_bad_file_does_not_stop_the_others(run: Run, folder: Path, tmp_path: Path) -> None:
    code, out, err = run(folder, "-o", tmp_path / "out", "--model", "focus")
    assert code == 1
    written = sorted(str(f.relative_to(tmp_path / "out")) for f in (tmp_path / "out").rglob("*.*"))
    names = ["a.png", "b.png", "left/c.png"]
    assert written == sorted([*names, *(f"{name}.degradation.json" for name in names)])
    assert f"failed {folder / 'bad.jpg'}: " in err
    assert " dB\n" in err
    assert "3 done, 0 skipped, 1 failed, 1 other files ignored" in out


@pytest.mark.parametrize("model", list(DEGRADATIONS))
def test_the_record_says_all_and_repeats_the_picture_bit_for_bit(
    run: Run, folder: Path, tmp_path: Path, model: str
) -> None:
    source, once, again = folder / "a.png", tmp_path / "once.png", tmp_path / "again.png"
    assert run(source, "-o", once, "--model", model, "--severity", "0.6", "--seed", "1")[0] == 0
    record = record_of(once)
    assert record.keys() == {"model", "parameters", "severity", "seed", "decibels", "version", "input"}
    assert (record["model"], record["severity"], record["seed"]) == (model, 0.6, 1)
    assert "a.png" not in json.dumps(record)  # a name may be a patient's
    assert (record["version"], record["input"]) == (cf.__version__, digest_file(source))
    assert from_record(record) == draw_for(source, model, 0.6, 1).model

    assert run(source, "-o", again, "--repeat", f"{once}.degradation.json")[0] == 0
    assert again.read_bytes() == once.read_bytes()
    assert record_of(again) == record


def test_the_picture_is_the_models_and_says_that_it_was_degraded(run: Run, folder: Path, tmp_path: Path) -> None:
    source, target = folder / "a.png", tmp_path / "bad.png"
    run(source, "-o", target, "--model", "peli", "--severity", "0.6", "--seed", "1")
    photo, note = cf.read_photo(source), cf.read_provenance(target)
    expected = from_record(record_of(target)).apply(photo, cf.find_field(photo))
    assert np.abs(cf.read_photo(target).pixels - expected.pixels).max() <= 0.5 / 255 + 1e-6
    assert record_of(target)["decibels"] == decibels(photo, expected, cf.find_field(photo))
    assert {name: note[name] for name in ("method", "model", "severity", "seed", "input")} == {
        "method": "degrade",
        "model": "peli",
        "severity": "0.6",
        "seed": "1",
        "input": digest_file(source),
    }


def test_neither_order_nor_company_of_the_photographs_matters(run: Run, folder: Path, tmp_path: Path) -> None:
    options = ("--model", "cofe", "--seed", "7")
    run(folder, "-o", tmp_path / "all", *options)
    run(folder / "left" / "c.png", folder / "a.png", "-o", tmp_path / "some", *options)
    assert (tmp_path / "all" / "a.png").read_bytes() == (tmp_path / "some" / "a.png").read_bytes()
    assert record_of(tmp_path / "all" / "left" / "c.png") == record_of(tmp_path / "some" / "c.png")
    # the two are copies of one picture, told apart by their names
    assert record_of(tmp_path / "some" / "a.png")["parameters"] != record_of(tmp_path / "some" / "c.png")["parameters"]


def test_the_folder_of_a_photograph_does_not_matter(run: Run, folder: Path, tmp_path: Path) -> None:
    (folder / "left" / "c.png").rename(folder / "left" / "a.png")
    run(folder / "a.png", "-o", tmp_path / "one.png", "--model", "cofe")
    run(folder / "left" / "a.png", "-o", tmp_path / "other.png", "--model", "cofe")
    assert record_of(tmp_path / "one.png") == record_of(tmp_path / "other.png")


def test_another_seed_gives_another_degradation(run: Run, folder: Path, tmp_path: Path) -> None:
    for seed in (1, 2, -3):
        run(folder / "a.png", "-o", tmp_path / f"{seed}.png", "--model", "cataract", "--seed", seed)
    assert len({json.dumps(record_of(tmp_path / f"{seed}.png")["parameters"]) for seed in (1, 2, -3)}) == 3


def test_json_says_everything(run: Run, folder: Path, tmp_path: Path) -> None:
    code, out, _ = run(folder, "-o", tmp_path / "out", "--model", "arcnet", "--json")
    report = json.loads(out)
    assert code == 1
    assert (report["version"], report["ignored"], report["skipped"]) == (cf.__version__, 1, [])
    assert [item["input"] for item in report["failed"]] == [str(folder / "bad.jpg")]
    first = report["done"][0]
    assert first.pop("seconds") >= 0
    assert 5 < first.pop("decibels") < 60
    assert first == {
        "input": str(folder / "a.png"),
        "output": str(tmp_path / "out" / "a.png"),
        "input_hash": digest_file(folder / "a.png"),
        "record": str(tmp_path / "out" / "a.png.degradation.json"),
        "model": "arcnet",
        "severity": 0.5,
        "seed": 0,
        "width": 96,
        "height": 96,
    }
    again = json.loads(run(folder, "-o", tmp_path / "out", "--model", "arcnet", "--json")[1])
    assert again["skipped"][0]["input_hash"] == digest_file(folder / "a.png")


def test_nothing_changed_is_no_number_of_decibels(run: Run, folder: Path, tmp_path: Path) -> None:
    run(folder / "a.png", "-o", tmp_path / "same.png", "--model", "focus", "--severity", "0")
    assert record_of(tmp_path / "same.png")["decibels"] is None


def test_what_was_made_before_is_skipped_and_anything_else_stays_unless_told(
    run: Run, folder: Path, tmp_path: Path
) -> None:
    words = (folder / "a.png", "-o", tmp_path / "bad.png", "--model", "focus")
    run(*words)
    before = (tmp_path / "bad.png").read_bytes()
    assert "1 skipped (made before" in run(*words)[1]
    code, _, err = run(*words, "--severity", "1")
    assert code == 1
    assert "made by degrade (model=focus, severity=0.5" in err
    assert (tmp_path / "bad.png").read_bytes() == before
    assert run(*words, "--severity", "1", "--overwrite")[0] == 0
    assert (tmp_path / "bad.png").read_bytes() != before
    assert record_of(tmp_path / "bad.png")["severity"] == 1


def test_a_record_that_is_missing_is_made_anew_and_another_file_in_its_place_is_not_replaced(
    run: Run, folder: Path, tmp_path: Path
) -> None:
    words = (folder / "a.png", "-o", tmp_path / "bad.png", "--model", "focus")
    record = tmp_path / "bad.png.degradation.json"
    record.write_text("mine")
    code, _, err = run(*words)
    assert code == 1
    assert "is there already" in err
    assert not (tmp_path / "bad.png").exists()
    record.unlink()
    run(*words)
    first = record.read_bytes()
    record.unlink()
    assert "1 done" in run(*words)[1]
    assert record.read_bytes() == first


def test_an_input_is_never_overwritten(run: Run, folder: Path, tmp_path: Path) -> None:
    before = (folder / "a.png").read_bytes()
    words = ("--model", "focus", "--overwrite")
    assert run(folder / "a.png", "-o", folder / "a.png", *words)[0] == 2
    os.link(folder / "a.png", folder / "link.png")
    assert run(folder / "a.png", "-o", folder / "link.png", *words)[0] == 1
    assert (folder / "a.png").read_bytes() == before
    # nor is the record that is repeated
    run(folder / "a.png", "-o", tmp_path / "bad.png", "--model", "focus")
    record = tmp_path / "bad.png.degradation.json"
    held = record.read_bytes()
    code, _, err = run(folder / "a.png", "-o", tmp_path / "bad.png", "--repeat", record, "--overwrite")
    assert code == 2
    assert "would replace an input" in err
    assert record.read_bytes() == held


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "expected --model NAME, or --repeat FILE"),
        (("--model", "fog"), "fog"),
        (("--model", "focus", "--severity", "1.5"), "severity: found 1.5"),
        (("--model", "focus", "--severity", "nan"), "severity: found nan"),
        (("--repeat", "missing.json"), "--repeat missing.json: cannot be read"),
        (("--repeat", "{folder}/notes.txt"), "is no JSON file"),
        (("--repeat", "{folder}/a.png"), "is no JSON file"),
        (("--repeat", "x.json", "--severity", "1"), "leave out --model, --severity and --seed"),
    ],
)
def test_wrong_usage_is_said_before_any_work(
    run: Run, folder: Path, tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    code, _, err = run(folder, "-o", tmp_path / "out", *(word.format(folder=folder) for word in words))
    assert code == 2
    assert said in err
    assert not (tmp_path / "out").exists()


def test_a_record_of_an_unknown_model_is_refused_by_file_and_name(run: Run, folder: Path, tmp_path: Path) -> None:
    record = tmp_path / "r.json"
    record.write_text(json.dumps({"model": "fog", "parameters": {}}))
    code, _, err = run(folder, "-o", tmp_path / "out", "--repeat", record)
    assert code == 2
    assert f"--repeat {record}: model: found 'fog', expected one of: cataract" in err


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"severity": "much"}, "severity: found 'much', expected a number in [0, 1]"),
        ({"severity": math.nan}, "severity: found nan, expected a number in [0, 1]"),
        ({"blur": 1e308}, "blur: found 1e+308, expected float between -1e+06 and 1e+06"),
        ({"blur": 10**400}, "blur: found 1000"),
        ({"blur": math.nan}, "blur: found nan, expected float"),
    ],
)
def test_a_record_with_numbers_that_cannot_be_is_refused(
    run: Run, folder: Path, tmp_path: Path, changed: dict[str, object], said: str
) -> None:
    once = tmp_path / "once.png"
    assert run(folder / "a.png", "-o", once, "--model", "cataract", "--severity", "0.5")[0] == 0
    record = json.loads(record_path(once).read_text())
    for name, value in changed.items():
        within = record["parameters"] if name in record["parameters"] else record
        assert name in within
        within[name] = value
    path = tmp_path / "changed.json"
    path.write_text(json.dumps(record))
    code, _, err = run(folder, "-o", tmp_path / "out", "--repeat", path)
    assert (code, said in err) == (2, True), err
