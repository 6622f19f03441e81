"""What a file holds, judged by its first bytes and its header, before anything is decoded.

The suffix is not asked: photographs named .jpg that are PNGs are common in this field's data sets.
"""

import re
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from clearfundus.photo.containers import (
    CODESTREAM_END,
    CODESTREAM_SIGNATURE,
    JP2_SIGNATURE,
    JPEG_SIGNATURE,
    PNG_SIGNATURE,
    MalformedFileError,
    jp2_boxes,
    jpeg_segments,
    png_chunks,
    riff_chunks,
)
from clearfundus.photo.tiff_pixels import Layout
from clearfundus.photo.tiff_tags import Directory, read_directories


class Kind(StrEnum):
    """A readable file format."""

    PNG = "PNG"
    JPEG = "JPEG"
    TIFF = "TIFF"
    BMP = "BMP"
    NETPBM = "PPM"
    WEBP = "WebP"
    JPEG2000 = "JPEG 2000"


@dataclass(frozen=True)
class Header:
    """What a file says of its picture.

    Attributes:
        kind: The format.
        width: Columns as stored, before orientation.
        height: Rows as stored.
        bits: Bits of a channel; 1, 2 and 4 occur.
        pictures: How many pictures of full size it holds: pages, frames.
        maximum: The value of full light where it is not 2^bits - 1 (PPM), else 0.
    """

    kind: Kind
    width: int
    height: int
    bits: int
    pictures: int = 1
    maximum: int = 0


SNIFFED_BYTES = 32
_SIGNATURES: tuple[tuple[re.Pattern[bytes], Kind | str], ...] = tuple(
    (re.compile(pattern, re.DOTALL), kind)
    for pattern, kind in (
        (re.escape(PNG_SIGNATURE), Kind.PNG),
        (re.escape(JPEG_SIGNATURE), Kind.JPEG),
        (rb"II[\x2a\x2b]\0|MM\0[\x2a\x2b]", Kind.TIFF),
        (rb"BM.{4}\0\0\0\0|BM.{12}[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0", Kind.BMP),
        (rb"P[1-6][\s#]", Kind.NETPBM),
        (rb"RIFF.{4}WEBP", Kind.WEBP),
        (re.escape(JP2_SIGNATURE), Kind.JPEG2000),
        (re.escape(CODESTREAM_SIGNATURE), Kind.JPEG2000),
        (rb"GIF8", "a GIF"),
        (rb"%PDF", "a PDF"),
        (rb"PK\x03\x04", "a ZIP archive"),
        (rb".{4}ftyp", "a HEIF, AVIF or video file"),
        (rb"P7\n", "a PAM picture"),
    )
)


def sniff(first: bytes) -> Kind | str:
    """Name the format of a file by its first bytes.

    Args:
        first: At least `SNIFFED_BYTES` bytes, or the whole of a shorter file.

    Returns:
        The format, or in words what else it seems to be.
    """
    for pattern, kind in _SIGNATURES:
        if pattern.match(first):
            return kind
    return "no picture format known here"


def read_header(kind: Kind, data: bytes) -> Header:
    """Read size, depth and number of pictures.

    Raises:
        MalformedFileError: If the header is cut short or breaks the rules of the format.
    """
    try:
        return _READERS[kind](data)
    except (struct.error, IndexError, ValueError) as error:
        if isinstance(error, MalformedFileError):
            raise
        raise MalformedFileError(f"the {kind} is damaged or truncated: its header cannot be read") from error


def _png(data: bytes) -> Header:
    chunks = png_chunks(data)
    name, first = next(chunks)
    if name != b"IHDR":
        raise MalformedFileError("the PNG is damaged: it does not begin with its header")
    width, height, bits = struct.unpack(">IIB", first[:9])
    frames = [int.from_bytes(body[:4]) for name, body in chunks if name == b"acTL"]
    return Header(Kind.PNG, width, height, bits, next(iter(frames), 1))


def _jpeg(data: bytes) -> Header:
    not_frames = {0xC4, 0xC8, 0xCC}  # Huffman tables, reserved, arithmetic conditioning
    for marker, body in jpeg_segments(data):
        if 0xC0 <= marker <= 0xCF and marker not in not_frames:
            bits, height, width = struct.unpack(">BHH", body[:5])
            return Header(Kind.JPEG, width, height, bits)
    raise MalformedFileError("the JPEG is damaged: no size is given before the pixels")


def full_pages(directories: list[Directory]) -> list[Directory]:
    """Leave out thumbnails, the smaller steps of a pyramid, and masks."""
    reduced_or_mask, old_reduced = 0b101, 2
    return [
        one for one in directories if not one.integer(254, 0) & reduced_or_mask and one.integer(255, 1) != old_reduced
    ]


def _tiff(data: bytes) -> Header:
    pages = full_pages(read_directories(data))
    if not pages:
        raise MalformedFileError("the TIFF holds no picture of full size")
    layout = Layout.of(pages[0])
    return Header(Kind.TIFF, layout.width, layout.height, layout.bits, len(pages))


