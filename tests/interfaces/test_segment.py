"""`clearfundus segment`, run as a user runs it, on drawn photographs."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import get_args

import cv2
import numpy as np
import pytest

import clearfundus as cf
from clearfundus.fundus.phantom import Phantom, draw_phantom
from clearfundus.interfaces.batch import digest_file
from clearfundus.interfaces.cli import main
from clearfundus.interfaces.segment import ENDINGS, SegmenterName
from clearfundus.photo import Photo
from clearfundus.vessels.measure import MEASURES
from clearfundus.vessels.segment import SEGMENTERS
from clearfundus.vessels.segment import segment as segment_photo

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run `clearfundus segment` with the segmenter that needs no weights: exit code, standard output and error."""

    def call(*words: object) -> tuple[int, str, str]:
        code = main(["segment", *map(str, words), "--segmenter", "gabor"])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture(scope="module")
def phantom() -> Phantom:
    return draw_phantom(300, 2)


@pytest.fixture
def eye(phantom: Phantom, tmp_path: Path) -> Path:
    """A photograph higher than it is wide, so that rows and columns cannot be mistaken for each other."""
    pixels = np.concatenate([phantom.photo.pixels, np.zeros((40, 300, 3), np.float32)])
    path = tmp_path / "eye.png"
    cf.write_photo(replace(phantom.photo, pixels=pixels), path)
    return path


def read_gray(path: Path) -> np.ndarray:
    plane = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert plane is not None
    return plane


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_the_command_line_knows_every_segmenter() -> None:
    assert get_args(SegmenterName) == tuple(SEGMENTERS)


