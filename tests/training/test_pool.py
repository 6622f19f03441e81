import numpy as np
import torch
from torch import Tensor

from clearfundus.training.pool import Pool, query_pool


def fake(number: float) -> Tensor:
    return torch.full((3, 2, 2), float(number))


def ask(pool: Pool, number: float, capacity: int, random: np.random.Generator) -> tuple[float, Pool]:
    shown, pool = query_pool(pool, fake(number)[None], capacity, random)
    assert shown.shape == (1, 3, 2, 2)
    return float(shown[0, 0, 0, 0]), pool


def numbers(pool: Pool) -> list[float]:
    return [float(one[0, 0, 0]) for one in pool]


def test_until_it_is_full_the_pool_keeps_and_shows_every_fake() -> None:
    random, pool = np.random.default_rng(0), ()
    for number in range(3):
        shown, pool = ask(pool, number, 3, random)
        assert shown == number
    assert numbers(pool) == [0, 1, 2]


def test_a_full_pool_shows_an_old_fake_at_even_odds_and_keeps_the_new_one_in_its_place() -> None:
    random, pool = np.random.default_rng(0), tuple(fake(number) for number in range(4))
    places, old = [], 0
    for number in range(4, 2004):
        before = numbers(pool)
        shown, pool = ask(pool, number, 4, random)
        if shown == number:
            assert numbers(pool) == before
            continue
        old += 1
        place = before.index(shown)
        places.append(place)
        assert numbers(pool) == [*before[:place], number, *before[place + 1 :]]
    # 2000 draws at 1/2: standard deviation 22; of these 1000 a place at 1/4: standard deviation 14
    assert abs(old - 1000) < 100
    assert all(abs(places.count(place) - old / 4) < 70 for place in range(4))


def test_a_pool_of_0_shows_every_new_fake_and_keeps_none() -> None:
    random = np.random.default_rng(0)
    assert all(ask((), number, 0, random) == (number, ()) for number in range(20))


def test_a_query_changes_neither_the_pool_it_was_given_nor_the_fakes() -> None:
    pool, fakes = tuple(fake(number) for number in range(2)), torch.stack([fake(8), fake(9)])
    for seed in range(10):
        query_pool(pool, fakes, 2, np.random.default_rng(seed))
    assert numbers(pool) == [0, 1]
    assert numbers(tuple(fakes)) == [8, 9]


def test_equal_chance_gives_equal_answers() -> None:
    pool, fakes = tuple(fake(number) for number in range(3)), torch.stack([fake(number) for number in range(5, 9)])
    one = query_pool(pool, fakes, 3, np.random.default_rng(2))
    other = query_pool(pool, fakes, 3, np.random.default_rng(2))
    assert torch.equal(one[0], other[0])
    assert numbers(one[1]) == numbers(other[1])


def test_a_batch_is_asked_one_by_one_so_that_a_fake_may_come_back_in_the_same_batch() -> None:
    shown, pool = query_pool((), torch.stack([fake(number) for number in range(40)]), 1, np.random.default_rng(0))
    assert len(pool) == 1
    assert shown.shape == (40, 3, 2, 2)
    # nothing is made up and nothing is lost: what is shown and kept is what came, each once
    assert sorted([*numbers(tuple(shown)), *numbers(pool)]) == sorted([*range(40), numbers(tuple(shown))[0]])
