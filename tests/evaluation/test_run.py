import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from math import inf
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest

import clearfundus as cf
from clearfundus.errors import PhotoReadError, RunMismatchError, SettingsError
from clearfundus.evaluation import record
from clearfundus.evaluation.cases import Simulation, find_cases
from clearfundus.evaluation.parts import Part, load_part
from clearfundus.evaluation.protocol import Rules, choose_metrics
from clearfundus.evaluation.results import Evaluation, Row, load_evaluation, save_evaluation
from clearfundus.evaluation.run import Plan, conclude, evaluate
from clearfundus.evaluation.walk import Outcome
from clearfundus.fundus.field import Field, find_field
from clearfundus.methods import Method
from clearfundus.quality import METRICS, Metric
from drawn import blur_fundus, draw_fundus

SIDE = 64
NAMES = ("entropy", "psnr", "psnr_fitted", "ssim")


def darker(photo: cf.Photo, field: Field) -> cf.Photo:
    return photo.with_pixels(photo.pixels * np.float32(0.8))


def brighter(photo: cf.Photo, field: Field) -> cf.Photo:
    return photo.with_pixels(photo.pixels * np.float32(1.1))


METHODS: Mapping[str, Method] = MappingProxyType({"darker": darker, "brighter": brighter})


def plan(
    methods: Mapping[str, Method] = METHODS, metrics: Mapping[str, Metric] | None = None, **settings: object
) -> Plan:
    return Plan(
        methods=methods,
        descriptions={name: {"method": name} for name in methods},
        rules=Rules(metrics=choose_metrics(NAMES) if metrics is None else metrics, side=SIDE),
        simulation=Simulation(**settings),  # type: ignore[arg-type]
    )


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of three blurry photographs."""
    folder = tmp_path / "blurry"
    folder.mkdir()
    for seed, name in enumerate(("a", "b", "c")):
        cf.write_photo(blur_fundus(draw_fundus(72, np.random.default_rng(seed))), folder / f"{name}.png")
    return folder


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def run(made: Plan, folders: Mapping[str, Path], out: Path) -> tuple[Evaluation, list[Outcome[Part[Row]]]]:
    outcomes = list(evaluate(made, find_cases(folders), out))  # type: ignore[arg-type]
    return conclude(made, outcomes, out, {}), outcomes


def statuses(outcomes: list[Outcome[Part[Row]]]) -> list[str]:
    return [one.status for one in outcomes]


def refuse(number: int) -> Callable[[cf.Photo, Field], cf.Photo]:
    """Return a method that fails on its n-th photograph, counted from 0."""
    calls: list[str] = []

    def method(photo: cf.Photo, field: Field) -> cf.Photo:
        calls.append(photo.name)
        if len(calls) == number + 1:
            raise ZeroDivisionError("a fault")
        return photo

    return method


def test_each_value_is_what_the_metric_says_of_the_saved_picture(photos: Path, out: Path) -> None:
    found, _ = run(plan(), {"blurry": photos}, out)
    assert len(found.rows) == 3 * 3
    assert {one.metric for one in found.rows} == {"entropy"}
    for row in found.rows:
        field = find_field(cf.read_photo(photos / f"{row.photograph}.png"))
        picture = cf.read_photo(found.pictures[row.set, row.photograph, row.method])
        assert picture.bits == 8
        assert row.value == METRICS["entropy"](picture, field, side=SIDE).value
    a = photos / "a.png"
    expected = cf.enhance(cf.read_photo(a), darker).pixels
    assert np.array_equal(
        cf.read_photo(out / "pictures" / "blurry" / "a" / "darker.png").pixels,
        (np.rint(expected * 255) / 255).astype(np.float32),
    )


def test_pairs_and_simulated_are_judged_against_their_references(photos: Path, out: Path, tmp_path: Path) -> None:
    clear = draw_fundus(72)
    (tmp_path / "pairs").mkdir()
    cf.write_photo(clear.with_pixels(clear.pixels * np.float32(0.5)), tmp_path / "pairs" / "A_blurry.png")
    cf.write_photo(clear, tmp_path / "pairs" / "A_clear.png")
    found, _ = run(plan(), {"pairs": tmp_path / "pairs", "simulated": photos}, out)
    assert {(one.set, one.metric) for one in found.rows} == {
        *((name, metric) for name in ("pairs", "simulated") for metric in ("psnr", "psnr_fitted", "ssim")),
    }
    values = {(one.method, one.metric): one.value for one in found.rows if one.set == "pairs"}
    assert values["brighter", "psnr"] > values["input", "psnr"] > values["darker", "psnr"]
    assert values["input", "psnr_fitted"] > 45  # half as bright is the same picture but for rounding
    assert np.array_equal(
        cf.read_photo(found.references["pairs", "A"]).pixels, cf.read_photo(tmp_path / "pairs" / "A_clear.png").pixels
    )
    assert set(found.references) == {("pairs", "A"), *(("simulated", name) for name in "abc")}


def test_a_second_run_measures_nothing_again_and_finds_the_same(photos: Path, out: Path) -> None:
    first, _ = run(plan(), {"blurry": photos}, out)

    def never(photo: cf.Photo, field: Field) -> cf.Photo:
        raise AssertionError

    second, outcomes = run(plan(methods={"darker": never, "brighter": never}), {"blurry": photos}, out)
    assert statuses(outcomes) == ["skipped"] * 3
    assert second == first


def test_an_interrupted_run_goes_on_where_it_stopped(photos: Path, out: Path, tmp_path: Path) -> None:
    whole, _ = run(plan(), {"blurry": photos}, tmp_path / "whole")

    def stop(photo: cf.Photo, field: Field) -> cf.Photo:
        if (out / "parts" / "blurry" / "a.json").exists():
            raise KeyboardInterrupt
        return brighter(photo, field)

    with pytest.raises(KeyboardInterrupt):
        run(plan(methods={"darker": darker, "brighter": stop}), {"blurry": photos}, out)
    assert not (out / "parts" / "blurry" / "b.json").exists()  # half of b was measured
    found, outcomes = run(plan(), {"blurry": photos}, out)
    assert statuses(outcomes) == ["skipped", "done", "done"]
    assert found.rows == whole.rows
    assert found.summaries == whole.summaries


def test_what_was_changed_or_lost_is_made_again(photos: Path, out: Path) -> None:
    run(plan(), {"blurry": photos}, out)
    cf.write_photo(draw_fundus(72), photos / "a.png", overwrite=True)
    (out / "pictures" / "blurry" / "b" / "darker.png").unlink()
    (out / "parts" / "blurry" / "c.json").write_text("{")
    cf.write_photo(draw_fundus(72), photos / "d.png")
    assert statuses(run(plan(), {"blurry": photos}, out)[1]) == ["done"] * 4
    assert statuses(run(plan(), {"blurry": photos}, out)[1]) == ["skipped"] * 4


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (lambda: plan(methods={"darker": darker}), "methods = "),
        (lambda: plan(seed=1), r"simulation = .*\"seed\": 0.* now .*\"seed\": 1"),
        (lambda: plan(metrics=choose_metrics(["entropy"])), "metrics = "),
    ],
)
def test_a_folder_made_with_other_settings_is_refused(
    other: Callable[[], Plan], message: str, photos: Path, out: Path
) -> None:
    run(plan(), {"blurry": photos}, out)
    before = sorted(out.rglob("*"))
    with pytest.raises(RunMismatchError, match=message):
        run(other(), {"blurry": photos}, out)
    assert sorted(out.rglob("*")) == before


def test_a_file_with_another_name_is_degraded_anew(photos: Path, out: Path) -> None:
    first, _ = run(plan(), {"simulated": photos}, out)
    (photos / "a.png").rename(photos / "a.PNG")  # from whose name the degradation is drawn
    second, outcomes = run(plan(), {"simulated": photos}, out)
    assert statuses(outcomes) == ["done", "skipped", "skipped"]
    parameters = [one.run["photographs"]["simulated/a"]["parameters"] for one in (first, second)]
    assert parameters[0] != parameters[1]


def test_a_folder_made_with_another_version_of_a_package_is_refused(
    photos: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(plan(), {"blurry": photos}, out)
    monkeypatch.setattr(record.importlib.metadata, "version", lambda package: "0.0.1")
    with pytest.raises(RunMismatchError, match=r"packages = .*now .*0\.0\.1"):
        run(plan(), {"blurry": photos}, out)


def test_a_folder_in_which_a_set_got_fewer_measures_is_refused(
    photos: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:  # as before the fitted ones were measured on simulated pairs
        patch.setattr(Rules, "of_set", lambda rules, name: {"psnr": rules.metrics["psnr"]})
        run(plan(), {"simulated": photos}, out)
    with pytest.raises(RunMismatchError, match=r"metrics_of = .*now .*psnr_fitted"):
        run(plan(), {"simulated": photos}, out)


def test_a_folder_that_holds_something_else_is_refused(photos: Path, out: Path) -> None:
    out.mkdir()
    (out / "letter.txt").touch()
    with pytest.raises(SettingsError, match="holds something that is no evaluation"):
        run(plan(), {"blurry": photos}, out)
    with pytest.raises(SettingsError, match="cannot be made a folder"):
        run(plan(), {"blurry": photos}, out / "letter.txt")
    assert [file.name for file in out.iterdir()] == ["letter.txt"]


def test_a_folder_left_before_its_settings_were_written_is_taken_up(photos: Path, out: Path) -> None:
    (out / "parts").mkdir(parents=True)
    (out / "parts" / ".clearfundus-0123456789abcdef.part").touch()
    assert statuses(run(plan(), {"blurry": photos}, out)[1]) == ["done"] * 3


def test_a_folder_with_parts_of_something_else_is_refused(photos: Path, out: Path) -> None:
    (out / "parts").mkdir(parents=True)
    (out / "parts" / "engine.txt").touch()
    with pytest.raises(SettingsError, match="holds something that is no evaluation"):
        run(plan(), {"blurry": photos}, out)


def test_a_photograph_on_which_one_method_fails_is_left_out_of_all(photos: Path, out: Path) -> None:
    found, outcomes = run(plan(methods={"darker": darker, "broken": refuse(1)}), {"blurry": photos}, out)
    assert statuses(outcomes) == ["done", "failed", "done"]
    assert {one.photograph for one in found.rows} == {"a", "c"}
    assert {one.count for one in found.summaries} == {2}
    ((name, reason),) = found.failures
    assert name == "blurry/b"
    assert reason == "broken failed, so the photograph is left out of all methods: ZeroDivisionError: a fault"
    assert ("blurry", "b", "darker") not in found.pictures
    # it is tried again, and then counts
    found, outcomes = run(plan(methods={"darker": darker, "broken": darker}), {"blurry": photos}, out)
    assert statuses(outcomes) == ["skipped", "done", "skipped"]
    assert found.failures == ()


def test_a_bad_file_and_a_measure_that_cannot_judge_are_named(photos: Path, out: Path) -> None:
    (photos / "bad.png").write_bytes(b"no picture")
    metrics = choose_metrics(["entropy", "niqe"])  # whose blocks do not fit into a field of 64 pixels
    found, outcomes = run(plan(metrics=metrics), {"blurry": photos}, out)
    assert statuses(outcomes) == ["failed"] * 4
    assert found.rows == ()
    assert found.summaries == ()
    reasons = dict(found.failures)
    assert "input cannot be judged" in reasons["blurry/a"]
    assert "bad.png" in reasons["blurry/bad"]


def test_a_method_that_refuses_its_settings_stops_the_evaluation(photos: Path, out: Path) -> None:
    def refuses(photo: cf.Photo, field: Field) -> cf.Photo:
        raise SettingsError("tiles: found 0")

    with pytest.raises(SettingsError, match="tiles: found 0"):
        run(plan(methods={"clahe": refuses}), {"blurry": photos}, out)


def test_a_set_without_a_measure_and_a_method_called_input_are_refused(photos: Path, out: Path) -> None:
    with pytest.raises(SettingsError, match="expected one without a reference for the set 'blurry'"):
        run(plan(metrics=choose_metrics(["psnr"])), {"blurry": photos}, out)
    with pytest.raises(SettingsError, match="found one named 'input'"):
        run(plan(methods={"input": darker}), {"blurry": photos}, out)
    assert not out.exists()


def test_the_run_tells_how_the_numbers_came_to_be(photos: Path, out: Path) -> None:
    made = plan(severity=0.3, seed=4)
    outcomes = list(evaluate(made, find_cases({"simulated": photos}), out))
    save_evaluation(conclude(made, outcomes, out, {"device": "cpu"}), out)
    found = load_evaluation(out).run
    assert found["device"] == "cpu"
    assert found["seed"] == 4
    assert found["methods"] == {"darker": {"method": "darker"}, "brighter": {"method": "brighter"}}
    assert found["metrics"]["psnr"]["direction"] == "higher"
    assert found["method_seconds"].keys() == {"darker", "brighter"}
    assert "BCa" in found["intervals"]
    assert "numpy" in found["packages"]
    eye = found["photographs"]["simulated/a"]
    assert len(eye["files"]["photo"]["sha256"]) == 64
    assert eye["severity"] == 0.3
    assert eye["enlarged"] is False
    assert "parameters" in eye
    json.dumps(json.loads((out / "run.json").read_text()), allow_nan=False)


def test_a_part_with_an_infinite_value_is_read_back(photos: Path, out: Path, tmp_path: Path) -> None:
    (tmp_path / "pairs").mkdir()
    for name in ("A_blurry", "A_clear"):
        cf.write_photo(draw_fundus(72), tmp_path / "pairs" / f"{name}.png")
    first, _ = run(plan(), {"pairs": tmp_path / "pairs"}, out)
    again, outcomes = run(plan(), {"pairs": tmp_path / "pairs"}, out)
    assert statuses(outcomes) == ["skipped"]
    assert again.rows == first.rows
    assert next(one for one in again.rows if (one.method, one.metric) == ("input", "psnr")).value == inf


def test_a_part_with_another_key_is_not_taken(photos: Path, out: Path) -> None:
    run(plan(), {"blurry": photos}, out)
    case = find_cases({"blurry": photos})[0]
    assert load_part(out, case, "another", Row) is None


def test_pictures_carry_no_notes_of_the_patient(photos: Path, out: Path) -> None:
    photo = replace(
        draw_fundus(72), exif=b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x00\x00\x00\x00\x00", resolution=(72.0, 72.0)
    )
    cf.write_photo(photo, photos / "a.png", overwrite=True)
    found, _ = run(plan(), {"blurry": photos}, out)
    written = cf.read_photo(found.pictures["blurry", "a", "input"])
    assert written.exif is None
    assert written.resolution is None


def test_every_picture_says_by_which_method_and_weights_it_was_made_and_names_no_file(photos: Path, out: Path) -> None:
    made = plan(severity=0.3)
    made = replace(made, descriptions={**made.descriptions, "darker": {"method": "darker", "weights": "tiny"}})
    found = conclude(made, list(evaluate(made, find_cases({"blurry": photos, "simulated": photos}), out)), out, {})
    notes = {key: cf.read_provenance(path) for key, path in found.pictures.items()}
    assert notes["blurry", "a", "darker"] == {"version": cf.__version__, "method": "darker", "weights": "tiny"}
    assert notes["blurry", "a", "input"] == {"version": cf.__version__, "method": "input"}
    assert json.loads(notes["simulated", "a", "darker"]["degraded"])["severity"] == 0.3
    assert cf.read_provenance(found.references["simulated", "a"])["method"] == "reference"
    assert not any("a.png" in word for note in notes.values() for word in note.values())


def test_a_file_that_cannot_be_read_is_named(photos: Path, out: Path) -> None:
    cases = find_cases({"blurry": photos})
    (photos / "a.png").unlink()
    outcomes = list(evaluate(plan(), cases, out))
    assert statuses(outcomes) == ["failed", "done", "done"]
    assert "a.png: cannot be read" in outcomes[0].reason
    assert PhotoReadError.__name__ not in outcomes[0].reason
