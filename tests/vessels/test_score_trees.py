from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from math import comb, isnan

import numpy as np
import pytest

from clearfundus.errors import QualityError
from clearfundus.fundus.phantom import Phantom, draw_phantom
from clearfundus.vessels.labels import Labels
from clearfundus.vessels.scale import Points
from clearfundus.vessels.score_paths import compare_lengths, path_similarity, traced_forest, true_forest
from clearfundus.vessels.score_trees import CONVENTIONS, DIRECTIONS, TreeScores, score_clusters, score_trees
from clearfundus.vessels.trees import Disc, Node, Segment, Tracking, Tree
from clearfundus.vessels.truth import Kind, TrueTree, TrueTrees, true_trees

SHAPE = (200, 200)


@pytest.fixture(scope="module")
def eye() -> Phantom:
    return draw_phantom(512, 4)


def line(*corners: tuple[float, float]) -> Points:
    """A line through corners, with points a pixel apart in the larger of rows and columns."""
    parts = [np.array([corners[0]], np.float64)]
    for here, there in pairwise(corners):
        steps = int(np.abs(np.subtract(there, here)).max())
        parts.append(here + np.arange(1, steps + 1)[:, None] / steps * np.subtract(there, here))
    return np.concatenate(parts).round(9)


def traced(
    lines: Sequence[Points], parents: Sequence[int | None] | None = None, fragments: tuple[int, ...] = ()
) -> Tracking:
    """Trees from lines: each its own unless it has a parent; those of `fragments`, by index of tree, are not rooted."""
    trees: list[int] = []
    for parent in parents or [None] * len(lines):
        trees.append(max(trees, default=-1) + 1 if parent is None else trees[parent])
    node = Node(point=np.zeros(2), kind="end")
    segments = [
        Segment(polyline=one, radii=np.ones(len(one)), parent=parent, tree=tree, start=0, end=0)
        for one, parent, tree in zip(lines, parents or [None] * len(lines), trees, strict=True)
    ]
    return Tracking(
        nodes=(node,),
        segments=tuple(segments),
        trees=tuple(
            Tree(segments=tuple(k for k, own in enumerate(trees) if own == tree), rooted=tree not in fragments)
            for tree in dict.fromkeys(trees)
        ),
        disc=None,
        shape=SHAPE,
        diameter=190.0,
    )


def true(*trees: tuple[Kind, Sequence[Points]]) -> TrueTrees:
    """Trees of paths from a root to leaves."""
    made = [TrueTree(kind, np.unique(np.concatenate(paths), axis=0), tuple(paths)) for kind, paths in trees]
    return TrueTrees(trees=tuple(made), shape=SHAPE)


ARTERY, VEIN = line((20, 10), (20, 109)), line((60, 10), (60, 109))
"""100 pixels each, 40 apart."""
TWO = true(("artery", [ARTERY]), ("vein", [VEIN]))


def test_trees_that_are_the_true_ones_are_perfect() -> None:
    scores = score_trees(traced([ARTERY, VEIN]), TWO)
    expected = dict.fromkeys(CONVENTIONS, 1.0) | {"path_length_error": 0.0, "trees": 2.0, "fragments": 0.0}
    assert scores.as_dict() == pytest.approx(expected, abs=1e-9)


def test_one_tree_over_an_artery_and_a_vein_is_half_pure_and_of_no_kind() -> None:
    scores = score_trees(traced([ARTERY, VEIN], [None, 0]), TWO)
    assert (scores.purity, scores.inverse_purity, scores.av_purity) == (0.5, 1, 0.5)
    assert scores.pair_f == pytest.approx(2 * (2 * comb(100, 2)) / (comb(200, 2) + 2 * comb(100, 2)))
    assert (scores.recall, scores.av_recall, scores.trees) == (1, 0, 1)


def test_a_tree_is_of_the_kind_that_most_of_it_is_of() -> None:
    # the tree of the artery takes 40 px of the vein with it: 140 of 200 px are right, 100 of them are of the artery
    scores = score_trees(traced([ARTERY, VEIN[:40], VEIN[40:]], [None, 0, None]), TWO)
    assert scores.av_purity == scores.purity == pytest.approx(160 / 200)
    assert scores.inverse_purity == pytest.approx((100 + 60) / 200)
    # and the vein's first 40 px lie on a tree that is an artery for the most part, but for 3 near the other's end
    assert scores.av_recall == pytest.approx((100 + 60 + 3) / 200)
    assert scores.recall == 1


def test_a_vessel_in_two_pieces_stays_pure_but_hangs_together_less() -> None:
    scores = score_trees(traced([ARTERY[:50], ARTERY[50:], VEIN], fragments=(1,)), TWO)
    assert (scores.purity, scores.av_purity, scores.recall, scores.av_recall) == (1, 1, 1, 1)
    assert scores.inverse_purity == pytest.approx(150 / 200)
    pairs = 2 * comb(50, 2) + comb(100, 2)
    assert scores.pair_f == pytest.approx(2 * pairs / (pairs + 2 * comb(100, 2)))
    assert (scores.trees, scores.fragments, scores.paths_traced) == (2, 1, 0.5)
    assert scores.av_recall_rooted == pytest.approx((50 + 3 + 100) / 200)
    # ends of true trees: the artery's way is broken (0), the vein's is there (1); back, both pieces lie on the truth
    assert scores.apls == pytest.approx(2 * 0.5 * 1 / 1.5)


