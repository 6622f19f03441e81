from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

import clearfundus as cf
from clearfundus.errors import RunMismatchError, SettingsError
from clearfundus.evaluation.cases import Simulation, find_cases
from clearfundus.evaluation.labelled import find_labelled
from clearfundus.evaluation.parts import Part
from clearfundus.evaluation.vessel_eyes import LARGEST_FIELD, inputs_of, open_eye
from clearfundus.evaluation.vessel_figure import draw_vessel_figure
from clearfundus.evaluation.vessel_picks import pick_figures
from clearfundus.evaluation.vessel_report import write_vessel_report
from clearfundus.evaluation.vessel_results import VesselEvaluation, VesselRow, save_vessel_evaluation
from clearfundus.evaluation.vessel_run import SIMULATIONS, VesselPlan, conclude_vessels, evaluate_vessels
from clearfundus.evaluation.walk import Outcome
from clearfundus.fundus.field import Field
from clearfundus.fundus.phantom import Phantom, draw_phantom
from clearfundus.methods import Method
from clearfundus.photo import Gray, Photo, Pixels
from clearfundus.vessels.scale import DIAMETER
from clearfundus.vessels.segment import Segmenter
from evaluation.drawn_labels import write_labelled

PELI = Simulation(model="peli", severity=2 / 3)


@pytest.fixture(scope="module")
def phantom() -> Phantom:
    return draw_phantom(320, 2)


