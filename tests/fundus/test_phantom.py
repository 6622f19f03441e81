"""The drawn photograph: its truth agrees with itself and with the picture, and the same seed is the same eye."""

from functools import cache

import cv2
import numpy as np
import pytest
from scipy.spatial import cKDTree

from clearfundus.errors import SettingsError
from clearfundus.fundus.field import find_field
from clearfundus.fundus.phantom import FIELD_SHARE, Phantom, draw_phantom
from clearfundus.fundus.phantom_graph import Edge, segments
from clearfundus.fundus.phantom_tree import SMALLEST_RADIUS
from clearfundus.photo import Mask

SEEDS = (0, 1, 5)
"""Both sides are among them."""


@cache
def phantom(size: int = 512, seed: int = 0) -> Phantom:
    return draw_phantom(size, seed)


def dense(edge: Edge, step: float = 0.05) -> np.ndarray:
    """Return points along an edge, (N, 2), at most `step` pixels apart, corners included."""
    start, ahead = edge.polyline[:-1], np.diff(edge.polyline, axis=0)
    count = int(np.ceil(np.hypot(*ahead.T).max() / step)) + 1
    along = np.linspace(0, 1, count)[:, None]
    return (start[:, None] + along * ahead[:, None]).reshape(-1, 2)


def overlap(one: Mask, other: Mask) -> float:
    return float((one & other).sum() / (one | other).sum())


def distances(drawn: Phantom, kind: str) -> np.ndarray:
    """Return each pixel centre's distance to the nearest vessel's side, (H, W), computed from points, not pieces."""
    inside = np.full(drawn.vessels.shape, np.inf)
    places = np.argwhere(drawn.field.mask)
    by_radius: dict[float, list[np.ndarray]] = {}
    for edge in drawn.graph.edges:
        if edge.kind == kind:
            by_radius.setdefault(edge.radius, []).append(dense(edge))
    for radius, lines in by_radius.items():
        points = np.concatenate(lines)
        near = places[((places > points.min(0) - 4) & (places < points.max(0) + 4)).all(1)]
        found, _ = cKDTree(points).query(near, distance_upper_bound=4)
        inside[tuple(near.T)] = np.minimum(inside[tuple(near.T)], found - max(radius, np.sqrt(0.5)))
    return inside


@pytest.mark.parametrize(("kind", "name"), [("artery", "arteries"), ("vein", "veins")])
def test_a_mask_is_the_pixels_within_the_radius_of_a_centreline(kind: str, name: str) -> None:
    drawn = phantom(256, 1)
    beyond = distances(drawn, kind)
    mask = getattr(drawn, name)
    # points 0.05 pixels apart measure a distance at most 0.002 pixels too long
    assert beyond[mask].max() < 0.002
    assert beyond[drawn.field.mask & ~mask].min() > 0


@pytest.mark.parametrize("size", [96, 512])
def test_every_centreline_runs_inside_its_mask(size: int) -> None:
    drawn = phantom(size, 1)
    for edge in drawn.graph.edges:
        row, column = np.rint(dense(edge)).astype(int).T
        mask = (drawn.arteries if edge.kind == "artery" else drawn.veins) | ~drawn.field.mask
        assert mask[row, column].all()


def test_from_512_pixels_on_no_vessel_is_marked_wider_than_it_is() -> None:
    thinnest = SMALLEST_RADIUS * FIELD_SHARE * 512
    assert thinnest > np.sqrt(0.5)
    assert min(phantom().radii) > np.sqrt(0.5)


@pytest.mark.parametrize("seed", SEEDS)
def test_arteries_and_veins_are_the_vessels(seed: int) -> None:
    drawn = phantom(seed=seed)
    assert np.array_equal(drawn.vessels, drawn.arteries | drawn.veins)
    assert (drawn.arteries & drawn.veins).any()
    assert not drawn.vessels[~drawn.field.mask].any()
    # manual masks of public photographs mark 8 to 14 % of the field
    assert 0.08 < drawn.vessels.sum() / drawn.field.mask.sum() < 0.16