def test_what_is_not_traced_lowers_recall_and_nothing_else() -> None:
    scores = score_trees(traced([ARTERY]), TWO)
    assert (scores.matched, scores.purity, scores.inverse_purity, scores.pair_f, scores.av_purity) == (1, 1, 1, 1, 1)
    assert (scores.recall, scores.av_recall, scores.av_recall_rooted, scores.paths_traced) == (0.5, 0.5, 0.5, 0.5)
    assert scores.apls == pytest.approx(2 * 0.5 * 1 / 1.5)


@pytest.mark.parametrize(("off", "expected"), [(3.0, 1.0), (3.5, 0.0)])
def test_a_trace_three_pixels_beside_a_vessel_still_lies_on_it(off: float, expected: float) -> None:
    scores = score_trees(traced([ARTERY + np.array([off, 0])]), true(("artery", [ARTERY])))
    assert (scores.matched, scores.recall) == (expected, expected)
    assert scores.paths_traced == 1  # ends are met within six
    assert score_trees(traced([ARTERY + np.array([off, 0])]), true(("artery", [ARTERY])), tolerance=4).matched == 1


def test_what_lies_on_no_vessel_counts_for_no_purity() -> None:
    scores = score_trees(traced([ARTERY, line((150, 10), (150, 59))], [None, 0]), TWO)
    assert scores.matched == pytest.approx(100 / 150)
    assert scores.purity == 1


def test_a_detour_lengthens_a_path_by_what_it_is_longer() -> None:
    # down 30, along, up 30: 60 px more than the 99 of the straight way; corners are rounded by the smoothing
    detour = line((20, 10), (50, 10), (50, 109), (20, 109))
    error, met = compare_lengths(traced_forest(traced([detour])), true(("artery", [ARTERY])))
    assert error == pytest.approx(60 / 99, abs=0.04)
    assert met == 1
    similarity = path_similarity(traced_forest(traced([detour])), true_forest(true(("artery", [ARTERY]))))
    forwards, backwards = 1 - 60 / 99, 1 - 60 / 159
    assert similarity == pytest.approx(2 * forwards * backwards / (forwards + backwards), abs=0.04)


def test_a_staircase_of_pixels_is_no_longer_than_the_vessel() -> None:
    stairs = np.rint(line((20, 10), (70, 160)))
    forest = true_forest(true(("artery", [stairs])))
    straight = np.hypot(50, 150)
    assert forest.distances(stairs[[0, -1]])[0, 1] == pytest.approx(straight, rel=0.005)
    assert np.hypot(*np.diff(stairs, axis=0).T).sum() > 1.07 * straight  # as the pixels go
    error, _ = compare_lengths(traced_forest(traced([stairs])), true(("artery", [line((20, 10), (70, 160))])))
    assert error < 0.005


def test_a_missing_arm_of_a_fork_loses_the_pairs_that_it_is_in() -> None:
    stem, up, down = line((100, 10), (100, 60)), line((100, 60), (60, 110)), line((100, 60), (140, 110))
    fork = true(("vein", [np.concatenate([stem, arm[1:]]) for arm in (up, down)]))
    whole = traced_forest(traced([stem, up, down], [None, 0, 0]))
    assert path_similarity(whole, true_forest(fork)) == pytest.approx(1, abs=0.01)
    assert compare_lengths(whole, fork) == pytest.approx((0, 1), abs=0.01)
    met = {tuple(point) for point in whole.points[whole.ends].round(6).tolist()}
    assert met == {(100, 10), (60, 110), (140, 110)}  # not the fork itself
    # of root-up, root-down and up-down one is left, of the traced pairs all: 2 * 1/3 / (1/3 + 1)
    armless = traced_forest(traced([stem, up], [None, 0]))
    assert path_similarity(armless, true_forest(fork)) == pytest.approx(0.5, abs=0.01)
    # an arm that hangs on nothing is as good as none, and its own pair is too short to count or right
    apart = traced_forest(traced([stem, up, down], [None, 0, None]))
    assert path_similarity(apart, true_forest(fork)) == pytest.approx(0.5, abs=0.01)


def test_every_tree_near_both_ends_of_a_path_counts_not_the_one_that_is_nearest() -> None:
    # beside the artery's root another tree begins, nearer to it than the one that leads to its leaf
    other, own = line((22, 10), (60, 60)), ARTERY + np.array([-3, 0])
    for lines in ([other, own], [own, other]):
        assert compare_lengths(traced_forest(traced(lines)), true(("artery", [ARTERY]))) == pytest.approx((0, 1))
        forests = traced_forest(traced(lines)), true_forest(true(("artery", [ARTERY])))
        assert path_similarity(*forests) == pytest.approx(2 * 1 * 0.5 / 1.5)  # back: of two traced ways one is there


