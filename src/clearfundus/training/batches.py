"""The batch of an iteration: a pure function of the settings, the photographs, the iteration and the rank."""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
import torch

from clearfundus.cores import count_cores
from clearfundus.photo import Pixels
from clearfundus.training.config import RunSettings
from clearfundus.training.data import Specimen, cut_degraded_pairs, cut_square, jitter_gain, shrink, source_of, stack
from clearfundus.training.distributed import Ranks
from clearfundus.training.schedule import random_at, sample_indices, stage_at
from clearfundus.training.step import Batch

MOST_WORKERS = 16
"""Threads that make batches for a GPU, at most: each holds a batch in memory."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Photographs:
    """The training photographs, or the held-out ones, of both sides."""

    blurry: Sequence[Specimen]
    clear: Sequence[Specimen]


def balanced_indices(sources: Sequence[str], start: int, size: int, seed: int, side: str) -> list[int]:
    """Return which photographs stand at positions `start` to `start + size` when every source comes equally often.

    The sequence goes round all sources, in an order drawn anew for each round; the photographs of each source follow
    a shuffled sequence of their own. It is a function of the position, as `sample_indices` is.

    Args:
        sources: Source of each photograph of this side.
        start: First position.
        size: How many.
        seed: The run's seed.
        side: "blurry", "clear" or "simulated".
    """
    names = sorted(set(sources))
    indices = []
    for position in range(start, start + size):
        turn, place = divmod(position, len(names))
        order = random_at(seed, f"order of sources of {side}", turn).permutation(len(names))
        name = names[int(order[place])]
        members = [index for index, one in enumerate(sources) if one == name]
        (chosen,) = sample_indices(len(members), turn, 1, seed, f"{side} of {name}")
        indices.append(members[chosen])
    return indices


class Batches:
    """Makes batches, the next ones in threads of their own while the current one is used."""

    def __init__(self, photographs: Photographs, settings: RunSettings, ranks: Ranks, device: torch.device) -> None:
        """Prepare to make batches for this rank."""
        self.photographs, self.settings, self.ranks, self.device = photographs, settings, ranks, device
        self.ahead = count_workers(ranks, device)
        self.workers = ThreadPoolExecutor(max_workers=self.ahead)
        self.threads_of_opencv = cv2.getNumThreads()
        if self.ahead > 1:
            cv2.setNumThreads(1)  # lest each of these threads ask for all cores
        self.made: dict[int, Future[Batch]] = {}

    def at(self, step: int) -> Batch:
        """Return the batch of iteration `step`, on the device."""
        last = min(step + self.ahead, self.settings.steps - 1)
        kept = {one: self.made.pop(one) for one in range(step, last + 1) if one in self.made}
        for future in self.made.values():  # of iterations that were jumped over
            future.cancel()
        self.made = kept
        for one in range(step, max(step, last) + 1):
            if one not in self.made:
                self.made[one] = self.workers.submit(self._make, one)
        return _send(self.made.pop(step).result(), self.device)

    def close(self) -> None:
        """Stop making batches."""
        try:
            self.workers.shutdown(wait=True, cancel_futures=True)
        finally:
            cv2.setNumThreads(self.threads_of_opencv)

    def _make(self, step: int) -> Batch:
        settings = self.settings
        random = random_at(settings.seed, "batch", step, self.ranks.rank)
        if stage_at(settings, step) == "simulated":
            degraded, truth = self._pairs(step, settings.simulated.batch, settings.simulated.squares, random)
            real = self._cut(self.photographs.blurry, "blurry", step, settings.simulated.real, random)
            degraded, truth = degraded + real, truth + real  # the teacher's output will take the truth's place
            return self._batch([], [], jitter_gain(degraded + truth, settings.data.gain_jitter, random), None)
        start = step - settings.simulated.steps
        size = settings.unpaired.batch
        blurry = self._cut(self.photographs.blurry, "blurry", start, size, random)
        clear = self._cut(self.photographs.clear, "clear", start, size, random)
        pairs: list[Pixels] = []
        if settings.loss.simulated > 0:
            degraded, truth = self._pairs(step, size, 1, random)
            pairs = degraded + truth
        # one gain for all: it must not tell the two sides apart
        squares = jitter_gain(blurry + clear + pairs, settings.data.gain_jitter, random)
        noise = None
        if settings.loss.cycle_noise > 0:
            shape = (2 * size, settings.data.crop, settings.data.crop, 3)
            noise = random.standard_normal(shape, dtype=np.float32) * (settings.loss.cycle_noise * 2 / 255)
        return self._batch(squares[:size], squares[size : 2 * size], squares[2 * size :], noise)

    def _batch(self, blurry: list[Pixels], clear: list[Pixels], pairs: list[Pixels], noise: Pixels | None) -> Batch:
        half = len(pairs) // 2
        none = torch.empty((0, 3, self.settings.data.crop, self.settings.data.crop))
        return Batch(
            blurry=stack(blurry) if blurry else none,
            clear=stack(clear) if clear else none,
            degraded=stack(pairs[:half]) if half else none,
            truth=stack(pairs[half:]) if half else none,
            noise=None if noise is None else torch.from_numpy(noise).permute(0, 3, 1, 2),
        )

    def _indices(self, specimens: Sequence[Specimen], start: int, size: int, side: str) -> list[int]:
        first, seed = (start * self.ranks.count + self.ranks.rank) * size, self.settings.seed
        if self.settings.data.balanced:
            sources = [source_of(one.name) for one in specimens]
            return balanced_indices(sources, first, size, seed, side)
        return sample_indices(len(specimens), first, size, seed, side)

    def _cut(
        self, specimens: Sequence[Specimen], side: str, start: int, size: int, random: np.random.Generator
    ) -> list[Pixels]:
        data = self.settings.data
        drawn = (shrink(specimens[i], data, random) for i in self._indices(specimens, start, size, side))
        return [cut_square(one, data.crop, random) for one in drawn]

    def _pairs(
        self, step: int, size: int, squares: int, random: np.random.Generator
    ) -> tuple[list[Pixels], list[Pixels]]:
        clear, data, simulated = self.photographs.clear, self.settings.data, self.settings.simulated
        made = [
            pair
            for i in self._indices(clear, step, size // squares, "simulated")
            for pair in cut_degraded_pairs(shrink(clear[i], data, random), data.crop, squares, simulated, random)
        ]
        return [degraded for degraded, _ in made], [truth for _, truth in made]


def count_workers(ranks: Ranks, device: torch.device) -> int:
    """Return how many threads make batches: one where a CPU trains, else all of this process's share but one."""
    if device.type == "cpu":
        return 1
    return max(1, min(MOST_WORKERS, count_cores() // ranks.local_count - 1))


def _send(batch: Batch, device: torch.device) -> Batch:
    """Return a batch on a device."""
    if device.type == "cpu":
        return batch
    sent = (None if one is None else one.pin_memory().to(device, non_blocking=True) for one in batch)
    return Batch._make(sent)
