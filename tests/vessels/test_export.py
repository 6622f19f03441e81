"""Trees as JSON and back, and as GeoJSON: nothing is lost, and x stands before y where that is the rule."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from clearfundus.errors import SettingsError
from clearfundus.fundus.phantom import Phantom, draw_phantom
from clearfundus.vessels.export import (
    tracking_from_json,
    tracking_to_geojson,
    tracking_to_json,
    tracks_to_geojson,
    tracks_to_json,
)
from clearfundus.vessels.tracing import trace_trees
from clearfundus.vessels.trees import Disc, Track, Tracking

NOTE = {"method": "track", "segmenter": "gabor", "input": "0123456789ab"}


@pytest.fixture(scope="module")
def phantom() -> Phantom:
    return draw_phantom(300, 2)


@pytest.fixture(scope="module")
def tracking(phantom: Phantom) -> Tracking:
    disc = Disc(centre=phantom.disc, radius=22.0, contrast=4.5)
    return trace_trees(phantom.vessels, phantom.photo.pixels, phantom.field, disc)


@pytest.fixture(scope="module")
def data(tracking: Tracking) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(json.dumps(tracking_to_json(tracking, NOTE), allow_nan=False))
    return read


def test_trees_come_back_exactly_as_they_were(tracking: Tracking, data: dict[str, Any]) -> None:
    assert len(tracking.segments) > 10
    exported = tracking_from_json(data)
    back = exported.tracking
    assert exported.provenance == NOTE
    assert [t.segments for t in back.trees] == [t.segments for t in tracking.trees]
    assert [t.rooted for t in back.trees] == [t.rooted for t in tracking.trees]
    for one, other in zip(tracking.segments, back.segments, strict=True):
        assert (one.parent, one.tree, one.start, one.end) == (other.parent, other.tree, other.start, other.end)
        assert (one.polyline == other.polyline).all()
        assert (one.radii == other.radii).all()
    for node, copy in zip(tracking.nodes, back.nodes, strict=True):
        assert (node.point == copy.point).all()
        assert node.kind == copy.kind
    assert (back.shape, back.diameter, back.reason) == (tracking.shape, tracking.diameter, tracking.reason)
    assert tracking.disc is not None
    assert back.disc is not None
    assert (tracking.disc.centre == back.disc.centre).all()
    assert (tracking.disc.radius, tracking.disc.contrast) == (back.disc.radius, back.disc.contrast)


def test_no_trees_come_back_with_their_reason() -> None:
    empty = Tracking(nodes=(), segments=(), trees=(), disc=None, shape=(9, 8), diameter=7.0, reason="no vessels")
    back = tracking_from_json(json.loads(json.dumps(tracking_to_json(empty, {})))).tracking
    assert (back.segments, back.disc, back.reason, back.shape) == ((), None, "no vessels", (9, 8))
    assert tracking_to_geojson(empty, {})["features"] == []
    assert tracking_to_geojson(empty, {})["reason"] == "no vessels"


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda data: data.update(schema=99), "schema 99.*expected schema 1"),
        (lambda data: data.update(kind="tracks"), "'tracks'"),
        (lambda data: data.pop("nodes"), "KeyError"),
        (lambda data: data["segments"][0].update(polyline=[[1, 2, 3]]), "shape"),
        (lambda data: data["segments"][0].update(polyline=[[1, None]]), "malformed"),
        (lambda data: data["segments"][0].update(start=100000), "index of nodes"),
        (lambda data: data["segments"][0].update(parent=-1), "index of segments"),
        (lambda data: data["segments"][0].update(tree=100000), "index of trees"),
        (lambda data: data["segments"][0]["radii"].append(1.0), "radii"),
        (lambda data: data["nodes"][0].update(kind="leaf"), "kind of node"),
    ],
)
def test_what_is_no_such_data_is_refused(
    data: dict[str, Any], harm: Callable[[dict[str, Any]], object], message: str
) -> None:
    copy = json.loads(json.dumps(data))
    harm(copy)
    with pytest.raises(SettingsError, match=message):
        tracking_from_json(copy)


def test_geojson_has_a_line_a_segment_and_a_point_a_node(tracking: Tracking) -> None:
    collection = json.loads(json.dumps(tracking_to_geojson(tracking, NOTE), allow_nan=False))
    assert collection["type"] == "FeatureCollection"
    assert collection["provenance"] == NOTE
    lines = [one for one in collection["features"] if "segment" in one["properties"]]
    points = [one for one in collection["features"] if "node" in one["properties"]]
    assert (len(lines), len(points)) == (len(tracking.segments), len(tracking.nodes))
    for feature, segment in zip(lines, tracking.segments, strict=True):
        assert feature["type"] == "Feature"
        expected = segment.polyline[:, ::-1]  # x before y
        if len(expected) == 1:
            assert feature["geometry"]["type"] == "Point"
            expected = expected[0]
        assert feature["geometry"]["coordinates"] == pytest.approx(expected, abs=0.0006)
        assert feature["properties"]["length"] == pytest.approx(segment.length, abs=0.0006)
        assert feature["properties"]["rooted"] == tracking.trees[segment.tree].rooted
    for feature, node in zip(points, tracking.nodes, strict=True):
        assert feature["geometry"]["coordinates"] == pytest.approx(node.point[::-1], abs=0.0006)
        assert feature["properties"]["kind"] == node.kind


def test_geojson_says_the_picture_s_size_with_width_and_height_apart() -> None:
    wide = Tracking(nodes=(), segments=(), trees=(), disc=None, shape=(20, 30), diameter=18.0)
    collection = tracking_to_geojson(wide, {})
    assert (collection["width"], collection["height"]) == (30, 20)


def test_tracks_are_told_with_length_and_stop() -> None:
    line = Track(polyline=np.array([[1.0, 2.0], [1.0, 5.0]]), stop="edge")
    none = Track(polyline=np.zeros((0, 2)), stop="no path")
    data = json.loads(json.dumps(tracks_to_json([line, none], (20, 30), NOTE)))
    assert data["tracks"][0] == {"polyline": [[1.0, 2.0], [1.0, 5.0]], "length": 3.0, "stop": "edge"}
    assert data["tracks"][1] == {"polyline": [], "length": 0.0, "stop": "no path"}
    assert (data["shape"], data["provenance"], data["kind"]) == ([20, 30], NOTE, "vessel tracks")
    (feature,) = tracks_to_geojson([line, none], (20, 30), NOTE)["features"]
    assert feature["geometry"] == {"type": "LineString", "coordinates": [[2.0, 1.0], [5.0, 1.0]]}
    assert feature["properties"] == {"track": 0, "length": 3.0, "stop": "edge"}