def test_of_two_trees_near_both_ends_the_nearer_one_counts() -> None:
    detour = line((25, 10), (55, 10), (55, 109), (25, 109))
    for lines in ([detour, ARTERY], [ARTERY, detour]):
        assert compare_lengths(traced_forest(traced(lines)), true(("artery", [ARTERY])))[0] == pytest.approx(0)


def test_ends_of_two_trees_are_no_pair_though_one_tree_is_near_both() -> None:
    # the vein ends 5 px from the artery's end: its own pair and the artery's count, none from one to the other
    near = true(("artery", [ARTERY]), ("vein", [line((60, 10), (60, 60), (25, 109))]))
    assert path_similarity(true_forest(near), true_forest(near)) == pytest.approx(1)
    alone = traced_forest(traced([near.trees[1].paths[0]]))
    assert path_similarity(alone, true_forest(near)) == pytest.approx(2 * 0.5 * 1 / 1.5, abs=0.01)


def test_segments_that_begin_at_one_junction_hang_together_and_it_is_no_end() -> None:
    left, right = line((20, 60), (20, 10)), line((20, 60), (20, 109))
    fragment = Tracking(**{**vars(traced([left, right])), "trees": (Tree(segments=(0, 1), rooted=False),)})
    fragment = replace(fragment, segments=tuple(replace(one, tree=0) for one in fragment.segments))

    forest = traced_forest(fragment)

    assert sorted(forest.points[forest.ends].tolist()) == [[20, 10], [20, 109]]
    assert compare_lengths(forest, true(("artery", [ARTERY]))) == pytest.approx((0, 1), abs=1e-6)


def test_an_ending_six_pixels_off_is_met_and_a_farther_one_is_not() -> None:
    for cut, met in ((6, 1.0), (7, 0.0)):
        assert compare_lengths(traced_forest(traced([ARTERY[:-cut]])), true(("artery", [ARTERY])))[1] == met


def test_without_any_trace_purity_is_not_defined_and_recall_is_0() -> None:
    scores = score_trees(traced([]), TWO)
    undefined = ("matched", "purity", "inverse_purity", "pair_f", "av_purity", "path_length_error")
    assert {name for name, value in scores.as_dict().items() if isnan(value)} == set(undefined)
    assert (scores.recall, scores.av_recall, scores.av_recall_rooted, scores.paths_traced, scores.apls) == (0,) * 5
    assert (scores.trees, scores.fragments) == (0, 0)


def test_without_any_true_tree_recall_is_not_defined() -> None:
    scores = score_trees(traced([ARTERY]), TrueTrees(trees=(), shape=SHAPE))
    assert scores.matched == 0
    assert all(map(isnan, (scores.recall, scores.av_recall, scores.purity, scores.paths_traced, scores.apls)))


def test_clusters_have_the_textbook_s_values() -> None:
    # Manning, Raghavan and Schuetze, Introduction to Information Retrieval, figure 16.4: purity 12/17, pairs 20 right
    # of 40 found and 44 true
    counts = np.array([[5, 1, 0], [1, 4, 1], [2, 0, 3]])
    found = score_clusters(counts)
    assert found["purity"] == pytest.approx(12 / 17)
    assert found["inverse_purity"] == pytest.approx(12 / 17)
    assert found["pair_f"] == pytest.approx(2 * 20 / (40 + 44))


def test_a_drawn_eye_traced_as_it_was_drawn_has_pure_trees(eye: Phantom) -> None:
    edges = eye.graph.edges
    outside = [edge.polyline[np.hypot(*(edge.polyline - eye.disc).T) > 54] for edge in edges]  # 1.5 radii
    kept = {old: new for new, old in enumerate(k for k, line in enumerate(outside) if len(line) > 1)}
    tracking = traced(
        [outside[k] for k in kept],
        [kept.get(parent) if (parent := edges[k].parent) is not None else None for k in kept],
    )
    tracking = Tracking(**{**vars(tracking), "shape": (512, 512)})
    crossed = eye.arteries & eye.veins
    labels = Labels(
        vessels=eye.vessels, arteries=eye.arteries & ~crossed, veins=eye.veins & ~crossed, crossings=crossed
    )
    disc = Disc(centre=eye.disc, radius=36.0, contrast=9.0)
    scores = score_trees(tracking, true_trees(labels, eye.field.mask, disc))
    # at crossings the nearest centreline may be the other's
    assert scores.matched > 0.97
    assert scores.av_purity > 0.95
    assert scores.purity > 0.95
    assert scores.path_length_error < 0.05


def test_every_score_has_its_convention_and_its_direction() -> None:
    names = list(TreeScores.__dataclass_fields__)
    assert names == list(CONVENTIONS) == list(DIRECTIONS)
    assert (DIRECTIONS["path_length_error"], DIRECTIONS["fragments"], DIRECTIONS["trees"]) == ("lower", "lower", "none")


def test_trees_of_another_picture_s_size_are_refused() -> None:
    with pytest.raises(QualityError, match=r"found trees of a picture \(200, 200\) and true ones of \(100, 100\)"):
        score_trees(traced([ARTERY]), TrueTrees(trees=(), shape=(100, 100)))