_BMP_HEAD_WITH_COMPRESSION = 40
_BMP_PLAIN = (b"\0\0\0\0", b"\3\0\0\0", b"\6\0\0\0")
"""No compression, with or without masks that say where the channels lie."""


def bmp_size_and_depth(data: bytes) -> tuple[int, int, int]:
    """Return width, height and bits of a pixel, all channels together."""
    oldest_head = 12
    if struct.unpack("<I", data[14:18])[0] == oldest_head:
        width, height, _, depth = struct.unpack("<HHHH", data[18:26])
    else:
        width, height, _, depth = struct.unpack("<iiHH", data[18:30])
    return width, abs(height), depth


def _bmp(data: bytes) -> Header:
    width, height, depth = bmp_size_and_depth(data)
    start, head, compression = struct.unpack("<I", data[10:14])[0], data[14], data[30:34]
    if head < _BMP_HEAD_WITH_COMPRESSION or compression in _BMP_PLAIN:
        missing = start + (width * depth + 31) // 32 * 4 * height - len(data)
        if missing > 0:
            raise MalformedFileError(f"the BMP is truncated: {missing} bytes are missing")
    return Header(Kind.BMP, width, height, min(depth, 8))


NETPBM_FIELD = re.compile(rb"(?:\s|#[^\n\r]*[\n\r])*(\d{1,9})")
"""A number of a PPM header, with the white space and comments before it."""


def netpbm_fields(data: bytes) -> tuple[int, int, int, int]:
    """Return width, height, maximum and where the header's last number ends."""
    fields, position = [1, 1, 1], 2
    for index in range(2 if data[1:2] in b"14" else 3):
        found = NETPBM_FIELD.match(data, position)
        if found is None:
            raise MalformedFileError("the PPM is damaged or truncated: its header cannot be read")
        fields[index], position = int(found[1]), found.end()
    if not 1 <= fields[2] <= 65535:
        raise MalformedFileError(f"the PPM is damaged: found a maximum of {fields[2]}, expected 1 to 65535")
    return fields[0], fields[1], fields[2], position


def _netpbm(data: bytes) -> Header:
    width, height, maximum, _ = netpbm_fields(data)
    return Header(Kind.NETPBM, width, height, 8 if maximum < 256 else 16, maximum=maximum)


def _webp(data: bytes) -> Header:
    frames, sizes = 0, []
    for name, body in riff_chunks(data):
        if name == b"VP8X":
            sizes.append((1 + int.from_bytes(body[4:7], "little"), 1 + int.from_bytes(body[7:10], "little")))
        elif name == b"VP8 ":
            width, height = struct.unpack("<HH", body[6:10])
            sizes.append((width & 0x3FFF, height & 0x3FFF))
        elif name == b"VP8L":
            packed = struct.unpack("<I", body[1:5])[0]
            sizes.append((1 + (packed & 0x3FFF), 1 + (packed >> 14 & 0x3FFF)))
        frames += name == b"ANMF"
    if not sizes:
        raise MalformedFileError("the WebP is damaged: it holds no picture")
    widths, heights = zip(*sizes, strict=True)
    return Header(Kind.WEBP, max(widths), max(heights), 8, max(frames, 1))


def codestreams(data: bytes) -> list[bytes]:
    """Return the JPEG 2000 codestreams of a file, with or without boxes around them.

    Raises:
        MalformedFileError: If there is none or one is cut short.
    """
    if data.startswith(CODESTREAM_SIGNATURE):
        streams = [data]
    else:
        streams = [body for name, body in jp2_boxes(data) if name == b"jp2c"]
    if not streams:
        raise MalformedFileError("the JPEG 2000 file holds no picture, or is truncated before it")
    if not all(stream.endswith(CODESTREAM_END) for stream in streams):
        raise MalformedFileError("the JPEG 2000 file is truncated: it ends before its end marker")
    return streams


def _jpeg2000(data: bytes) -> Header:
    streams = codestreams(data)
    right, bottom, left, top = struct.unpack(">IIII", streams[0][8:24])
    channels = struct.unpack(">H", streams[0][40:42])[0]
    depths = {streams[0][42 + 3 * index] for index in range(channels)}
    if len(depths) != 1 or max(depths) > 37:
        raise MalformedFileError("the JPEG 2000 file has signed channels or channels of different depth")
    return Header(Kind.JPEG2000, right - left, bottom - top, depths.pop() + 1, len(streams))


_READERS: Mapping[Kind, Callable[[bytes], Header]] = MappingProxyType(
    {
        Kind.PNG: _png,
        Kind.JPEG: _jpeg,
        Kind.TIFF: _tiff,
        Kind.BMP: _bmp,
        Kind.NETPBM: _netpbm,
        Kind.WEBP: _webp,
        Kind.JPEG2000: _jpeg2000,
    }
)
