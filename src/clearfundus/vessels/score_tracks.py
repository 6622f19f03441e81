"""How well vessels are followed: tracks from seeds on true trees, and paths between two points of them.

The fact to know: where so little is seen that tracks stop at once, hardly any goes wrong; only the correct fraction
then shows the loss, so the two belong together.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from clearfundus.errors import QualityError
from clearfundus.photo import Gray, Mask
from clearfundus.vessels.minimal_path import paths_from
from clearfundus.vessels.scale import Points
from clearfundus.vessels.seeded import DEFAULTS, TrackerSettings, follow_vessels
from clearfundus.vessels.trees import Track
from clearfundus.vessels.truth import Seed, TrueTree, TrueTrees

TOLERANCE = 4.0
"""In pixels at a field diameter of 540: a point that lies farther from the true tree is off it."""
WRONG_RUN = 12.0
"""Length in pixels from which on a run of points off the tree is wrong; less may be a crossing cut short."""
LARGEST_SHARE_OFF = 0.1
"""Of a path and of the true one, each from the other, in a path that counts as found."""


@dataclass(frozen=True, kw_only=True)
class TrackScores:
    """What tracks from seeds on true trees are worth.

    Attributes:
        tracks: How many seeds there were.
        length: Of all tracks together, in pixels.
        wrong_share: Tracks with a wrong run among all: 12 pixels or more in a row that lie farther than 4 from the
            seed's own tree. NaN without seeds.
        correct_fraction: Length before the first wrong run over that of the rest of the true path, at most 1; the mean
            over seeds. NaN without seeds.
        wrong_per_1000: Wrong runs in 1000 pixels of track; NaN without any.
    """

    tracks: int
    length: float
    wrong_share: float
    correct_fraction: float
    wrong_per_1000: float


@dataclass(frozen=True, kw_only=True)
class PathScores:
    """What paths between a tree's root and its leaves are worth.

    Attributes:
        paths: How many were sought.
        success: Those found, as a share: at most 10 % of the path lies farther than 4 pixels from the true one, and of
            the true one from the path. NaN without paths.
    """

    paths: int
    success: float


def follow_seeds(
    probability: Gray, field_mask: Mask, seeds: Sequence[Seed], *, settings: TrackerSettings = DEFAULTS
) -> tuple[Track, ...]:
    """Return a track for each seed; seeds that agree in place and heading are followed once.

    Args:
        probability: Of a vessel, (H, W) in [0, 1].
        field_mask: (H, W), true on the retina.
        seeds: Where to begin.
        settings: How to follow.
    """
    if not seeds:
        return ()
    starts = np.array([np.concatenate([seed.point, seed.heading]) for seed in seeds])
    unique, which = np.unique(starts.round(6), axis=0, return_inverse=True)
    tracks = follow_vessels(probability, field_mask, unique[:, :2], unique[:, 2:], settings=settings)
    return tuple(tracks[index] for index in which.ravel())


def wrong_parts(track: Track, own_tree: TrueTree) -> Mask:
    """Return which points of a track lie in a wrong run, (N,).

    Args:
        track: In the pixels of the tree.
        own_tree: The tree that the track's seed lies on.
    """
    if not len(track.polyline):
        return np.zeros(0, np.bool_)
    wrong = own_tree.distance(track.polyline) > TOLERANCE
    for start, stop in _runs(wrong):
        if _along(track.polyline)[stop - 1] - _along(track.polyline)[start] < WRONG_RUN:
            wrong[start:stop] = False
    return np.asarray(wrong, np.bool_)


def score_tracks(tracks: Sequence[Track], seeds: Sequence[Seed], truth: TrueTrees) -> TrackScores:
    """Judge tracks by the trees that their seeds lie on.

    Args:
        tracks: What `follow_seeds` returned.
        seeds: Their seeds, in the same order.
        truth: The trees of the seeds.

    Raises:
        QualityError: If there are not as many tracks as seeds.
    """
    if len(tracks) != len(seeds):
        raise QualityError(f"found {len(tracks)} tracks and {len(seeds)} seeds, expected a track for each seed")
    runs, correct = [], []
    for track, seed in zip(tracks, seeds, strict=True):
        wrong = wrong_parts(track, truth.trees[seed.tree])
        runs.append(len(_runs(wrong)))
        right = _along(track.polyline)[int(wrong.argmax())] if wrong.any() else track.length
        correct.append(min(1.0, right / seed.remaining))
    length = sum(track.length for track in tracks)
    nothing = float("nan")
    return TrackScores(
        tracks=len(tracks),
        length=length,
        wrong_share=float(np.mean(np.array(runs) > 0)) if runs else nothing,
        correct_fraction=float(np.mean(correct)) if correct else nothing,
        wrong_per_1000=1000 * sum(runs) / length if length > 0 else nothing,
    )


def find_paths(probability: Gray, field_mask: Mask, truth: TrueTrees) -> tuple[Track, ...]:
    """Return the minimal path between the ends of each true path, in the order of `truth.paths`.

    Args:
        probability: Of a vessel, (H, W) in [0, 1].
        field_mask: (H, W), true on the retina.
        truth: The trees.
    """
    ends: dict[tuple[float, float], list[int]] = {}
    for index, (_, path) in enumerate(truth.paths):
        ends.setdefault((float(path[0, 0]), float(path[0, 1])), []).append(index)
    found: dict[int, Track] = {}
    for root, indices in ends.items():
        goals = tuple(truth.paths[index][1][-1] for index in indices)
        found.update(zip(indices, paths_from(probability, np.array(root), goals, field_mask), strict=True))
    return tuple(found[index] for index in sorted(found))


def score_paths(paths: Sequence[Track], truth: TrueTrees) -> PathScores:
    """Judge paths between two points by the true ones.

    Args:
        paths: What `find_paths` returned.
        truth: The trees.

    Raises:
        QualityError: If there are not as many paths as true ones.
    """
    if len(paths) != len(truth.paths):
        raise QualityError(f"found {len(paths)} paths, expected {len(truth.paths)}, one for each true path")
    found = [_is_found(path.polyline, true) for path, (_, true) in zip(paths, truth.paths, strict=True)]
    return PathScores(paths=len(found), success=float(np.mean(found)) if found else float("nan"))


def _is_found(path: Points, true: Points) -> bool:
    if not len(path):
        return False
    off = [np.mean(cKDTree(there).query(here)[0] > TOLERANCE) for here, there in ((path, true), (true, path))]
    return bool(max(off) <= LARGEST_SHARE_OFF)


def _runs(flags: Mask) -> list[tuple[int, int]]:
    """Return where each run of true begins and where it has ended."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return [(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]


def _along(polyline: Points) -> Points:
    """Return the length from the first point to each, (N,)."""
    length: Points = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(polyline, axis=0).T))])
    return length
