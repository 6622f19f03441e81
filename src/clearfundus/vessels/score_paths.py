"""How well lengths of paths inside traced trees agree with those inside the true ones.

The fact to know: an end counts as met within 6 pixels, for thinning moves the tips of vessels; and only lengths are
compared, not the way between.

Source: APLS, the average path length similarity of Van Etten (SpaceNet, 2017; code at CosmiQ/apls), here between roots
and leaves of one tree alone.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from math import inf, isnan, nan

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra
from scipy.spatial import cKDTree

from clearfundus.vessels.scale import Points
from clearfundus.vessels.score import harmonic_mean
from clearfundus.vessels.trees import Tracking, polyline_length
from clearfundus.vessels.truth import PATH_SIGMA, SHORTEST_PATH, TrueTrees

END_TOLERANCE = 6.0
"""Pixels between a root or leaf and where it is met, at a field diameter of 540: about the width of a wide vessel."""
ROUNDS = round(2 * PATH_SIGMA**2)
"""Of taking every point half-way to the mean of its neighbours: along a line that is a Gaussian of PATH_SIGMA."""
TOUCHING = 1e-6
"""Length of a link between points in one place; 0 would be no link."""

Indices = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Forest:
    """Trees as points about a pixel apart, and the links between neighbours.

    Attributes:
        points: (N, 2).
        trees: Index of each point's tree, (N,).
        links: Pairs of points, (L, 2).
        lengths: Of the links, (L,).
        ends: The points that are roots or leaves, (E,).
    """

    points: Points
    trees: Indices
    links: Indices
    lengths: Points
    ends: Indices

    def distances(self, places: Points) -> Points:
        """Return the lengths of the ways between places, (K, 2), inside the trees, (K, K).

        A place is met by every tree that comes within 6 pixels of it. Of several trees that meet both places the one
        that is nearest to them counts, by the sum of the two distances. Infinite where no tree meets both.
        """
        lengths: Points = np.full((len(places), len(places)), inf)
        apart = np.full_like(lengths, inf)
        for tree in np.unique(self.trees):
            away, ways = self._ways(tree, places)
            sums = np.where(np.isfinite(ways), away[:, None] + away, inf)
            nearer = sums < apart
            lengths[nearer], apart[nearer] = ways[nearer], sums[nearer]
        return lengths

    def _ways(self, tree: int, places: Points) -> tuple[Points, Points]:
        """Return how far each place is from one tree, (K,), and the lengths of the ways inside it, (K, K)."""
        own = np.flatnonzero(self.trees == tree)
        away, nearest = cKDTree(self.points[own]).query(places)
        ways: Points = np.full((len(places), len(places)), inf)
        met = np.flatnonzero(away <= END_TOLERANCE)
        if len(met):
            unique, which = np.unique(own[nearest[met]], return_inverse=True)
            ways[np.ix_(met, met)] = dijkstra(self._matrix, directed=False, indices=unique)[which][:, own[nearest[met]]]
        return away, ways

    @cached_property
    def _matrix(self) -> csr_array:
        size = len(self.points)
        return csr_array((np.maximum(self.lengths, TOUCHING), tuple(self.links.T)), shape=(size, size))


def traced_forest(tracking: Tracking) -> Forest:
    """Return the trees of a tracking, their lines smoothed as the true paths are."""
    lines = [_sampled(segment.polyline) for segment in tracking.segments]
    begins = np.concatenate([[0], np.cumsum([len(line) for line in lines])]).astype(np.int64)
    links = [np.arange(begin, end - 1) for begin, end in pairwise(begins.tolist())]
    along = np.concatenate([np.zeros(0, np.int64), *links])
    parents = [
        (begins[one.parent + 1] - 1, begins[k]) for k, one in enumerate(tracking.segments) if one.parent is not None
    ]
    starts = [[k for k in tree.segments if tracking.segments[k].parent is None] for tree in tracking.trees]
    beside = [(begins[first], begins[k]) for first, *others in starts for k in others]
    joined = np.array([*parents, *beside], np.int64).reshape(-1, 2)
    pairs = np.concatenate([np.stack([along, along + 1], axis=1), joined])
    points = np.concatenate([np.zeros((0, 2)), *lines])
    inner = {one.parent for one in tracking.segments}
    roots = [begins[first] for first, *others in starts if not others]  # where several begin there is a junction
    leaves = [begins[k + 1] - 1 for k in range(len(lines)) if k not in inner]
    return Forest(
        points=points,
        trees=np.repeat([one.tree for one in tracking.segments], np.diff(begins)).astype(np.int64),
        links=pairs,
        lengths=np.hypot(*(points[pairs[:, 0]] - points[pairs[:, 1]]).T),
        ends=np.unique(np.array([*roots, *leaves], np.int64)),
    )


def true_forest(truth: TrueTrees) -> Forest:
    """Return the true trees; their ends are those of their paths."""
    parts, ends, begin = [np.zeros((0, 2))], [np.zeros(0, np.int64)], 0
    links = [np.zeros((0, 2), np.int64)]
    for tree in truth.trees:
        index = cKDTree(tree.centreline)
        pairs = index.query_pairs(1.5, output_type="ndarray").astype(np.int64)
        parts.append(_smoothed(tree.centreline, pairs))
        links.append(begin + pairs)
        if tree.paths:
            tips = np.concatenate([path[[0, -1]] for path in tree.paths])
            ends.append(np.unique(begin + index.query(tips)[1].astype(np.int64)))
        begin += len(tree.centreline)
    points, pairs = np.concatenate(parts), np.concatenate(links)
    return Forest(
        points=points,
        trees=np.repeat(np.arange(len(truth.trees)), [len(tree.centreline) for tree in truth.trees]),
        links=pairs,
        lengths=np.hypot(*(points[pairs[:, 0]] - points[pairs[:, 1]]).T),
        ends=np.concatenate(ends),
    )


def compare_lengths(traced: Forest, truth: TrueTrees) -> tuple[float, float]:
    """Compare the paths from a root to a leaf with the ways inside the traced trees between the same places.

    Args:
        traced: The traced trees.
        truth: The true ones.

    Returns:
        The mean of |traced - true| / true length over the paths whose two ends lie on one traced tree, NaN if there is
        none; and their share among all paths, NaN if there is no path.
    """
    paths = [path for _, path in truth.paths]
    if not paths:
        return nan, nan
    places = np.concatenate([np.stack([path[0] for path in paths]), np.stack([path[-1] for path in paths])])
    found = np.diagonal(traced.distances(places), offset=len(paths))
    true = np.array([polyline_length(path) for path in paths])
    met = np.isfinite(found)
    error = float(np.mean(np.abs(found[met] - true[met]) / true[met])) if met.any() else nan
    return error, float(met.mean())


def path_similarity(traced: Forest, true: Forest) -> float:
    """Return the average path length similarity, in [0, 1], 1 is best.

    For each two ends of one tree, 30 pixels of way or more apart: 1 - |L' - L| / L, at least 0, where L' is the length
    of the way between the same places in the other trees, 0 if there is none; the mean, from true to traced and from
    traced to true, and the harmonic mean of both. NaN if the true trees hold no such pair.

    Args:
        traced: The traced trees.
        true: The true ones.
    """
    forwards, backwards = _similarity(true, traced), _similarity(traced, true)
    return forwards if isnan(forwards) else harmonic_mean(forwards, 0.0 if isnan(backwards) else backwards)


def _similarity(one: Forest, other: Forest) -> float:
    """Return how alike the ways between ends of one forest are in the other; NaN if there are none."""
    places = one.points[one.ends]
    first, second = np.triu_indices(len(places), 1)
    expected = one.distances(places)[first, second]
    of_one_tree = np.equal(*one.trees[one.ends][[first, second]])
    counted = of_one_tree & np.isfinite(expected) & (expected >= SHORTEST_PATH)
    if not counted.any():
        return nan
    found = other.distances(places)[first, second][counted]
    return float(np.mean(np.maximum(0, 1 - np.abs(found - expected[counted]) / expected[counted])))


def _smoothed(points: Points, links: Indices) -> Points:
    """Return the points of a skeleton without the staircase of its pixels; ends stay where they are."""
    size = len(points)
    both = np.concatenate([links, links[:, ::-1]])
    linked = csr_array((np.ones(len(both)), tuple(both.T)), shape=(size, size))
    degrees = np.bincount(both[:, 0], minlength=size)
    smoothed = np.array(points, np.float64)
    inner = degrees > 1
    for _ in range(ROUNDS):
        means = (linked @ smoothed)[inner] / degrees[inner, None]
        smoothed[inner] = (smoothed[inner] + means) / 2
    return smoothed


def _sampled(polyline: Points) -> Points:
    """Return a polyline, smoothed between its ends, as points at equal distances of about a pixel."""
    if len(polyline) < 2:
        return np.asarray(polyline, np.float64)
    smoothed = gaussian_filter1d(np.asarray(polyline, np.float64), PATH_SIGMA, axis=0, mode="nearest")
    smoothed[[0, -1]] = polyline[[0, -1]]
    along = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(smoothed, axis=0).T))])
    wanted = np.linspace(0, along[-1], max(2, round(along[-1]) + 1))
    sampled: Points = np.stack([np.interp(wanted, along, smoothed[:, axis]) for axis in (0, 1)], axis=1)
    return sampled
