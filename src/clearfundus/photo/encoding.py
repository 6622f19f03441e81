"""From a Photo to the bytes of a file, one encoder a format, each with all that the format has a place for.

OpenCV compresses PNG and 16-bit JPEG 2000, and Pillow 8-bit JPEG 2000, without metadata: the chunks and boxes
are set in here.
"""

import io
import math
import struct
import zlib
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from clearfundus.photo import exif, metadata, netpbm
from clearfundus.photo.containers import MalformedFileError, jp2_box, jp2_boxes, png_chunk
from clearfundus.photo.photo import Photo
from clearfundus.photo.raster import Values, quantised
from clearfundus.photo.tiff_writing import write_tiff

JPEG_QUALITY = 95
"""With full colour resolution (4:4:4): the vessels' contrast lies in the colour."""
JPEG_LARGEST_BLOCK = 65_533 - len(exif.EXIF_PREFIX)
"""Bytes of EXIF that a JPEG segment holds."""
PNG_COMPRESSION = 6
_LOSSLESS_JPEG2000 = 1000
"""OpenCV's rate in thousandths; its own default is lossy."""
_JPEG2000_RESOLUTIONS = 5
_LARGEST_SHORT = 65_535


def _values(photo: Photo, *, alpha: bool) -> Values:
    """Return whole numbers of the photo's depth: (H, W, 3), or with alpha (H, W, 4)."""
    colour = quantised(photo.pixels, photo.bits)
    if photo.alpha is None or not alpha:
        return colour
    return np.dstack([colour, quantised(photo.alpha, photo.bits)])


def _opencv(suffix: str, values: Values, parameters: list[int]) -> bytes:
    """Encode with OpenCV, which puts blue first and alpha last."""
    import cv2

    order = [2, 1, 0, 3][: values.shape[2]]
    try:
        done, encoded = cv2.imencode(suffix, np.ascontiguousarray(values[..., order]), parameters)
    except cv2.error as error:
        raise MalformedFileError(f"OpenCV cannot write it as {suffix}; write TIFF") from error
    if not done:
        raise MalformedFileError(f"OpenCV cannot write so small or so large a picture as {suffix}; write TIFF")
    return bytes(encoded.tobytes())


def encode_png(photo: Photo, note: Mapping[str, str]) -> bytes:
    """Encode as PNG, 8 or 16 bit, lossless."""
    import cv2

    parameters = [cv2.IMWRITE_PNG_COMPRESSION, PNG_COMPRESSION, cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_ALL_FILTERS]
    plain = _opencv(".png", _values(photo, alpha=True), parameters)
    chunks = b""
    if photo.icc_profile:
        chunks += png_chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(photo.icc_profile))
    if photo.resolution:
        across, down = (round(value / metadata.METRES_PER_INCH) for value in photo.resolution)
        chunks += png_chunk(b"pHYs", struct.pack(">IIB", across, down, 1))
    if photo.exif:
        chunks += png_chunk(b"eXIf", photo.exif)
    text = metadata.PNG_XMP_KEYWORD + b"\0\0\0\0\0" + metadata.note_to_packet(note)
    end_of_header = 33  # signature 8, IHDR 4 + 4 + 13 + 4
    return plain[:end_of_header] + chunks + png_chunk(b"iTXt", text) + plain[end_of_header:]


def encode_jpeg(photo: Photo, note: Mapping[str, str]) -> bytes:
    """Encode as JPEG. Alpha has no place; the resolution is rounded to whole pixels per inch."""
    if photo.exif and len(photo.exif) > JPEG_LARGEST_BLOCK:
        raise MalformedFileError(
            f"found an EXIF block of {len(photo.exif)} bytes, and a JPEG holds {JPEG_LARGEST_BLOCK}; write PNG or TIFF"
        )
    extra: dict[str, Any] = {"exif": exif.EXIF_PREFIX + photo.exif} if photo.exif else {}
    if photo.resolution:
        extra["dpi"] = photo.resolution
    return _pillow(photo, note, "JPEG", alpha=False, quality=JPEG_QUALITY, subsampling=0, **extra)


def encode_webp(photo: Photo, note: Mapping[str, str]) -> bytes:
    """Encode as lossless WebP, colours under full transparency included. EXIF carries the resolution."""
    block = exif.with_resolution(photo.exif, photo.resolution) if photo.resolution else photo.exif
    return _pillow(photo, note, "WEBP", alpha=True, lossless=True, exact=True, exif=block or b"")


def encode_bmp(photo: Photo, note: Mapping[str, str]) -> bytes:
    """Encode as BMP, which has no place for alpha, profile, EXIF or the note."""
    extra = {"dpi": photo.resolution} if photo.resolution else {}
    return _pillow(photo, {}, "BMP", alpha=False, **extra)


