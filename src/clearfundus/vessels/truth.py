"""True vessel trees, from the arteries and veins that experts drew.

The fact to know: a tree here is a connected part of all arteries or of all veins, crossings counted to both, the disc
taken out; trees of one kind that touch are one. A tree has a root wherever it comes to the disc. Trees that the labels
tear apart are several, and one that does not come to the disc has its root at the end nearest to it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.spatial import cKDTree
from skimage.graph import MCP_Geometric
from skimage.morphology import skeletonize

from clearfundus.errors import QualityError
from clearfundus.photo import Mask
from clearfundus.vessels.labels import Labels
from clearfundus.vessels.scale import Points
from clearfundus.vessels.trees import Disc, polyline_length

Kind = Literal["artery", "vein"]
Places = NDArray[np.int64]
"""Pixels, (N, 2), rows and columns."""

DISC_REACH = 1.5
"""Radius, in disc radii, of the circle taken out: in the disc experts draw vessels as one knot."""
ROOT_REACH = 1.15 * DISC_REACH
"""In disc radii: what comes so near to the disc begins there; thinning takes a radius off a vessel's end."""
SWING = 5.0
"""Pixels: a vessel near the disc that goes no farther beyond that bound and comes back has come to the disc once."""
SMALLEST_PART = 20
"""Pixels of one kind, crossings apart; a smaller part is no tree."""
SHORTEST_PATH = 30.0
"""Of a path from root to leaf, in pixels: less is too short to judge a track by."""
SHORTEST_BRANCH = 10
"""Pixels that a path shares with no longer path; with fewer its leaf is thinning's doing."""
HEADING = 12.0
"""Pixels of the path over which a seed's heading is taken."""
SEED_SHARES = (0.0, 1 / 3, 2 / 3)
"""Where along a path seeds lie."""
PATH_SIGMA = 2.0
"""Deviation, in pixels, of the Gaussian along a path: the pixels' staircase would make it longer than the vessel."""


@dataclass(frozen=True, eq=False)
class TrueTree:
    """One tree.

    Attributes:
        kind: "artery" or "vein".
        centreline: All its pixels, in no order, (M, 2).
        paths: From the root to each leaf, each (N, 2), smoothed a little; none if all are shorter than 30 pixels.
    """

    kind: Kind
    centreline: Points
    paths: tuple[Points, ...]

    def distance(self, points: Points) -> Points:
        """Return how far each of points, (N, 2), lies from the centreline, (N,)."""
        away: Points = self._index.query(points.reshape(-1, 2))[0]
        return away

    @cached_property
    def _index(self) -> cKDTree:
        return cKDTree(self.centreline)


@dataclass(frozen=True, kw_only=True, eq=False)
class Seed:
    """A place on a true vessel to begin a track at.

    Attributes:
        point: (2,).
        heading: Of length 1, (2,): along the path, away from the root.
        tree: Index of its tree.
        remaining: Length of the path from here to its leaf.
    """

    point: Points
    heading: Points
    tree: int
    remaining: float


@dataclass(frozen=True, kw_only=True, eq=False)
class TrueTrees:
    """All trees of one photograph.

    Attributes:
        trees: Arteries first.
        shape: Height and width of the labels.
    """

    trees: tuple[TrueTree, ...]
    shape: tuple[int, int]

    @property
    def paths(self) -> tuple[tuple[int, Points], ...]:
        """All paths from a root to a leaf, each with the index of its tree."""
        return tuple((index, path) for index, tree in enumerate(self.trees) for path in tree.paths)

    def seeds(self) -> tuple[Seed, ...]:
        """Return where tracks begin: at none, one and two thirds of every path, headed along it over 12 pixels."""
        return tuple(seed for index, path in self.paths for seed in _seeds(index, path))


def true_trees(labels: Labels, field_mask: Mask, disc: Disc | None) -> TrueTrees:
    """Return the true trees of one photograph.

    Args:
        labels: With arteries and veins, at a field diameter of 540 pixels.
        field_mask: (H, W), true on the retina; outside there are no trees.
        disc: The optic disc, found on the clear photograph; None: nothing is taken out, and a tree begins where most
            of it comes together cannot be known: at its end nearest to the field's middle.

    Raises:
        QualityError: If the labels do not tell arteries from veins, or are of another size than the field.
    """
    if labels.arteries is None or labels.veins is None or labels.crossings is None:
        raise QualityError("labels: found no arteries and veins, expected masks of both; trees need them")
    if labels.arteries.shape != field_mask.shape:
        raise QualityError(
            f"labels: found {labels.arteries.shape}, expected {field_mask.shape} as the field; scale them with it"
        )
    centre = np.argwhere(field_mask).mean(axis=0) if disc is None else disc.centre
    radius = 0.0 if disc is None else disc.radius
    row, column = np.ogrid[: field_mask.shape[0], : field_mask.shape[1]]
    away = np.hypot(row - centre[0], column - centre[1])
    kept = field_mask & (away > DISC_REACH * radius)
    kinds: tuple[tuple[Kind, Mask], ...] = (("artery", labels.arteries), ("vein", labels.veins))
    trees = []
    for kind, own in kinds:
        for part in _parts((own | labels.crossings) & kept, own & kept):
            tree = _tree(kind, part, centre, ROOT_REACH * radius)
            if len(tree.centreline):
                trees.append(tree)
    return TrueTrees(trees=tuple(trees), shape=field_mask.shape[:2])


