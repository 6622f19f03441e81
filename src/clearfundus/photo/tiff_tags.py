"""TIFF directories: what a TIFF file and an EXIF block are made of.

An offset counts from the first byte of the block. So a block can be kept byte for byte, maker notes included,
and a new directory set behind it that takes over any of its entries as they stand: `append_directory`. This
one tool writes a TIFF around an EXIF block, and re-labels a TIFF for a decoder.
"""

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from clearfundus.photo.containers import MalformedFileError

BYTE, ASCII, SHORT, LONG, RATIONAL, UNDEFINED, LONG8 = 1, 2, 3, 4, 5, 7, 16
_FORMATS = {
    1: "B",
    2: "B",
    3: "H",
    4: "I",
    5: "II",
    6: "b",
    7: "B",
    8: "h",
    9: "i",
    10: "ii",
    11: "f",
    12: "d",
}
_FORMATS |= {13: "I", 16: "Q", 17: "q", 18: "Q"}
_MOST_DIRECTORIES = 10_000
"""More than any real file has; a chain that runs in a circle ends here."""


@dataclass(frozen=True)
class Entry:
    """One tag with its values, as they stand in the block.

    Attributes:
        kind: The TIFF number of the value's type.
        count: How many values.
        raw: The values' bytes, in the block's byte order; of a block that was read, a view, not a copy.
        position: Where these bytes start in the block.
    """

    kind: int
    count: int
    raw: bytes | memoryview
    position: int = 0


@dataclass(frozen=True)
class Directory:
    """One image file directory (IFD)."""

    order: str
    big: bool
    entries: Mapping[int, Entry]
    next_offset: int

    def numbers(self, tag: int, default: tuple[float, ...] = ()) -> tuple[float, ...]:
        """Return a tag's values; a fraction as its quotient (0 where the denominator is 0)."""
        entry = self.entries.get(tag)
        if entry is None:
            return default
        letters = _FORMATS[entry.kind]
        values: tuple[float, ...]
        values = struct.unpack(f"{self.order}{entry.count * len(letters)}{letters[0]}", entry.raw)
        if len(letters) == 1:
            return values
        return tuple(top / bottom if bottom else 0.0 for top, bottom in zip(values[::2], values[1::2], strict=True))

    def integer(self, tag: int, default: int) -> int:
        """Return a tag's first value where it is a whole number, else the default."""
        first = next(iter(self.numbers(tag)), default)
        return first if isinstance(first, int) else default


