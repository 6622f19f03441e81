import dataclasses
import hashlib
import json
import shlex
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import clearfundus as cf
from clearfundus.interfaces.cli import main
from clearfundus.interfaces.enhance import parse_parameters, write_parameter
from drawn import draw_fundus

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run `clearfundus enhance`: exit code, standard output, standard error."""

    def call(*words: object) -> tuple[int, str, str]:
        code = main(["enhance", *map(str, words)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three good photographs, one file that is none, and a text."""
    photos = tmp_path / "in"
    (photos / "left").mkdir(parents=True)
    for name in ("a.png", "b.jpg", "left/a.png"):
        cf.write_photo(draw_fundus(96), photos / name)
    (photos / "bad.jpg").write_bytes(b"not a picture")
    (photos / "notes.txt").touch()
    return photos


def test_one_bad_file_does_not_stop_the_others(run: Run, folder: Path, tmp_path: Path) -> None:
    code, out, err = run(folder, "-o", tmp_path / "out", "--method", "clahe")
    assert code == 1
    written = sorted(str(f.relative_to(tmp_path / "out")) for f in (tmp_path / "out").rglob("*.*"))
    assert written == ["a.png", "b.png", "left/a.png"]
    assert f"failed {folder / 'bad.jpg'}: " in err
    assert (out + err).count("bad.jpg") == 1  # said once: errors go to standard error
    assert "3 done, 0 skipped, 1 failed, 1 other files ignored" in out
    assert "Traceback" not in err


def test_json_says_everything_and_nothing_else_is_on_standard_output(run: Run, folder: Path, tmp_path: Path) -> None:
    code, out, _ = run(folder, "-o", tmp_path / "out", "--method", "clahe", "--json")
    report = json.loads(out)
    assert code == 1
    assert report["version"] == cf.__version__
    assert report["method"] == "clahe"
    assert report["settings"] == {"method": "clahe", "clip_limit": "2.0", "tiles": "8"}
    assert report["weights"] is None
    assert report["ignored"] == 1
    assert report["skipped"] == []
    assert [item["input"] for item in report["failed"]] == [str(folder / "bad.jpg")]
    assert report["failed"][0]["error"]
    first = report["done"][0]
    assert first.pop("seconds") >= 0
    assert first == {
        "input": str(folder / "a.png"),
        "output": str(tmp_path / "out" / "a.png"),
        "width": 96,
        "height": 96,
    }
    assert report["seconds"] > 0
    assert report["per_minute"] == round(60 * 3 / report["seconds"], 1)


def test_progress_is_one_plain_line_a_photograph_where_there_is_no_terminal(
    run: Run, folder: Path, tmp_path: Path
) -> None:
    _, _, err = run(folder, "-o", tmp_path / "out", "--method", "identity")
    lines = err.splitlines()
    assert len(lines) == 4
    assert lines[0].startswith(f"[1/4] done {folder / 'a.png'} -> {tmp_path / 'out' / 'a.png'}")
    assert lines[2].startswith(f"[3/4] failed {folder / 'bad.jpg'}")


def test_the_written_file_holds_the_result_of_the_library(run: Run, folder: Path, tmp_path: Path) -> None:
    assert run(folder / "a.png", "-o", tmp_path / "clear.png", "--method", "clahe", "--set", "clip_limit=3")[0] == 0
    expected = cf.enhance(cf.read_photo(folder / "a.png"), "clahe", parameters={"clip_limit": 3.0})
    found = cf.read_photo(tmp_path / "clear.png")
    assert np.array_equal(found.pixels, np.rint(expected.pixels * 255) / np.float32(255))
    assert expected.provenance.items() <= cf.read_provenance(tmp_path / "clear.png").items()


def test_gan_runs_with_a_weights_file_and_says_so(run: Run, folder: Path, tiny_weights: Path, tmp_path: Path) -> None:
    weights = ("--weights", tiny_weights, "--device", "cpu")
    code, out, _ = run(folder / "a.png", "-o", tmp_path / "out", *weights, "--size", 80, "--json")
    report = json.loads(out)
    assert code == 0
    assert report["weights"]["name"] == "tiny"
    assert len(report["weights"]["sha256"]) == 64
    found = cf.read_provenance(tmp_path / "out" / "a.png")
    assert found["weights"] == "tiny"
    assert found["size"] == "80"
    assert report["weights"]["sha256"].startswith(found["sha256"])


