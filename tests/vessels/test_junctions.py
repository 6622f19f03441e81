"""Junctions: lines that pass through each other are told from lines that fork, exactly, at many angles."""

import cv2
import numpy as np
import pytest

from clearfundus.photo import Mask
from clearfundus.vessels.junctions import Meeting, Traits, judge, merge_junctions, take_traits
from clearfundus.vessels.skeleton import Junction, SkeletonGraph, skeletonise

CENTRE = 60


def rays(*angles: float, thickness: int = 3) -> Mask:
    """Lines of 50 pixels from the centre, degrees counted from the right, downwards."""
    canvas = np.zeros((2 * CENTRE + 1, 2 * CENTRE + 1), np.uint8)
    for angle in np.radians(angles):
        tip = round(CENTRE + 50 * np.cos(angle)), round(CENTRE + 50 * np.sin(angle))
        cv2.line(canvas, (CENTRE, CENTRE), tip, 1, thickness)
    return canvas > 0


def merged(mask: Mask) -> SkeletonGraph:
    return merge_junctions(skeletonise(mask))


def judged(graph: SkeletonGraph, colour: np.ndarray | None = None) -> list[Meeting]:
    traits = take_traits(graph, np.zeros(graph.shape, np.float32) if colour is None else colour)
    return [judge(one, traits) for one in graph.junctions]


def star(*angles: float, radii: list[float] | None = None, colours: list[float] | None = None) -> Meeting:
    """Judge a junction given by its branches alone."""
    inward = np.array([[np.sin(np.radians(angle)), np.cos(np.radians(angle))] for angle in angles])
    traits = Traits(
        radii=np.array(radii or [2.0] * len(angles)),
        colours=np.array(colours or [0.0] * len(angles)),
        directions=np.stack([inward, np.zeros_like(inward)], axis=1),
    )
    ends = tuple((index, 0) for index in range(len(angles)))
    return judge(Junction(centre=np.zeros(2), radius=2.0, ends=ends), traits)


def pairs(meeting: Meeting) -> set[frozenset[int]]:
    return {frozenset(end[0] for end in link.ends) for link in meeting.links}


def test_a_fork_links_all_its_branches() -> None:
    graph = merged(rays(180, 30, -30))
    (meeting,) = judged(graph)
    assert meeting.kind == "bifurcation"
    assert pairs(meeting) == {frozenset(pair) for pair in ((0, 1), (0, 2), (1, 2))}


def test_the_turns_of_a_fork_are_those_drawn() -> None:
    meeting = star(180, 30, -30)
    turns = {frozenset(end[0] for end in link.ends): link.turn for link in meeting.links}
    assert turns[frozenset((0, 1))] == pytest.approx(30)
    assert turns[frozenset((0, 2))] == pytest.approx(30)
    assert turns[frozenset((1, 2))] == pytest.approx(120)


def test_directions_on_pixels_are_those_drawn() -> None:
    graph = merged(rays(180, 40, -25))
    turns = sorted(link.turn for link in judged(graph)[0].links)
    np.testing.assert_allclose(turns, [25, 40, 115], atol=6)


@pytest.mark.parametrize("angle", [30, 45, 60, 90, 120, 150])
@pytest.mark.parametrize("thickness", [1, 3, 5])
def test_two_lines_cross_and_each_is_linked_with_itself(angle: float, thickness: int) -> None:
    graph = merged(rays(0, 180, angle, angle + 180, thickness=thickness))
    (meeting,) = judged(graph)
    assert meeting.kind == "crossing"
    np.testing.assert_allclose(graph.junctions[0].centre, (CENTRE, CENTRE), atol=2)
    assert len(meeting.links) == 2
    for link in meeting.links:
        assert link.turn < 15


@pytest.mark.parametrize("angle", [15, 18, 24])
def test_lines_that_lie_on_each_other_before_they_part_still_cross(angle: float) -> None:
    graph = merged(rays(0, 180, angle, angle + 180))
    (meeting,) = judged(graph)
    assert (meeting.kind, len(meeting.links), len(graph.segments)) == ("crossing", 2, 4)
    tips = [one.pixels[0] if one.junctions[0] is None else one.pixels[-1] for one in graph.segments]
    for link in meeting.links:
        first, second = (tips[end[0]] - CENTRE for end in link.ends)
        # the two ends of one line lie opposite each other
        assert np.abs(first + second).max() <= 3


def test_two_forks_that_open_the_same_way_stay_two() -> None:
    canvas = np.zeros((121, 121), np.uint8)
    for first, last in (((5, 60), (115, 60)), ((50, 60), (90, 20)), ((75, 60), (115, 100))):
        cv2.line(canvas, first, last, 1, 3)
    graph = merged(canvas > 0)
    assert [one.kind for one in judged(graph)] == ["bifurcation", "bifurcation"]
    assert len(graph.segments) == 5


