"""From the bytes of a file to its values, at their own depth, one decoder a format.

Which library decodes what was settled by trial. Pillow: 8 bit. OpenCV: WebP, BMP with a palette (Pillow garbles one
of black and white), 16-bit PNG and JPEG 2000; no more, for it returns truncated JPEGs without a word and scrambles
TIFFs of separate planes. Our own: `tiff_pixels` and `netpbm`. Pillow's format classes are used directly, for
`Image.open`, its WebP and its TIFF (see `take_room`) ask a size limit that lies in a global variable.
"""

import io
from typing import TYPE_CHECKING

import numpy as np

from clearfundus.photo import netpbm
from clearfundus.photo.containers import (
    CODESTREAM_SIGNATURE,
    JPEG_SIGNATURE,
    PNG_SIGNATURE,
    MalformedFileError,
    jp2_box,
    jp2_boxes,
    jpeg_segment,
    jpeg_segments,
    png_chunk,
    png_chunks,
)
from clearfundus.photo.header import Header, Kind, bmp_size_and_depth, full_pages
from clearfundus.photo.raster import Raster, Values
from clearfundus.photo.tiff_pixels import Layout, check_places, decode, is_plain, take_room
from clearfundus.photo.tiff_tags import read_directories, relabel

if TYPE_CHECKING:
    from collections.abc import Callable

    from PIL.Image import Image
    from PIL.ImageFile import ImageFile

_PNG_PIXEL_CHUNKS = frozenset({b"IHDR", b"PLTE", b"IDAT", b"IEND"})
_PNG_PALETTE = 3
_JPEG_METADATA = frozenset({*range(0xE1, 0xF0), 0xFE} - {0xEE})
"""Application segments and comments, but for JFIF and Adobe's, which say how the colours are coded."""
_JP2_YCC = 18
_JP2_SRGB = b"\1\0\0\0\0\0\x10"
_TIFF_PIXEL_TAGS = frozenset(
    {*range(256, 260), 262, 266, 273, 277, 278, 279, 284, 292, 293, 317, 320}
    | {322, 323, 324, 325, 332, 338, 339, 347, *range(529, 533)}
)
"""What a TIFF decoder must know of a page, and no more."""
_GRAY_MODES, _RGB_MODES = frozenset({"1", "L"}), frozenset({"RGB", "RGBX", "YCbCr"})
_ALPHA_MODES = frozenset({"LA", "PA", "RGBA", "RGBa"})


def decode_pixels(data: bytes, header: Header, profile: bytes | None) -> Raster:
    """Decode the picture of a file.

    Args:
        data: The whole file.
        header: What `read_header` said of it.
        profile: The file's colour profile, through which CMYK is converted.

    Raises:
        MalformedFileError: If the file breaks the rules of its format, or is of a sort not read here.
        OSError: If a decoder finds it damaged; others of `DECODER_ERRORS` on stranger damage.
    """
    if header.kind is Kind.PNG:
        return _png(data, header)
    if header.kind is Kind.TIFF:
        return _tiff(data, header, profile)
    if header.kind is Kind.NETPBM:
        return netpbm.decode(data, header)
    if header.kind is Kind.WEBP or (header.kind is Kind.BMP and bmp_size_and_depth(data)[2] <= 8):
        return _from_opencv(data, 8, 255)
    if header.kind is Kind.JPEG2000 and header.bits > 8:
        return _deep_jpeg2000(data, header)
    if header.bits > 8:
        raise MalformedFileError(f"found a {header.kind} of {header.bits} bits a channel, expected 8; convert it")
    return _pillow_kind(data, header, profile)


def _pillow_kind(data: bytes, header: Header, profile: bytes | None) -> Raster:
    from PIL import BmpImagePlugin, Jpeg2KImagePlugin, JpegImagePlugin

    classes: dict[Kind, Callable[[io.BytesIO], ImageFile]] = {
        Kind.JPEG: JpegImagePlugin.JpegImageFile,
        Kind.BMP: BmpImagePlugin.BmpImageFile,
        Kind.JPEG2000: Jpeg2KImagePlugin.Jpeg2KImageFile,
    }
    bare = _without_metadata(data) if header.kind is Kind.JPEG else data
    with classes[header.kind](io.BytesIO(bare)) as image:
        return _from_pillow(image, header, profile)


def _without_metadata(data: bytes) -> bytes:
    """Leave out of a JPEG what is no picture: Pillow would look for a resolution in damaged EXIF, and warn."""
    *segments, (_, scans) = jpeg_segments(data)
    kept = [jpeg_segment(marker, body) for marker, body in segments if marker not in _JPEG_METADATA]
    return b"".join([JPEG_SIGNATURE[:2], *kept, scans])


def _from_pillow(image: "Image", header: Header, profile: bytes | None) -> Raster:
    """Turn a picture of Pillow's into gray or RGB of 8 bit, with alpha where there is any."""
    if image.size != (header.width, header.height):  # before Pillow takes room for it: the limit was checked by ours
        raise MalformedFileError(f"the {header.kind} is damaged: it gives its size twice and differently")
    if image.mode == "P" and image.palette is None:
        raise MalformedFileError(f"the {header.kind} is damaged: its palette is missing")
    take_room(image)
    image.load()
    if image.mode == "CMYK":
        return _from_cmyk(image, profile)
    if image.mode in _GRAY_MODES:
        return Raster(np.asarray(image.convert("L")), None, 255, 8)
    if image.mode in _ALPHA_MODES or (image.mode == "P" and image.has_transparency_data):
        values = np.asarray(image.convert("RGBA"))
        return Raster(values[..., :3], values[..., 3], 255, 8)
    if image.mode in _RGB_MODES or image.mode == "P":
        return Raster(np.asarray(image.convert("RGB")), None, 255, 8)
    raise MalformedFileError(
        f"found pixels of the sort {image.mode!r}, expected gray, RGB, palette or CMYK; convert it to RGB"
    )


