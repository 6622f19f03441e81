"""True trees: small drawings with known trees, and drawn eyes whose every path is known."""

from itertools import pairwise

import cv2
import numpy as np
import pytest

from clearfundus.errors import QualityError
from clearfundus.fundus.phantom import Phantom, draw_phantom
from clearfundus.photo import Mask
from clearfundus.vessels.labels import Labels
from clearfundus.vessels.trees import Disc, polyline_length
from clearfundus.vessels.truth import TrueTrees, true_trees

SIZE = 160
EVERYWHERE: Mask = np.ones((SIZE, SIZE), np.bool_)
DISC = Disc(centre=np.array([80.0, 10.0]), radius=10.0, contrast=1.0)


def labelled(arteries: Mask, veins: Mask, crossings: Mask | None = None) -> Labels:
    green = arteries & veins if crossings is None else crossings
    return Labels(vessels=arteries | veins | green, arteries=arteries & ~green, veins=veins & ~green, crossings=green)


def bar(rows: slice, columns: slice) -> Mask:
    mask: Mask = np.zeros((SIZE, SIZE), np.bool_)
    mask[rows, columns] = True
    return mask


NONE = bar(slice(0, 0), slice(0, 0))
ALONG = bar(slice(79, 82), slice(5, 140))
"""A vessel out of the disc, along row 80."""
ACROSS = bar(slice(30, 130), slice(79, 82))
"""One that crosses it at column 80."""


@pytest.fixture(scope="module")
def eye() -> Phantom:
    return draw_phantom(562, 3)


@pytest.fixture(scope="module")
def trees(eye: Phantom) -> TrueTrees:
    disc = Disc(centre=eye.disc, radius=eye.field.diameter / 13.5, contrast=1.0)
    return true_trees(labelled(eye.arteries, eye.veins), eye.field.mask, disc)


def test_a_vessel_out_of_the_disc_is_one_path_from_the_disc_outwards() -> None:
    truth = true_trees(labelled(ALONG, NONE), EVERYWHERE, DISC)

    (tree,) = truth.trees
    (path,) = tree.paths
    assert tree.kind == "artery"
    assert path[:, 0] == pytest.approx(80, abs=1)
    # the circle of 1.5 radii is out: columns from 26 on; thinning takes up to a pixel off the ends
    assert path[0, 1] == pytest.approx(26, abs=1.5)
    assert path[-1, 1] == pytest.approx(139, abs=1.5)


def test_a_crossing_belongs_to_both_kinds() -> None:
    truth = true_trees(labelled(ALONG, ACROSS), EVERYWHERE, DISC)

    assert [tree.kind for tree in truth.trees] == ["artery", "vein"]
    assert [len(tree.paths) for tree in truth.trees] == [1, 1]
    for tree in truth.trees:
        assert tree.distance(np.array([[80.0, 80.0], [80.0, 86.0]]))[0] == pytest.approx(0, abs=1.5)
    assert truth.trees[1].distance(np.array([[80.0, 86.0]]))[0] == pytest.approx(6, abs=1)


def test_a_crossing_alone_is_no_tree() -> None:
    assert true_trees(labelled(NONE, NONE, ACROSS), EVERYWHERE, DISC).trees == ()


def test_a_part_away_from_the_disc_begins_at_its_nearer_end() -> None:
    (tree,) = true_trees(labelled(NONE, bar(slice(79, 82), slice(60, 140))), EVERYWHERE, DISC).trees

    assert tree.paths[0][0, 1] == pytest.approx(60, abs=1.5)


def drawn(*points: tuple[int, int]) -> Mask:
    canvas = np.zeros((SIZE, SIZE), np.uint8)
    for (row, column), (to_row, to_column) in pairwise(points):
        cv2.line(canvas, (column, row), (to_column, to_row), 1, 3)
    return canvas > 0


def test_a_tree_whose_stem_the_disc_took_begins_where_it_comes_to_the_disc() -> None:
    # both branches lead away from a place 1.6 radii off; the nearer of their ends is 8 radii off
    (tree,) = true_trees(labelled(drawn((40, 80), (70, 26), (90, 26), (150, 150)), NONE), EVERYWHERE, DISC).trees

    assert len(tree.paths) == 2
    for path in tree.paths:
        assert path[0] == pytest.approx([80, 26], abs=4)
    ends = np.array(sorted(path[-1].tolist() for path in tree.paths))
    np.testing.assert_allclose(ends, [(40, 80), (150, 150)], atol=3)


