"""What a file says besides its pixels: profile, EXIF, resolution, and this package's note of provenance.

The note is a JSON object inside an XMP packet, which PNG, JPEG, TIFF, WebP and JPEG 2000 all have a place
for; PPM takes it as a comment; BMP has no place.
"""

import html
import json
import re
import struct
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from clearfundus.photo import exif
from clearfundus.photo.containers import JP2_SIGNATURE, jp2_boxes, jpeg_segments, png_chunks, riff_chunks
from clearfundus.photo.header import Kind, full_pages, netpbm_fields
from clearfundus.photo.netpbm import NOTE_COMMENT
from clearfundus.photo.tiff_tags import read_directories

METRES_PER_INCH = 0.0254
PNG_XMP_KEYWORD = b"XML:com.adobe.xmp"
JPEG_XMP_PREFIX = b"http://ns.adobe.com/xap/1.0/\0"
JPEG_PROFILE_PREFIX = b"ICC_PROFILE\0"
JP2_EXIF_UUID = b"JpgTiffExif->JP2"
JP2_XMP_UUID = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
ICC_TAG, XMP_TAG = 34675, 700
_LARGEST_INFLATED = 64 << 20
"""A compressed profile or packet that grows beyond this is an attack, not a profile."""
_PACKET = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
    'xmlns:clearfundus="urn:clearfundus:provenance#" clearfundus:note="{note}"/></rdf:RDF></x:xmpmeta>'
    '<?xpacket end="w"?>'
)
_NOTE = re.compile(rb'clearfundus:note="([^"]*)"')


@dataclass(frozen=True, kw_only=True)
class Metadata:
    """What stands beside the pixels.

    Attributes:
        profile: The ICC profile, byte for byte.
        exif: The EXIF block without prefix, byte for byte; from a TIFF, gathered from its tags.
        resolution: Pixels per inch across and down, as stored.
        packet: The XMP packet, or for PPM the comment, that may hold a note.
    """

    profile: bytes | None = None
    exif: bytes | None = None
    resolution: tuple[float, float] | None = None
    packet: bytes = b""


def read_metadata(kind: Kind, data: bytes) -> Metadata:
    """Read what stands beside the pixels. What cannot be understood is left out.

    Raises:
        MalformedFileError: If the file's outer structure is broken.
    """
    return _READERS[kind](data)


def note_to_json(note: Mapping[str, str]) -> str:
    """Write a note as one line of ASCII."""
    return json.dumps(dict(note), ensure_ascii=True)


def note_to_packet(note: Mapping[str, str]) -> bytes:
    """Write a note as an XMP packet."""
    return _PACKET.format(note=html.escape(note_to_json(note))).encode()


def packet_to_note(packet: bytes) -> Mapping[str, str]:
    """Return the note in an XMP packet or a PPM comment; empty where there is none."""
    found = _NOTE.search(packet)
    text = html.unescape(found[1].decode("utf-8", "replace")) if found else ""
    if packet.startswith(NOTE_COMMENT):
        text = packet.removeprefix(NOTE_COMMENT).decode("utf-8", "replace")
    try:
        note = json.loads(text)
    except ValueError:
        return {}
    return {str(key): str(value) for key, value in note.items()} if isinstance(note, dict) else {}


def profile_space(profile: bytes) -> str:
    """Return the colour space an ICC profile is for, as "RGB", "GRAY", "CMYK"; empty if it is no profile."""
    if len(profile) < 132 or profile[36:40] != b"acsp":
        return ""
    return profile[16:20].decode("ascii", "replace").strip()


