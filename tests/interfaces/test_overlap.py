"""Work that overlaps: order, bounds, errors and stopping; and that every method may run on two threads."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest

from clearfundus import Field, Photo
from clearfundus.errors import SettingsError, WeightsError
from clearfundus.interfaces import overlap
from clearfundus.interfaces.overlap import MOST_WORKERS, choose_workers, map_in_order, share_cores
from clearfundus.methods import METHODS
from clearfundus.pipeline import PreparedMethod, enhance, prepare_method
from drawn import blur_fundus, draw_fundus

PATIENCE = 20.0
"""Seconds after which a test that waits for another thread has failed."""


@pytest.fixture
def network(tiny_weights: Path) -> PreparedMethod:
    return prepare_method("gan", weights=tiny_weights, device="cpu")


def run(work: Callable[[int], int], count: int, workers: int = 3) -> Iterator[int]:
    return map_in_order(work, range(count), workers=workers, halt=threading.Event())


def test_results_come_in_the_order_of_the_items_whichever_ends_first() -> None:
    second_is_done = threading.Event()

    def work(item: int) -> int:
        if item == 0:
            assert second_is_done.wait(PATIENCE)
        if item == 1:
            second_is_done.set()
        return item * item

    assert list(run(work, 6)) == [0, 1, 4, 9, 16, 25]


def test_as_many_items_as_workers_are_worked_on_at_a_time_and_no_more() -> None:
    all_three = threading.Barrier(3)
    under_way: set[int] = set()
    most = 0

    def work(item: int) -> int:
        nonlocal most
        under_way.add(item)
        most = max(most, len(under_way))
        all_three.wait(PATIENCE)  # breaks, which raises, unless three are under way at a time
        under_way.remove(item)
        return item

    assert list(run(work, 9)) == list(range(9))
    assert most == 3


def test_an_error_is_raised_in_its_turn_and_nothing_later_is_begun() -> None:
    begun: list[int] = []
    failed = threading.Event()

    def work(item: int) -> int:
        begun.append(item)
        if item == 1:
            failed.set()
            raise WeightsError("altered")
        assert failed.wait(PATIENCE)
        time.sleep(0.05)  # the thread of item 1 is free long before this one ends
        return item

    results = run(work, 50, workers=2)
    assert next(results) == 0
    with pytest.raises(WeightsError, match="altered"):
        next(results)
    assert sorted(begun) == [0, 1]


def test_leaving_the_loop_ends_what_is_under_way_and_begins_nothing_more() -> None:
    halt, begun = threading.Event(), []
    ended: list[int] = []

    def work(item: int) -> int:
        begun.append(item)
        if item:
            assert halt.wait(PATIENCE)
        ended.append(item)
        return item

    results = map_in_order(work, range(50), workers=2, halt=halt)
    assert next(results) == 0
    results.close()  # type: ignore[attr-defined]  # a generator, as what Ctrl-C leaves
    assert sorted(begun) == sorted(ended)
    assert len(begun) <= 3


def test_a_network_runs_for_one_photograph_at_a_time_and_always_on_one_thread(
    network: PreparedMethod, drawn: Photo
) -> None:
    threads: set[int] = set()
    running = threading.Lock()

    def watched(photo: Photo, field: Field) -> Photo:
        assert running.acquire(blocking=False)
        threads.add(threading.get_ident())
        time.sleep(0.01)
        running.release()
        return photo

    halt = threading.Event()
    with (
        share_cores(replace(network, function=watched), 3, halt) as shared,
        ThreadPoolExecutor(3) as pool,
    ):
        assert len(list(pool.map(partial(enhance, method=shared), [drawn] * 6))) == 6
        assert len(threads) == 1
        halt.set()
        with pytest.raises(CancelledError):
            enhance(drawn, shared)


def test_opencv_has_its_share_of_the_cores_for_each_worker_and_gets_its_threads_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(overlap, "count_threads", lambda: 6)
    before = cv2.getNumThreads()
    cv2.setNumThreads(5)
    try:
        with share_cores(prepare_method("clahe"), 3, threading.Event()):
            assert cv2.getNumThreads() == 2
        assert cv2.getNumThreads() == 5
    finally:
        cv2.setNumThreads(before)


@pytest.mark.parametrize(("cores", "expected"), [(1, 1), (2, 2), (100, MOST_WORKERS)])
def test_a_method_without_a_network_works_on_a_photograph_a_core(
    monkeypatch: pytest.MonkeyPatch, cores: int, expected: int
) -> None:
    monkeypatch.setattr(overlap, "count_threads", lambda: cores)
    assert choose_workers(prepare_method("clahe")) == expected
    assert choose_workers(prepare_method("clahe"), 11) == 11


def test_a_network_has_three_photographs_at_a_time_and_under_a_memory_limit_one(network: PreparedMethod) -> None:
    assert choose_workers(network) == 3
    assert choose_workers(network, 5) == 5
    limited = network.within(2**30)
    assert choose_workers(limited) == choose_workers(limited, 1) == 1
    with pytest.raises(SettingsError, match="found workers 2, expected 1"):
        choose_workers(limited, 2)


def test_a_number_of_workers_below_one_is_refused() -> None:
    with pytest.raises(SettingsError, match="workers: found 0, expected 1 or more"):
        choose_workers(prepare_method("clahe"), 0)


@pytest.mark.parametrize("name", METHODS)
def test_a_method_gives_the_same_on_several_threads_at_a_time(name: str, tiny_weights: Path) -> None:
    method = prepare_method(name, weights=tiny_weights if name == "gan" else None)
    rng = np.random.default_rng(3)
    photos = [blur_fundus(draw_fundus(side, rng)) for side in (128, 128, 160, 144)] * 2
    expected = [enhance(photo, method).pixels for photo in photos[:4]] * 2
    if name != "identity":
        assert not np.array_equal(expected[0], expected[1])  # a result taken for another's would show
    start = threading.Barrier(4)

    def work(photo: Photo) -> Photo:
        start.wait(PATIENCE)  # four begin at once, twice
        return enhance(photo, method)

    with ThreadPoolExecutor(4) as pool:
        found = [photo.pixels for photo in pool.map(work, photos)]
    assert all(np.array_equal(one, other) for one, other in zip(found, expected, strict=True))
