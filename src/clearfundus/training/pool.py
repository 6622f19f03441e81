"""A pool of past fakes for a discriminator (Shrivastava et al. 2017), so that it does not chase the newest one."""

import numpy as np
import torch
from torch import Tensor

Pool = tuple[Tensor, ...]
"""Past fakes, each (3, H, W)."""


def query_pool(pool: Pool, fakes: Tensor, capacity: int, random: np.random.Generator) -> tuple[Tensor, Pool]:
    """Show each new fake, or at even odds an older one in whose place the new one is kept.

    Args:
        pool: The pool before; it is not changed.
        fakes: New fakes, (N, 3, H, W), without gradient.
        capacity: Most fakes kept; 0 shows every new fake.
        random: Where chance comes from.

    Returns:
        The fakes to show, (N, 3, H, W), and the pool after.
    """
    kept, shown = list(pool), []
    for fake in fakes:
        if len(kept) < capacity:
            kept.append(fake)
            shown.append(fake)
        elif capacity and random.random() < 0.5:
            place = int(random.integers(capacity))
            shown.append(kept[place])
            kept[place] = fake
        else:
            shown.append(fake)
    # one layout whatever the fakes' own, so that a pool read back from a checkpoint gives the same bits
    return torch.stack(shown).contiguous(memory_format=torch.channels_last), tuple(kept)
