"""Vessel tracking, the front door: all trees of a photograph, one vessel from a point, or the path between two points.

What is computed at the scale of vessels comes back in pixels of the photograph. The three ways: `track` traces the
trees from the optic disc (T1), `track_from` follows one vessel from a seed (T2), `track_between` finds the path that
keeps to vessels (T3).
"""

from dataclasses import replace

import numpy as np

from clearfundus.errors import SettingsError
from clearfundus.photo import Photo
from clearfundus.vessels.disc import find_disc
from clearfundus.vessels.minimal_path import path_between
from clearfundus.vessels.scale import Points, Scaled
from clearfundus.vessels.seeded import follow_both_ways
from clearfundus.vessels.segment import DEFAULT, Segmentation, Segmenter, segment
from clearfundus.vessels.tracing import trace_trees
from clearfundus.vessels.trees import Track, Tracking

Place = tuple[float, float]
"""Row and column in pixels of the photograph."""


def track(photo: Photo, segmenter: str | Segmenter = DEFAULT, *, device: str = "auto") -> Tracking:
    """Trace all vessel trees of one photograph, from the optic disc outwards.

    Args:
        photo: The photograph, whole.
        segmenter: A name in `SEGMENTERS`, or what `prepare_segmenter` returned, for many photographs.
        device: Where a network runs, if a name is given.

    Returns:
        The trees in pixels of the photograph; empty, or without roots, with the reason, where no vessel or no disc is
        seen.

    Raises:
        FieldNotFoundError: If the photograph shows no lit field.
        SettingsError: If the name is unknown.
        WeightsError: If the weights are missing or altered.
        DeviceError: If the named device is not there.
    """
    return trace_segmented(segment(photo, segmenter, device=device))


def trace_segmented(segmentation: Segmentation) -> Tracking:
    """Trace all vessel trees of a photograph whose vessels are found already; as `track`."""
    scaled = segmentation.scaled
    disc = find_disc(scaled.pixels, scaled.field, segmentation.probability)
    tracking = trace_trees(segmentation.mask, scaled.pixels, scaled.field, disc).in_photo(scaled)
    # why nothing was segmented says more than that nothing was
    return replace(tracking, reason=segmentation.reason) if segmentation.reason else tracking


def track_from(segmentation: Segmentation, start: Place) -> tuple[Track, ...]:
    """Follow the vessel at a point, both ways.

    Args:
        segmentation: The photograph's vessels, as `segment` found them.
        start: Row and column in pixels of the photograph.

    Returns:
        The two tracks, in pixels of the photograph; empty ones where there is no vessel.

    Raises:
        SettingsError: If the point lies outside the field.
    """
    scaled = segmentation.scaled
    seed = _place(scaled, start)
    tracks = follow_both_ways(segmentation.probability_off_rim, scaled.field.mask, seed)
    return tuple(one.in_photo(scaled) for one in tracks)


def track_between(segmentation: Segmentation, start: Place, end: Place) -> Track:
    """Find the path between two points that keeps to vessels as far as it can.

    Args:
        segmentation: The photograph's vessels, as `segment` found them.
        start: Row and column in pixels of the photograph.
        end: Likewise.

    Returns:
        The path, in pixels of the photograph.

    Raises:
        SettingsError: If a point lies outside the field.
    """
    scaled = segmentation.scaled
    places = _place(scaled, start), _place(scaled, end)
    path = path_between(segmentation.probability_off_rim, *places, scaled.field.mask)
    return path.in_photo(scaled)


def _place(scaled: Scaled, point: Place) -> Points:
    """Return a point of the photograph at the scale of vessels, or refuse one outside the field."""
    row, column = (round(one) for one in scaled.from_photo(np.asarray(point, np.float64)))
    height, width = scaled.field.mask.shape
    if not (0 <= row < height and 0 <= column < width and scaled.field.mask[row, column]):
        raise SettingsError(
            f"point {point[0]:g},{point[1]:g} (row, column) lies outside the field of view; the photograph has "
            f"{scaled.shape[0]} rows and {scaled.shape[1]} columns, and the field is its lit part"
        )
    return scaled.from_photo(np.asarray(point, np.float64))