def _inflated(compressed: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(compressed, _LARGEST_INFLATED)
    except zlib.error:
        return b""


def _png(data: bytes) -> Metadata:
    profile, block, resolution, packet = None, None, None, b""
    for name, body in png_chunks(data):
        if name == b"iCCP":
            profile = _inflated(body.partition(b"\0")[2][1:]) or None
        elif name == b"eXIf":
            block = body
        elif name == b"pHYs" and len(body) == 9:
            across, down, unit = struct.unpack(">IIB", body)
            resolution = _per_inch(across, down) if unit == 1 else None
        elif name == b"iTXt" and body.startswith(PNG_XMP_KEYWORD + b"\0"):
            packet = _international_text(body)
    return Metadata(profile=profile, exif=block, resolution=resolution, packet=packet)


def _international_text(body: bytes) -> bytes:
    """Return the text of an iTXt chunk (PNG standard, section 11.3.3.4)."""
    after_keyword = body.partition(b"\0")[2]
    text = after_keyword[2:].partition(b"\0")[2].partition(b"\0")[2]
    return _inflated(text) if after_keyword[:1] == b"\1" else text


def _per_inch(across_per_metre: float, down_per_metre: float) -> tuple[float, float] | None:
    if across_per_metre <= 0 or down_per_metre <= 0:
        return None
    return across_per_metre * METRES_PER_INCH, down_per_metre * METRES_PER_INCH


def _jpeg(data: bytes) -> Metadata:
    block, resolution, packet, parts = None, None, b"", {}
    for marker, body in jpeg_segments(data):
        if marker == 0xE0 and body.startswith(b"JFIF\0") and len(body) >= 12:
            unit, across, down = struct.unpack(">BHH", body[7:12])
            factor = {1: 1.0, 2: 2.54}.get(unit, 0)
            resolution = (across * factor, down * factor) if across * down * factor else None
        elif marker == 0xE1 and body.startswith(exif.EXIF_PREFIX) and block is None:
            block = body.removeprefix(exif.EXIF_PREFIX)
        elif marker == 0xE1 and body.startswith(JPEG_XMP_PREFIX):
            packet = body.removeprefix(JPEG_XMP_PREFIX)
        elif marker == 0xE2 and body.startswith(JPEG_PROFILE_PREFIX) and len(body) > 14:
            parts[body[12]] = body[14:]
    profile = b"".join(parts[number] for number in sorted(parts)) or None
    return Metadata(profile=profile, exif=block, resolution=resolution, packet=packet)


def _tiff(data: bytes) -> Metadata:
    page = full_pages(read_directories(data))[0]
    profile, packet = page.entries.get(ICC_TAG), page.entries.get(XMP_TAG)
    return Metadata(
        profile=bytes(profile.raw) if profile else None,
        exif=exif.block_from_tiff(data, page),
        resolution=exif.resolution(page),
        packet=bytes(packet.raw) if packet else b"",
    )


def _bmp(data: bytes) -> Metadata:
    header_with_resolution = 40
    if struct.unpack("<I", data[14:18])[0] < header_with_resolution or len(data) < 46:
        return Metadata()
    return Metadata(resolution=_per_inch(*struct.unpack("<ii", data[38:46])))


def _netpbm(data: bytes) -> Metadata:
    lines = data[: netpbm_fields(data)[3]].splitlines()
    return Metadata(packet=next((line for line in lines if line.startswith(NOTE_COMMENT)), b""))


def _webp(data: bytes) -> Metadata:
    chunks = dict(riff_chunks(data))
    return Metadata(profile=chunks.get(b"ICCP"), exif=chunks.get(b"EXIF"), packet=chunks.get(b"XMP ", b""))


def _jpeg2000(data: bytes) -> Metadata:
    if not data.startswith(JP2_SIGNATURE):
        return Metadata()
    profile, block, resolution, packet = None, None, None, b""
    boxes = list(jp2_boxes(data))
    inside = [box for name, body in boxes if name == b"jp2h" for box in jp2_boxes(body)]
    for name, body in boxes + inside:
        if name == b"uuid" and body.startswith(JP2_EXIF_UUID):
            block = body.removeprefix(JP2_EXIF_UUID)
        elif name == b"uuid" and body.startswith(JP2_XMP_UUID):
            packet = body.removeprefix(JP2_XMP_UUID)
        elif name == b"colr" and body[:1] in {b"\2", b"\3"}:
            profile = body[3:]
        elif name == b"res ":
            resolution = _jp2_resolution(body)
    return Metadata(profile=profile, exif=block, resolution=resolution, packet=packet)


def _jp2_resolution(body: bytes) -> tuple[float, float] | None:
    """Read the capture, else the display resolution: fractions with a power of ten, down before across."""
    boxes = dict(jp2_boxes(body))
    content = boxes.get(b"resc") or boxes.get(b"resd") or b""
    if len(content) != 10:
        return None
    down_top, down_bottom, top, bottom, down_power, power = struct.unpack(">HHHHbb", content)
    if not down_bottom or not bottom:
        return None
    return _per_inch(top / bottom * 10.0**power, down_top / down_bottom * 10.0**down_power)


_READERS: Mapping[Kind, Callable[[bytes], Metadata]] = MappingProxyType(
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
