from math import isnan, sqrt
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt, label
from skimage.measure import euler_number

from clearfundus.errors import QualityError
from clearfundus.fundus.phantom import Phantom, draw_phantom
from clearfundus.photo import Mask
from clearfundus.vessels.score import (
    CONVENTIONS,
    DIRECTIONS,
    area_under_curve,
    betti_numbers,
    score_centrelines,
    score_masks,
    score_pixels,
    score_topology,
)

WHOLE = np.ones((60, 60), np.bool_)


@pytest.fixture(scope="module")
def eye() -> Phantom:
    return draw_phantom(512, 4)


def bar(top: int, left: int, height: int, width: int) -> Mask:
    mask = np.zeros((60, 60), np.bool_)
    mask[top : top + height, left : left + width] = True
    return mask


def test_the_area_is_the_chance_of_the_right_order_counted_pair_by_pair() -> None:
    random = np.random.default_rng(0)
    probability = (random.integers(0, 12, 300) / 11).astype(np.float32)  # many ties
    truth = random.random(300) < probability * 0.6
    above = probability[truth][:, None] > probability[~truth]
    equal = probability[truth][:, None] == probability[~truth]
    assert area_under_curve(probability, truth) == pytest.approx((above + equal / 2).mean(), rel=1e-12)


def test_the_area_of_two_normal_laws_is_the_closed_form() -> None:
    # vessels N(1, 1), others N(0, 1): the area is Phi(1 / sqrt 2) = 0.76025; only the order counts
    random = np.random.default_rng(1)
    truth = random.random(400_000) < 0.1
    logits = random.normal(truth, 1)
    probability = (1 / (1 + np.exp(-logits))).astype(np.float32)
    assert area_under_curve(probability, truth) == pytest.approx(0.76025, abs=0.003)


def test_the_area_is_1_in_order_0_in_reverse_and_a_half_where_all_ties() -> None:
    truth = np.array([False, False, True])
    assert area_under_curve(np.array([0.1, 0.2, 0.3]), truth) == 1
    assert area_under_curve(np.array([0.9, 0.8, 0.3]), truth) == 0
    assert area_under_curve(np.full(3, 0.4), truth) == 0.5
    assert isnan(area_under_curve(np.full(3, 0.4), np.ones(3, np.bool_)))


def test_pixels_of_two_bars_give_their_counted_shares() -> None:
    # found 4 x 10, drawn 4 x 12, both 4 x 8 of 3600 pixels
    scores = score_pixels(bar(10, 10, 4, 10), bar(10, 12, 4, 12), WHOLE)
    assert scores == {
        "f1": pytest.approx(2 * 32 / (40 + 48)),
        "sensitivity": pytest.approx(32 / 48),
        "specificity": pytest.approx((3600 - 48 - 8) / (3600 - 48)),
        "precision": pytest.approx(32 / 40),
        "accuracy": pytest.approx((3600 - 8 - 16) / 3600),
    }


def test_nothing_outside_the_field_counts() -> None:
    field, truth, found = bar(5, 5, 40, 40), bar(10, 8, 4, 25), bar(10, 8, 5, 20)
    probability = np.random.default_rng(2).random((60, 60)).astype(np.float32)
    expected = score_masks(probability, found, truth, field)
    changed = np.where(field, probability, np.nan)
    assert score_masks(changed, found | ~field, truth | bar(50, 0, 3, 60), field) == expected
    assert expected.accuracy == pytest.approx(1 - (20 + 20) / 1600)  # 20 too many, 20 missing


def test_a_line_beside_the_drawn_one_is_right_up_to_the_tolerance_and_not_beyond() -> None:
    drawn = bar(20, 10, 1, 40)
    for off, expected in ((0, 1), (1, 1), (2, 1), (3, 0)):
        scores = score_centrelines(bar(20 + off, 10, 1, 40), drawn)
        assert scores["centreline_precision"] == scores["centreline_recall"] == scores["centreline_f"] == expected
        assert scores["cldice"] == (1 if off == 0 else 0)  # it has no tolerance