@pytest.fixture(scope="module")
def folder(phantom: Phantom, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two photographs, one with arteries and veins told apart; and one without labels."""
    place = tmp_path_factory.mktemp("eyes")
    write_labelled(phantom, place / "drawn", "kinds", kinds=True)
    write_labelled(phantom, place / "drawn", "plain")
    (place / "blurry").mkdir()
    cf.write_photo(phantom.photo, place / "blurry" / "a.png")
    return place


def same(photo: Photo, field: Field) -> Photo:
    return photo


def segmenter(function: Callable[[Pixels, Field], Gray]) -> Segmenter:
    return Segmenter(name="own", weights="", threshold=0.5, function=function)


def plan(folder: Path, simulations: tuple[Simulation, ...] = (PELI,), **methods: Method) -> VesselPlan:
    """Return a plan whose first segmenter knows the truth, and whose second one sees nothing."""
    eye = open_eye(find_labelled(folder / "drawn")[0])
    assert eye.truth is not None
    truth = eye.truth.labels.vessels.astype(np.float32)
    return VesselPlan(
        methods=methods or {"same": same},
        descriptions={name: {"method": name} for name in methods or {"same": same}},
        segmenters={
            "knows": segmenter(lambda pixels, field: truth),
            "blind": segmenter(lambda pixels, field: np.zeros(field.mask.shape, np.float32)),
        },
        simulations=simulations,
    )


Found = tuple[VesselEvaluation, list[Outcome[Part[VesselRow]]], VesselPlan]


@pytest.fixture(scope="module")
def found(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[VesselEvaluation, VesselPlan, Path]:
    made, out = plan(folder), tmp_path_factory.mktemp("out")
    cases = (*find_labelled(folder / "drawn"), *find_cases({"blurry": folder / "blurry"}))
    outcomes = list(evaluate_vessels(made, cases, out))
    assert [one.status for one in outcomes] == ["done"] * 3, [one.reason for one in outcomes]
    return conclude_vessels(made, outcomes, {"date": "today"}), made, out


def value_of(found: VesselEvaluation, metric: str, segmenter: str = "knows", input_: str = "peli") -> list[float]:
    return [row.value for row in found.rows if (row.metric, row.segmenter, row.input) == (metric, segmenter, input_)]


def test_a_segmenter_that_knows_the_truth_scores_best_and_one_that_sees_nothing_worst(
    found: tuple[VesselEvaluation, VesselPlan, Path],
) -> None:
    evaluation = found[0]
    for input_ in ("clear", "peli"):
        assert value_of(evaluation, "auc", input_=input_) == pytest.approx([1.0] * 4, abs=1e-3)
        assert min(value_of(evaluation, "f1", input_=input_)) > 0.98  # the rim of 4 pixels does not count as vessel
        assert min(value_of(evaluation, "cldice", input_=input_)) > 0.98
        assert value_of(evaluation, "f1", "blind", input_) == [0.0] * 4
        assert value_of(evaluation, "auc", "blind", input_) == [0.5] * 4
        assert value_of(evaluation, "centreline_recall", "blind", input_) == [0.0] * 4


def test_tracking_is_scored_on_the_first_segmenter_where_arteries_and_veins_are_told_apart(
    found: tuple[VesselEvaluation, VesselPlan, Path],
) -> None:
    evaluation = found[0]
    tracked = {row.photograph for row in evaluation.rows if row.metric == "track_correct"}
    assert tracked == {"kinds"}
    assert min(value_of(evaluation, "track_correct")) > 0.6  # on true masks; crossings lead some tracks astray
    assert min(value_of(evaluation, "av_recall")) > 0.5
    assert value_of(evaluation, "track_correct", "blind") == []


def test_a_method_that_changes_nothing_gains_nothing(found: tuple[VesselEvaluation, VesselPlan, Path]) -> None:
    changes = [one.to_input for one in found[0].summaries if one.method == "same"]
    assert changes
    assert all(one is not None and (np.isnan(one.mean) or abs(one.mean) < 1e-9) for one in changes)


def test_without_labels_only_what_can_be_counted_is_told(found: tuple[VesselEvaluation, VesselPlan, Path]) -> None:
    rows = [row for row in found[0].rows if row.set == "blurry"]
    assert {row.metric for row in rows} == {"vessel_length", "pieces", "mean_track"}
    assert {row.input for row in rows} == {"taken"}
    length = next(row.value for row in rows if row.metric == "vessel_length")
    assert 2 < length < 40


def test_the_same_files_and_settings_are_not_measured_again_and_others_are_refused(
    found: tuple[VesselEvaluation, VesselPlan, Path], folder: Path
) -> None:
    evaluation, made, out = found
    cases = find_labelled(folder / "drawn")
    again = list(evaluate_vessels(made, cases, out))
    assert [one.status for one in again] == ["skipped"] * 2
    rows = [row for one in again if one.part for row in one.part.rows]
    assert sorted(map(repr, rows)) == sorted(repr(row) for row in evaluation.rows if row.set == "labelled")
    with pytest.raises(RunMismatchError, match="simulations"):
        list(evaluate_vessels(plan(folder, ()), cases, out))


def test_figures_and_report_are_written_and_hold_every_score_and_no_folder(
    found: tuple[VesselEvaluation, VesselPlan, Path], folder: Path, tmp_path: Path
) -> None:
    evaluation, made, _ = found
    picks = pick_figures(evaluation.rows, evaluation.summaries, made.tracker)
    assert [(one.input, one.photograph) for one in picks] == [("peli", "kinds"), ("taken", "a")]
    cases = {one.name: one for one in (*find_labelled(folder / "drawn"), *find_cases({"blurry": folder / "blurry"}))}
    figures = []
    for pick in picks:
        path = tmp_path / "figures" / f"{pick.input}.png"
        draw_vessel_figure(made, cases[f"{pick.set}/{pick.photograph}"], pick, evaluation.rows, path)
        figures.append((pick, path))
    shapes = [cf.read_photo(path).pixels.shape for _, path in figures]
    assert shapes[0][0] > 4 * 480  # photograph, mask, trees, tracks
    assert shapes[0][1] > 3 * 480  # degraded, the method, clear
    assert 2 * 480 < shapes[1][1] < 3 * 480
    write_vessel_report(evaluation, figures, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert page.startswith("<!")
    assert all(one.metric in page for one in evaluation.summaries)
    assert page.count("data:image/jpeg;base64,") == 2
    assert str(folder) not in page
    save_vessel_evaluation(evaluation, tmp_path)
    text = "".join((tmp_path / name).read_text(encoding="utf-8") for name in ("table.csv", "per_image.csv", "run.json"))
    assert str(folder) not in text


def test_a_photograph_on_which_a_method_fails_is_left_out_and_named(folder: Path, tmp_path: Path) -> None:
    def fail(photo: Photo, field: Field) -> Photo:
        raise ZeroDivisionError("a fault")

    cases = find_labelled(folder / "drawn")[1:]
    (outcome,) = evaluate_vessels(plan(folder, (), fail=fail), cases, tmp_path / "out")
    assert (outcome.status, outcome.part) == ("failed", None)
    assert outcome.reason.startswith("fail failed, so the photograph is left out of all methods: ZeroDivisionError")


def test_names_that_stand_for_inputs_are_refused_as_methods(folder: Path, tmp_path: Path) -> None:
    for name in ("input", "clear", "taken"):
        with pytest.raises(SettingsError, match=name):
            list(evaluate_vessels(plan(folder, (), **{name: same}), (), tmp_path / "out"))


def test_degradations_are_those_of_the_same_name_and_seed_and_severity(folder: Path) -> None:
    eye = open_eye(find_labelled(folder / "drawn")[0])
    first, second = (list(inputs_of(eye, SIMULATIONS)) for _ in range(2))
    assert [one.name for one in first] == ["clear", "focus", "arcnet", "peli"]
    assert all(np.array_equal(one.photo.pixels, two.photo.pixels) for one, two in zip(first, second, strict=True))
    assert np.array_equal(first[0].photo.pixels, eye.photo.pixels)
    focus = first[1].notes["parameters"]
    assert isinstance(focus, dict)
    assert focus["blur"] == pytest.approx(2 / DIAMETER)
    peli = first[3].notes["parameters"]
    assert isinstance(peli, dict)
    assert (peli["transmission"], peli["blur"]) == pytest.approx((0.4, 1.5 / DIAMETER))


def test_a_photograph_with_a_wide_field_is_reduced_first(tmp_path: Path) -> None:
    row, column = np.mgrid[:1500, :1500] - 750
    inside = np.hypot(row, column) < 700
    pixels = np.where(inside[..., None], np.float32(0.6), np.float32(0)).repeat(3, axis=2)
    cf.write_photo(Photo(pixels=pixels), tmp_path / "a.png")
    (case,) = find_cases({"blurry": tmp_path})
    eye = open_eye(case)
    assert eye.field.diameter == pytest.approx(LARGEST_FIELD, abs=2)
    assert eye.notes["reduced_to"] == pytest.approx(eye.field.diameter, abs=0.1)
    assert eye.notes["field_diameter"] == pytest.approx(1400, abs=15)  # find_field finds a little less


def test_tracks_do_not_follow_the_edge_of_the_field(folder: Path) -> None:
    eye = open_eye(find_labelled(folder / "drawn")[0])
    everywhere = segmenter(lambda pixels, field: field.mask.astype(np.float32))(eye.photo, eye.field)
    inside = everywhere.scaled.field.mask
    depth = cv2.distanceTransform(inside.astype(np.uint8), cv2.DIST_C, 3)
    assert np.array_equal(everywhere.probability_off_rim > 0, inside & (depth > 4))
