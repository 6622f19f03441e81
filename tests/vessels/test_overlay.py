"""What is drawn over a photograph: the colours stand where the vessels are, and nowhere else."""

from dataclasses import replace

import numpy as np
import pytest

from clearfundus.errors import QualityError
from clearfundus.photo import Mask, Pixels
from clearfundus.vessels.overlay import (
    FRAGMENT_COLOUR,
    MASK_COLOUR,
    RIGHT_COLOUR,
    WRONG_COLOUR,
    Colour,
    draw_mask,
    draw_tracks,
    draw_trees,
    tree_colours,
)
from clearfundus.vessels.trees import Disc, Node, Segment, Track, Tracking, Tree

GROUND = 0.25


def ground(height: int = 200, width: int = 300) -> Pixels:
    return np.full((height, width, 3), GROUND, np.float32)


def changed(pixels: Pixels) -> Mask:
    return np.asarray(np.abs(pixels - GROUND).max(axis=2) > 0.01)


def close(pixels: Pixels, colour: Colour) -> Mask:
    return np.asarray(np.abs(pixels - np.array(colour)).max(axis=2) < 0.01)


def level(row: float, first: float, last: float) -> np.ndarray:
    columns = np.arange(first, last + 1)
    return np.stack([np.full(len(columns), row), columns], axis=1)


def forest(rooted: tuple[bool, ...] = (True, True, False), radius: float = 2.0) -> Tracking:
    """Return a level vessel for each tree, at rows 40, 80 and so on, each 20 pixels longer than the one before."""
    lines = [level(40.0 * (number + 1), 50, 150 + 20 * number) for number in range(len(rooted))]
    nodes: list[Node] = []
    for line, is_rooted in zip(lines, rooted, strict=True):
        nodes += [Node(point=line[0], kind="root" if is_rooted else "end"), Node(point=line[-1], kind="end")]
    segments = [
        Segment(polyline=line, radii=np.full(len(line), radius), parent=None, tree=n, start=2 * n, end=2 * n + 1)
        for n, line in enumerate(lines)
    ]
    trees = tuple(Tree(segments=(number,), rooted=value) for number, value in enumerate(rooted))
    return Tracking(
        nodes=tuple(nodes), segments=tuple(segments), trees=trees, disc=None, shape=(200, 300), diameter=180.0
    )


def test_a_mask_is_laid_over_what_it_covers_and_nothing_else() -> None:
    mask = np.zeros((200, 300), np.bool_)
    mask[10:20, 30:90] = True
    drawn = draw_mask(ground(), mask, opacity=0.2)
    assert (changed(drawn) == mask).all()
    assert drawn[15, 50] == pytest.approx(0.8 * GROUND + 0.2 * np.array(MASK_COLOUR))
    assert drawn.dtype == np.float32


def test_the_photograph_itself_is_not_drawn_on() -> None:
    pixels = ground()
    draw_mask(pixels, np.ones((200, 300), np.bool_))
    draw_trees(pixels, forest())
    draw_tracks(pixels, [Track(polyline=level(50, 10, 90), stop="lost")])
    assert (pixels == GROUND).all()


def test_every_tree_has_its_colour_and_fragments_are_gray() -> None:
    tracking = forest()
    drawn, colours = draw_trees(ground(), tracking), tree_colours(tracking)
    assert len(set(colours)) == 3
    assert colours[2] == FRAGMENT_COLOUR
    for number, colour in enumerate(colours):
        row = 40 * (number + 1)
        assert close(drawn, colour)[row, 70:140].all()
        assert not changed(drawn)[row + 10].any()


def test_the_longest_tree_has_the_first_hue_and_many_trees_differ() -> None:
    assert tree_colours(forest((True, True)))[1] == tree_colours(forest((True,)))[0]
    many = tree_colours(forest((True,) * 36))
    assert len({tuple(np.round(colour, 2)) for colour in many}) == 36


def test_lines_are_half_as_wide_as_vessels() -> None:
    drawn = draw_trees(ground(), forest((True,), radius=12.0))
    assert close(drawn, tree_colours(forest((True,)))[0])[:, 100].sum() == pytest.approx(12, abs=1.5)