def test_the_files_hold_what_was_found_at_the_photograph_s_size(run: Run, eye: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    code, text, _ = run(eye, "-o", out)
    assert (code, text.startswith("1 done, 0 skipped, 0 failed")) == (0, True)
    assert sorted(file.name for file in out.iterdir()) == sorted("eye" + ending for ending in ENDINGS)
    found = segment_photo(cf.read_photo(eye), "gabor")
    mask, probability = read_gray(out / "eye_vessels.png"), read_gray(out / "eye_probability.png")
    assert (mask.shape, mask.dtype, probability.shape, probability.dtype) == ((340, 300), "uint8", (340, 300), "uint16")
    assert ((mask == 255) == found.mask_in_photo).all()
    assert set(np.unique(mask)) == {0, 255}
    assert probability / 65535 == pytest.approx(found.probability_in_photo, abs=1e-5)
    overlay = cf.read_photo(out / "eye_overlay.png").pixels
    differs = np.abs(overlay - cf.read_photo(eye).pixels).max(axis=2) > 0
    assert not differs[~found.mask_in_photo].any()
    assert differs[found.mask_in_photo].mean() > 0.99


def test_every_file_says_how_it_was_made(run: Run, eye: Path, tmp_path: Path) -> None:
    run(eye, "-o", tmp_path / "out")
    expected = {"version": cf.__version__, "method": "segment", "segmenter": "gabor", "input": digest_file(eye)}
    for ending in ENDINGS[:3]:
        assert cf.read_provenance(tmp_path / "out" / f"eye{ending}") == expected
    measures = json.loads((tmp_path / "out" / "eye_measures.json").read_text())
    assert measures["provenance"] == expected
    assert measures["measures"].keys() == MEASURES.keys()
    assert all(one["unit"] and one["convention"] for one in measures["measures"].values())
    assert 0.02 < measures["measures"]["density"]["value"] < 0.25
    assert measures["shape"] == [340, 300]


def test_what_was_made_before_is_skipped_and_missing_files_are_made_again(run: Run, eye: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(eye, "-o", out)
    before = contents(out)
    assert "1 skipped (made before with the same settings)" in run(eye, "-o", out)[1]
    (out / "eye_measures.json").unlink()
    assert "1 done" in run(eye, "-o", out)[1]
    assert contents(out) == before
    assert "1 done" in run(eye, "-o", out, "--overwrite")[1]


def test_an_interrupted_replacement_is_not_taken_for_finished(
    run: Run, eye: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    assert run(eye, "-o", out)[0] == 0

    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("clearfundus.interfaces.vessel_files.write_encoded", fail)
        assert run(eye, "-o", out, "--overwrite")[0] == 1
    assert contents(out) == {}
    code, text, _ = run(eye, "-o", out)
    assert (code, text.startswith("1 done")) == (0, True)


def test_an_interruption_between_two_files_leaves_none_of_them(
    run: Run, eye: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, files = tmp_path / "out", []

    def stop_at_the_third(content: bytes, file: Path, **_: object) -> None:
        files.append(file)
        if len(files) == 3:
            raise KeyboardInterrupt
        file.write_bytes(content)

    with monkeypatch.context() as patch:
        patch.setattr("clearfundus.interfaces.vessel_files.write_encoded", stop_at_the_third)
        assert run(eye, "-o", out)[0] == 130
    assert contents(out) == {}
    assert run(eye, "-o", out)[0] == 0


@pytest.mark.parametrize("ending", ["_vessels.png", "_overlay.png"])
def test_an_input_under_the_name_of_a_result_stays(run: Run, eye: Path, tmp_path: Path, ending: str) -> None:
    out = tmp_path / "out"
    assert run(eye, "-o", out)[0] == 0
    other_name = out / f"eye{ending}"
    other_name.unlink()
    os.link(eye, other_name)
    code, _, err = run(eye, "-o", out, "--overwrite")
    assert (code, "is an input, which is never overwritten" in err) == (1, True)
    assert other_name.samefile(eye)


def test_what_another_made_is_not_replaced_unless_asked(run: Run, eye: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "eye_measures.json").write_text("mine")
    code, _, err = run(eye, "-o", out)
    assert (code, "use --overwrite" in err) == (1, True)
    assert contents(out) == {"eye_measures.json": b"mine"}  # nothing half
    cf.write_photo(cf.read_photo(eye), out / "eye_vessels.png")
    code, _, err = run(eye, "-o", out)
    assert (code, "left no note" in err) == (1, True)
    assert run(eye, "-o", out, "--overwrite")[0] == 0


def test_an_input_is_never_overwritten(run: Run, eye: Path, tmp_path: Path) -> None:
    other = tmp_path / "eye_overlay.png"  # a photograph of a name that a result would have
    cf.write_photo(cf.read_photo(eye), other)
    before = contents(tmp_path)
    code, _, err = run(eye, other, "-o", tmp_path, "--overwrite")
    assert (code, "never overwritten" in err) == (2, True)
    assert contents(tmp_path) == before
    assert run(eye, "-o", tmp_path)[0] == 1  # it is there already
    other.unlink()
    assert run(eye, "-o", tmp_path)[0] == 0  # beside the photograph is a good place


def test_one_bad_file_does_not_stop_the_others(run: Run, eye: Path, tmp_path: Path) -> None:
    photos, out = tmp_path / "in", tmp_path / "out"
    (photos / "left").mkdir(parents=True)
    os.link(eye, photos / "left" / "eye.png")
    (photos / "bad.jpg").write_bytes(b"not a picture")
    (photos / "notes.txt").touch()
    code, text, err = run(photos, "-o", out, "--json")
    told = json.loads(text)
    assert code == 1
    assert f"failed {photos / 'bad.jpg'}: " in err
    (done,) = told["done"]
    assert done["outputs"] == [str(out / "left" / f"eye{ending}") for ending in ENDINGS]
    assert all(Path(one).is_file() for one in done["outputs"])
    assert done["input_hash"] == digest_file(eye)
    assert done["measures"].keys() == MEASURES.keys()
    assert [one["input"] for one in told["failed"]] == [str(photos / "bad.jpg")]
    assert (told["segmenter"], told["weights"], told["ignored"]) == ("gabor", "", 1)


def test_a_photograph_without_vessels_gives_an_empty_result_and_the_reason(run: Run, tmp_path: Path) -> None:
    row, column = np.mgrid[:300, :300] - 149.5
    light = (np.hypot(row, column) < 145)[..., None] * np.array((0.6, 0.4, 0.2))
    cf.write_photo(Photo(pixels=light.astype(np.float32)), tmp_path / "plain.png")
    code, _, err = run(tmp_path / "plain.png", "-o", tmp_path / "out")
    assert (code, "no vessels" in err) == (0, True)
    assert not read_gray(tmp_path / "out" / "plain_vessels.png").any()
    measures = json.loads((tmp_path / "out" / "plain_measures.json").read_text())
    assert "no vessels" in measures["reason"]
    assert measures["measures"]["density"]["value"] == 0
    assert measures["measures"]["width"]["value"] is None


def test_an_output_that_names_a_file_is_wrong_usage(run: Run, eye: Path) -> None:
    code, _, err = run(eye, "-o", "mask.png")
    assert (code, "name a folder" in err) == (2, True)
