"""The accuracy of links: counted by hand on small trees, and as measured on labelled eyes."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from clearfundus import read_photo
from clearfundus.errors import QualityError
from clearfundus.fundus.field import find_field
from clearfundus.vessels.labels import Labels
from clearfundus.vessels.scale import Points, scale_to_vessels
from clearfundus.vessels.score_links import LinkAccuracy, link_accuracy, segment_kinds
from clearfundus.vessels.tracing import trace_trees
from clearfundus.vessels.trees import Disc, Node, Segment, Tracking, Tree

SHAPE = (40, 60)


def row(at: int, first: int, last: int) -> Points:
    return np.array([[at, column] for column in range(first, last)], float)


def tracking(*segments: tuple[Points, int | None, int]) -> Tracking:
    """Trees from (polyline, parent, start); node 0 is a root, node 1 a crossing, node 2 a bifurcation."""
    kinds = ("root", "crossing", "bifurcation")
    return Tracking(
        nodes=tuple(Node(point=np.zeros(2), kind=kind) for kind in kinds),  # type: ignore[arg-type]
        segments=tuple(
            Segment(polyline=line, radii=np.ones(len(line)), parent=parent, tree=0, start=start, end=0)
            for line, parent, start in segments
        ),
        trees=(Tree(segments=tuple(range(len(segments))), rooted=True),),
        disc=None,
        shape=SHAPE,
        diameter=40.0,
    )


def labels() -> Labels:
    """Arteries in the upper rows, veins in the lower, nothing known between."""
    arteries, veins = np.zeros(SHAPE, bool), np.zeros(SHAPE, bool)
    arteries[:15], veins[25:] = True, True
    return Labels(vessels=arteries | veins, arteries=arteries, veins=veins, crossings=np.zeros(SHAPE, bool))


def test_links_are_counted_by_kind_and_by_place() -> None:
    trees = tracking(
        (row(10, 0, 20), None, 0),
        (row(10, 20, 40), 0, 1),  # artery from artery, at a crossing
        (row(30, 20, 40), 0, 1),  # vein from artery, at a crossing
        (row(30, 40, 50), 2, 2),  # vein from vein, at a fork
        (row(20, 40, 50), 2, 2),  # of no known kind
        (row(30, 50, 55), 4, 2),  # from one of no known kind
    )
    assert segment_kinds(trees, labels()) == ("artery", "artery", "vein", "vein", None, "vein")
    found = link_accuracy(trees, labels())
    assert found == LinkAccuracy(parent_links=3, parent_same=2, crossing_links=2, crossing_same=1)
    assert found.parent_share == pytest.approx(2 / 3)
    assert found.crossing_share == 0.5


def test_the_kind_is_that_of_most_points_and_a_tie_is_none() -> None:
    across = np.array([[row, 5] for row in range(5, 32)], float)  # 10 on arteries, 7 on veins
    tie = np.array([[14, 3], [25, 3]], float)
    assert segment_kinds(tracking((across, None, 0), (tie, None, 0)), labels()) == ("artery", None)


def test_points_between_pixels_and_at_the_frame_are_looked_up_in_the_nearest() -> None:
    edge = np.array([[39.4, 59.5], [39.49, 59.9]])
    between = np.array([[24.6, 3.0], [24.7, 4.2]])  # veins begin at row 25
    assert segment_kinds(tracking((edge, None, 0), (between, None, 0)), labels()) == ("vein", "vein")


def test_without_links_there_is_no_share() -> None:
    found = link_accuracy(tracking((row(10, 0, 9), None, 0)), labels())
    assert np.isnan(found.parent_share)
    assert np.isnan(found.crossing_share)


def test_labels_of_vessels_alone_are_refused() -> None:
    with pytest.raises(QualityError, match="told apart"):
        link_accuracy(tracking(), Labels(vessels=np.zeros(SHAPE, bool)))


def test_labels_of_another_size_are_refused() -> None:
    none = np.zeros((4, 4), bool)
    with pytest.raises(QualityError, match="one size"):
        link_accuracy(tracking(), Labels(vessels=none, arteries=none, veins=none, crossings=none))


@pytest.mark.data
def test_links_on_manual_masks_join_one_kind_mostly(data_folder: Path) -> None:
    folder = data_folder / "vessels" / "les_av"
    counts = np.zeros(4, int)
    # training eyes: the settings were chosen on them; with the disc's centre as seen in the photograph
    for name, centre in (("111", (276, 258)), ("119", (300, 302)), ("12", (264, 302))):
        photo = read_photo(folder / "images" / f"{name}.png")
        scaled = scale_to_vessels(photo, find_field(photo))
        colours = cv2.imread(str(folder / "arteries-and-veins" / f"{name}.png"))[..., ::-1] > 127
        vessels, red, blue = colours.any(-1), colours[..., 0], colours[..., 2]
        arteries, veins = red & ~colours[..., 1:].any(-1), blue & ~colours[..., :2].any(-1)
        drawn = Labels(vessels=vessels, arteries=arteries, veins=veins, crossings=vessels & ~arteries & ~veins)
        drawn = drawn.scaled_to(scaled)
        disc = Disc(centre=np.array(centre, float), radius=40.0, contrast=9.0)
        found = link_accuracy(trace_trees(drawn.vessels, scaled.pixels, scaled.field, disc), drawn)
        counts += (found.crossing_links, found.crossing_same, found.parent_links, found.parent_same)
    # measured: 48 of 49 and 141 of 149; over all ten training eyes of HRF and LES-AV 0.92 and 0.94
    assert counts[1] / counts[0] > 0.93, counts
    assert counts[3] / counts[2] > 0.92, counts
    assert counts[2] > 130, counts