def test_disc_roots_and_crossings_are_marked() -> None:
    tracking = forest((True,))
    crossing = Node(point=np.array([100.0, 200.0]), kind="crossing")
    disc = Disc(centre=np.array([150.0, 60.0]), radius=20.0, contrast=3.0)
    plain = draw_trees(ground(), tracking)
    marked = draw_trees(ground(), replace(tracking, nodes=(*tracking.nodes, crossing), disc=disc))
    new = np.abs(marked - plain).max(axis=2) > 0.3
    rows, columns = np.nonzero(new)
    on_disc = np.abs(np.hypot(rows - 150, columns - 60) - 20) < 3
    at_crossing = np.hypot(rows - 100, columns - 200) < 7
    assert (on_disc | at_crossing).all()
    assert on_disc.sum() > 60
    assert at_crossing.sum() > 10
    assert close(plain, tree_colours(tracking)[0])[38:43, 50].all()  # the dot at the root is higher than the line
    assert not close(plain, tree_colours(tracking)[0])[38:43, 100].all()


def test_points_are_rows_and_columns_with_whole_numbers_at_pixels_centres() -> None:
    drawn = draw_tracks(ground(), [Track(polyline=level(50, 40, 90), stop="lost")])
    rows, columns = np.nonzero(close(drawn, RIGHT_COLOUR))
    assert (rows.min() + rows.max()) / 2 == pytest.approx(50, abs=0.5)
    assert 40 <= columns.min() <= 46  # the first are below the seed's dot
    assert columns.max() == pytest.approx(90, abs=1)


def test_wrong_parts_are_red_and_right_parts_green() -> None:
    track = Track(polyline=level(50, 40, 90), stop="lost")
    wrong = track.polyline[:, 1] > 70
    drawn = draw_tracks(ground(), [track, track], [wrong, None])
    again = draw_tracks(ground(), [track], [wrong])
    assert close(again, RIGHT_COLOUR)[50, 48:68].all()
    assert close(again, WRONG_COLOUR)[50, 73:90].all()
    assert close(drawn, RIGHT_COLOUR)[50, 73:90].all()  # the second track lies above and nothing is known of it


def test_a_step_is_as_wrong_as_the_point_it_leads_to() -> None:
    track = Track(polyline=np.array([[50.0, 40], [50, 80], [50, 120]]), stop="lost")
    drawn = draw_tracks(ground(), [track], [np.array([False, False, True])])
    assert close(drawn, RIGHT_COLOUR)[50, 48:76].all()
    assert close(drawn, WRONG_COLOUR)[50, 84:118].all()


def test_trees_lie_over_fragments() -> None:
    for rooted in ((True, False), (False, True)):
        tracking = forest(rooted)
        upper, lower = tracking.segments
        tracking = replace(tracking, segments=(upper, replace(lower, polyline=upper.polyline, radii=upper.radii)))
        colour = tree_colours(tracking)[rooted.index(True)]
        assert close(draw_trees(ground(), tracking), colour)[40, 70:140].all()


def test_an_empty_track_and_no_trees_leave_the_photograph_as_it_is() -> None:
    empty = Track(polyline=np.zeros((0, 2)), stop="no path")
    assert not changed(draw_tracks(ground(), [empty], [np.zeros(0, np.bool_)])).any()
    assert not changed(draw_trees(ground(), forest(()))).any()


def test_lines_and_marks_grow_with_the_picture() -> None:
    def share(times: int) -> float:
        track = Track(polyline=level(100.0 * times, 100 * times, 400 * times), stop="lost")
        return float(close(draw_tracks(ground(540 * times, 540 * times), [track]), RIGHT_COLOUR).mean())

    assert share(4) == pytest.approx(share(2), rel=0.2)


def test_what_does_not_fit_the_photograph_is_refused() -> None:
    with pytest.raises(QualityError, match=r"\(10, 10\).*in_photo"):
        draw_mask(ground(), np.zeros((10, 10), np.bool_))
    with pytest.raises(QualityError, match=r"\(200, 300\)"):
        draw_trees(ground(100, 100), forest())
    track = Track(polyline=level(50, 40, 90), stop="lost")
    with pytest.raises(QualityError, match="1 tracks and 2 masks"):
        draw_tracks(ground(), [track], [None, None])
    with pytest.raises(QualityError, match="51 points"):
        draw_tracks(ground(), [track], [np.zeros(3, np.bool_)])
