"""What is measured of the vessels found on one picture: against what was drawn, or without.

The fact to know: everything is judged at a field diameter of 540 pixels, the scale at which vessels are sought.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import nan
from types import MappingProxyType

import numpy as np

from clearfundus.evaluation.vessel_eyes import Truth
from clearfundus.vessels import score, score_trees
from clearfundus.vessels.disc import find_disc
from clearfundus.vessels.score_tracks import find_paths, follow_seeds, score_paths, score_tracks
from clearfundus.vessels.seeded import follow_vessels
from clearfundus.vessels.segment import Segmentation
from clearfundus.vessels.tracing import trace_trees
from clearfundus.vessels.trees import Disc, Track, Tracking

HEADING = 12.0
"""Pixels of a traced vessel over which a track without truth takes its heading."""

FOLLOWING: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "track_correct": (
            "higher",
            "followed from seeds on true vessels: share of the rest of the vessel that is followed before the first "
            "wrong run; mean over seeds",
        ),
        "track_wrong": (
            "lower",
            "share of these tracks with a run of 12 pixels or more farther than 4 from the seed's own tree; where "
            "little is seen tracks stop at once and few go wrong, so it is nothing without track_correct",
        ),
        "path_success": (
            "higher",
            "least-cost paths between root and end of a true vessel: share of those that lie on it but for 10 %",
        ),
    }
)
"""Score of following single vessels -> what is better, and what it is."""
WITHOUT_TRUTH: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "vessel_length": ("none", "length of all vessels traced, in field diameters"),
        "pieces": ("none", "traced pieces that hang on no vessel from the optic disc"),
        "mean_track": ("none", "mean length of the tracks followed from the disc outwards, in field diameters"),
    }
)
"""Score that needs no labels -> "none", for more is not better by itself: noise is followed, too; and what it is."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Found:
    """What tracking found on one picture, with truth.

    Attributes:
        tracking: The trees.
        tracks: One for each seed of the truth.
    """

    tracking: Tracking
    tracks: Sequence[Track]


def directions() -> dict[str, str]:
    """Return score -> "higher", "lower" or "none": what is better."""
    own = {name: better for table in (FOLLOWING, WITHOUT_TRUTH) for name, (better, _) in table.items()}
    return {**score.DIRECTIONS, **score_trees.DIRECTIONS, **own}


def conventions() -> dict[str, str]:
    """Return score -> what it is."""
    own = {name: words for table in (FOLLOWING, WITHOUT_TRUTH) for name, (_, words) in table.items()}
    return {**score.CONVENTIONS, **score_trees.CONVENTIONS, **own}


def score_vessels(segmentation: Segmentation, truth: Truth) -> dict[str, float]:
    """Return the scores of a mask, by name."""
    inside = segmentation.scaled.field.mask
    return score.score_masks(segmentation.probability, segmentation.mask, truth.labels.vessels, inside).as_dict()


def follow(segmentation: Segmentation, truth: Truth) -> Found:
    """Trace the trees of a picture, and follow a track from each seed of its truth."""
    inside = segmentation.scaled.field.mask
    return Found(
        tracking=trace(segmentation, truth.disc),
        tracks=follow_seeds(segmentation.probability_off_rim, inside, truth.seeds),
    )


def trace(segmentation: Segmentation, disc: Disc | None) -> Tracking:
    """Trace the trees of a picture, from a disc that is known."""
    scaled = segmentation.scaled
    return trace_trees(segmentation.mask, scaled.pixels, scaled.field, disc)


def score_tracking(segmentation: Segmentation, truth: Truth) -> dict[str, float]:
    """Return the scores of tracking, by name; none where no true trees are known."""
    if truth.trees is None:
        return {}
    found, inside = follow(segmentation, truth), segmentation.scaled.field.mask
    tracks = score_tracks(found.tracks, truth.seeds, truth.trees)
    paths = score_paths(find_paths(segmentation.probability_off_rim, inside, truth.trees), truth.trees)
    return {
        "track_correct": tracks.correct_fraction,
        "track_wrong": tracks.wrong_share,
        "path_success": paths.success,
        **score_trees.score_trees(found.tracking, truth.trees).as_dict(),
    }


def find_disc_of(segmentation: Segmentation) -> Disc | None:
    """Return the optic disc of a photograph without labels, sought with the vessels found on it."""
    return find_disc(segmentation.scaled.pixels, segmentation.scaled.field, segmentation.probability)


def score_without_truth(segmentation: Segmentation, disc: Disc | None) -> dict[str, float]:
    """Return what can be counted without labels, by name; it says what changed, not what became right.

    Args:
        segmentation: The vessels of one picture.
        disc: The disc, found once on the photograph as it was taken.
    """
    tracking = trace(segmentation, disc)
    tracks = _tracks_from_roots(segmentation, tracking)
    diameter = segmentation.scaled.field.diameter
    return {
        "vessel_length": sum(one.length for one in tracking.segments) / diameter,
        "pieces": float(sum(not tree.rooted for tree in tracking.trees)),
        "mean_track": float(np.mean([one.length for one in tracks])) / diameter if tracks else nan,
    }


def _tracks_from_roots(segmentation: Segmentation, tracking: Tracking) -> Sequence[Track]:
    """Follow each vessel that begins at the disc."""
    inside = segmentation.scaled.field.mask
    seeds, headings = [], []
    for segment in tracking.segments:
        if segment.parent is not None or not tracking.trees[segment.tree].rooted or len(segment.polyline) < 2:
            continue
        away = np.hypot(*(segment.polyline - segment.polyline[0]).T)
        heading = segment.polyline[int(np.argmax(away >= min(HEADING, float(away.max()))))] - segment.polyline[0]
        row, column = (round(float(one)) for one in segment.polyline[0])
        if np.any(heading) and inside[row, column]:
            seeds.append(segment.polyline[0])
            headings.append(heading)
    if not seeds:
        return ()
    return follow_vessels(segmentation.probability_off_rim, inside, np.array(seeds), np.array(headings))