def test_a_photograph_that_does_not_fit_the_memory_limit_fails_alone(
    run: Run, tiny_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clearfundus.networks.inference.held_bytes", lambda device: 0)
    (tmp_path / "in").mkdir()
    for name, side in (("large.png", 800), ("small.png", 96)):
        cf.write_photo(draw_fundus(side), tmp_path / "in" / name)
    options = ("--weights", tiny_weights, "--device", "cpu", "--precision", "fp32", "--size", "native")
    code, out, err = run(tmp_path / "in", "-o", tmp_path / "out", *options, "--memory-limit", "34MiB")
    assert code == 1
    assert "1 done, 0 skipped, 1 failed" in out
    assert f"failed {tmp_path / 'in' / 'large.png'}: memory limit: found 34 MiB, expected at least " in err
    least = err.split("expected at least ")[1].split(" MiB")[0]
    code, _, _ = run(tmp_path / "in", "-o", tmp_path / "out", *options, "--memory-limit", f"{least}MiB")
    assert code == 0
    photo = cf.read_photo(tmp_path / "in" / "large.png")
    expected = cf.enhance(photo, weights=tiny_weights, device="cpu", size="native")
    found = cf.read_photo(tmp_path / "out" / "large.png")
    assert np.abs(found.pixels - expected.pixels).max() < 0.51 / 255 + 1e-4


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "webp"])
def test_a_second_run_skips_what_is_complete(run: Run, suffix: str, tmp_path: Path) -> None:
    cf.write_photo(draw_fundus(96), tmp_path / f"eye.{suffix}")
    command = (tmp_path / f"eye.{suffix}", "-o", tmp_path / "out", "--method", "clahe", "--format", "same")
    assert run(*command)[0] == 0
    target = tmp_path / "out" / f"eye.{suffix}"
    before = target.stat().st_mtime_ns
    code, out, _ = run(*command)
    assert code == 0
    assert "0 done, 1 skipped (made before with the same settings), 0 failed" in out
    assert target.stat().st_mtime_ns == before


def test_another_photograph_of_the_same_name_is_not_taken_for_done(run: Run, tmp_path: Path) -> None:
    for folder, size in (("A", 96), ("B", 100)):
        (tmp_path / folder).mkdir()
        cf.write_photo(draw_fundus(size), tmp_path / folder / "eye.png")
    options = ("-o", tmp_path / "mix", "--method", "identity")
    assert run(tmp_path / "A" / "eye.png", *options)[0] == 0
    before = (tmp_path / "mix" / "eye.png").read_bytes()
    code, _, err = run(tmp_path / "B" / "eye.png", *options)
    assert code == 1
    assert "made from another photograph" in err
    assert "use --overwrite" in err
    assert (tmp_path / "mix" / "eye.png").read_bytes() == before


def test_an_input_replaced_under_its_own_name_is_not_taken_for_done(run: Run, tmp_path: Path) -> None:
    source = tmp_path / "eye.png"
    command = (source, "-o", tmp_path / "out", "--method", "identity")
    cf.write_photo(draw_fundus(96), source)
    assert run(*command)[0] == 0
    cf.write_photo(draw_fundus(100), source, overwrite=True)
    assert run(*command)[0] == 1
    assert run(*command, "--overwrite")[0] == 0
    assert cf.read_photo(tmp_path / "out" / "eye.png").pixels.shape == (100, 100, 3)
    assert "1 skipped" in run(*command)[1]


def test_the_note_names_the_input_by_its_hash(run: Run, folder: Path, tmp_path: Path) -> None:
    run(folder / "a.png", "-o", tmp_path / "out", "--method", "identity")
    expected = hashlib.sha256((folder / "a.png").read_bytes()).hexdigest()[:12]
    assert cf.read_provenance(tmp_path / "out" / "a.png")["input"] == expected


def test_a_result_written_from_python_does_not_say_from_which_photograph(
    run: Run, folder: Path, tmp_path: Path
) -> None:
    cf.write_photo(cf.enhance(cf.read_photo(folder / "a.png"), "identity"), tmp_path / "a.png")
    code, _, err = run(folder / "a.png", "-o", tmp_path, "--method", "identity")
    assert code == 1
    assert "does not say from which photograph" in err


def test_a_result_of_other_settings_is_neither_skipped_nor_replaced(run: Run, folder: Path, tmp_path: Path) -> None:
    command = (folder / "a.png", "-o", tmp_path / "out", "--method", "clahe")
    run(*command)
    before = (tmp_path / "out" / "a.png").read_bytes()
    code, _, err = run(*command, "--set", "clip_limit=4.0")
    assert code == 1
    assert "exists, made by clahe (clip_limit=2.0, tiles=8), not by clahe (clip_limit=4.0, tiles=8)" in err
    assert "use --overwrite" in err
    assert (tmp_path / "out" / "a.png").read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"not a picture", None])