def pack(order: str, kind: int, values: Iterable[int]) -> Entry:
    """Build an entry from whole numbers; a RATIONAL takes two for each value."""
    numbers = tuple(values)
    letters = _FORMATS[kind]
    raw = struct.pack(f"{order}{len(numbers)}{letters[0]}", *numbers)
    return Entry(kind, len(numbers) // len(letters), raw)


def _head(block: bytes) -> tuple[str, bool, int]:
    """Return byte order, whether it is a BigTIFF, and the offset of the first directory."""
    order = {b"II": "<", b"MM": ">"}.get(block[:2], "")
    if not order or len(block) < 8:
        raise MalformedFileError("it does not begin as a TIFF does")
    version, offset = struct.unpack(order + "HI", block[2:8])
    if version == 42:
        return order, False, offset
    if version == 43 and len(block) >= 16:
        return order, True, struct.unpack(order + "Q", block[8:16])[0]
    raise MalformedFileError("it does not begin as a TIFF does")


def _slice(block: bytes, start: int, length: int) -> memoryview:
    part = memoryview(block)[start : start + length]
    if len(part) < length:
        raise MalformedFileError("the TIFF is truncated: a directory or a value lies past its end")
    return part


def read_directory(block: bytes, offset: int | None = None) -> Directory:
    """Read one directory, by default the first.

    An entry of unknown type is left out: its size cannot be known.

    Raises:
        MalformedFileError: If it lies outside the block.
    """
    order, big, first = _head(block)
    start = first if offset is None else offset
    count_format, entry_format, word = ("Q", "HHQ", 8) if big else ("H", "HHI", 4)
    width = struct.calcsize(order + entry_format) + word
    head = struct.calcsize(order + count_format)
    count: int = struct.unpack(order + count_format, _slice(block, start, head))[0]
    table = _slice(block, start + head, count * width + word)
    entries = {}
    for index in range(count):
        at = index * width
        tag, kind, values = struct.unpack(order + entry_format, table[at : at + width - word])
        if kind not in _FORMATS:
            continue
        size = values * struct.calcsize("=" + _FORMATS[kind])
        position = start + head + at + width - word
        if size > word:
            position = int.from_bytes(table[at + width - word : at + width], "little" if order == "<" else "big")
        entries[tag] = Entry(kind, values, _slice(block, position, size), position)
    following = int.from_bytes(table[-word:], "little" if order == "<" else "big")
    return Directory(order, big, entries, following)


def read_directories(block: bytes) -> list[Directory]:
    """Read the chain of directories of a file, one for each page.

    Raises:
        MalformedFileError: If one lies outside the block or the chain has no end.
    """
    chain = [read_directory(block)]
    while chain[-1].next_offset:
        if len(chain) > _MOST_DIRECTORIES:
            raise MalformedFileError("the TIFF is damaged: its chain of pages has no end")
        chain.append(read_directory(block, chain[-1].next_offset))
    return chain


def append_directory(block: bytes, entries: Mapping[int, Entry]) -> bytes:
    """Set a new first directory behind a block whose bytes stay where they are.

    Args:
        block: A TIFF file or an EXIF block, or the eight bytes of an empty one.
        entries: All entries of the new directory. One that stands in the block may be passed on as it is.

    Raises:
        MalformedFileError: If the block is no TIFF, or the result does not fit its 32-bit offsets.
    """
    order, big, _ = _head(block)
    count_format, entry_format, word = ("Q", "HHQ", 8) if big else ("H", "HHI", 4)
    offset_format = order + ("Q" if big else "I")
    body = bytearray(bytes(-len(block) % word))  # a directory and a value begin on a word
    placed = []
    for tag, entry in sorted(entries.items()):
        if len(entry.raw) <= word:
            field = bytes(entry.raw).ljust(word, b"\0")
        else:
            at = len(block) + len(body)
            body += bytes(entry.raw) + bytes(-len(entry.raw) % word)
            field = _packed_offset(offset_format, at)
        placed.append(struct.pack(order + entry_format, tag, entry.kind, entry.count) + field)
    start = len(block) + len(body)
    body += struct.pack(order + count_format, len(placed)) + b"".join(placed) + bytes(word)
    where, view = (8 if big else 4), memoryview(block)
    return b"".join([view[:where], _packed_offset(offset_format, start), view[where + word :], body])


def relabel(data: bytes, page: Directory, entries: Mapping[int, Entry]) -> bytes:
    """Set a new directory behind a TIFF file for Pillow to decode it by.

    Pillow 13.0 does not know a BigTIFF whose numbers stand in big-endian order. Such a file gets a little-endian head
    and directory; the strips or tiles stay as they are, so this is for decoders that take these byte by byte.

    Args:
        data: The file.
        page: The page that the entries were taken from.
        entries: The new directory, in the page's byte order.
    """
    if not (page.big and page.order == ">"):
        return append_directory(data, entries)
    head = b"II" + struct.pack("<HHHQ", 43, 8, 0, 0)
    return append_directory(head + data[len(head) :], {tag: _little(entry) for tag, entry in entries.items()})


def _little(entry: Entry) -> Entry:
    """Turn the values of an entry from big-endian order to little-endian."""
    letters = _FORMATS[entry.kind]
    layout = f"{entry.count * len(letters)}{letters[0]}"
    return Entry(entry.kind, entry.count, struct.pack("<" + layout, *struct.unpack(">" + layout, entry.raw)))


def _packed_offset(offset_format: str, offset: int) -> bytes:
    if offset >= 1 << (8 * struct.calcsize(offset_format)):
        raise MalformedFileError("the picture does not fit into a TIFF of 4 gigabytes")
    return struct.pack(offset_format, offset)
