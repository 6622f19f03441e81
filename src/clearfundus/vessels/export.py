"""Trees and tracks as JSON, exactly and back again, and as GeoJSON for other programs to draw.

The fact to know: points are [row, column] in JSON, as everywhere in this package, but [column, row] in GeoJSON, whose
rule is x before y; both in pixels of the picture, a pixel's centre having whole numbers, rows counted downwards.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np

from clearfundus.errors import SettingsError
from clearfundus.vessels.scale import Points
from clearfundus.vessels.trees import Disc, Node, NodeKind, Segment, Track, Tracking, Tree

SCHEMA = 1
"""Of the JSON; counted up when a reader of the old one would misread the new one."""
DIGITS = 3
"""Of coordinates, radii and lengths in GeoJSON: thousandths of a pixel. JSON keeps all."""
CONVENTION = {
    "json": "points are [row, column] in pixels of the picture, a pixel's centre having whole numbers",
    "geojson": "positions are [column, row], x before y, in pixels of the picture, y downwards; no geographic system",
}

Json = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What a JSON file of trees holds.

    Attributes:
        tracking: The trees.
        provenance: How they came to be, by name.
    """

    tracking: Tracking
    provenance: Mapping[str, str]


def tracking_to_json(tracking: Tracking, provenance: Mapping[str, str]) -> Json:
    """Return trees as plain data for `json.dumps`.

    Args:
        tracking: The trees.
        provenance: How they came to be, by name: method, segmenter, weights, version, input.
    """
    disc = tracking.disc
    return {
        "schema": SCHEMA,
        "kind": "vessel trees",
        "convention": CONVENTION["json"],
        "provenance": dict(provenance),
        "shape": list(tracking.shape),
        "diameter": tracking.diameter,
        "reason": tracking.reason,
        "disc": disc and {"centre": disc.centre.tolist(), "radius": disc.radius, "contrast": disc.contrast},
        "nodes": [{"point": node.point.tolist(), "kind": node.kind} for node in tracking.nodes],
        "segments": [
            {
                "polyline": segment.polyline.tolist(),
                "radii": segment.radii.tolist(),
                **{name: getattr(segment, name) for name in ("parent", "tree", "start", "end")},
            }
            for segment in tracking.segments
        ],
        "trees": [{"segments": list(tree.segments), "rooted": tree.rooted} for tree in tracking.trees],
    }


def tracking_from_json(data: Mapping[str, Any]) -> Exported:
    """Return the trees that `tracking_to_json` made plain data of.

    Raises:
        SettingsError: If the data is of another schema, or not of that form.
    """
    if data.get("schema") != SCHEMA or data.get("kind") != "vessel trees":
        raise SettingsError(
            f"found schema {data.get('schema')!r} of {data.get('kind')!r}, expected schema {SCHEMA} of 'vessel trees'; "
            "read the file with the version of clearfundus that wrote it, or track again"
        )
    try:
        tracking = _tracking(data)
        _check_indices(tracking)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise SettingsError(f"vessel trees: malformed data ({type(error).__name__}: {error}); track again") from error
    return Exported(tracking=tracking, provenance=dict(data["provenance"]))


def tracks_to_json(
    tracks: Sequence[Track], shape: tuple[int, int], provenance: Mapping[str, str], reason: str = ""
) -> Json:
    """Return single tracks as plain data.

    Args:
        tracks: The tracks.
        shape: Height and width of the picture.
        provenance: How they came to be.
        reason: Why they are empty; empty itself if they are not.
    """
    return {
        "schema": SCHEMA,
        "kind": "vessel tracks",
        "convention": CONVENTION["json"],
        "provenance": dict(provenance),
        "shape": list(shape),
        "reason": reason,
        "tracks": [
            {"polyline": track.polyline.tolist(), "length": track.length, "stop": track.stop} for track in tracks
        ],
    }