def _parts(mask: Mask, own: Mask) -> Iterator[Mask]:
    """Yield the 8-connected parts that hold enough pixels of their own kind."""
    count, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    sizes = np.bincount(np.asarray(labels)[own], minlength=count)
    for label in range(1, count):
        if sizes[label] >= SMALLEST_PART:
            yield np.asarray(labels == label, np.bool_)


def _tree(kind: Kind, part: Mask, centre: Points, root_reach: float) -> TrueTree:
    rows, columns = np.flatnonzero(part.any(1)), np.flatnonzero(part.any(0))
    corner = np.array([rows[0], columns[0]]) - 1
    box = np.pad(part[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1], 1)
    skeleton = np.asarray(skeletonize(box), np.bool_)  # type: ignore[no-untyped-call]
    ends = _ends(skeleton)
    roots = _roots(skeleton, ends, centre - corner, root_reach)
    paths = tuple(_smoothed(path) + corner for path in _paths(skeleton, roots, ends))
    long = tuple(path for path in paths if polyline_length(path) >= SHORTEST_PATH)
    return TrueTree(kind, np.argwhere(skeleton).astype(np.float64) + corner, long)


def _ends(skeleton: Mask) -> Places:
    """Return the pixels with one neighbour, (N, 2)."""
    neighbours = cv2.filter2D(skeleton.astype(np.uint8), -1, np.ones((3, 3), np.uint8), borderType=cv2.BORDER_CONSTANT)
    return np.argwhere(skeleton & (np.asarray(neighbours) <= 2))


def _roots(skeleton: Mask, ends: Places, centre: Points, reach: float) -> Places:
    """Return where a tree begins, (N, 2).

    Of each stretch of it near the disc the free ends; if a stretch has none, for it leads on both ways, its pixel
    nearest to the disc. Without such a stretch the end that is nearest; without ends, the pixel.
    """
    pixels = np.argwhere(skeleton)
    away = np.hypot(*(pixels - centre).T)
    if away.min() > reach:
        return _nearest(ends if len(ends) else pixels, centre)
    near = np.zeros(skeleton.shape, np.uint8)
    near[tuple(pixels[away <= reach + SWING].T)] = 1
    stretches = np.asarray(cv2.connectedComponents(near, connectivity=8)[1])
    roots = []
    for stretch in np.unique(stretches[tuple(pixels[away <= reach].T)]):
        free = ends[(stretches[tuple(ends.T)] == stretch) & (np.hypot(*(ends - centre).T) <= reach)]
        roots.append(free if len(free) else _nearest(np.argwhere(stretches == stretch), centre))
    return np.concatenate(roots)


def _nearest(places: Places, centre: Points) -> Places:
    """Return the one of some pixels that is nearest to a point, (1, 2)."""
    place: Places = places[np.hypot(*(places - centre).T).argmin()]
    return place[None]


def _paths(skeleton: Mask, roots: Places, ends: Places) -> list[Points]:
    """Return the shortest path to each leaf from the root nearest to it, without paths that hardly are their own."""
    search = MCP_Geometric(np.where(skeleton, 1.0, -1.0))
    totals, _ = search.find_costs([tuple(root) for root in roots.tolist()])
    is_root = (ends[:, None] == roots).all(axis=2).any(axis=1)
    leaves = sorted((tuple(leaf) for leaf in ends[~is_root].tolist()), key=lambda leaf: -totals[leaf])
    taken = np.zeros(skeleton.shape, np.bool_)
    paths = []
    for leaf in leaves:
        path = np.array(search.traceback(leaf))
        if np.count_nonzero(~taken[tuple(path.T)]) >= SHORTEST_BRANCH:
            taken[tuple(path.T)] = True
            paths.append(path.astype(np.float64))
    return paths


def _smoothed(path: Points) -> Points:
    smoothed: Points = gaussian_filter1d(path, PATH_SIGMA, axis=0, mode="nearest")
    smoothed[[0, -1]] = path[[0, -1]]
    return smoothed


def _seeds(tree: int, path: Points) -> Iterator[Seed]:
    along = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(path, axis=0).T))])

    def at(length: float) -> Points:
        return np.array([np.interp(length, along, path[:, axis]) for axis in (0, 1)])

    for share in SEED_SHARES:
        begin = share * along[-1]
        way = at(begin + HEADING) - at(begin)
        distance = np.hypot(*way)
        if distance > 0:
            remaining = float(along[-1] - begin)
            yield Seed(point=at(begin), heading=way / distance, tree=tree, remaining=remaining)