def test_a_file_of_unknown_making_is_not_replaced(
    run: Run, content: bytes | None, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    target = tmp_path / "out" / "a.png"
    target.write_bytes((folder / "a.png").read_bytes() if content is None else content)
    code, out, _ = run(folder / "a.png", "-o", tmp_path / "out", "--method", "clahe", "--json")
    assert code == 1
    assert "something that left no note" in json.loads(out)["failed"][0]["error"]


def test_overwrite_replaces_results_but_never_an_input(run: Run, folder: Path, tmp_path: Path) -> None:
    command = (folder / "a.png", "-o", tmp_path / "out", "--overwrite", "--method")
    run(*command, "clahe")
    assert run(*command, "identity")[0] == 0
    assert cf.read_provenance(tmp_path / "out" / "a.png")["method"] == "identity"
    before = (folder / "a.png").read_bytes()
    code, _, err = run(folder / "a.png", "-o", folder, "--overwrite", "--method", "identity")
    assert code == 2
    assert "never overwritten" in err
    assert (folder / "a.png").read_bytes() == before


def assert_only_the_field_changed(source: Path, target: Path) -> None:
    before, after = cf.read_photo(source), cf.read_photo(target)
    outside = ~cf.find_field(before).mask
    assert after.bits == before.bits
    assert outside.any()
    assert np.array_equal(before.pixels[outside], after.pixels[outside])
    assert not np.array_equal(before.pixels[~outside], after.pixels[~outside])


@pytest.mark.parametrize(("name", "bits"), [("eye.png", 8), ("eye.png", 16), ("eye.tif", 16), ("eye.jpg", 8)])
def test_pixels_outside_the_field_and_the_depth_come_back(name: str, bits: int, run: Run, tmp_path: Path) -> None:
    source = tmp_path / name
    cf.write_photo(dataclasses.replace(draw_fundus(96), bits=bits), source)
    assert run(source, "-o", tmp_path / "out", "--method", "clahe")[0] == 0
    (target,) = (tmp_path / "out").iterdir()
    assert_only_the_field_changed(source, target)


@pytest.mark.data
def test_real_photographs_change_in_their_field_only(run: Run, data_folder: Path, tmp_path: Path) -> None:
    sources = sorted((data_folder / "test" / "blurry").iterdir())[::6]
    code, out, _ = run(*sources, "-o", tmp_path, "--method", "clahe", "--json")
    report = json.loads(out)
    assert code == 0
    assert len(report["done"]) == len(sources)
    for item in report["done"]:
        assert_only_the_field_changed(Path(item["input"]), Path(item["output"]))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--method", "clahe"], "--output"),
        (["-o", "OUT", "--method", "sharpen"], "unknown method 'sharpen'; known: gan, clahe, flatfield, mitra2018, "),
        (["-o", "OUT", "--weights", "sharpest"], "no such weights file"),
        (["-o", "OUT", "--method", "clahe", "--weights", "compact"], "takes no weights"),
        (["-o", "OUT", "--method", "clahe", "--set", "clip_limit"], "expected name=value"),
        (["-o", "OUT", "--method", "clahe", "--set", "clip_limit=x"], r"found 'x' (str), expected float"),
        (["-o", "OUT", "--method", "clahe", "--set", "clip_limit=-1"], "clip_limit: found -1.0"),
        (["-o", "OUT", "--method", "clahe", "--set", "clip_limit=1e30"], "clip_limit: found 1e+30"),
        (["-o", "OUT", "--method", "clahe", "--set", "clip_limit=1" + "0" * 400], "'clip_limit': found a whole number"),
        (["-o", "OUT", "--method", "clahe", "--set", "clip=1"], "known: clip_limit, tiles"),
        (["-o", "OUT", "--size", "big"], "--size"),
        (["-o", "OUT", "--memory-limit", "much"], "memory limit: found 'much', expected a number with MiB"),
        (["-o", "OUT", "--method", "clahe", "--memory-limit", "3GiB"], "'clahe' takes no memory limit"),
        (["-o", "OUT", "--method", "clahe", "--workers", "0"], "workers: found 0, expected 1 or more"),
        (["-o", "OUT", "--quick"], "--quick"),
    ],
)
def test_wrong_usage_is_named_and_nothing_is_written(
    words: list[str], message: str, run: Run, folder: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    code, out, err = run(folder / "a.png", *(str(output) if word == "OUT" else word for word in words))
    assert code == 2
    assert out == ""
    assert message in err
    assert "Traceback" not in err
    assert not list(output.rglob("*.*"))


def test_an_unwritable_output_folder_is_a_failure_with_a_reason(run: Run, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "in2").mkdir()
    (tmp_path / "file").touch()
    code, _, err = run(folder / "a.png", "-o", tmp_path / "file" / "out", "--method", "identity")
    assert code == 1
    assert "cannot be made the output folder (Not a directory); name another output" in err
    assert "Errno" not in err
    assert "unexpected" not in err


def test_a_missing_input_is_said_to_be_missing(run: Run, folder: Path, tmp_path: Path) -> None:
    code, _, err = run(tmp_path / "missing.png", "-o", tmp_path / "x.png", "--method", "identity")
    assert code == 2
    assert f"{tmp_path / 'missing.png'}: no such file or folder" in err
    code, _, err = run(tmp_path / "missing.png", folder / "a.png", "-o", tmp_path / "out", "--method", "identity")
    assert code == 1
    assert f"failed {tmp_path / 'missing.png'}: no such file" in err
    assert (tmp_path / "out" / "a.png").is_file()


def test_a_failure_names_its_photograph_once(run: Run, tmp_path: Path) -> None:
    source = tmp_path / "black.png"
    cf.write_photo(cf.Photo(pixels=np.zeros((96, 96, 3), np.float32)), source)
    _, out, err = run(source, "-o", tmp_path / "out", "--method", "identity")
    assert f"failed {source}: found " in err
    assert (out + err).count("black.png") == 1


def test_a_fault_met_in_one_photograph_does_not_stop_the_others(
    run: Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from clearfundus.interfaces import batch

    real = batch.read_photo

    def faulty(path: Path) -> cf.Photo:
        if path.name == "b.jpg":
            raise ZeroDivisionError("a fault")
        return real(path)

    monkeypatch.setattr(batch, "read_photo", faulty)
    code, out, _ = run(folder, "-o", tmp_path / "out", "--method", "identity", "--json")
    report = json.loads(out)
    assert code == 1
    assert len(report["done"]) == 2
    assert "unexpected ZeroDivisionError: a fault" in {item["error"] for item in report["failed"]}


def test_interrupting_keeps_what_is_done(
    run: Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from clearfundus.interfaces import batch

    real = batch.read_photo

    def interrupted(path: Path) -> cf.Photo:
        if path.name == "b.jpg":
            raise KeyboardInterrupt
        return real(path)

    monkeypatch.setattr(batch, "read_photo", interrupted)
    code, out, err = run(folder, "-o", tmp_path / "out", "--method", "identity")
    assert code == 130
    assert out == ""
    assert err.endswith("clearfundus: interrupted\n")
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["a.png"]


def test_parameters_are_read_as_toml_or_else_as_text() -> None:
    found = parse_parameters(["a=3", "b=3.0", "c=true", "d=native", "e='x=y'", "f="])
    assert found == {"a": 3, "b": 3.0, "c": True, "d": "native", "e": "x=y", "f": ""}
    assert [type(value) for value in found.values()] == [int, float, bool, str, str, str]


def test_a_parameter_given_twice_is_refused() -> None:
    with pytest.raises(cf.SettingsError, match="a is set twice"):
        parse_parameters(["a=3", "a=4"])


@pytest.mark.parametrize("value", ["3\nb = 4", "3\r\n[table]\nb = 4", '"x"\nb=1'])
def test_a_parameter_of_several_lines_is_refused(value: str) -> None:
    with pytest.raises(cf.SettingsError, match="found several lines, expected one value"):
        parse_parameters([f"a={value}"])


def test_a_number_longer_than_python_reads_is_refused() -> None:
    with pytest.raises(cf.SettingsError, match=r"--set a=1000.*\.\.\.: a number of 5001 digits is too large"):
        parse_parameters([f"a={10**4000}{'0' * 1000}"])


@pytest.mark.parametrize(
    "value", [3, 3.0, 1e-05, 5 / 255, float("inf"), True, False, "auto", "3", "true", "a b", "", "'"]
)
def test_a_written_parameter_is_read_back_the_same(value: float | str) -> None:
    (word,) = shlex.split(write_parameter("name", value))
    found = parse_parameters([word])["name"]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("chosen", ["auto", "fp32"])
def test_fp32_is_taken_where_there_is_no_bf16_and_not_noted(
    run: Run, folder: Path, tiny_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chosen: str
) -> None:
    monkeypatch.setattr("clearfundus.networks.device.has_bf16", lambda device: False)
    monkeypatch.setattr("clearfundus.engines.openvino_runtime.has_bf16", lambda: False)
    words = ("--weights", tiny_weights, "--device", "cpu", "--precision", chosen, "--json")
    code, out, _ = run(folder / "a.png", "-o", tmp_path / "out", *words)
    assert code == 0
    assert json.loads(out)["weights"]["precision"] == "fp32"
    assert "precision" not in cf.read_provenance(tmp_path / "out" / "a.png")


def test_named_bf16_is_refused_where_the_processor_has_none(
    run: Run, folder: Path, tiny_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clearfundus.networks.device.has_bf16", lambda device: False)
    words = ("--weights", tiny_weights, "--device", "cpu", "--precision", "bf16")
    code, _, err = run(folder / "a.png", "-o", tmp_path / "out", *words)
    assert code == 2
    assert "cpu has no bf16 arithmetic" in err
