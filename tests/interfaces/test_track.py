"""`clearfundus track`, run as a user runs it, on drawn photographs."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import clearfundus as cf
from clearfundus.fundus.phantom import Phantom, draw_phantom
from clearfundus.interfaces.batch import digest_file
from clearfundus.interfaces.cli import main
from clearfundus.interfaces.track import TRACK_ENDINGS, TREE_ENDINGS, parse_place
from clearfundus.photo import Photo
from clearfundus.vessels.export import tracking_from_json
from clearfundus.vessels.track import track as track_photo

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run `clearfundus track` with the segmenter that needs no weights: exit code, standard output and error."""

    def call(*words: object) -> tuple[int, str, str]:
        code = main(["track", *map(str, words), "--segmenter", "gabor"])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture(scope="module")
def phantom() -> Phantom:
    return draw_phantom(400, 3)


@pytest.fixture(scope="module")
def eye(phantom: Phantom, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photographs") / "eye.png"
    cf.write_photo(phantom.photo, path)
    return path


@pytest.fixture(scope="module")
def two_points(phantom: Phantom) -> tuple[str, str]:
    """Two points on the longest of the wide vessels, as words."""
    edges = sorted(phantom.graph.edges, key=lambda edge: edge.radius)[-12:]
    line = max(edges, key=lambda edge: edge.length).polyline
    ends = line[len(line) // 4], line[3 * len(line) // 4]
    first, second = (f"{row:.1f},{column:.1f}" for row, column in ends)
    return first, second


def read(path: Path) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(path.read_text())
    return data


def test_the_trees_in_the_files_are_those_that_python_gives(run: Run, eye: Path, tmp_path: Path) -> None:
    code, text, _ = run(eye, "-o", tmp_path)
    assert (code, text.startswith("1 done")) == (0, True)
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted("eye" + ending for ending in TREE_ENDINGS)
    exported = tracking_from_json(read(tmp_path / "eye_trees.json"))
    expected = track_photo(cf.read_photo(eye), "gabor")
    assert len(expected.segments) > 10
    assert exported.tracking.shape == (400, 400)
    for one, other in zip(exported.tracking.segments, expected.segments, strict=True):
        assert (one.parent, one.tree) == (other.parent, other.tree)
        assert one.polyline == pytest.approx(other.polyline)
    collection = read(tmp_path / "eye_trees.geojson")
    assert len(collection["features"]) == len(expected.segments) + len(expected.nodes)
    assert cf.read_photo(tmp_path / "eye_trees.png").pixels.shape == (400, 400, 3)


def test_every_file_says_how_it_was_made_and_is_skipped_the_next_time(run: Run, eye: Path, tmp_path: Path) -> None:
    run(eye, "-o", tmp_path)
    expected = {"version": cf.__version__, "method": "track", "segmenter": "gabor", "input": digest_file(eye)}
    assert cf.read_provenance(tmp_path / "eye_trees.png") == expected
    assert read(tmp_path / "eye_trees.json")["provenance"] == expected
    assert read(tmp_path / "eye_trees.geojson")["provenance"] == expected
    assert "1 skipped" in run(eye, "-o", tmp_path)[1]
    assert "1 done" in run(eye, "-o", tmp_path, "--overwrite")[1]


def near(polyline: list[list[float]], point: str) -> float:
    """Return how near a polyline comes to a point, in pixels."""
    place = np.array([float(word) for word in point.split(",")])
    return float(np.hypot(*(np.array(polyline) - place).T).min())


def test_a_vessel_is_followed_both_ways_from_a_point(
    run: Run, eye: Path, phantom: Phantom, two_points: tuple[str, str], tmp_path: Path
) -> None:
    start, other = two_points
    code, text, _ = run(eye, "-o", tmp_path, "--from", start, "--json")
    assert code == 0
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted("eye" + ending for ending in TRACK_ENDINGS)
    data = read(tmp_path / "eye_track.json")
    assert len(data["tracks"]) == 2
    points = [point for track in data["tracks"] for point in track["polyline"]]
    assert near(points, other) < 4  # it came along there
    rows, columns = np.rint(points).astype(int).T
    assert phantom.vessels[rows, columns].mean() > 0.7
    assert json.loads(text)["done"][0]["length"] > 40
    assert data["provenance"]["from"] == start.replace(".0", "")


def test_the_path_between_two_points_begins_and_ends_at_them(
    run: Run, eye: Path, phantom: Phantom, two_points: tuple[str, str], tmp_path: Path
) -> None:
    start, end = two_points
    assert run(eye, "-o", tmp_path, "--from", start, "--to", end)[0] == 0
    (track,) = read(tmp_path / "eye_track.json")["tracks"]
    assert near(track["polyline"][:1], start) < 1.5
    assert near(track["polyline"][-1:], end) < 1.5
    rows, columns = np.rint(track["polyline"]).astype(int).T
    assert phantom.vessels[rows, columns].mean() > 0.9
    geometry = read(tmp_path / "eye_track.geojson")["features"][0]["geometry"]
    assert geometry["coordinates"] == pytest.approx(np.array(track["polyline"])[:, ::-1], abs=0.001)


def test_another_point_is_another_setting(run: Run, eye: Path, two_points: tuple[str, str], tmp_path: Path) -> None:
    start, end = two_points
    assert run(eye, "-o", tmp_path, "--from", start)[0] == 0
    assert "1 skipped" in run(eye, "-o", tmp_path, "--from", start)[1]
    code, _, err = run(eye, "-o", tmp_path, "--from", end)
    assert (code, "use --overwrite" in err) == (1, True)
    between = tmp_path / "between"
    assert run(eye, "-o", between, "--from", start, "--to", end)[0] == 0
    code, _, err = run(eye, "-o", between, "--from", start)  # one point is not the first of two
    assert (code, "not by track" in err) == (1, True)


def test_a_photograph_without_vessels_gives_an_empty_result_and_the_reason(run: Run, tmp_path: Path) -> None:
    row, column = np.mgrid[:300, :300] - 149.5
    light = (np.hypot(row, column) < 145)[..., None] * np.array((0.6, 0.4, 0.2))
    cf.write_photo(Photo(pixels=light.astype(np.float32)), tmp_path / "plain.png")
    code, text, err = run(tmp_path / "plain.png", "-o", tmp_path / "out", "--json")
    assert (code, "no vessels" in err) == (0, True)
    assert "no vessels" in json.loads(text)["done"][0]["reason"]
    assert tracking_from_json(read(tmp_path / "out" / "plain_trees.json")).tracking.segments == ()
    assert read(tmp_path / "out" / "plain_trees.geojson")["features"] == []
    assert run(tmp_path / "plain.png", "-o", tmp_path / "out", "--from", "150,150")[0] == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--to", "3,4"], "--to needs --from"),
        (["--from", "3"], "ROW,COLUMN"),
        (["--from", "3,x"], "ROW,COLUMN"),
        (["--from", "nan,4"], "ROW,COLUMN"),
        (["--from", "1,2,3"], "ROW,COLUMN"),
        (["--from", "0,0"], "outside the field"),
        (["--from", "200,200", "--to", "900,200"], "outside the field"),
    ],
)
def test_a_point_that_is_none_ends_with_2(run: Run, eye: Path, tmp_path: Path, words: list[str], message: str) -> None:
    code, _, err = run(eye, "-o", tmp_path / "out", *words)
    assert (code, message in err) == (2, True)
    assert not (tmp_path / "out").exists()


def test_a_point_belongs_to_one_photograph(run: Run, eye: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.png"
    other.write_bytes(eye.read_bytes())
    code, _, err = run(eye, other, "-o", tmp_path / "out", "--from", "200,200")
    assert (code, "found 2 photographs" in err) == (2, True)


def test_rows_come_before_columns() -> None:
    assert parse_place("--from", "12,34.5") == (12, 34.5)
    assert parse_place("--from", None) is None
