"""PPM and PGM, whose whole format is a few numbers and the values: exact at any maximum, 8 or 16 bit."""

import re

import numpy as np

from clearfundus.photo.containers import MalformedFileError
from clearfundus.photo.header import Header, netpbm_fields
from clearfundus.photo.raster import Raster, Values

NOTE_COMMENT = b"# clearfundus: "
_PLAIN_TEXT = frozenset("23")


def decode(data: bytes, header: Header) -> Raster:
    """Decode P1 to P6. Full light is the maximum that the header states.

    Raises:
        MalformedFileError: If values are missing, above the maximum, or another picture follows.
    """
    variant = chr(data[1])
    *_, position = netpbm_fields(data)
    samples = 3 if variant in "36" else 1
    if variant in "14":
        values = _bitmap(data, position, variant, header)
    elif variant in _PLAIN_TEXT:
        values = _text(data[position:], header.width * header.height * samples)
    else:
        values = _binary(data, position + 1, header, header.width * header.height * samples)
    if values.size and int(values.max()) > header.maximum:
        raise MalformedFileError(f"the PPM is damaged: found values above its stated maximum {header.maximum}")
    shape = (header.height, header.width) if samples == 1 else (header.height, header.width, 3)
    return Raster(values.reshape(shape), None, float(header.maximum), header.bits)


def encode(values: Values, note: str) -> bytes:
    """Write RGB as P6.

    Args:
        values: (H, W, 3), uint8 or uint16.
        note: A line of ASCII, set into the header as a comment.
    """
    height, width = values.shape[:2]
    maximum, order = (255, "u1") if values.dtype == np.uint8 else (65535, ">u2")
    head = b"P6\n" + NOTE_COMMENT + note.encode("ascii") + f"\n{width} {height}\n{maximum}\n".encode("ascii")
    return head + values.astype(order).tobytes()


def _require(found: int, expected: int) -> None:
    if found < expected:
        raise MalformedFileError(f"the PPM is truncated: found {found} values, expected {expected}")


def _binary(data: bytes, start: int, header: Header, count: int) -> Values:
    kind = np.dtype("u1" if header.maximum < 256 else ">u2")
    _require((len(data) - start) // kind.itemsize, count)
    _refuse_second(data[start + count * kind.itemsize :])
    return np.frombuffer(data, kind, count, start)


def _refuse_second(rest: bytes) -> None:
    if re.match(rb"\s*P[1-7]\s", rest):
        raise MalformedFileError("holds several pictures, expected one; save the wanted one as a file of its own")


def _text(text: bytes, count: int) -> Values:
    words = re.sub(rb"#[^\n\r]*", b"", text).split()
    _require(len(words), count)
    if any(not word.isdigit() or len(word) > 5 for word in words[:count]):
        raise MalformedFileError("the PPM is damaged: found something that is no number among its values")
    return np.array([int(word) for word in words[:count]], np.int64)


def _bitmap(data: bytes, position: int, variant: str, header: Header) -> Values:
    """Decode P1 or P4, where 1 is black."""
    count = header.width * header.height
    if variant == "1":
        digits = re.sub(rb"#[^\n\r]*|\s", b"", data[position:])
        _require(len(digits), count)
        bits = np.frombuffer(digits[:count], np.uint8) - ord("0")
        if bits.size and int(bits.max()) > 1:
            raise MalformedFileError("the PBM is damaged: found something that is neither 0 nor 1")
    else:
        stride = -(-header.width // 8)
        start = position + 1
        _require(8 * max(len(data) - start, 0), 8 * stride * header.height)
        packed = np.frombuffer(data, np.uint8, stride * header.height, start)
        bits = np.unpackbits(packed.reshape(header.height, stride), axis=1)[:, : header.width]
    return (1 - bits).reshape(-1)