def test_half_a_line_has_full_precision_and_half_the_recall() -> None:
    # 40 px drawn, 20 found: 2 more lie within the tolerance of the found end
    scores = score_centrelines(bar(20, 10, 1, 20), bar(20, 10, 1, 40))
    assert scores["centreline_precision"] == 1
    assert scores["centreline_recall"] == pytest.approx(22 / 40)
    assert scores["centreline_f"] == pytest.approx(2 * 0.55 / 1.55)
    assert scores["cldice"] == pytest.approx(2 * 0.5 / 1.5)


def test_cldice_looks_at_skeletons_on_masks_so_a_thicker_vessel_is_as_good() -> None:
    drawn = bar(20, 10, 5, 40)
    assert score_centrelines(bar(21, 10, 3, 40), drawn)["cldice"] == 1
    assert score_pixels(bar(21, 10, 3, 40), drawn, WHOLE)["f1"] == pytest.approx(2 * 3 / 8)


def test_on_a_drawn_eye_the_scores_follow_from_how_it_was_spoilt(eye: Phantom) -> None:
    inside = eye.field.mask
    same = score_masks(eye.vessels.astype(np.float32), eye.vessels, eye.vessels, inside)
    shares = [value for name, value in same.as_dict().items() if not name.startswith("betti")]
    assert shares == [1.0] * 10
    assert same.betti0_error == same.betti1_error == 0
    # veins only: all that is found is right, and what is missing is what arteries hold alone
    veins = score_masks(None, eye.veins, eye.vessels, inside)
    assert isnan(veins.auc)
    assert (veins.precision, veins.specificity, veins.centreline_precision) == (1, 1, pytest.approx(1, abs=0.01))
    assert veins.sensitivity == pytest.approx((eye.veins & inside).sum() / (eye.vessels & inside).sum())
    assert 0.3 < veins.centreline_recall < 0.7


def test_tolerance_is_judged_by_exact_distances(eye: Phantom) -> None:
    from skimage.morphology import skeletonize

    moved = np.roll(eye.vessels, (1, 2), (0, 1))
    found, drawn = skeletonize(moved), skeletonize(eye.vessels)
    for tolerance in (1.0, 2.0, sqrt(5)):
        scores = score_centrelines(moved, eye.vessels, tolerance)
        near, covered = (
            (distance_transform_edt(~there)[here] <= tolerance + 1e-6).mean()
            for here, there in ((found, drawn), (drawn, found))
        )
        assert scores["centreline_precision"] == pytest.approx(near)
        assert scores["centreline_recall"] == pytest.approx(covered)


def test_parts_and_holes_of_shapes_are_as_counted_by_eye() -> None:
    ring = bar(10, 10, 9, 9) & ~bar(12, 12, 5, 5)
    assert betti_numbers(ring) == (1, 1)
    assert betti_numbers(ring | bar(14, 14, 1, 1)) == (2, 1)
    assert betti_numbers(ring | bar(30, 30, 5, 5)) == (2, 1)
    assert betti_numbers(np.zeros((5, 5), np.bool_)) == (0, 0)
    assert betti_numbers(np.ones((5, 5), np.bool_)) == (1, 0)
    assert betti_numbers(np.eye(5, dtype=np.bool_)) == (1, 0)  # corners touch
    # a ring whose pixels touch at corners only still closes its hole
    assert betti_numbers(np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]], np.bool_)) == (1, 1)
    assert betti_numbers(bar(0, 0, 60, 60) & ~bar(0, 20, 30, 3)) == (1, 0)  # a bay is no hole


def test_parts_less_holes_are_euler_s_number(eye: Phantom) -> None:
    speckled = eye.vessels ^ (np.random.default_rng(3).random(eye.vessels.shape) < 0.02)
    for mask in (eye.vessels, speckled):
        parts, holes = betti_numbers(mask)
        assert parts == label(mask, np.ones((3, 3)))[1]
        assert parts - holes == euler_number(mask, connectivity=2)


def test_errors_of_topology_have_no_sign() -> None:
    ring = bar(10, 10, 9, 9) & ~bar(12, 12, 5, 5)
    two = ring | bar(30, 30, 5, 5) | bar(40, 40, 4, 5)
    assert score_topology(two, ring) == score_topology(ring, two) == {"betti0_error": 2, "betti1_error": 0}
    assert score_topology(bar(10, 10, 9, 9), ring) == {"betti0_error": 0, "betti1_error": 1}


