"""Picture files made for the tests, by hand or by libraries that the package does not use for the same work."""

import io
import struct
import zlib
from functools import cache
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image, ImageCms

Values = NDArray[Any]


def random_values(bits: int, *shape: int, seed: int = 0) -> Values:
    """Draw whole numbers of the full range, among them 0 and the maximum."""
    values = np.random.default_rng(seed).integers(0, 2**bits, shape).astype(np.uint8 if bits == 8 else np.uint16)
    values.flat[0], values.flat[1] = 0, 2**bits - 1
    return values


def smooth_values(height: int, width: int) -> NDArray[np.uint8]:
    """A picture without sharp edges, which JPEG changes little."""
    rows, columns = np.mgrid[0:height, 0:width]
    return np.stack([rows * 4 % 256, columns * 4 % 256, (rows + columns) * 2 % 256], axis=2).astype(np.uint8)


def pillow_bytes(image: Image.Image, kind: str, **settings: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **settings)
    return file.getvalue()


def tiff_bytes(values: Values, **settings: Any) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, values, **settings)
    return file.getvalue()


def png_chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png_bytes(
    values: Values,
    colour_type: int,
    *,
    bits: int | None = None,
    extra: bytes = b"",
    size: tuple[int, int] | None = None,
) -> bytes:
    """A PNG written by the letter of the standard: no filter, one IDAT.

    `values` is (H, W, channels), or the packed rows of a depth below 8; `size` (width, height) may lie about it.
    """
    height, width = values.shape[:2]
    width, height = size or (width, height)
    depth = bits or values.itemsize * 8
    stored = values.astype(">u2") if values.dtype == np.uint16 else values
    rows = b"".join(b"\0" + row.tobytes() for row in stored)
    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0)
    chunks = png_chunk(b"IHDR", header) + extra + png_chunk(b"IDAT", zlib.compress(rows)) + png_chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def exif_block(orientation: int = 1, order: str = "<") -> bytes:
    """An EXIF block as a camera writes it: a maker note, and pointers to the Exif and GPS directories."""
    exif = Image.Exif()
    exif.endian = order
    exif[271], exif[272], exif[274] = "A maker", "Model 7", orientation
    exif.get_ifd(34665)[36867] = "2021:03:04 05:06:07"
    exif.get_ifd(34665)[37500] = b"maker's own \x00\xff bytes"
    exif.get_ifd(34853)[1] = "N"
    return exif.tobytes().removeprefix(b"Exif\0\0")


@cache  # LittleCMS stamps a profile with the second it was made in; one per run compares equal
def rgb_profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def gray_profile() -> bytes:
    """A gray display profile of gamma 2.2 after ICC.1:2001-04: header, white point, one curve."""
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(2.2 * 256)) + bytes(2)
    return _profile(b"mntr", b"GRAY", b"XYZ ", {b"kTRC": curve})


def cmyk_profile(paper: int = 255, black: int = 128, others: int = 0) -> bytes:
    """A CMYK printer profile after ICC.1:2001-04: one lut8Type table to Lab, of 2 x 2 x 2 x 2 corners.

    Args:
        paper: L* of no ink, where 255 stands for 100.
        black: L* of black ink alone.
        others: L* of every other corner. All corners are neutral.
    """
    identity = struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536)
    ramp = bytes(range(256))
    lightness = {(0, 0, 0, 0): paper, (0, 0, 0, 1): black}
    corners = [lightness.get((c, m, y, k), others) for c in (0, 1) for m in (0, 1) for y in (0, 1) for k in (0, 1)]
    table = b"".join(bytes([value, 128, 128]) for value in corners)
    lut = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + identity + ramp * 4 + table + ramp * 3
    return _profile(b"prtr", b"CMYK", b"Lab ", {b"A2B0": lut, b"A2B1": lut})


def _profile(device: bytes, space: bytes, connection: bytes, tags: dict[bytes, bytes]) -> bytes:
    d50 = struct.pack(">III", 0x0000F6D6, 0x00010000, 0x0000D32D)
    description = b"desc" + bytes(4) + struct.pack(">I", 5) + b"test\0" + bytes(78)
    tags = {b"desc": description, b"cprt": b"text" + bytes(4) + b"none\0", b"wtpt": b"XYZ " + bytes(4) + d50, **tags}
    position, table, body = 128 + 4 + 12 * len(tags), b"", b""
    for name, content in tags.items():
        padded = content + bytes(-len(content) % 4)
        table += name + struct.pack(">II", position + len(body), len(content))
        body += padded
    size = position + len(body)
    header = struct.pack(">I4sI4s4s4s", size, bytes(4), 0x02400000, device, space, connection)
    header += struct.pack(">6H", 2020, 1, 1, 0, 0, 0) + b"acsp" + bytes(4 + 4 + 4 + 4 + 8 + 4) + d50
    return header.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body
