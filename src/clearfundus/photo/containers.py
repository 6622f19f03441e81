"""The outer structure of the file formats: chunks, segments, boxes. Nothing here decodes a pixel.

Every walker checks that what it hands out lies inside the file, so that a truncated file is found before a
decoder that might fill the gap with gray sees it.
"""

import struct
import zlib
from collections.abc import Iterator

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
JPEG_SIGNATURE = b"\xff\xd8\xff"
JP2_SIGNATURE = b"\x00\x00\x00\x0cjP  \r\n\x87\n"
CODESTREAM_SIGNATURE = b"\xff\x4f\xff\x51"
CODESTREAM_END = b"\xff\xd9"

JPEG_START_OF_SCAN = 0xDA
_JPEG_ALONE = frozenset({0x01, *range(0xD0, 0xD9)})
"""Markers without a length: TEM, the restart markers and the start of the image."""


class MalformedFileError(ValueError):
    """The bytes break the rules of their format; `read_photo` adds the file's name to the message."""


def png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the name and the content of each chunk, up to and with IEND.

    An ancillary chunk whose checksum is wrong is left out, as the PNG standard (section 13.1) allows.

    Raises:
        MalformedFileError: If the file ends early, or a critical chunk does not match its checksum.
    """
    position = len(PNG_SIGNATURE)
    name = b""
    while name != b"IEND":
        head = data[position : position + 8]
        if len(head) < 8:
            raise MalformedFileError("the PNG is truncated: it ends before its last chunk")
        length, name = struct.unpack(">I4s", head)
        body, end = data[position + 8 : position + 8 + length], position + 12 + length
        if end > len(data):
            raise MalformedFileError(f"the PNG is truncated: {end - len(data)} bytes or more are missing")
        if zlib.crc32(name + body) == int.from_bytes(data[end - 4 : end]):
            yield name, body
        elif not name[0] & 0x20:  # a capital first letter: critical
            raise MalformedFileError("the PNG is damaged: a chunk does not match its checksum")
        position = end


def png_chunk(name: bytes, body: bytes) -> bytes:
    """Build one chunk with its length and checksum."""
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def jpeg_segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the marker and the content of each segment; last the first scan and all behind it, marker included.

    Raises:
        MalformedFileError: If the header is cut short or no marker stands where one must.
    """
    position = 2
    while True:
        while data[position : position + 2] == b"\xff\xff":  # fill bytes
            position += 1
        if position + 4 > len(data):
            raise MalformedFileError("the JPEG is truncated: it ends inside its header")
        if data[position] != 0xFF:
            raise MalformedFileError("the JPEG is damaged: its header holds something that is no segment")
        marker = data[position + 1]
        if marker in _JPEG_ALONE:
            position += 2
            continue
        end = position + 2 + int.from_bytes(data[position + 2 : position + 4])
        if end > len(data):
            raise MalformedFileError("the JPEG is truncated: it ends inside its header")
        if marker == JPEG_START_OF_SCAN:
            yield marker, data[position:]
            return
        yield marker, data[position + 4 : end]
        position = end


def jpeg_segment(marker: int, body: bytes) -> bytes:
    """Build one segment with its length."""
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def riff_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the name and the content of each chunk of a WebP file.

    Raises:
        MalformedFileError: If the file is shorter than it says.
    """
    end = 8 + int.from_bytes(data[4:8], "little")
    if end > len(data):
        raise MalformedFileError(f"the WebP is truncated: {end - len(data)} bytes are missing")
    position = 12
    while position + 8 <= end:
        name, length = struct.unpack("<4sI", data[position : position + 8])
        body = data[position + 8 : position + 8 + length]
        if len(body) < length:
            raise MalformedFileError("the WebP is damaged: a chunk reaches past the end of the file")
        yield name, body
        position += 8 + length + (length & 1)


def jp2_boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the name and the content of each box of a JPEG 2000 file, or of one of its boxes of boxes.

    Raises:
        MalformedFileError: If a box reaches past the end.
    """
    position = 0
    while position + 8 <= len(data):
        length, name = struct.unpack(">I4s", data[position : position + 8])
        head = 8
        if length == 1:
            length, head = int.from_bytes(data[position + 8 : position + 16]), 16
        end = len(data) if length == 0 else position + length
        if end > len(data):
            raise MalformedFileError(f"the JPEG 2000 file is truncated: {end - len(data)} bytes are missing from a box")
        if end < position + head:
            raise MalformedFileError("the JPEG 2000 file is damaged: a box is shorter than its own head")
        yield name, data[position + head : end]
        position = end


def jp2_box(name: bytes, body: bytes) -> bytes:
    """Build one box."""
    if len(body) + 8 < 2**32:
        return struct.pack(">I4s", len(body) + 8, name) + body
    return struct.pack(">I4sQ", 1, name, len(body) + 16) + body