def _from_cmyk(image: "Image", profile: bytes | None) -> Raster:
    """Convert CMYK to sRGB through the embedded profile, or by (1 - C)(1 - K) where there is none."""
    from PIL import ImageCms

    if profile is None:
        return Raster(np.asarray(image.convert("RGB")), None, 255, 8, profile_fits=False)
    try:
        source, target = ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(image, source, target, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError) as error:
        raise MalformedFileError(
            "its CMYK colours cannot be converted through its colour profile; convert it to RGB"
        ) from error
    if converted is None:
        raise MalformedFileError("its colour profile gave no picture")
    return Raster(np.asarray(converted), None, 255, 8, profile_fits=False)


def _png(data: bytes, header: Header) -> Raster:
    """Decode a PNG from its pixel chunks alone, so that damage elsewhere in it does no harm."""
    chunks = list(png_chunks(data))
    colour_type = chunks[0][1][9]
    keep = _PNG_PIXEL_CHUNKS | ({b"tRNS"} if colour_type == _PNG_PALETTE else set())
    bare = PNG_SIGNATURE + b"".join(png_chunk(name, body) for name, body in chunks if name in keep)
    if header.bits == 16:
        raster = _from_opencv(bare, 16, 65535)
    else:
        from PIL.PngImagePlugin import PngImageFile

        with PngImageFile(io.BytesIO(bare)) as image:
            raster = _from_pillow(image, header, None)
    keys = [body for name, body in chunks if name == b"tRNS" and colour_type != _PNG_PALETTE]
    if not keys or raster.alpha is not None:
        return raster
    # one colour, written as a 16-bit number a channel at the file's depth, is transparent
    key = np.frombuffer(keys[0], ">u2").astype(np.int64) * (int(raster.maximum) // (2**header.bits - 1))
    clear = (raster.colour.reshape(*raster.colour.shape[:2], -1) == key).all(axis=2)
    alpha = np.where(clear, 0, int(raster.maximum)).astype(raster.colour.dtype)
    return Raster(raster.colour, alpha, raster.maximum, raster.bits)


def _from_opencv(data: bytes, bits: int, maximum: float) -> Raster:
    """Decode with OpenCV, which puts blue first and alpha last, to values of 8 or 16 bits."""
    import cv2

    try:
        decoded: Values | None = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise MalformedFileError("its pixels are damaged") from error
    if decoded is None:
        raise MalformedFileError("its pixels are damaged or of a sort not read here")
    if decoded.dtype != f"u{bits // 8}" or (decoded.ndim == 3 and decoded.shape[2] not in {1, 3, 4}):
        raise MalformedFileError(f"found pixels of type {decoded.dtype}, shape {decoded.shape}, expected {bits} bit")
    if decoded.ndim == 2 or decoded.shape[2] == 1:
        return Raster(decoded.reshape(decoded.shape[:2]), None, maximum, bits)
    alpha = decoded[..., 3] if decoded.shape[2] == 4 else None
    return Raster(decoded[..., 2::-1], alpha, maximum, bits)


def _deep_jpeg2000(data: bytes, header: Header) -> Raster:
    """Decode 9 to 16 bits; OpenCV leaves the values as they stand, so full light is 2^bits - 1."""
    if header.bits > 16:
        raise MalformedFileError(f"found {header.bits} bits a channel, expected 16 at most; convert it")
    if not data.startswith(CODESTREAM_SIGNATURE):
        boxes = jp2_boxes(data)
        data = b"".join(jp2_box(name, _without_profile(body) if name == b"jp2h" else body) for name, body in boxes)
    return _from_opencv(data, 16, float(2**header.bits - 1))


def _without_profile(header_box: bytes) -> bytes:
    """Name a colour space of the standard in place of a profile, of which OpenCV would say that it knows none."""
    boxes = []
    for name, body in jp2_boxes(header_box):
        if name != b"colr":
            boxes.append(jp2_box(name, body))
        elif body[:1] != b"\1":
            boxes.append(jp2_box(name, _JP2_SRGB))
        elif int.from_bytes(body[3:7]) == _JP2_YCC:
            raise MalformedFileError("found a YCC picture above 8 bit, expected RGB; convert it")
        else:
            boxes.append(jp2_box(name, body))
    return b"".join(boxes)


def _tiff(data: bytes, header: Header, profile: bytes | None) -> Raster:
    """Decode by `tiff_pixels` what it reads, and palettes, CMYK, YCbCr and 1 bit by Pillow."""
    from PIL.TiffImagePlugin import TiffImageFile

    page = full_pages(read_directories(data))[0]
    layout = Layout.of(page)
    check_places(page, layout, len(data))
    if is_plain(page, layout):
        return decode(data, page, layout)
    if layout.bits > 8 or layout.number != "u" or not layout.uniform:
        raise MalformedFileError(
            f"found a TIFF with {layout.samples} channels of {layout.bits} bits (sample format {layout.number!r}, "
            f"photometric {page.integer(262, -1)}, compression {page.integer(259, 1)}, predictor "
            f"{page.integer(317, 1)}), expected gray or RGB of 8 or 16 bit or float, or palette, CMYK or YCbCr of "
            "8 bit; save it as 16-bit RGB"
        )
    # a directory of the pixel tags alone: Pillow would turn the picture by its orientation tag unasked
    entries = {tag: entry for tag, entry in page.entries.items() if tag in _TIFF_PIXEL_TAGS}
    with TiffImageFile(io.BytesIO(relabel(data, page, entries))) as image:
        return _from_pillow(image, header, profile)
