"""Growth: cheapest first, never back, never into a branch that turns too far; on graphs small enough to say how."""

from itertools import combinations

import numpy as np
import pytest

from clearfundus.vessels.growth import Reached, Routes, grow
from clearfundus.vessels.junctions import End, Link, Traits


def routes(
    *links: tuple[End, End, float, float],
    count: int,
    radii: list[float] | None = None,
    lengths: list[float] | None = None,
) -> Routes:
    """Return routes from (end, other end, turn, cost)."""
    by_end: dict[End, list[Link]] = {}
    for one, other, turn, cost in links:
        for end in (one, other):
            by_end.setdefault(end, []).append(Link(ends=(one, other), turn=turn, cost=cost))
    traits = Traits(radii=np.array(radii or [2.0] * count), colours=np.zeros(count), directions=np.zeros((count, 2, 2)))
    return Routes(links=by_end, traits=traits, lengths=lengths or [10.0] * count)


def parents(reached: list[Reached]) -> dict[int, int | None]:
    return {one.segment: None if one.parent is None else reached[one.parent].segment for one in reached}


def trees(reached: list[Reached]) -> list[set[int]]:
    return [{one.segment for one in reached if one.tree == number} for number in sorted({one.tree for one in reached})]


FORK = (((0, 1), (1, 0), 20.0, 0.2), ((0, 1), (2, 0), 60.0, 1.8), ((1, 0), (2, 0), 80.0, 3.2))


def test_a_vessel_grows_into_both_its_branches() -> None:
    reached = grow(routes(*FORK, count=3), [(0, 0)], [])
    assert parents(reached) == {0: None, 1: 0, 2: 0}
    assert [one.entry for one in reached] == [0, 0, 0]
    assert all(one.rooted and one.tree == 0 for one in reached)


def test_a_path_does_not_turn_back_where_it_came_in() -> None:
    # entered by its far end, the first branch leaves where the fork is: it becomes the parent
    reached = grow(routes(*FORK, count=3), [(1, 1)], [])
    assert parents(reached) == {1: None, 0: 1, 2: 1}
    assert {one.segment: one.entry for one in reached} == {1: 1, 0: 1, 2: 0}


def test_the_end_opposite_to_the_fork_leads_nowhere() -> None:
    reached = grow(routes(*FORK, count=3), [(1, 0)], [])
    assert parents(reached) == {1: None}


@pytest.mark.parametrize(("turn", "grows"), [(109.0, True), (111.0, False)])
def test_a_branch_that_turns_too_far_is_another_tree(turn: float, grows: bool) -> None:
    reached = grow(routes(((0, 1), (1, 0), turn, 1.0), count=2), [(0, 0)], [(1, 0)])
    assert parents(reached) == {0: None, 1: 0 if grows else None}
    assert [one.rooted for one in reached] == [True, grows]


def test_the_cheaper_of_two_trees_gets_the_segment_between() -> None:
    dear, cheap = ((0, 1), (2, 0), 0.0, 2.0), ((1, 1), (2, 1), 0.0, 1.0)
    reached = grow(routes(dear, cheap, count=3), [(0, 0), (1, 0)], [])
    assert parents(reached) == {0: None, 1: None, 2: 1}
    assert reached[-1].entry == 1
    assert trees(reached) == [{0}, {1, 2}]


def test_costs_add_up_along_a_path() -> None:
    # 0 -> 2 -> 4 costs 1 + 1, 1 -> 3 -> 4 costs 0.5 + 1.2, which is less though its last step is dearer
    links = (
        ((0, 1), (2, 0), 0.0, 1.0),
        ((2, 1), (4, 0), 0.0, 1.0),
        ((1, 1), (3, 0), 0.0, 0.5),
        ((3, 1), (4, 0), 0.0, 1.2),
    )
    reached = grow(routes(*links, count=5), [(0, 0), (1, 0)], [])
    assert parents(reached)[4] == 3
    assert trees(reached) == [{0, 2}, {1, 3, 4}]


def test_a_branch_much_wider_than_its_parent_is_dear() -> None:
    links = (((0, 1), (2, 0), 0.0, 0.0), ((1, 1), (2, 1), 0.0, 1.0))
    wide = grow(routes(*links, count=3, radii=[1.0, 2.0, 2.0]), [(0, 0), (1, 0)], [])
    assert parents(wide)[2] == 1  # 4 * (2 - 1.35) is more than 1
    alike = grow(routes(*links, count=3, radii=[2.0, 2.0, 2.0]), [(0, 0), (1, 0)], [])
    assert parents(alike)[2] == 0


def test_a_longer_way_costs_more() -> None:
    # two ways round: through a segment of 10 pixels, or through one of 100
    links = (
        ((0, 1), (2, 0), 0.0, 0.0),
        ((2, 1), (4, 0), 0.0, 0.0),
        ((1, 1), (3, 0), 0.0, 0.0),
        ((3, 1), (4, 0), 0.0, 0.0),
    )
    reached = grow(routes(*links, count=5, lengths=[10, 10, 100, 10, 10]), [(0, 0), (1, 0)], [])
    assert parents(reached)[4] == 3


