"""From a file to a Photo: the one door by which photographs come in."""

import struct
import zlib
from pathlib import Path
from stat import S_ISREG

from clearfundus.errors import PhotoReadError
from clearfundus.photo import exif
from clearfundus.photo.containers import MalformedFileError
from clearfundus.photo.decoding import decode_pixels
from clearfundus.photo.header import SNIFFED_BYTES, Header, Kind, read_header, sniff
from clearfundus.photo.metadata import Metadata, packet_to_note, profile_space, read_metadata
from clearfundus.photo.photo import Photo
from clearfundus.photo.raster import Raster, Values, scaled
from clearfundus.photo.tiff_tags import read_directory

READABLE_SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".jpe", ".tif", ".tiff", ".bmp", ".ppm", ".pgm", ".pbm", ".pnm", ".webp"}
    | {".jp2", ".j2k", ".j2c", ".jpx"}
)
"""Suffixes by which photographs are looked for in a folder. What a file holds is judged by its first
bytes."""

MAX_PIXELS = 500_000_000

DECODER_ERRORS = (
    # what Pillow raises on damaged files, found by reading it and by the fuzz test
    ArithmeticError,
    AttributeError,
    LookupError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    UserWarning,  # where the caller has turned warnings into errors
    ValueError,
    struct.error,
    zlib.error,
)


def read_photo(path: Path | str, *, max_pixels: int = MAX_PIXELS) -> Photo:
    """Read a photograph: PNG, JPEG, TIFF, BMP, PPM (PGM, PNM), WebP or JPEG 2000, known by its content.

    Values are divided by the format's full light: 255, 65535, a PPM's stated maximum, 2^n - 1 for n-bit JPEG
    2000. 12-bit values in a 16-bit file that says nothing of it are 16-bit values, and so dark. A float TIFF
    must lie in [0, 1] and is written back as 16 bit. Gray is repeated; 1 bit becomes black and white; CMYK is
    converted to sRGB through its embedded profile, or plainly where there is none. Orientation is applied to
    pixels and alpha.

    Kept: ICC profile (of RGB pictures; one for gray or CMYK would not fit RGB), EXIF, resolution, alpha. Not kept:
    XMP, the IPTC of a JPEG, an EXIF block that is no TIFF structure, the further pictures inside a camera's
    multi-picture JPEG, thumbnail and pyramid pages of a TIFF. A file of several full pages or frames is refused.

    Args:
        path: The file.
        max_pixels: Larger pictures are refused by their header, before they are decoded.

    Raises:
        PhotoReadError: If the file is missing, empty, truncated, damaged, no picture, of a sort not read here,
            larger than `max_pixels`, smaller than 2 x 2, or not finite and in [0, 1].
    """
    path = Path(path)
    kind, data = _load(path)
    try:
        header = read_header(kind, data)
        _check(path, header, max_pixels)
        metadata = read_metadata(kind, data)
        profile = metadata.profile if metadata.profile and profile_space(metadata.profile) else None
        raster = decode_pixels(data, header, profile)
        return _photo(path.name, metadata, raster, profile)
    except MalformedFileError as error:
        raise PhotoReadError(f"{path}: {error}") from error
    except MemoryError as error:
        raise PhotoReadError(f"{path}: too large for this machine's memory; use a smaller picture") from error
    except DECODER_ERRORS as error:
        raise PhotoReadError(f"{path}: the {kind} is damaged or truncated ({error}); get a whole copy of it") from error


def read_provenance(path: Path | str) -> dict[str, str]:
    """Read the note that `write_photo` left in a file: method, weights, version of this package.

    Returns:
        The note; empty where the file holds none, as a BMP always does, or is no photograph.

    Raises:
        PhotoReadError: If there is no such file or it cannot be opened.
    """
    path = Path(path)
    kind, data = _open(path)
    if not isinstance(kind, Kind):
        return {}
    try:
        read_header(kind, data)
        return dict(packet_to_note(read_metadata(kind, data).packet))
    except (ValueError, struct.error, IndexError):
        return {}


def _open(path: Path) -> tuple[Kind | str, bytes]:
    """Read a file whole if it begins as a picture does; else only its first bytes."""
    try:
        if path.exists() and not S_ISREG(path.stat().st_mode):
            raise PhotoReadError(f"{path}: is a folder or a device, expected a picture file")
        with path.open("rb") as file:
            first = file.read(SNIFFED_BYTES)
            kind = sniff(first)
            return kind, first + file.read() if isinstance(kind, Kind) else first
    except FileNotFoundError as error:
        raise PhotoReadError(f"{path}: no such file; check the name and the folder") from error
    except (OSError, ValueError) as error:
        raise PhotoReadError(f"{path}: cannot be opened ({error}); check the path and its permissions") from error


def _load(path: Path) -> tuple[Kind, bytes]:
    """Read a picture file, or say what stands there in its place."""
    kind, data = _open(path)
    if isinstance(kind, Kind):
        return kind, data
    if not data:
        raise PhotoReadError(f"{path}: the file is empty; get a whole copy of it")
    raise PhotoReadError(
        f"{path}: found {kind}, expected {', '.join(Kind)}; the content counts, not the suffix: convert it"
    )


def _check(path: Path, header: Header, max_pixels: int) -> None:
    """Refuse by the header alone."""
    size = f"{header.width} x {header.height} pixels"
    if header.width < 2 or header.height < 2:
        raise PhotoReadError(f"{path}: {size} is no photograph; expected 2 x 2 at least")
    if header.width * header.height > max_pixels:
        raise PhotoReadError(
            f"{path}: found {size}, above the limit of {max_pixels}; "
            "reduce the picture, or read it in Python, where read_photo(..., max_pixels=...) sets the limit"
        )
    if header.pictures != 1:
        raise PhotoReadError(
            f"{path}: found {header.pictures} pages or frames, expected one; save the wanted one as its own file"
        )


def _photo(name: str, metadata: Metadata, raster: Raster, profile: bytes | None) -> Photo:
    """Bring pixels and metadata together, upright."""
    block, resolution, turn = exif.clean_block(metadata.exif), metadata.resolution, 1
    if block is not None:
        directory = read_directory(block)
        turn, resolution = exif.orientation(directory), resolution or exif.resolution(directory)
        block = exif.upright(block)
    if resolution is not None and turn > 4:  # rows have become columns
        resolution = resolution[1], resolution[0]
    raster = raster.turned(turn)
    return Photo(
        pixels=_three_channels(raster.colour, raster.maximum),
        bits=raster.bits,
        alpha=None if raster.alpha is None else scaled(raster.alpha, raster.maximum),
        icc_profile=profile if profile and raster.profile_fits and profile_space(profile) == "RGB" else None,
        exif=block,
        resolution=resolution,
        name=name,
    )


def _three_channels(colour: Values, maximum: float) -> Values:
    """Scale to [0, 1] and repeat a gray plane: (H, W, 3) float32."""
    pixels = scaled(colour, maximum)
    return pixels if pixels.ndim == 3 else pixels[..., None].repeat(3, axis=2)