def test_a_tree_that_comes_to_the_disc_twice_has_two_roots() -> None:
    # past the disc's right side without an end there, and with an end below it
    way = drawn((20, 60), (72, 24), (110, 60), (110, 10), (96, 10))

    (tree,) = true_trees(labelled(way | drawn((110, 10), (150, 10)), NONE), EVERYWHERE, DISC).trees

    roots = {tuple(path[0].tolist()) for path in tree.paths}
    assert len(roots) == 2
    assert all(np.hypot(row - 80, column - 10) < 17.25 for row, column in roots)


def test_a_tree_that_passes_by_farther_off_begins_at_its_nearer_end() -> None:
    (tree,) = true_trees(labelled(drawn((20, 50), (80, 30), (150, 50)), NONE), EVERYWHERE, DISC).trees

    (path,) = tree.paths
    assert path[0] == pytest.approx([20, 50], abs=3)
    assert path[-1] == pytest.approx([150, 50], abs=3)


def test_a_fork_has_a_path_to_each_leaf_and_a_stub_has_none() -> None:
    fork = ALONG | bar(slice(81, 130), slice(100, 103)) | bar(slice(72, 80), slice(70, 73))

    (tree,) = true_trees(labelled(fork, NONE), EVERYWHERE, DISC).trees

    ends = np.array(sorted(path[-1].tolist() for path in tree.paths))
    np.testing.assert_allclose(ends, [(80, 139), (129, 101)], atol=2)
    assert all(path[0, 1] == pytest.approx(26, abs=1.5) for path in tree.paths)


def test_outside_the_field_there_are_no_trees() -> None:
    field = EVERYWHERE.copy()
    field[:, 100:] = False

    (tree,) = true_trees(labelled(ALONG, NONE), field, DISC).trees

    assert tree.centreline[:, 1].max() < 100


def test_seeds_lie_at_none_one_and_two_thirds_headed_outwards() -> None:
    truth = true_trees(labelled(ALONG, NONE), EVERYWHERE, DISC)
    path = truth.trees[0].paths[0]
    length = polyline_length(path)

    seeds = truth.seeds()

    assert [seed.remaining for seed in seeds] == pytest.approx([length, length * 2 / 3, length / 3])
    assert [seed.point[1] - path[0, 1] for seed in seeds] == pytest.approx([0, length / 3, length * 2 / 3], abs=0.5)
    for seed in seeds:
        assert seed.heading == pytest.approx([0, 1], abs=0.1)
        assert seed.tree == 0


def test_paths_shorter_than_thirty_pixels_are_none() -> None:
    (tree,) = true_trees(labelled(bar(slice(79, 82), slice(60, 85)), NONE), EVERYWHERE, DISC).trees

    assert tree.paths == ()
    assert len(tree.centreline) > 10


def test_a_smoothed_diagonal_is_as_long_as_the_vessel() -> None:
    row, column = np.mgrid[:SIZE, :SIZE]
    slope = np.tan(np.deg2rad(22.5))  # the worst for a staircase of pixels: 8 % too long
    slanted = (np.abs(row - 40 - slope * (column - 40)) < 2) & (column >= 40) & (column < 140)

    (tree,) = true_trees(labelled(NONE, slanted), EVERYWHERE, DISC).trees

    start, end = tree.paths[0][0], tree.paths[0][-1]
    assert polyline_length(tree.paths[0]) == pytest.approx(float(np.hypot(*(end - start))), rel=0.01)


def test_centrelines_of_a_drawn_eye_lie_on_those_it_was_drawn_from(eye: Phantom, trees: TrueTrees) -> None:
    for kind in ("artery", "vein"):
        found = np.concatenate([tree.centreline for tree in trees.trees if tree.kind == kind])
        drawn = np.concatenate([edge.polyline for edge in eye.graph.edges if edge.kind == kind])
        away = np.array([np.hypot(*(drawn - point).T).min() for point in found])
        assert np.mean(away < 2.5) > 0.97


def test_paths_of_a_drawn_eye_end_where_its_vessels_end(eye: Phantom, trees: TrueTrees) -> None:
    ends = np.array([node.point for node in eye.graph.nodes if node.kind == "end"])

    away = np.array([np.hypot(*(ends - path[-1]).T).min() for _, path in trees.paths])

    assert np.mean(away < 8) > 0.8  # the others end where two vessels of a kind touch, or at the field's edge
    assert len(away) > 0.5 * len(ends)


def test_labels_without_arteries_and_veins_are_refused() -> None:
    with pytest.raises(QualityError, match="arteries and veins"):
        true_trees(Labels(vessels=ALONG), EVERYWHERE, DISC)


def test_a_field_of_another_size_is_refused() -> None:
    with pytest.raises(QualityError, match="as the field"):
        true_trees(labelled(ALONG, NONE), EVERYWHERE[1:], DISC)