@pytest.mark.parametrize(("scale", "junctions"), [(1.0, 2), (2.0, 1)])
def test_how_close_junctions_must_be_to_be_one_depends_on_the_scale(scale: float, junctions: int) -> None:
    mask = np.zeros((121, 121), bool)
    mask[60, 10:110], mask[20:60, 50], mask[60:100, 59] = True, True, True
    graph = merge_junctions(skeletonise(mask), scale)
    assert len(graph.junctions) == junctions


def test_directions_are_taken_beyond_where_thinning_bends_the_skeleton() -> None:
    graph = merged(rays(0, 180, 35, 215, thickness=9))
    traits = take_traits(graph, np.zeros(graph.shape, np.float32))
    (junction,) = graph.junctions
    found = sorted(float(np.degrees(np.arctan2(*traits.directions[end]))) % 180 for end in junction.ends)
    off = [min(abs(one - angle) for angle in (0, 35, 180)) for one in found]
    assert max(off) < 7, off


def test_lines_that_run_together_for_long_stay_two_forks() -> None:
    canvas = np.zeros((121, 121), np.uint8)
    for first, last in (((10, 40), (35, 60)), ((10, 80), (35, 60)), ((35, 60), (85, 60))):
        cv2.line(canvas, first, last, 1, 3)
    for first, last in (((85, 60), (110, 40)), ((85, 60), (110, 80))):
        cv2.line(canvas, first, last, 1, 3)
    assert [one.kind for one in judged(merged(canvas > 0))] == ["bifurcation", "bifurcation"]


def test_three_lines_through_one_point_are_three_pairs() -> None:
    meeting = star(0, 60, 120, 180, 240, 300)
    assert meeting.kind == "crossing"
    assert pairs(meeting) == {frozenset((0, 3)), frozenset((1, 4)), frozenset((2, 5))}


def test_five_lines_through_one_point_are_five_pairs() -> None:
    meeting = star(*range(0, 360, 36))
    assert pairs(meeting) == {frozenset((one, one + 5)) for one in range(5)}


def test_a_branch_left_over_at_a_crossing_joins_what_it_resembles_most() -> None:
    meeting = star(0, 180, 90, 270, 150)
    assert meeting.kind == "crossing"
    assert pairs(meeting) == {frozenset((0, 1)), frozenset((2, 3)), frozenset((0, 4))}


def test_four_branches_to_one_side_are_no_crossing() -> None:
    meeting = star(0, 20, 40, 60)
    assert meeting.kind == "bifurcation"
    assert len(meeting.links) == 6


def test_one_pair_alone_is_no_crossing() -> None:
    meeting = star(0, 180, 60, 110)
    assert meeting.kind == "bifurcation"
    assert len(meeting.links) == 6


def test_three_branches_are_never_a_crossing() -> None:
    assert star(0, 180, 90).kind == "bifurcation"


@pytest.mark.parametrize("trait", ["colours", "radii"])
def test_where_directions_leave_it_open_colour_and_width_decide(trait: str) -> None:
    angles = (170, 190, 10, -10)
    straight = {frozenset((0, 3)), frozenset((1, 2))}
    bent = {frozenset((0, 2)), frozenset((1, 3))}
    assert pairs(star(*angles)) == straight
    assert pairs(star(*angles, **{trait: [1.0, 3.0, 1.0, 3.0]})) == bent
    assert pairs(star(*angles, **{trait: [1.0, 3.0, 3.0, 1.0]})) == straight


def test_the_cost_of_a_pair_is_the_formula() -> None:
    meeting = star(0, 135, 250, radii=[1.0, 3.0, 2.0], colours=[0.0, 2.0, 0.0])
    (link,) = [one for one in meeting.links if one.ends == ((0, 0), (1, 0))]
    # turn 45 degrees: 1; 4 * 2 / 4 = 2, squared: 4; two standard deviations: 0.6 * 4
    assert link.cost == pytest.approx(1 + 4 + 2.4)


def test_traits_are_medians_along_segments() -> None:
    mask = rays(0, 180, 90, 270)
    colour = np.where(np.arange(121)[:, None] == CENTRE, 1.0, 3.0).astype(np.float32) * np.ones((1, 121), np.float32)
    graph = merged(mask)
    traits = take_traits(graph, colour)
    assert len(set(traits.colours.tolist())) == 2
    # two of each kind: a standard deviation of 1 in the map's values, whose difference is 2
    assert np.ptp(traits.colours) == pytest.approx(2)
    np.testing.assert_allclose(np.hypot(*traits.directions.reshape(-1, 2).T), 1)


def test_small_holes_at_a_junction_leave_no_segment() -> None:
    mask = rays(180, 30, -30, thickness=7)
    mask[CENTRE, CENTRE + 6] = False
    graph = merged(mask)
    assert len(graph.segments) == 3
    assert len(graph.junctions) == 1
