"""The script that measures enhancers on held-out photographs; it is no part of the package."""

import csv
import importlib
import itertools
import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from clearfundus import Photo, find_field, read_photo, write_photo
from clearfundus.errors import PhotoError, SettingsError
from clearfundus.evaluation.cases import Simulation
from clearfundus.fundus.field import Field
from clearfundus.fundus.frame import crop_to_field
from clearfundus.fundus.phantom import draw_phantom
from clearfundus.methods import Method
from clearfundus.photo import Pixels
from clearfundus.pipeline import prepare_method
from clearfundus.training.run import Sources, train
from conftest import REPOSITORY
from drawn import draw_fundus
from tiny_run import draw_sources, tiny_settings

SEED, SHARE, COUNT = 7, 0.5, 6
"""Of the run's split: neither is what the script takes without a run, and half of six photographs are held out."""
SNAPSHOT = "00000001"


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run that was trained for one step, and what it was trained on."""

    folder: Path
    sources: Sources

    @property
    def sides(self) -> dict[str, Path]:
        return {"blurry": self.sources.blurry, "clear": self.sources.clear}

    @property
    def held_out(self) -> dict[str, list[Path]]:
        """What the run itself recorded as held out."""
        recorded = json.loads((self.folder / "settings.json").read_text())["photographs"]
        return {side: [folder / name for name in recorded[side]["held out"]] for side, folder in self.sides.items()}


@pytest.fixture(scope="module")
def script() -> ModuleType:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(REPOSITORY / "scripts"))
        return importlib.import_module("measure_enhancers")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    place = tmp_path_factory.mktemp("measured")
    made = Run(folder=place / "run", sources=draw_sources(place, COUNT, size=96))
    settings = tiny_settings(data={"validation": SHARE, "split_seed": SEED}, unpaired={"steps": 1})
    list(train(settings, made.sources, made.folder, "cpu"))
    return made


def halve(photo: Photo, field: Field) -> Photo:
    """A gain of a half: what it does to each measure can be worked out by hand."""
    return photo.with_pixels(photo.pixels * np.float32(0.5))


def always(pixels: Pixels) -> Method:
    """Return the method that makes the same picture of everything."""
    return lambda photo, field: photo.with_pixels(pixels)


def cropped(path: Path) -> Photo:
    photo = read_photo(path)
    return crop_to_field(photo, find_field(photo)).photo


def inside(path: Path) -> Pixels:
    """Return the pixels of the field, (N, 3)."""
    photo = read_photo(path)
    return photo.pixels[find_field(photo).mask]


def test_the_split_is_the_one_the_run_recorded_and_another_is_refused(
    script: ModuleType, run: Run, tmp_path: Path
) -> None:
    found = script.find_held_out(run.sides, None, run.folder)
    assert found == run.held_out
    assert [len(paths) for paths in found.values()] == [SHARE * COUNT] * 2
    fewer = script.find_held_out(run.sides, None, run.folder, most=2)
    assert [len(paths) for paths in fewer.values()] == [2, 2]
    alone = script.find_held_out(run.sides, None, None)
    assert [len(paths) for paths in alone.values()] == [1, 1]  # a share of 0.05 of six

    before = shutil.copytree(run.folder, tmp_path / "before")  # when a run split by its own seed
    recorded = json.loads((before / "settings.json").read_text())
    recorded["settings"]["seed"] = recorded["settings"]["data"].pop("split_seed")
    (before / "settings.json").write_text(json.dumps(recorded))
    assert script.find_held_out(run.sides, None, before) == run.held_out

    more = shutil.copytree(run.sources.clear, tmp_path / "clear")
    write_photo(draw_fundus(96), more / "more.png")
    with pytest.raises(SettingsError, match="clear held-out photographs are others"):
        script.find_held_out({**run.sides, "clear": more}, None, run.folder)
    # a table by which both sides show the same eyes, so that an eye held out of one is held out of the other
    rows = [f"{side}/{number:02d}.png,{number}" for side in run.sides for number in range(COUNT)]
    table = tmp_path / "groups.csv"
    table.write_text("\n".join(["file,eye_group", *rows]))
    with pytest.raises(SettingsError, match="held-out photographs are others"):
        script.find_held_out(run.sides, table, run.folder)


@pytest.mark.parametrize(("count", "most"), [(10, 3), (10, 9), (7, 7), (100, 8), (3, 5), (4, None)])
def test_picks_are_spread_evenly(script: ModuleType, count: int, most: int | None) -> None:
    paths = [Path(f"{number:03d}.png") for number in range(count)]
    picked = script.spread(paths, most)
    if most is None or most >= count:
        assert picked == paths
        return
    places = [paths.index(path) for path in picked]
    assert len(places) == most
    edges = [*places, count]  # what follows the last pick is a gap like the others
    gaps = {after - before for before, after in itertools.pairwise(edges)}
    assert gaps <= {count // most, -(-count // most)}
    assert places[0] == 0


def test_weights_are_named_by_run_and_step_and_one_name_for_two_is_refused(
    script: ModuleType, run: Run, tiny_weights: Path, tmp_path: Path
) -> None:
    snapshot = run.folder / "snapshots" / SNAPSHOT / "enhancer.safetensors"
    with_blurrer, alone = script.prepare_enhancers([snapshot, tiny_weights])
    assert (with_blurrer.label, alone.label) == (f"run/{SNAPSHOT}", str(tiny_weights))
    assert alone.blurrer is None
    photo = read_photo(run.held_out["clear"][0])
    one, other = (method(photo, find_field(photo)).pixels for method in (with_blurrer.method, with_blurrer.blurrer))
    assert np.abs(one - other).max() > 0.01

    shutil.copytree(snapshot.parent, tmp_path / "run" / "snapshots" / SNAPSHOT)
    sources = [snapshot, tmp_path / "run" / "snapshots" / SNAPSHOT / snapshot.name]
    with pytest.raises(SettingsError, match=f"several called run/{SNAPSHOT};"):
        script.measure_all(script.prepare_enhancers(sources), run.held_out)
    with pytest.raises(SettingsError, match="several called input;"):  # else its values would pass for the input's
        script.measure_all([script.Enhancer(label="input", method=halve)], run.held_out)


def test_measures_have_the_values_worked_out_by_hand(script: ModuleType, run: Run) -> None:
    blurry, clear = (paths[0] for paths in run.held_out.values())
    methods = {"identity": prepare_method("identity"), "halve": halve, "undo": always(cropped(clear).pixels)}
    enhancers = [script.Enhancer(label=label, method=method) for label, method in methods.items()]
    enhancers.append(script.Enhancer(label="there and back", method=halve, blurrer=lambda photo, _: photo))
    values = script.measure_all(enhancers, {"blurry": [], "clear": [clear]}, ["focus"])
    del enhancers[2]  # it has the wrong size for the blurry one
    script.merge(values, script.measure_all(enhancers, {"blurry": [blurry], "clear": []}))
    found = {key: next(iter(own.values())) for key, own in values.items()}

    own = {measure: value for (label, measure), value in found.items() if label == "input"}
    assert {measure: value for (label, measure), value in found.items() if label == "identity"} == own
    unchanged = {"answer": 0, "sharpness": 1, "clear ssim": 1}
    unchanged |= dict.fromkeys(("clear shift", "clear colour", "clear rim", "clear middle"), 0)
    assert {measure: own[measure] for measure in unchanged} == unchanged

    assert found["halve", "answer"] == pytest.approx(0, abs=1e-5)  # a gain explains all of it
    assert found["halve", "sharpness"] == pytest.approx(0.25)  # energy goes with the square
    assert found["halve", "clear shift"] == pytest.approx(inside(clear).mean(axis=0).max() / 2, rel=1e-4)
    assert found["there and back", "cycle error"] == pytest.approx(inside(blurry).mean() / 2, rel=1e-4)
    # rounded and noisy, of which the signs cancel where the way back falls short by far more
    assert found["there and back", "cycle error 8 bit"] == pytest.approx(inside(blurry).mean() / 2, abs=5e-4)
    assert found["there and back", "cycle error 8 bit"] != found["there and back", "cycle error"]

    # a degraded copy is judged against the clear photograph, which "undo" gives back but for the seam
    assert 30 < own["focus psnr"] < found["undo", "focus psnr"]
    assert own["focus ssim"] < found["undo", "focus ssim"] < 1.0001
    assert found["undo", "focus ssim"] > 0.999


def test_a_photograph_counts_for_all_or_for_none(
    script: ModuleType, run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second, refused = run.held_out["clear"]
    same, whole, black = (tmp_path / name for name in (first.name, "whole.png", "black.png"))
    shutil.copy(second, same)  # another photograph of the same name, from another folder
    write_photo(Photo(pixels=draw_fundus(128).pixels[30:-30, 30:-30]), whole)  # cropped inside its field: no rim
    write_photo(Photo(pixels=np.zeros((96, 96, 3), np.float32)), black)
    name = read_photo(refused).name

    def picky(photo: Photo, field: Field) -> Photo:
        if photo.name == name:
            raise PhotoError("too plain")
        return photo

    clear = [first, black, same, refused, whole]
    picks = [script.Enhancer(label="picky", method=picky), script.Enhancer(label="halve", method=halve)]
    rows = script.summarise(script.measure_all(picks, {"blurry": [], "clear": clear}, ["focus"]))
    counts = {(row["weights"], row["measure"]): row["photographs"] for row in rows}
    expected = {measure: 2 if measure in ("clear rim", "clear middle") else 3 for _, measure in counts}
    assert counts == {(label, one): expected[one] for label in ("input", "picky", "halve") for one in expected}
    assert all(np.isfinite(row["mean"]) for row in rows)
    told = capsys.readouterr().err
    assert "[2/5] black.png left out: " in told
    assert f"[4/5] {refused.name} left out: too plain" in told


def test_a_share_that_came_back_is_a_ratio_of_means(script: ModuleType) -> None:
    def eyes(*values: float) -> dict[str, float]:
        return dict(zip("abc", values, strict=True))

    values = {
        ("input", "clear f1"): eyes(0.9, 0.8, 0.7),
        ("half", "clear f1"): eyes(0.9, 0.8, 0.7),
        ("input", "peli f1"): eyes(0.5, 0.6, 0.3),
        ("half", "peli f1"): eyes(0.7, 0.7, 0.5),
    }
    recovered = [row for row in script.summarise(values) if str(row["measure"]).endswith("recovered")]
    assert [(row["weights"], row["measure"]) for row in recovered] == [("half", "peli recovered")]
    assert [recovered[0][name] for name in ("mean", "low", "high")] == pytest.approx([0.5, 0.5, 0.5])
    (compared,) = (row for row in script.summarise(values) if "difference" in row and row["measure"] == "peli f1")
    assert compared["difference"] == pytest.approx((0.2 + 0.1 + 0.2) / 3)
    assert compared["input"] == pytest.approx(1.4 / 3)


def test_vessels_are_sought_on_degraded_validation_photographs(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    phantom = draw_phantom(256)
    folder = tmp_path / "drawn"
    folder.mkdir()
    write_photo(phantom.photo, folder / "eye.png")
    write_photo(Photo(pixels=np.stack([phantom.vessels] * 3, axis=2).astype(np.float32)), folder / "eye_vessels.png")
    split = tmp_path / "split.json"
    monkeypatch.setattr(script, "SPLIT", split)
    monkeypatch.setattr(script, "SEGMENTER", "gabor")  # the quick one
    monkeypatch.setattr(script, "SIMULATIONS", [Simulation(model="peli", severity=1.0)])
    undo = script.Enhancer(label="undo", method=always(cropped(folder / "eye.png").pixels))

    split.write_text(json.dumps({"train": {}, "validation": {"drawn": ["eye", "other"]}}))
    with pytest.raises(SettingsError, match=r"holds 1 of the validation photographs that split\.json names"):
        script.measure_vessels([undo], tmp_path)
    split.write_text(json.dumps({"train": {}, "validation": {"drawn": ["eye"]}}))
    found = {key: own["eye"] for key, own in script.measure_vessels([undo], tmp_path).items()}
    clear, degraded = found["input", "clear f1"], found["input", "peli f1"]
    assert clear > degraded + 0.1
    assert found["undo", "clear f1"] == clear
    assert found["undo", "peli f1"] > (clear + degraded) / 2  # all comes back but what the seam hides


def read_table(path: Path, columns: Sequence[str]) -> dict[tuple[str, str], dict[str, float]]:
    """Return the rows of the CSV file by label and measure; an empty cell is left out."""
    header, *rows = list(csv.reader(path.read_text().splitlines()))
    assert header == list(columns)
    assert all(len(row) == len(header) for row in rows)
    return {
        (row[0], row[1]): {name: float(cell) for name, cell in zip(header[2:], row[2:], strict=True) if cell}
        for row in rows
    }


def test_a_run_is_measured_into_a_table_with_intervals(
    script: ModuleType,
    run: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    output = tmp_path / "new" / "table.csv"
    words = ["--run", str(run.folder), "--methods", "identity", "--models", "focus", "--most", "2", "-o", str(output)]
    words += [word for side, folder in run.sides.items() for word in (f"--{side}", str(folder))]
    monkeypatch.setattr(sys, "argv", ["measure_enhancers.py", *words])
    script.main()
    rows = read_table(output, importlib.import_module("enhancer_tables").COLUMNS)
    snapshot = f"run/{SNAPSHOT}"
    assert {label for label, _ in rows} == {"input", snapshot, "identity"}
    assert {measure for label, measure in rows if label == snapshot} - {
        measure for label, measure in rows if label == "input"
    } == {"cycle error", "cycle error 8 bit"}
    assert {row["photographs"] for row in rows.values()} == {2}
    assert all(row["low"] <= row["mean"] <= row["high"] for row in rows.values())

    assert set(rows["input", "fniqe"]) == {"mean", "low", "high", "photographs"}
    same, changed = rows["identity", "fniqe"], rows[snapshot, "fniqe"]
    assert [same[name] for name in ("difference", "difference low", "difference high", "p")] == [0, 0, 0, 1]
    assert changed["input"] == rows["input", "fniqe"]["mean"]
    assert changed["difference"] == pytest.approx(changed["mean"] - changed["input"], abs=1e-3)
    assert changed["difference low"] <= changed["difference"] <= changed["difference high"]

    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == f"| measure | input | {snapshot} | identity |"
    cells = [
        f"{row['mean']:.4g} [{row['low']:.4g}, {row['high']:.4g}]"
        for row in (rows[label, "focus ssim"] for label in ("input", snapshot, "identity"))
    ]
    assert f"| focus ssim | {' | '.join(cells)} |" in printed