@pytest.mark.parametrize("seed", SEEDS)
def test_every_edge_begins_where_its_parent_ends(seed: int) -> None:
    graph = phantom(seed=seed).graph
    for index, edge in enumerate(graph.edges):
        assert np.array_equal(edge.polyline[0], graph.nodes[edge.start].point)
        assert np.array_equal(edge.polyline[-1], graph.nodes[edge.end].point)
        assert edge.length == pytest.approx(np.hypot(*np.diff(edge.polyline, axis=0).T).sum())
        assert np.hypot(*np.diff(edge.polyline, axis=0).T).min() > 0
        if edge.parent is None:
            assert graph.nodes[edge.start].kind == "root"
            continue
        assert edge.parent < index
        parent = graph.edges[edge.parent]
        assert parent.kind == edge.kind
        assert parent.end == edge.start


@pytest.mark.parametrize("seed", SEEDS)
def test_there_are_two_trees_that_fork_in_two_by_murrays_law(seed: int) -> None:
    graph = phantom(seed=seed).graph
    assert [node.kind for node in graph.nodes].count("root") == 2
    assert {edge.kind for edge in graph.edges if edge.parent is None} == {"artery", "vein"}
    for index, edge in enumerate(graph.edges):
        children = graph.children(index)
        assert len(children) == (2 if graph.nodes[edge.end].kind == "bifurcation" else 0)
        if children:
            assert sum(graph.edges[child].radius ** 3 for child in children) == pytest.approx(edge.radius**3)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_roots_lie_in_the_disc_and_no_vessel_at_the_fovea(seed: int) -> None:
    drawn = phantom(seed=seed)
    scale = FIELD_SHARE * 512
    for node in drawn.graph.nodes:
        if node.kind == "root":
            assert (np.abs(node.point - drawn.disc) < drawn.disc_half_axes).all()
    for line in drawn.centrelines:
        assert np.hypot(*(line - drawn.fovea).T).min() > 0.04 * scale
    assert (drawn.disc[1] > drawn.fovea[1]) == (drawn.side == "right")


@pytest.mark.parametrize("seed", SEEDS)
def test_a_crossing_lies_on_an_artery_and_on_a_vein(seed: int) -> None:
    drawn = phantom(seed=seed)
    assert len(drawn.graph.crossings) > 10
    for crossing in drawn.graph.crossings:
        for index, kind in ((crossing.artery, "artery"), (crossing.vein, "vein")):
            edge = drawn.graph.edges[index]
            assert edge.kind == kind
            assert cKDTree(dense(edge)).query(crossing.point)[0] < 0.03
        row, column = np.rint(crossing.point).astype(int)
        if not drawn.field.mask[row, column]:
            continue
        assert drawn.arteries[row, column]
        assert drawn.veins[row, column]


@pytest.mark.parametrize("seed", SEEDS)
def test_every_intersection_is_a_crossing(seed: int) -> None:
    """Every pair of pieces is tried: two meet if the ends of each lie on both sides of the other."""
    graph = phantom(seed=seed).graph
    (a, b, _), (c, d, _) = segments(graph.edges, "artery"), segments(graph.edges, "vein")

    def beside(start: np.ndarray, end: np.ndarray, point: np.ndarray) -> np.ndarray:
        ahead, away = end - start, point - start
        return np.sign(ahead[..., 0] * away[..., 1] - ahead[..., 1] * away[..., 0])

    a, b, c, d = a[:, None], b[:, None], c[None], d[None]
    meet = (beside(a, b, c) != beside(a, b, d)) & (beside(c, d, a) != beside(c, d, b))
    assert meet.sum() == len(graph.crossings)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", ["artery", "vein"])
def test_vessels_of_one_kind_meet_only_at_forks(seed: int, kind: str) -> None:
    graph = phantom(seed=seed).graph
    edges = [(index, edge) for index, edge in enumerate(graph.edges) if edge.kind == kind]
    lines = [dense(edge, 0.5) for _, edge in edges]
    owner = np.repeat([index for index, _ in edges], [len(line) for line in lines])
    points = np.concatenate(lines)
    for one, other in cKDTree(points).query_pairs(0.6, output_type="ndarray"):
        first, second = graph.edges[owner[one]], graph.edges[owner[other]]
        if first is not second:
            shared = {first.start, first.end} & {second.start, second.end}
            nearest = min((np.hypot(*(graph.nodes[node].point - points[one])) for node in shared), default=np.inf)
            assert nearest < 6, (owner[one], owner[other])


