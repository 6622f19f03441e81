"""How well traced trees agree with the true ones: what hangs together, of which kind it is, how far it leads.

The fact to know: the fewer vessels are found, the purer their trees are. Purity says nothing without recall beside it.

Source: purity and pairs as in Manning, Raghavan and Schütze, Introduction to Information Retrieval (2008), section
16.3; paths in `score_paths`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from clearfundus.errors import QualityError
from clearfundus.vessels.score import share
from clearfundus.vessels.score_paths import Forest, compare_lengths, path_similarity, traced_forest, true_forest
from clearfundus.vessels.trees import Tracking
from clearfundus.vessels.truth import TrueTrees

TOLERANCE = 3.0
"""Pixels between a traced and a true centreline that still agree, at a field diameter of 540."""
CONVENTIONS: Mapping[str, str] = MappingProxyType(
    {
        "matched": "share of the traced length within the tolerance of a true tree",
        "recall": "share of the true centrelines within the tolerance of a trace",
        "purity": "share of the matched length in its tree's most frequent true tree",
        "inverse_purity": "share of the matched length in its true tree's most frequent traced tree",
        "pair_f": "F of pairs of matched pixels: in one traced tree, and in one true tree",
        "av_purity": "share of the matched length that is of its tree's most frequent kind, artery or vein",
        "av_recall": "share of the true centrelines within the tolerance of a trace whose tree is, for the most part, "
        "of their own kind",
        "av_recall_rooted": "the same, trees that begin at the disc alone",
        "path_length_error": "mean of |traced - true| / true length over paths from a root to a leaf that are traced",
        "paths_traced": "share of the true paths whose root and leaf lie on one traced tree, within 6 pixels",
        "apls": "average path length similarity between the roots and leaves of a tree: 1 - |L' - L| / L, 0 without a "
        "path; mean from true to traced and back, harmonic mean of both",
        "trees": "number of trees that begin at the disc",
        "fragments": "number of trees that do not",
    }
)
"""Score -> what it is; the tolerance is 3 pixels at a field diameter of 540, pixels are samples a pixel apart. Where no
trace matches, purities are not defined (NaN), recalls are 0."""
DIRECTIONS: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(CONVENTIONS, "higher"),
        "path_length_error": "lower",
        "trees": "none",
        "fragments": "lower",
    }
)
"""Score -> what is better, "higher", "lower" or "none"."""

Counts = NDArray[np.int64]
"""(traced trees, true trees): traced pixels of the one that lie on the other."""


@dataclass(frozen=True, kw_only=True)
class TreeScores:
    """How well the trees of one photograph agree with the true ones; `CONVENTIONS` says what each score is.

    Attributes:
        matched: In [0, 1]; NaN where nothing is traced.
        recall: In [0, 1]; NaN where no tree is drawn, like all recalls.
        purity: In (0, 1]; NaN where no trace matches, like the next three.
        inverse_purity: In (0, 1].
        pair_f: In (0, 1].
        av_purity: In [0.5, 1].
        av_recall: In [0, 1].
        av_recall_rooted: In [0, 1].
        path_length_error: 0 at best; NaN where no path is traced.
        paths_traced: In [0, 1]; NaN where no path is drawn.
        apls: In [0, 1]; NaN where no path is drawn.
        trees: A whole number.
        fragments: A whole number.
    """

    matched: float
    recall: float
    purity: float
    inverse_purity: float
    pair_f: float
    av_purity: float
    av_recall: float
    av_recall_rooted: float
    path_length_error: float
    paths_traced: float
    apls: float
    trees: float
    fragments: float

    def as_dict(self) -> dict[str, float]:
        """Return score -> value, in the order of the fields."""
        return {one.name: getattr(self, one.name) for one in fields(self)}


def score_trees(tracking: Tracking, truth: TrueTrees, tolerance: float = TOLERANCE) -> TreeScores:
    """Score the traced trees of one photograph.

    Args:
        tracking: The traced trees.
        truth: The true ones, in the same pixels.
        tolerance: In pixels.

    Raises:
        QualityError: If the two are of pictures of different size.
    """
    if tracking.shape != truth.shape:
        raise QualityError(
            f"score_trees: found trees of a picture {tracking.shape} and true ones of {truth.shape}, expected one "
            "size; bring the labels to the scale that was tracked"
        )
    traced = traced_forest(tracking)
    counts = count_matches(traced, truth, len(tracking.trees), tolerance)
    kinds = _by_kind(counts, truth)
    likely = (kinds > kinds[:, ::-1]) & (kinds > 0)  # the most frequent kind; neither if both are as frequent
    rooted = np.array([tree.rooted for tree in tracking.trees], np.bool_)
    error, met = compare_lengths(traced, truth)
    return TreeScores(
        matched=share(int(counts.sum()), len(traced.points)),
        recall=_recall(traced, np.ones_like(likely), truth, tolerance),
        **score_clusters(counts),
        av_purity=share(int(kinds.max(axis=1).sum()), int(kinds.sum())),
        av_recall=_recall(traced, likely, truth, tolerance),
        av_recall_rooted=_recall(traced, likely & rooted[:, None], truth, tolerance),
        path_length_error=error,
        paths_traced=met,
        apls=path_similarity(traced, true_forest(truth)),
        trees=float(rooted.sum()),
        fragments=float((~rooted).sum()),
    )


def count_matches(traced: Forest, truth: TrueTrees, trees: int, tolerance: float = TOLERANCE) -> Counts:
    """Count the traced pixels of each tree that lie on each true tree: each on the one that is nearest.

    Args:
        traced: The traced trees.
        truth: The true ones.
        trees: How many traced trees there are.
        tolerance: In pixels; what is farther from all true trees is not counted.
    """
    counts: Counts = np.zeros((trees, len(truth.trees)), np.int64)
    if len(traced.points) and truth.trees:
        lengths = [len(tree.centreline) for tree in truth.trees]
        away, nearest = cKDTree(np.concatenate([tree.centreline for tree in truth.trees])).query(traced.points)
        near = away <= tolerance
        np.add.at(counts, (traced.trees[near], np.repeat(np.arange(len(lengths)), lengths)[nearest[near]]), 1)
    return counts


def score_clusters(counts: Counts) -> dict[str, float]:
    """Return purity, inverse purity and F over pairs of a contingency table; NaN where it is empty.

    Args:
        counts: (found clusters, true clusters), items that are in both.
    """
    total = int(counts.sum())
    found, true = _pairs(counts.sum(axis=1)), _pairs(counts.sum(axis=0))
    return {
        "purity": share(int(counts.max(axis=1, initial=0).sum()), total),
        "inverse_purity": share(int(counts.max(axis=0, initial=0).sum()), total),
        "pair_f": share(2 * _pairs(counts), found + true),
    }


def _pairs(sizes: Counts) -> int:
    """Return how many pairs there are inside groups of these sizes."""
    return int((sizes * (sizes - 1) // 2).sum())


def _by_kind(counts: Counts, truth: TrueTrees) -> Counts:
    """Return how many traced pixels of each tree lie on arteries and on veins, (traced trees, 2)."""
    is_artery = np.array([tree.kind == "artery" for tree in truth.trees], np.bool_)
    return np.stack([counts[:, is_artery].sum(axis=1), counts[:, ~is_artery].sum(axis=1)], axis=1)


def _recall(traced: Forest, allowed: NDArray[np.bool_], truth: TrueTrees, tolerance: float) -> float:
    """Return the share of the true centrelines near a trace.

    Args:
        traced: The traced trees.
        allowed: (traced trees, 2): whether a tree counts for arteries, and whether it does for veins.
        truth: The true trees.
        tolerance: In pixels.
    """
    met = total = 0
    for column, kind in enumerate(("artery", "vein")):
        true = [tree.centreline for tree in truth.trees if tree.kind == kind]
        points = traced.points[allowed[traced.trees, column]]
        total += sum(map(len, true))
        if true and len(points):
            met += int((cKDTree(points).query(np.concatenate(true))[0] <= tolerance).sum())
    return share(met, total)