def test_crumbs_of_fewer_than_twenty_pixels_are_no_parts() -> None:
    vessel, crumb = bar(10, 10, 3, 30), bar(40, 10, 1, 19)
    crumbs = vessel | crumb | (bar(50, 10, 3, 3) & ~bar(51, 11, 1, 1))  # the last one with a hole
    assert score_topology(crumbs, vessel) == score_topology(vessel, crumbs) == {"betti0_error": 0, "betti1_error": 0}
    assert score_topology(vessel | bar(40, 10, 1, 20), vessel) == {"betti0_error": 1, "betti1_error": 0}


def test_where_nothing_is_found_every_share_of_it_is_0() -> None:
    scores = score_masks(np.zeros((60, 60), np.float32), bar(0, 0, 0, 0), bar(10, 10, 4, 20), WHOLE)
    assert (scores.f1, scores.sensitivity, scores.precision, scores.cldice) == (0, 0, 0, 0)
    assert (scores.centreline_precision, scores.centreline_recall, scores.centreline_f) == (0, 0, 0)
    assert (scores.auc, scores.specificity, scores.betti0_error) == (0.5, 1, 1)


def test_where_nothing_is_drawn_shares_of_it_are_not_defined() -> None:
    nothing = bar(0, 0, 0, 0)
    scores = score_masks(np.zeros((60, 60), np.float32), bar(10, 10, 4, 20), nothing, WHOLE)
    assert all(map(isnan, (scores.auc, scores.sensitivity, scores.centreline_recall)))
    assert (scores.f1, scores.precision, scores.centreline_precision, scores.cldice, scores.centreline_f) == (0,) * 5
    both = score_masks(None, nothing, nothing, WHOLE)
    assert (both.accuracy, both.specificity, both.betti0_error) == (1, 1, 0)
    assert all(map(isnan, (both.f1, both.precision, both.cldice, both.centreline_precision, both.centreline_f)))


def test_every_score_has_its_convention_and_its_direction() -> None:
    names = list(score_masks(None, WHOLE, WHOLE, WHOLE).as_dict())
    assert names == list(CONVENTIONS) == list(DIRECTIONS)
    assert {name for name in names if DIRECTIONS[name] == "lower"} == {"betti0_error", "betti1_error"}


def test_what_cannot_be_scored_is_refused() -> None:
    mask = bar(10, 10, 4, 20)
    with pytest.raises(QualityError, match=r"truth bool \(60, 59\).*of one size"):
        score_masks(None, mask, mask[:, 1:], WHOLE)
    with pytest.raises(QualityError, match="mask uint8"):
        score_masks(None, mask.astype(np.uint8), mask, WHOLE)
    with pytest.raises(QualityError, match=r"field_mask bool \(60,\)"):
        score_pixels(mask[0], mask[0], WHOLE[0])
    with pytest.raises(QualityError, match="empty field"):
        score_masks(None, mask, mask, ~WHOLE)
    with pytest.raises(QualityError, match=r"probability of shape \(59, 60\)"):
        score_masks(np.zeros((59, 60), np.float32), mask, mask, WHOLE)
    for wrong in (1.2, -0.1, np.nan):
        with pytest.raises(QualityError, match="expected probabilities in"):
            score_masks(np.full((60, 60), wrong, np.float32), mask, mask, WHOLE)
    with pytest.raises(QualityError, match="bool array of one shape"):
        area_under_curve(np.zeros(3), np.zeros(3))


@pytest.mark.data
def test_the_second_observer_of_chase_agrees_with_the_first_as_published(data_folder: Path) -> None:
    # 0.768 over all 28 photographs in the tables of bob.ip.binseg (doc/results/baselines/vessel.rst); here four eyes
    from PIL import Image

    folder = data_folder / "vessels" / "chase_db1"
    values = []
    for name in ("Image_01L", "Image_02R", "Image_03L", "Image_04R"):
        first, second = (np.asarray(Image.open(folder / f"{name}_{who}.png")) > 0 for who in ("1stHO", "2ndHO"))
        values.append(score_pixels(second, first, np.ones_like(first))["f1"])
    assert np.mean(values) == pytest.approx(0.768, abs=0.03)
