"""The pixels of a TIFF, exactly, at any bit depth.

Pillow cuts 16-bit RGB to 8 bit, OpenCV scrambles separate planes, and tifffile alone undoes neither LZW nor
PackBits. But Pillow's libtiff undoes every byte-wise compression. So the page is re-labelled as 8-bit gray,
as wide as its rows are long in bytes; libtiff hands over the bytes, and what they mean is settled here.
"""

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from clearfundus.photo.containers import MalformedFileError
from clearfundus.photo.raster import Raster, Values
from clearfundus.photo.tiff_tags import LONG, LONG8, SHORT, Directory, Entry, pack, relabel

if TYPE_CHECKING:
    from PIL.Image import Image

WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, FILL_ORDER = 256, 257, 258, 259, 262, 266
STRIP_OFFSETS, SAMPLES, STRIP_ROWS, STRIP_BYTES, PLANAR, PREDICTOR = 273, 277, 278, 279, 284, 317
TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, TILE_BYTES, EXTRA_SAMPLES, SAMPLE_FORMAT = 322, 323, 324, 325, 338, 339
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB = 0, 1, 2
_YCBCR = 6
_SEPARATE_PLANES = 2
_HORIZONTAL_DIFFERENCES = 2
_UNSIGNED, _FLOAT = 1, 3
_ASSOCIATED_ALPHA, _PLAIN_ALPHA = 1, 2
BYTEWISE = frozenset({1, 5, 8, 32773, 32946, 34925, 50000})
"""None, LZW, Deflate, PackBits, old Deflate, LZMA, Zstandard: their output is the rows' bytes, whatever these
mean."""


@dataclass(frozen=True)
class Layout:
    """How the samples of a page lie.

    Attributes:
        width: Columns.
        height: Rows.
        bits: Bits of a sample; those of the first where they differ.
        samples: Samples of a pixel.
        number: "u" for whole numbers from 0, "f" for floats, "i" for anything else.
        uniform: Whether all samples have the same bits and kind.
    """

    width: int
    height: int
    bits: int
    samples: int
    number: str
    uniform: bool

    @classmethod
    def of(cls, page: Directory) -> "Layout":
        """Read the layout from a page's tags."""
        bits, kinds = page.numbers(BITS, (1,)), page.numbers(SAMPLE_FORMAT, (_UNSIGNED,))
        samples = page.integer(SAMPLES, 1)
        number = {_UNSIGNED: "u", _FLOAT: "f"}.get(int(kinds[0]) if kinds else _UNSIGNED, "i")
        uniform = len(set(bits)) == 1 and len(set(kinds)) <= 1
        return cls(
            page.integer(WIDTH, 0),
            page.integer(HEIGHT, 0),
            int(bits[0]) if bits else 0,
            samples,
            number,
            uniform,
        )


def is_plain(page: Directory, layout: Layout) -> bool:
    """Say whether `decode` reads this page: gray or RGB, 8 or 16 bit or float, byte-wise compression."""
    return (
        layout.uniform
        and (layout.number, layout.bits) in {("u", 8), ("u", 16), ("f", 16), ("f", 32), ("f", 64)}
        and page.integer(PHOTOMETRIC, -1) in {WHITE_IS_ZERO, BLACK_IS_ZERO, RGB}
        and page.integer(COMPRESSION, 1) in BYTEWISE
        and page.integer(FILL_ORDER, 1) == 1
        and page.integer(PREDICTOR, 1) in ({1, 2} if layout.number == "u" else {1})
        and 1 <= layout.samples <= 4
    )


