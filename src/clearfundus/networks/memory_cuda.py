"""How a picture goes through a generator on a CUDA device, chosen by the memory each way takes, before any of it runs.

A call costs more here than the numbers it works on, so the fewer and the larger the strips, the better: one piece, else
what instance norm wants twice is kept, else it is computed anew.
"""

from collections.abc import Iterator
from typing import NamedTuple

from clearfundus.networks.memory import (
    FLOAT_BYTES,
    LEAST_ROWS,
    MEBIBYTE,
    Demand,
    kept_bytes,
    picture_bytes,
    quarter_row_bytes,
    too_little,
)
from clearfundus.networks.stages import CUDA_CHANNELS

KEPT_STRIPS = (1024, 512, 256)
"""Rows in a strip where features are kept whole; in lower ones the calls would cost more than to compute anew."""
STRIPS = (2048, 1024, 512, 256, 128, 64, 32, LEAST_ROWS)
"""Rows in a strip where nothing is kept that can be computed anew."""
WORKSPACE = 256 * MEBIBYTE
"""Bytes for what cuDNN takes for itself whatever the size, its kernels among it, and the allocator's remnants."""
WORKSPACE_SHARE = 1.0
"""Bytes that cuDNN takes besides, in features of a strip at full scale and in float32: a copy in another layout."""
MOST_NUMBERS = 2**31 - 1
"""In one tensor that a convolution is given: cuDNN counts them with 32 bits."""
NORMAL_COPIES = 2
"""Of a picture's features at full scale in float32 that live at a time in one piece: before and after norm."""
PICTURES = 10
"""Of 3 channels, in float32, that live at a time before the stem or behind the head, where no features live."""


class Way(NamedTuple):
    """How a picture goes through."""

    rows: int | None
    """Of a strip; None: in one piece"""
    keep: bool
    """whether what instance norm wants twice is kept"""


def ways(demand: Demand) -> Iterator[tuple[Way, int]]:
    """Yield every way with the most bytes it takes, the quickest first; the last takes the least."""
    height = demand.padded_height
    if _fits_index(demand, height):
        yield Way(None, True), whole_bytes(demand)
    if demand.settings.norm == "instance":
        for rows in KEPT_STRIPS:
            if rows < height and _fits_index(demand, rows):
                yield Way(rows, True), kept_strips_bytes(demand, rows)
    for rows in STRIPS:
        if rows == LEAST_ROWS or (rows < height and _fits_index(demand, rows)):
            yield Way(rows, False), strips_bytes(demand, rows)


def choose_way(demand: Demand, limit: int | None, held: int = 0) -> Way:
    """Choose the quickest way that fits.

    Args:
        demand: Network and picture.
        limit: Bytes of the device's memory that the process may hold in all; None: no limit.
        held: Bytes of it that it holds already.

    Raises:
        PhotoMemoryError: If none fits; it names the least limit that would do.
    """
    for way, taken in ways(demand):
        if limit is None or held + taken <= limit:
            return way
    raise too_little(demand, limit or 0, held, held + least_bytes(demand))


def least_bytes(demand: Demand) -> int:
    """Return the bytes of the way that takes the least."""
    return strips_bytes(demand, LEAST_ROWS)


def whole_bytes(demand: Demand) -> int:
    """Return the most bytes that a picture in one piece takes on the device, its pixels included."""
    settings, height, width = demand.settings, demand.padded_height, demand.padded_width
    numbers = settings.width * (height + 6) * (width + 6)
    # stem before and after norm, both in float32; and the head's input as it comes and padded, in float32
    normal = NORMAL_COPIES * FLOAT_BYTES if settings.norm == "instance" else 0
    features = max(normal, demand.item_bytes + FLOAT_BYTES) * numbers
    picture = picture_bytes((height + 6) * (width + 6))
    made = 3 * picture + _head_bytes(demand, (height + 6) * (width + 6))
    return max(features + made, PICTURES * picture) + workspace_bytes(demand, height)


def kept_strips_bytes(demand: Demand, rows: int) -> int:
    """Return the most bytes where strips of so many rows are kept; else as `whole_bytes`."""
    picture = picture_bytes(demand.padded_height * demand.padded_width)
    rows = min(rows, demand.padded_height)
    return kept_bytes(demand) + _strip_bytes(demand, rows) + picture + workspace_bytes(demand, rows)


def strips_bytes(demand: Demand, rows: int) -> int:
    """Return the most bytes where only features at quarter scale are kept; else as `whole_bytes`."""
    rows = min(rows, demand.padded_height)
    quarter_row = quarter_row_bytes(demand)
    kept = (demand.padded_height // 4 + 2) * quarter_row
    blocks = 2 * kept + 3 * (rows // 4 + 2) * quarter_row
    picture = picture_bytes(demand.height * demand.width)
    return max(blocks, kept + _strip_bytes(demand, rows)) + picture + workspace_bytes(demand, rows)


def workspace_bytes(demand: Demand, rows: int) -> int:
    """Return what cuDNN may take for a strip."""
    rows = min(rows, demand.padded_height)
    return WORKSPACE + int(WORKSPACE_SHARE * _numbers(demand, rows) * FLOAT_BYTES)


def _strip_bytes(demand: Demand, rows: int) -> int:
    """Return the bytes of a strip between quarter scale and picture."""
    item, numbers = demand.item_bytes, _numbers(demand, rows)
    half = 2 * demand.settings.width * (rows // 2 + 6) * (demand.padded_width // 2) * item
    # the head's input: as it came, in float32, and padded
    head = (2 * FLOAT_BYTES + (item if item < FLOAT_BYTES else 0)) * numbers
    pixels = rows * demand.padded_width
    made = picture_bytes(pixels) + _head_bytes(demand, pixels)
    return max(half + 2 * item * numbers, half // 2 + head) + made


def _head_bytes(demand: Demand, pixels: int) -> int:
    """Return the bytes of what the head makes: its channels with those of zeros, and its own with their bias."""
    outputs = 6 if demand.settings.gain else 3
    return (CUDA_CHANNELS + outputs) * FLOAT_BYTES * pixels


def _fits_index(demand: Demand, rows: int) -> bool:
    return _numbers(demand, rows) <= MOST_NUMBERS


def _numbers(demand: Demand, rows: int) -> int:
    """Return how many numbers the largest tensor of a strip holds."""
    return demand.settings.width * (rows + 12) * (demand.padded_width + 6)
