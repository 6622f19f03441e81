"""A TIFF written around an EXIF block: the block stays byte for byte, strips and a new directory follow."""

import zlib
from collections.abc import Iterable

import numpy as np

from clearfundus.photo import exif
from clearfundus.photo import tiff_pixels as tag
from clearfundus.photo.metadata import ICC_TAG, XMP_TAG
from clearfundus.photo.photo import Photo
from clearfundus.photo.raster import Values
from clearfundus.photo.tiff_tags import (
    BYTE,
    LONG,
    SHORT,
    UNDEFINED,
    Entry,
    append_directory,
    pack,
    read_directory,
)

_DEFLATE, _HORIZONTAL_DIFFERENCES, _CHUNKY, _PLAIN_ALPHA = 8, 2, 1, 2
_STRIP_BYTES = 1 << 20
"""Of pixels in a strip, before compression."""
_COMPRESSION_LEVEL = 6


def write_tiff(photo: Photo, values: Values, packet: bytes) -> bytes:
    """Encode as TIFF, Deflate with horizontal differences, which every reader knows.

    Args:
        photo: Gives EXIF, profile and resolution.
        values: Its pixels, (H, W, 3) or with alpha (H, W, 4), uint8 or uint16.
        packet: XMP.

    Raises:
        MalformedFileError: If the result does not fit into the 4 gigabytes of a TIFF.
    """
    block = photo.exif or exif.EMPTY_BLOCK
    order, entries = "<", {}
    if photo.exif:
        directory = read_directory(block)
        order = directory.order
        entries = {key: entry for key, entry in directory.entries.items() if key not in exif.LAYOUT_TAGS}
    if photo.resolution:
        entries |= exif.resolution_entries(order, photo.resolution)
    height, width, samples = values.shape
    rows = max(1, _STRIP_BYTES // (width * samples * values.itemsize))
    strips = [_strip(values[top : top + rows], order) for top in range(0, height, rows)]
    entries |= _layout(values, order)
    entries |= _places(len(block), rows, strips, order)
    entries[XMP_TAG] = pack(order, BYTE, packet)
    if photo.icc_profile:
        entries[ICC_TAG] = pack(order, UNDEFINED, photo.icc_profile)
    return append_directory(block + b"".join(strips), entries)


def _layout(values: Values, order: str) -> dict[int, Entry]:
    """Say what a pixel is."""
    height, width, samples = values.shape
    numbers: dict[int, Iterable[int]] = {
        tag.BITS: [8 * values.itemsize] * samples,
        tag.COMPRESSION: [_DEFLATE],
        tag.PHOTOMETRIC: [tag.RGB],
        tag.SAMPLES: [samples],
        tag.PLANAR: [_CHUNKY],
        tag.PREDICTOR: [_HORIZONTAL_DIFFERENCES],
    }
    if samples == 4:
        numbers[tag.EXTRA_SAMPLES] = [_PLAIN_ALPHA]
    entries = {key: pack(order, SHORT, value) for key, value in numbers.items()}
    return entries | {tag.WIDTH: pack(order, LONG, [width]), tag.HEIGHT: pack(order, LONG, [height])}


def _places(start: int, rows: int, strips: list[bytes], order: str) -> dict[int, Entry]:
    """Say where each strip lies, the first at `start`."""
    lengths = [len(strip) for strip in strips]
    offsets = start + np.cumsum([0, *lengths[:-1]])
    return {
        tag.STRIP_ROWS: pack(order, LONG, [rows]),
        tag.STRIP_BYTES: pack(order, LONG, lengths),
        # beyond 4 gigabytes an offset is cut here; append_directory then refuses, for its own lies beyond, too
        tag.STRIP_OFFSETS: pack(order, LONG, (offsets % (1 << 32)).tolist()),
    }


def _strip(values: Values, order: str) -> bytes:
    """Compress one strip: the differences along each row, modulo the depth, then Deflate."""
    differences = values.copy()
    differences[:, 1:] -= values[:, :-1]
    stored = differences.astype(f"{order}u{values.itemsize}")
    return zlib.compress(stored.tobytes(), _COMPRESSION_LEVEL)