def check_places(page: Directory, layout: Layout, length: int) -> None:
    """Refuse a page whose strips or tiles do not all lie within the file.

    Pillow reads an uncompressed one without a look at its stated length, and so past it.

    Args:
        page: The page.
        layout: Its layout.
        length: Bytes of the file.

    Raises:
        MalformedFileError: If one reaches past the end, or their places are not stated.
    """
    tiled, separate = TILE_OFFSETS in page.entries, page.integer(PLANAR, 1) == _SEPARATE_PLANES
    offsets, counts = ([int(number) for number in page.numbers(tag)] for tag in _place_tags(page))
    width, rows = layout.width, min(page.integer(STRIP_ROWS, layout.height), layout.height)
    if tiled:
        width, rows = page.integer(TILE_WIDTH, 0), page.integer(TILE_HEIGHT, 0)
    if width < 1 or rows < 1:
        raise MalformedFileError("the TIFF is damaged: a strip or tile has no size")
    down, planes = -(-layout.height // rows), layout.samples if separate else 1
    if len(offsets) != len(counts) or len(offsets) < -(-layout.width // width) * down * planes:
        raise MalformedFileError("the TIFF is damaged: it does not say where all its pixels lie")
    row_bytes = -(-width * (1 if separate else layout.samples) * layout.bits // 8)
    # subsampled colours take less room than this; their stated length must do
    exact = page.integer(COMPRESSION, 1) == 1 and page.integer(PHOTOMETRIC, -1) != _YCBCR
    for index, (offset, count) in enumerate(zip(offsets, counts, strict=True)):
        filled = rows if tiled else min(rows, layout.height - index % down * rows)
        if offset + (row_bytes * filled if exact else count) > length:
            raise MalformedFileError("the TIFF is truncated: some of its pixels lie past its end")


def _place_tags(page: Directory) -> tuple[int, int]:
    return (TILE_OFFSETS, TILE_BYTES) if TILE_OFFSETS in page.entries else (STRIP_OFFSETS, STRIP_BYTES)


def decode(data: bytes, page: Directory, layout: Layout) -> Raster:
    """Decode a page for which `is_plain` holds.

    Floats are expected in [0, 1]; `Photo` refuses others. They are written back as 16 bit.

    Raises:
        MalformedFileError: If the page breaks the rules of TIFF.
        OSError: If libtiff cannot undo the compression.
    """
    if page.integer(PLANAR, 1) == _SEPARATE_PLANES and layout.samples > 1:
        planes = [_plane(data, page, layout, index) for index in range(layout.samples)]
        values = np.concatenate(planes, axis=2)
    else:
        values = _segments(data, page, layout, layout.samples, _segment_entries(page))
    maximum = 1.0 if layout.number == "f" else float(2**layout.bits - 1)
    photometric = page.integer(PHOTOMETRIC, -1)
    colours = 3 if photometric == RGB else 1
    if layout.samples < colours:
        raise MalformedFileError(f"the TIFF is damaged: RGB with {layout.samples} samples a pixel")
    colour = values[..., :3] if colours == 3 else values[..., 0]
    if photometric == WHITE_IS_ZERO:
        colour = (maximum - colour).astype(values.dtype)
    bits = 8 if (layout.number, layout.bits) == ("u", 8) else 16
    return _with_alpha(Raster(colour, None, maximum, bits), values[..., colours:], page)


def _with_alpha(raster: Raster, extra: Values, page: Directory) -> Raster:
    """Take the first extra sample for alpha where the file says that it is; else it is left out."""
    meaning = page.integer(EXTRA_SAMPLES, 0)
    if not extra.shape[2] or meaning not in {_ASSOCIATED_ALPHA, _PLAIN_ALPHA}:
        return raster
    alpha, colour = extra[..., 0], raster.colour
    if meaning == _ASSOCIATED_ALPHA:  # the colours were multiplied by alpha; undo it
        divisor = np.where(alpha > 0, alpha, 1).astype(np.float64) / raster.maximum
        divided = colour / (divisor if colour.ndim == 2 else divisor[..., None])
        colour = np.minimum(divided, raster.maximum).astype(np.float64)
        if raster.maximum > 1:
            colour = np.rint(colour)
    return Raster(colour, alpha, raster.maximum, raster.bits)


def _segment_entries(page: Directory) -> dict[int, Entry]:
    """Return the entries that say where the strips or tiles lie."""
    return {tag: page.entries[tag] for tag in _place_tags(page) if tag in page.entries}


def _plane(data: bytes, page: Directory, layout: Layout, index: int) -> Values:
    """Decode one of several separate planes: its strips or tiles are one run in the list of all."""
    entries = {}
    for tag, entry in _segment_entries(page).items():
        numbers = [int(number) for number in page.numbers(tag)]
        run = len(numbers) // layout.samples
        kind = entry.kind if entry.kind in {SHORT, LONG, LONG8} else LONG
        entries[tag] = pack(page.order, kind, numbers[index * run : (index + 1) * run])
    return _segments(data, page, layout, 1, entries)


def take_room(image: "Image") -> None:
    """Take the memory of a picture before Pillow does, which for a TIFF would ask its own limit of the size first."""
    from PIL import Image

    image.im = Image.new(image.mode, image.size).im


def _segments(data: bytes, page: Directory, layout: Layout, samples: int, segments: dict[int, Entry]) -> Values:
    """Decode strips or tiles of `samples` interleaved samples: (H, W, samples)."""
    from PIL.TiffImagePlugin import TiffImageFile

    pixel_bytes = samples * layout.bits // 8
    tile = page.integer(TILE_WIDTH, 0) if TILE_OFFSETS in segments else layout.width
    across = -(-layout.width // tile)
    entries = {tag: entry for tag, entry in page.entries.items() if tag in {COMPRESSION, HEIGHT, STRIP_ROWS}}
    entries |= segments
    entries |= {
        WIDTH: pack(page.order, LONG, [across * tile * pixel_bytes]),
        BITS: pack(page.order, SHORT, [8]),
        PHOTOMETRIC: pack(page.order, SHORT, [BLACK_IS_ZERO]),
        SAMPLES: pack(page.order, SHORT, [1]),
    }
    if TILE_OFFSETS in segments:
        entries[TILE_WIDTH] = pack(page.order, LONG, [tile * pixel_bytes])
        entries[TILE_HEIGHT] = pack(page.order, LONG, [page.integer(TILE_HEIGHT, 0)])
    with TiffImageFile(io.BytesIO(relabel(data, page, entries))) as image:
        take_room(image)
        image.load()
        rows = np.frombuffer(image.tobytes(), f"{page.order}{layout.number}{layout.bits // 8}")
    values = rows.reshape(layout.height, across, tile, samples)
    if page.integer(PREDICTOR, 1) == _HORIZONTAL_DIFFERENCES:
        values = np.cumsum(values, axis=2, dtype=values.dtype.newbyteorder("="))
    return values.reshape(layout.height, across * tile, samples)[:, : layout.width]
