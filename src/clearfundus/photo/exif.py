"""EXIF: a TIFF directory about a photograph. Carried byte for byte, but for the orientation and the thumbnail."""

import contextlib

from clearfundus.photo.containers import MalformedFileError
from clearfundus.photo.tiff_tags import (
    BYTE,
    LONG,
    LONG8,
    RATIONAL,
    SHORT,
    Directory,
    Entry,
    append_directory,
    pack,
    read_directories,
    read_directory,
)

EXIF_PREFIX = b"Exif\0\0"
"""What stands before the block in a JPEG, and in some other files by mistake. `Photo.exif` is kept without
it."""

STRIP_PLACES, STRIP_LENGTHS, JPEG_PLACE, JPEG_LENGTH = 273, 279, 513, 514
"""Tags that say where in the block the thumbnail lies."""
ENTRY_BYTES = 12
"""Of an entry of a directory."""
ORIENTATION, X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT = 274, 282, 283, 296
RESOLUTION_TAGS = frozenset({X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT})
_SUB_DIRECTORIES = {34665: "Exif", 34853: "GPS", 40965: "Interoperability"}
_WHOLE = frozenset({BYTE, SHORT, LONG})
_INCH, _CENTIMETRE = 2, 3
_INCHES_PER_CENTIMETRE = 2.54
_LARGEST_DENOMINATOR = 10_000

LAYOUT_TAGS = frozenset(
    {254, 255, 256, 257, 258, 259, 262, 263, 266, 273, 277, 278, 279, 280, 281, 284, 288, 289, 290, 291, 292}
    | {
        293,
        297,
        301,
        317,
        318,
        319,
        320,
        321,
        322,
        323,
        324,
        325,
        330,
        332,
        333,
        334,
        336,
        337,
        338,
        339,
        340,
    }
    | {341, 342, 347, 512, 513, 514, 515, 517, 518, 519, 520, 521, 529, 530, 532, 700, 33723, 34675, 34377, 37724}
)
"""TIFF tags that are not EXIF: how the pixels lie in the file; blocks kept elsewhere; and those not kept, XMP, IPTC and
Photoshop's, whose layers can hold the picture as it was."""

EMPTY_BLOCK = b"II*\0\0\0\0\0"
"""A little-endian TIFF with no directory yet."""


def clean_block(block: bytes | None) -> bytes | None:
    """Return an EXIF block without its prefix and its thumbnail, or None where it is no TIFF structure.

    The thumbnail shows the photograph as it was, before it was turned upright or enhanced.
    """
    if block is None:
        return None
    bare = block.removeprefix(EXIF_PREFIX)
    try:
        directory = read_directory(bare)
    except MalformedFileError:
        return None
    return None if directory.big else _without_thumbnail(bare, directory)


def _without_thumbnail(block: bytes, directory: Directory) -> bytes:
    """Cut off the directories behind the first, and blank the pictures they point to; all else stays where it was.

    Of a damaged block the link alone is cut: what it says must not change.
    """
    if not directory.next_offset:
        return block
    first = _number(block[4:8], directory.order)
    link = first + 2 + ENTRY_BYTES * _number(block[first : first + 2], directory.order)
    cut = block[:link] + bytes(4) + block[link + 4 :]
    blanked = bytearray(cut)
    with contextlib.suppress(MalformedFileError):
        for page in read_directories(block)[1:]:
            for place, length in ((JPEG_PLACE, JPEG_LENGTH), (STRIP_PLACES, STRIP_LENGTHS)):
                for start, size in zip(_whole_numbers(page, place), _whole_numbers(page, length), strict=False):
                    blanked[start : start + size] = bytes(len(blanked[start : start + size]))
        if _contents(bytes(blanked)) == _contents(cut):
            return bytes(blanked)
    return cut


def _number(raw: bytes, order: str) -> int:
    return int.from_bytes(raw, "little" if order == "<" else "big")


def _whole_numbers(directory: Directory, tag: int) -> list[int]:
    """Return a tag's values where they are whole numbers from 0 on, else none."""
    entry = directory.entries.get(tag)
    return [] if entry is None or entry.kind not in _WHOLE else [int(one) for one in directory.numbers(tag)]