@pytest.mark.parametrize("seed", SEEDS)
def test_the_field_is_found_where_it_was_drawn(seed: int) -> None:
    for size in (256, 512):
        drawn = phantom(size, seed)
        assert overlap(find_field(drawn.photo).mask, drawn.field.mask) > 0.98


@pytest.mark.parametrize("seed", SEEDS)
def test_vessels_are_darker_than_the_retina_beside_them_most_so_in_green(seed: int) -> None:
    drawn = phantom(seed=seed)
    beside = cv2.dilate(drawn.vessels.astype(np.uint8), np.ones((9, 9), np.uint8)).astype(bool)
    beside &= ~cv2.dilate(drawn.vessels.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool) & drawn.field.mask
    contrast = {
        name: 1 - drawn.photo.pixels[mask & ~other].mean(0) / drawn.photo.pixels[beside].mean(0)
        for name, mask, other in (
            ("artery", drawn.arteries, drawn.veins),
            ("vein", drawn.veins, drawn.arteries),
        )
    }
    for drop in contrast.values():
        assert drop[1] > 0.08
        assert drop.argmax() == 1
    assert (contrast["vein"] > contrast["artery"]).all()


def test_the_disc_is_the_brightest_and_the_fovea_darker_than_its_surroundings() -> None:
    for seed in SEEDS:
        drawn = phantom(seed=seed)
        green = cv2.GaussianBlur(drawn.photo.pixels[..., 1], (0, 0), 5)
        brightest = np.unravel_index(green.argmax(), green.shape)
        assert (np.abs(brightest - drawn.disc) < drawn.disc_half_axes).all()
        row, column = np.mgrid[:512, :512]
        away = np.hypot(row - drawn.fovea[0], column - drawn.fovea[1]) / (FIELD_SHARE * 512)
        assert green[away < 0.02].mean() < 0.85 * green[(away > 0.12) & (away < 0.2)].mean()


@pytest.mark.parametrize("seed", SEEDS)
def test_the_same_eye_at_two_sizes(seed: int) -> None:
    small, large = phantom(256, seed), phantom(512, seed)
    assert len(small.graph.edges) == len(large.graph.edges)
    for one, other in zip(small.graph.edges, large.graph.edges, strict=True):
        # pixel centres: a point at p of the large picture is at (p - 1/2) / 2 of the small
        assert np.allclose(one.polyline, (other.polyline - 0.5) / 2)
        assert one.radius == pytest.approx(other.radius / 2)
    reduced = cv2.resize(large.photo.pixels, (256, 256), interpolation=cv2.INTER_AREA)
    assert np.abs(reduced - small.photo.pixels).mean() < 0.01
    covered = cv2.resize(large.vessels.astype(np.float32), (256, 256), interpolation=cv2.INTER_AREA)
    assert (cv2.dilate(covered, np.ones((3, 3), np.uint8))[small.vessels] > 0).all()
    # what is more than half covered differs only where a vessel is thinner than the small picture can mark
    assert (small.vessels[covered > 0.75]).mean() > 0.99
    assert overlap(small.vessels, covered >= 0.5) > 0.8


def test_the_same_seed_gives_the_same_photograph_and_leaves_the_callers_random_state_alone() -> None:
    first = phantom(256, 1)
    state = np.random.get_state()[1].copy()  # noqa: NPY002 - the state that must not be touched
    again = draw_phantom(256, 1)
    assert np.array_equal(state, np.random.get_state()[1])  # noqa: NPY002
    assert np.array_equal(again.photo.pixels, first.photo.pixels)
    assert np.array_equal(again.vessels, first.vessels)


def test_another_seed_is_another_eye() -> None:
    masks = [phantom(256, seed).vessels for seed in SEEDS]
    for index, mask in enumerate(masks):
        for other in masks[index + 1 :]:
            assert overlap(mask, other) < 0.35


def test_both_sides_are_drawn() -> None:
    assert {phantom(seed=seed).side for seed in SEEDS} == {"left", "right"}


@pytest.mark.parametrize(("size", "seed", "named"), [(63, 0, "size: found 63"), (64, -1, "seed: found -1")])
def test_what_cannot_be_drawn_is_refused(size: int, seed: int, named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        draw_phantom(size, seed)
