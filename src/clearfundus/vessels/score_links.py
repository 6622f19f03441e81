"""How often tracing decides rightly at a junction: whether a vessel and what it comes from are of one kind.

The fact to know: this judges single decisions. Errors compound along a path, so a tree is less pure than its links.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from clearfundus.errors import QualityError
from clearfundus.photo import Mask
from clearfundus.vessels.labels import Labels
from clearfundus.vessels.trees import Segment, Tracking

Kind = Literal["artery", "vein"]


@dataclass(frozen=True, kw_only=True)
class LinkAccuracy:
    """How many links between segments join one kind.

    Attributes:
        parent_links: Links from a segment to its parent where both kinds are known.
        parent_same: Those of which both are arteries or both veins.
        crossing_links: Those of the links that pass through a crossing.
        crossing_same: Those of which both are arteries or both veins.
    """

    parent_links: int
    parent_same: int
    crossing_links: int
    crossing_same: int

    @property
    def parent_share(self) -> float:
        """Of right links among all; NaN without links."""
        return self.parent_same / self.parent_links if self.parent_links else float("nan")

    @property
    def crossing_share(self) -> float:
        """Of right links among those at crossings; NaN without such links."""
        return self.crossing_same / self.crossing_links if self.crossing_links else float("nan")


def link_accuracy(tracking: Tracking, labels: Labels) -> LinkAccuracy:
    """Count the links of a tracking and those that join one kind.

    Args:
        tracking: The trees.
        labels: Arteries and veins in the same pixels.

    Raises:
        QualityError: If the labels do not tell arteries from veins, or are of another size.
    """
    kinds = segment_kinds(tracking, labels)
    parents = same = crossings = crossings_same = 0
    for segment, kind in zip(tracking.segments, kinds, strict=True):
        if segment.parent is None or kind is None or kinds[segment.parent] is None:
            continue
        is_same = kinds[segment.parent] == kind
        parents += 1
        same += is_same
        if tracking.nodes[segment.start].kind == "crossing":
            crossings += 1
            crossings_same += is_same
    return LinkAccuracy(parent_links=parents, parent_same=same, crossing_links=crossings, crossing_same=crossings_same)


def segment_kinds(tracking: Tracking, labels: Labels) -> tuple[Kind | None, ...]:
    """Return the kind that most of each segment's points lie on; None where as many lie on either, or on neither.

    Args:
        tracking: The trees.
        labels: Arteries and veins in the same pixels.

    Raises:
        QualityError: If the labels do not tell arteries from veins, or are of another size.
    """
    if labels.arteries is None or labels.veins is None:
        raise QualityError("link_accuracy: found labels of vessels only, expected arteries and veins told apart")
    if labels.vessels.shape != tracking.shape:
        raise QualityError(
            f"link_accuracy: found labels {labels.vessels.shape} and trees of a picture {tracking.shape}, expected "
            "one size; bring the labels to the scale that was tracked"
        )
    return tuple(_kind(segment, labels.arteries, labels.veins) for segment in tracking.segments)


def _kind(segment: Segment, arteries: Mask, veins: Mask) -> Kind | None:
    """Return which of two masks holds more of a segment's points."""
    last = np.array(arteries.shape) - 1
    places = tuple(np.clip(np.rint(segment.polyline), 0, last).astype(int).T)
    on_arteries, on_veins = int(arteries[places].sum()), int(veins[places].sum())
    if on_arteries == on_veins:
        return None
    return "artery" if on_arteries > on_veins else "vein"