def _pillow(photo: Photo, note: Mapping[str, str], kind: str, *, alpha: bool, **settings: Any) -> bytes:
    from PIL import Image

    if photo.icc_profile:
        settings["icc_profile"] = photo.icc_profile
    if note:
        settings["xmp"] = metadata.note_to_packet(note)
    file = io.BytesIO()
    Image.fromarray(_values(photo, alpha=alpha)).save(file, kind, **settings)
    return file.getvalue()


def encode_ppm(photo: Photo, note: Mapping[str, str]) -> bytes:
    """Encode as PPM, 8 or 16 bit; the note is a comment, and nothing else has a place."""
    return netpbm.encode(_values(photo, alpha=False), metadata.note_to_json(note))


def encode_jpeg2000(photo: Photo, note: Mapping[str, str]) -> bytes:
    """Encode as lossless JPEG 2000, 8 bit by Pillow and 16 bit by OpenCV (from 32 x 32 pixels)."""
    if photo.bits == 8:
        depth = min(_JPEG2000_RESOLUTIONS, int(math.log2(min(photo.pixels.shape[:2]))))
        bare = Photo(pixels=photo.pixels, alpha=photo.alpha)
        plain = _pillow(bare, {}, "JPEG2000", alpha=True, irreversible=False, num_resolutions=depth + 1)
    else:
        import cv2

        parameters = [cv2.IMWRITE_JPEG2000_COMPRESSION_X1000, _LOSSLESS_JPEG2000]
        plain = _opencv(".jp2", _values(photo, alpha=True), parameters)
    return b"".join(_jp2_dressed(box, photo, note) for box in jp2_boxes(plain))


def _jp2_dressed(box: tuple[bytes, bytes], photo: Photo, note: Mapping[str, str]) -> bytes:
    """Rebuild one outer box: into the header go profile and resolution, behind it EXIF and note."""
    name, body = box
    if name != b"jp2h":
        return jp2_box(name, body)
    inside = list(jp2_boxes(body))
    if photo.icc_profile:
        inside = [(name, b"\2\0\0" + photo.icc_profile if name == b"colr" else body) for name, body in inside]
    if photo.resolution:
        down, across = (_fraction(value / metadata.METRES_PER_INCH) for value in reversed(photo.resolution))
        fractions = struct.pack(">HHHHbb", *down[:2], *across[:2], down[2], across[2])
        inside.append((b"res ", jp2_box(b"resc", fractions)))
    dressed = jp2_box(name, b"".join(jp2_box(*one) for one in inside))
    if photo.exif:
        dressed += jp2_box(b"uuid", metadata.JP2_EXIF_UUID + photo.exif)
    return dressed + jp2_box(b"uuid", metadata.JP2_XMP_UUID + metadata.note_to_packet(note))


def _fraction(value: float) -> tuple[int, int, int]:
    """Write a number as numerator, denominator 1 and power of ten, to four digits or more."""
    power = math.floor(math.log10(value)) - 4
    if round(value / 10.0**power) > _LARGEST_SHORT:
        power += 1
    return round(value / 10.0**power), 1, power


def encode_tiff(photo: Photo, note: Mapping[str, str]) -> bytes:
    """Encode as TIFF, 8 or 16 bit, lossless."""
    return write_tiff(photo, _values(photo, alpha=True), metadata.note_to_packet(note))


Encoder = Callable[[Photo, Mapping[str, str]], bytes]
"""Takes the photo and the note, gives the bytes of the file."""

ENCODERS: Mapping[str, Encoder] = MappingProxyType(
    {
        ".png": encode_png,
        ".jpg": encode_jpeg,
        ".jpeg": encode_jpeg,
        ".tif": encode_tiff,
        ".tiff": encode_tiff,
        ".bmp": encode_bmp,
        ".ppm": encode_ppm,
        ".pnm": encode_ppm,
        ".webp": encode_webp,
        ".jp2": encode_jpeg2000,
    }
)
"""The encoder by suffix."""

DEEP_SUFFIXES = frozenset({".png", ".tif", ".tiff", ".ppm", ".pnm", ".jp2"})
"""Suffixes of the formats that hold 16 bits a channel."""
NOTELESS_SUFFIXES = frozenset({".bmp"})
LARGEST_SIDES: Mapping[str, int] = MappingProxyType({".jpg": 65_500, ".jpeg": 65_500, ".webp": 16_383})
"""Pixels that a side of the picture may have (libjpeg's and WebP's own limits)."""
