"""Photographs in a batch: overlapped or one after the other, the same files and the same outcomes."""

import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

import clearfundus as cf
from clearfundus.errors import DeviceError, SettingsError
from clearfundus.files import UNFINISHED
from clearfundus.interfaces import batch
from clearfundus.interfaces.batch import Outcome, digest_file, per_minute, run_jobs, summary_of
from clearfundus.interfaces.jobs import Job, Jobs, plan_jobs
from clearfundus.methods import METHODS
from clearfundus.pipeline import PreparedMethod, prepare_method
from drawn import blur_fundus, draw_fundus


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three good photographs of several formats, and in the middle a file that is none."""
    photos = tmp_path / "in"
    photos.mkdir()
    for name, side in (("a.png", 96), ("b.jpg", 128), ("d.tif", 112)):
        cf.write_photo(blur_fundus(draw_fundus(side)), photos / name)
    (photos / "c.jpg").write_bytes(b"not a picture")
    return photos


def prepare(name: str, tiny_weights: Path) -> PreparedMethod:
    return prepare_method(name, weights=tiny_weights if name == "gan" else None)


def run(folder: Path, output: Path, method: PreparedMethod, workers: int | None) -> list[Outcome]:
    jobs = plan_jobs([folder], output).jobs
    return list(run_jobs(jobs, method, overwrite=False, workers=workers))


@pytest.mark.parametrize("name", METHODS)
def test_overlapped_work_writes_the_same_bytes_as_one_after_the_other(
    name: str, folder: Path, tiny_weights: Path, tmp_path: Path
) -> None:
    method = prepare(name, tiny_weights)
    ends = []
    for workers in (1, 4):
        outcomes = run(folder, tmp_path / str(workers), method, workers)
        files = {file.name: file.read_bytes() for file in (tmp_path / str(workers)).iterdir()}
        ends.append((files, [(one.job.source.name, one.status, one.width, one.reason) for one in outcomes]))
    assert ends[0] == ends[1]
    assert sorted(ends[0][0]) == ["a.png", "b.png", "d.tif"]
    assert [status for _, status, _, _ in ends[1][1]] == ["done", "done", "failed", "done"]


def test_a_result_that_went_through_another_step_before_is_another_result(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    cf.write_photo(draw_fundus(96), tmp_path / "in" / "eye.png")
    twice = cf.enhance(cf.enhance(draw_fundus(96), "flatfield"), "clahe")
    note = {**twice.provenance, "input": digest_file(tmp_path / "in" / "eye.png")}
    cf.write_photo(replace(twice, provenance=note), tmp_path / "out" / "eye.png")
    (outcome,) = run(tmp_path / "in", tmp_path / "out", prepare_method("clahe"), 1)
    assert outcome.status == "failed"
    assert "before=flatfield" in outcome.reason


def test_a_second_overlapped_run_skips_what_is_done(folder: Path, tiny_weights: Path, tmp_path: Path) -> None:
    method = prepare("gan", tiny_weights)
    run(folder, tmp_path / "out", method, None)
    outcomes = run(folder, tmp_path / "out", method, None)
    assert [one.status for one in outcomes] == ["skipped", "skipped", "failed", "skipped"]


def test_reading_and_writing_go_on_while_the_network_works(
    folder: Path, tiny_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first photograph's network run lasts until the second photograph has been read."""
    method = prepare("gan", tiny_weights)
    read = threading.Event()
    real_read = batch.read_photo

    def watched_read(path: Path) -> cf.Photo:
        photo = real_read(path)
        if path.name == "b.jpg":
            read.set()
        return photo

    def waiting(photo: cf.Photo, field: cf.Field) -> cf.Photo:
        assert read.wait(20)
        return method(photo, field)

    monkeypatch.setattr(batch, "read_photo", watched_read)
    patient = PreparedMethod(name="gan", function=waiting, provenance=method.provenance, weights=method.weights)
    assert [one.status for one in run(folder, tmp_path / "out", patient, 2)] == ["done", "done", "failed", "done"]


@pytest.mark.parametrize("error", [SettingsError, DeviceError])
def test_what_would_fail_for_all_stops_overlapped_work_too(
    error: type[Exception], folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(photo: cf.Photo, method: PreparedMethod) -> cf.Photo:
        raise error("refused")

    monkeypatch.setattr(batch, "enhance", refuse)
    with pytest.raises(error, match="refused"):
        run(folder, tmp_path / "out", prepare_method("clahe"), 2)
    assert not (tmp_path / "out").exists()


INTERRUPTED = """
import signal, sys, time
from pathlib import Path
from clearfundus.interfaces import batch
from clearfundus.interfaces.cli import main

real = batch.enhance

def slow(photo, method):
    if photo.name != "a.png":
        Path(sys.argv[2], "begun").touch()
        time.sleep(1.5)
    return real(photo, method)

batch.choose_workers = lambda method, asked=None: 3
batch.enhance = slow
signal.signal(signal.SIGINT, signal.default_int_handler)  # tests that run in the background inherit that it is ignored
sys.exit(main(["enhance", sys.argv[1], "-o", sys.argv[2] + "/out", "--method", "identity"]))
"""


def test_ctrl_c_ends_overlapped_work_at_once_and_leaves_no_half_file(folder: Path, tmp_path: Path) -> None:
    for number in range(30):
        cf.write_photo(draw_fundus(96), folder / f"more_{number}.png")
    command = [sys.executable, "-c", INTERRUPTED, str(folder), str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 20
    while not ((tmp_path / "begun").exists() and (tmp_path / "out" / "a.png").exists()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    interrupted = time.monotonic()
    out, err = process.communicate(timeout=20)
    assert time.monotonic() - interrupted < 8  # one photograph takes 1.5 s, all that are left would take 17
    assert process.returncode == 130, err
    assert out == ""
    assert err.endswith("clearfundus: interrupted\n")
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["a.png"]
    assert not list(tmp_path.rglob(UNFINISHED))


def test_the_summary_tells_photographs_a_minute_of_those_done() -> None:
    job = Job(source=Path("a.png"), target=Path("b.png"))
    outcomes = [Outcome(job=job, status=status) for status in ("done", "done", "done", "failed", "skipped")]
    assert per_minute(outcomes, 40) == 4.5
    planned = Jobs(jobs=(job,) * 5, ignored=0)
    assert summary_of(planned, outcomes, 40).endswith("1 failed, in 40.0 s (4.5 photographs a minute)")
    assert summary_of(planned, outcomes[3:], 40).endswith("1 failed, in 40.0 s")