def test_a_loop_at_one_junction_is_entered_once() -> None:
    links = (((0, 1), (1, 0), 10.0, 0.1), ((0, 1), (1, 1), 10.0, 0.2), ((1, 0), (1, 1), 160.0, 9.0))
    reached = grow(routes(*links, count=2), [(0, 0)], [(1, 0), (1, 1)])
    assert parents(reached) == {0: None, 1: 0}
    assert reached[1].entry == 0


def test_what_the_roots_leave_begins_at_further_ends_at_the_disc_before_it_is_a_fragment() -> None:
    links = (((0, 1), (1, 0), 150.0, 0.1), ((1, 1), (2, 0), 0.0, 0.1))
    reached = grow(routes(*links, count=4), [(0, 0)], [(3, 0), (2, 0), (1, 0)], others=[(0, 0), (1, 0)])
    assert parents(reached) == {0: None, 1: None, 2: 1, 3: None}
    assert {one.segment: one.rooted for one in reached} == {0: True, 1: True, 2: True, 3: False}
    assert trees(reached) == [{0}, {1, 2}, {3}]


def test_a_fragment_that_begins_at_a_fork_has_all_that_is_linked_there() -> None:
    reached = grow(routes(*FORK, count=3), [], [(1, 0), (0, 0), (2, 0)])
    assert parents(reached) == {1: None, 0: None, 2: None}
    assert {one.segment: one.entry for one in reached} == {1: 0, 0: 1, 2: 0}
    assert trees(reached) == [{0, 1, 2}]


def test_in_a_fragment_a_branch_that_turns_too_far_hangs_on_what_lies_between() -> None:
    # from the tip of one branch of a narrow fork the other is reached over the stem alone, and begins where that does
    narrow = (((0, 1), (1, 0), 20.0, 0.2), ((0, 1), (2, 0), 20.0, 0.2), ((1, 0), (2, 0), 140.0, 9.0))
    reached = grow(routes(*narrow, count=3), [], [(1, 1), (2, 1), (0, 0)])
    assert parents(reached) == {1: None, 0: 1, 2: 1}
    assert {one.segment: one.entry for one in reached} == {1: 1, 0: 1, 2: 0}
    assert trees(reached) == [{0, 1, 2}]


def test_fragments_that_cross_are_two() -> None:
    crossing = (((0, 1), (1, 0), 0.0, 0.0), ((2, 1), (3, 0), 0.0, 0.0))
    reached = grow(routes(*crossing, count=4), [], [(0, 1), (2, 0)])
    assert trees(reached) == [{0, 1}, {2, 3}]


def test_what_no_root_reaches_becomes_fragments_in_the_order_asked() -> None:
    reached = grow(routes(*FORK, count=4), [], [(3, 1), (2, 1), (0, 0), (1, 0), (2, 0)])
    assert parents(reached) == {3: None, 2: None, 0: 2, 1: 2}
    assert not any(one.rooted for one in reached)
    assert trees(reached) == [{3}, {0, 1, 2}]


def test_a_parent_stands_before_its_children() -> None:
    rng = np.random.default_rng(3)
    segments, ends = rng.integers(0, 30, (60, 2)).tolist(), rng.integers(0, 2, (60, 2)).tolist()
    links = [
        ((one, end), (other, other_end), float(rng.uniform(0, 180)), float(rng.uniform(0, 4)))
        for (one, other), (end, other_end) in zip(segments, ends, strict=True)
        if one != other
    ]
    everything = [(segment, end) for segment in range(30) for end in (0, 1)]
    reached = grow(routes(*links, count=30), [(0, 0), (1, 1)], everything)
    assert sorted(one.segment for one in reached) == list(range(30))
    for position, one in enumerate(reached):
        assert one.parent is None or (one.parent < position and reached[one.parent].tree == one.tree)


def test_the_cheapest_paths_are_those_that_relaxation_finds() -> None:
    rng = np.random.default_rng(8)
    count = 25
    chosen = [pair for pair in combinations(range(count), 2) if rng.random() < 0.3]
    links = [((one, 1), (other, 0), 0.0, float(rng.uniform(0, 3))) for one, other in chosen]
    reached = grow(routes(*links, count=count), [(0, 0)], [])
    best = {0: 0.0}
    for _ in range(count):  # Bellman and Ford
        for (one, _), (other, _), _, cost in links:
            if one in best:
                # step and length: 0.05 + 0.002 * 10
                best[other] = min(best.get(other, np.inf), best[one] + cost + 0.07)
    cost_of = {(one[0], other[0]): cost + 0.07 for one, other, _, cost in links}
    assert {one.segment for one in reached} == set(best)
    for segment, parent in parents(reached).items():
        if parent is not None:
            assert best[segment] == pytest.approx(best[parent] + cost_of[parent, segment])