def tracking_to_geojson(tracking: Tracking, provenance: Mapping[str, str]) -> Json:
    """Return trees as a GeoJSON FeatureCollection: a LineString a segment, a Point a node.

    A segment of one pixel becomes a Point. Segments carry segment, parent, tree, rooted, length, radius (the median)
    and tortuosity; nodes carry node and their kind.

    Args:
        tracking: The trees.
        provenance: How they came to be, by name.
    """
    lines = [
        _feature(
            segment.polyline,
            segment=index,
            parent=segment.parent,
            tree=segment.tree,
            rooted=tracking.trees[segment.tree].rooted,
            length=round(segment.length, DIGITS),
            radius=round(segment.radius, DIGITS),
            tortuosity=round(segment.tortuosity, DIGITS),
        )
        for index, segment in enumerate(tracking.segments)
    ]
    points = [_feature(node.point[None], node=index, kind=node.kind) for index, node in enumerate(tracking.nodes)]
    return _collection(lines + points, tracking.shape, provenance, tracking.reason)


def tracks_to_geojson(
    tracks: Sequence[Track], shape: tuple[int, int], provenance: Mapping[str, str], reason: str = ""
) -> Json:
    """Return single tracks as a GeoJSON FeatureCollection; empty tracks are left out.

    Args:
        tracks: The tracks.
        shape: Height and width of the picture.
        provenance: How they came to be.
        reason: Why they are empty; empty itself if they are not.
    """
    lines = [
        _feature(track.polyline, track=index, length=round(track.length, DIGITS), stop=track.stop)
        for index, track in enumerate(tracks)
        if len(track.polyline)
    ]
    return _collection(lines, shape, provenance, reason)


def _feature(polyline: Points, **properties: object) -> Json:
    positions = np.round(polyline[:, ::-1], DIGITS).tolist()
    geometry: Json = {"type": "LineString", "coordinates": positions}
    if len(positions) == 1:
        geometry = {"type": "Point", "coordinates": positions[0]}
    return {"type": "Feature", "geometry": geometry, "properties": properties}


def _collection(
    features: Sequence[Json], shape: tuple[int, int], provenance: Mapping[str, str], reason: str = ""
) -> Json:
    return {
        "type": "FeatureCollection",
        "convention": CONVENTION["geojson"],
        "provenance": dict(provenance),
        "width": shape[1],
        "height": shape[0],
        "reason": reason,
        "features": list(features),
    }


def _tracking(data: Mapping[str, Any]) -> Tracking:
    disc = data["disc"]
    height, width = data["shape"]
    return Tracking(
        nodes=tuple(Node(point=_points(one["point"], 1), kind=one["kind"]) for one in data["nodes"]),
        segments=tuple(
            Segment(
                polyline=_points(one["polyline"], 2),
                radii=np.asarray(one["radii"], np.float64),
                **{name: one[name] for name in ("parent", "tree", "start", "end")},
            )
            for one in data["segments"]
        ),
        trees=tuple(Tree(segments=tuple(one["segments"]), rooted=one["rooted"]) for one in data["trees"]),
        disc=disc and Disc(centre=_points(disc["centre"], 1), radius=disc["radius"], contrast=disc["contrast"]),
        shape=(height, width),
        diameter=data["diameter"],
        reason=data["reason"],
    )


def _points(values: object, dimensions: int) -> Points:
    points = np.asarray(values, np.float64)
    if points.ndim != dimensions or points.shape[-1] != 2 or not np.isfinite(points).all():
        raise ValueError(f"found points of shape {points.shape}, expected rows and columns")
    return points


def _check_indices(tracking: Tracking) -> None:
    """Refuse trees whose parts point at what is not there, for drawing them would fail far from here."""
    known = {"nodes": len(tracking.nodes), "segments": len(tracking.segments), "trees": len(tracking.trees)}
    named = {
        "nodes": [index for one in tracking.segments for index in (one.start, one.end)],
        "segments": [one.parent for one in tracking.segments if one.parent is not None],
        "trees": [one.tree for one in tracking.segments],
    }
    named["segments"] += [index for tree in tracking.trees for index in tree.segments]
    for what, indices in named.items():
        if any(not 0 <= index < known[what] for index in indices):
            raise ValueError(f"an index of {what} is out of range; there are {known[what]}")
    if any(node.kind not in get_args(NodeKind) for node in tracking.nodes):
        raise ValueError(f"found an unknown kind of node; known: {', '.join(get_args(NodeKind))}")
    if any(len(one.radii) != len(one.polyline) for one in tracking.segments):
        raise ValueError("a segment has not as many radii as points")