def _contents(block: bytes, offset: int | None = None, depth: int = 0) -> dict[int, object]:
    """Return all values of the first directory and of those below it."""
    directory = read_directory(block, offset)
    found: dict[int, object] = {tag: bytes(entry.raw) for tag, entry in directory.entries.items()}
    for tag in _SUB_DIRECTORIES.keys() & directory.entries.keys() if depth < 3 else ():
        with contextlib.suppress(MalformedFileError):
            found[-tag] = _contents(block, _number(bytes(directory.entries[tag].raw), directory.order), depth + 1)
    return found


def orientation(directory: Directory) -> int:
    """Return the EXIF orientation, 1 to 8; 1 where there is none or it has no meaning."""
    entry = directory.entries.get(ORIENTATION)
    value = directory.integer(ORIENTATION, 1)
    return value if entry is not None and entry.kind in _WHOLE and 1 <= value <= 8 else 1


def upright(block: bytes) -> bytes:
    """Return the block with its orientation set to 1 and every other byte as it was."""
    directory = read_directory(block)
    entry = directory.entries.get(ORIENTATION)
    if entry is None or entry.kind not in _WHOLE or entry.count < 1:
        return block
    one = bytes(pack(directory.order, entry.kind, [1]).raw)
    return block[: entry.position] + one + block[entry.position + len(one) :]


def resolution(directory: Directory) -> tuple[float, float] | None:
    """Return pixels per inch across and down, or None where the block names no unit of length."""
    across, down = directory.numbers(X_RESOLUTION), directory.numbers(Y_RESOLUTION)
    factor = {_INCH: 1.0, _CENTIMETRE: _INCHES_PER_CENTIMETRE}.get(directory.integer(RESOLUTION_UNIT, _INCH))
    if factor is None or not across or not down or across[0] <= 0 or down[0] <= 0:
        return None
    return across[0] * factor, down[0] * factor


def resolution_entries(order: str, pixels_per_inch: tuple[float, float]) -> dict[int, Entry]:
    """Build the three tags of a resolution in pixels per inch.

    Args:
        order: The byte order of the block they go into, "<" or ">".
        pixels_per_inch: Across and down.
    """
    across, down = (
        pack(order, RATIONAL, [round(value * _LARGEST_DENOMINATOR), _LARGEST_DENOMINATOR]) for value in pixels_per_inch
    )
    return {X_RESOLUTION: across, Y_RESOLUTION: down, RESOLUTION_UNIT: pack(order, SHORT, [_INCH])}


def with_resolution(block: bytes | None, pixels_per_inch: tuple[float, float]) -> bytes:
    """Return an EXIF block that states the resolution; a block that already does is returned as it is."""
    base = block or append_directory(EMPTY_BLOCK, {})
    directory = read_directory(base)
    if resolution(directory) is not None:
        return base
    return append_directory(base, {**directory.entries, **resolution_entries(directory.order, pixels_per_inch)})


def block_from_tiff(data: bytes, directory: Directory) -> bytes | None:
    """Gather what a TIFF page says about the photograph into an EXIF block of its own.

    Values are copied as they stand, with the Exif, GPS and interoperability directories behind their tags. A
    maker note is copied too, but offsets inside it, which only its maker can read, then point elsewhere.

    Args:
        data: The TIFF file.
        directory: The page's directory.

    Returns:
        The block, or None where the page says nothing but its layout and its resolution.
    """
    entries = {tag: entry for tag, entry in directory.entries.items() if tag not in LAYOUT_TAGS}
    if not entries.keys() - RESOLUTION_TAGS:
        return None
    head = (b"II*\0" if directory.order == "<" else b"MM\0*") + bytes(4)
    return _with_directory(head, data, entries, directory.order)


def _with_directory(block: bytes, data: bytes, entries: dict[int, Entry], order: str, depth: int = 0) -> bytes:
    """Append a directory with the directories it points to, those first; a damaged one of these is left out."""
    placed = {tag: entry for tag, entry in entries.items() if tag not in _SUB_DIRECTORIES and entry.kind < LONG8}
    # Exif holds interoperability, which holds none: deeper is a circle
    for tag in _SUB_DIRECTORIES.keys() & entries.keys() if depth < 3 else ():
        with contextlib.suppress(MalformedFileError):
            below = read_directory(data, int.from_bytes(entries[tag].raw, "little" if order == "<" else "big"))
            block = _with_directory(block, data, dict(below.entries), order, depth + 1)
            placed[tag] = Entry(LONG, 1, block[4:8])
    return append_directory(block, placed)
