"""Several photographs at a time, each on a thread; what comes out keeps the order of what went in.

Threads suffice: decoders, encoders, OpenCV, numpy and the networks' engines let others run while they work.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from threading import Event
from typing import TypeVar

import cv2

from clearfundus.engines.picture import count_threads
from clearfundus.errors import SettingsError
from clearfundus.fundus.field import Field
from clearfundus.methods import Method
from clearfundus.photo import Photo
from clearfundus.pipeline import PreparedMethod

NETWORK_WORKERS = 3
"""Photographs at a time with a network: one is read, one is with the network, one is written."""
MOST_WORKERS = 8
"""Photographs at a time with a method on one core, however many cores there are: one of 3504 x 2336 pixels takes about
half a gibibyte."""

Item = TypeVar("Item")
Result = TypeVar("Result")


def choose_workers(method: PreparedMethod, asked: int | None = None) -> int:
    """Decide how many photographs are worked on at a time, which is how many are in memory.

    Args:
        method: What is done with them. With a memory limit of its own it works on one at a time, for the others would
            count towards the limit.
        asked: The number that is wanted; None for 3 with a network, which uses all cores by itself, and for any
            other method as many as there are cores, 8 at most.

    Raises:
        SettingsError: If the number is less than 1, or more than 1 beside a memory limit.
    """
    if asked is not None and asked < 1:
        raise SettingsError(f"workers: found {asked}, expected 1 or more")
    if _is_limited(method):
        if asked is not None and asked > 1:
            raise SettingsError(f"a memory limit allows one photograph at a time; found workers {asked}, expected 1")
        return 1
    if asked is not None:
        return asked
    return min(count_threads(), MOST_WORKERS) if method.weights is None else NETWORK_WORKERS


@contextmanager
def share_cores(method: PreparedMethod, workers: int, halt: Event) -> Iterator[PreparedMethod]:
    """Give a method the form in which several threads may call it at a time, for as long as the context lasts.

    A network runs for one photograph at a time, on a thread of its own: its engine's threads are made but once.
    Beside any other method, OpenCV gets its share of the cores for each worker.

    Args:
        method: The method; its results stay the same.
        workers: Number of threads that will call it.
        halt: Once it is set, no further run of a network is begun.
    """
    if method.weights is not None:
        with ThreadPoolExecutor(1, thread_name_prefix="network") as alone:
            yield replace(method, function=partial(_run_alone, function=method.function, alone=alone, halt=halt))
        return
    before = cv2.getNumThreads()
    cv2.setNumThreads(max(count_threads() // workers, 1))
    try:
        yield method
    finally:
        cv2.setNumThreads(before)


def map_in_order(
    work: Callable[[Item], Result], items: Sequence[Item], *, workers: int, halt: Event
) -> Iterator[Result]:
    """Do the same work for several items at a time, yielding the results in the order of the items.

    An error stops everything: it is raised in its item's turn, and no later item is begun. So does leaving the loop
    over the results, as Ctrl-C does.

    Args:
        work: What to do with an item, on any thread.
        items: What to do it with.
        workers: Number of threads, thus of items that are worked on at a time.
        halt: Is set as soon as nobody waits for results any more; long work may ask it by `refuse_halted`.
    """
    first_error = len(items)

    def begin(index: int) -> Result:
        nonlocal first_error
        refuse_halted(halt)
        if index > first_error:
            raise CancelledError
        try:
            return work(items[index])
        except BaseException:
            first_error = min(first_error, index)
            raise

    with ThreadPoolExecutor(workers, thread_name_prefix="photograph") as pool:
        try:
            futures = [pool.submit(begin, index) for index in range(len(items))]
            for future in futures:
                yield future.result()
        finally:
            halt.set()
            pool.shutdown(wait=False, cancel_futures=True)  # the `with` waits for what is under way


def refuse_halted(halt: Event) -> None:
    """Raise a CancelledError if nobody waits for the result any more."""
    if halt.is_set():
        raise CancelledError


def _run_alone(photo: Photo, field: Field, *, function: Method, alone: ThreadPoolExecutor, halt: Event) -> Photo:
    """Run a method on the one thread that is there for it, after those who asked before."""

    def run() -> Photo:
        refuse_halted(halt)
        return function(photo, field)

    return alone.submit(run).result()


def _is_limited(method: PreparedMethod) -> bool:
    """Say whether a method is what `PreparedMethod.within` returned."""
    return isinstance(method.function, partial) and method.function.keywords.get("memory_limit") is not None
