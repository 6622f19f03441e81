"""How much memory a generator will need, reckoned before it runs; and how high its strips may be.

The figures count every tensor that lives at one time, and a margin for what the convolutions' library takes besides.
"""

from dataclasses import dataclass

from clearfundus.errors import PhotoMemoryError
from clearfundus.networks.generator import SIDE_MULTIPLE, GeneratorSettings

LEAST_ROWS = 16
"""Rows in a strip below which the rows computed twice, and the calls, would cost more than the memory is worth."""
MOST_ROWS = 256
"""Rows in a strip above which little is gained any more (512 pixels, one thread, measured on a busy machine)."""
KEPT_ROWS = 64
"""Rows in a strip where features are kept whole: its features stay in a processor's cache."""
FULL_SCALE_COPIES = 2
"""What is kept on the way up, in features at full scale: those, half as much at half, a quarter at quarter scale."""
MEBIBYTE = 2**20
MARGIN = 32 * MEBIBYTE
"""Bytes for weights in the library's own order, its working memory and the allocator's remnants; measured 10-25 MiB."""
FLOAT_BYTES = 4


@dataclass(frozen=True, kw_only=True)
class Demand:
    """What decides how much memory a picture takes.

    Attributes:
        settings: The generator's.
        height: Rows of the picture.
        width: Columns of the picture.
        item_bytes: Bytes of one number of the features: 4 in fp32, 2 in bf16.
    """

    settings: GeneratorSettings
    height: int
    width: int
    item_bytes: int = FLOAT_BYTES

    @property
    def padded_height(self) -> int:
        """Rows of the picture as the network sees it."""
        return self.height + -self.height % SIDE_MULTIPLE

    @property
    def padded_width(self) -> int:
        """Columns of the picture as the network sees it."""
        return self.width + -self.width % SIDE_MULTIPLE


def one_pass_bytes(demand: Demand) -> int:
    """Return the most memory in bytes that a picture takes whose layers are computed once, beside the picture itself.

    Without norm that is so in strips of any height.
    """
    if demand.settings.norm == "none":
        return peak_bytes(demand, KEPT_ROWS)
    pixels = demand.padded_height * demand.padded_width
    rows = min(KEPT_ROWS, demand.padded_height)
    return kept_bytes(demand) + strip_bytes(demand, rows) + picture_bytes(pixels) + MARGIN


def kept_bytes(demand: Demand) -> int:
    """Return the bytes of the features that are kept at a time where all are that instance norm wants twice."""
    numbers = demand.settings.width * demand.padded_height * demand.padded_width
    # on the way down the stem's, which are in float32, and half as many at half scale
    return max(FULL_SCALE_COPIES * demand.item_bytes, FLOAT_BYTES + demand.item_bytes // 2) * numbers


def peak_bytes(demand: Demand, rows: int) -> int:
    """Return the most memory in bytes that a picture in strips takes, beside the picture itself.

    Args:
        demand: Network and picture.
        rows: Rows of the picture in a strip.
    """
    rows = min(rows, demand.padded_height)
    quarter_row = quarter_row_bytes(demand)
    kept = (demand.padded_height // 4 + 2) * quarter_row
    copied = rows * quarter_row * (FLOAT_BYTES // demand.item_bytes if demand.item_bytes < FLOAT_BYTES else 0)
    blocks = 2 * kept + 2 * (rows // 4) * quarter_row
    # The way down has the same strips, without the padding of the head and the result: it always takes less.
    enlarge = kept + copied + strip_bytes(demand, rows) + picture_bytes(demand.height * demand.width)
    return max(blocks, enlarge) + MARGIN


def choose_rows(demand: Demand, limit: int, held: int = 0) -> int:
    """Choose how many rows a strip has: as many as fit, up to where more gain nothing.

    Args:
        demand: Network and picture.
        limit: Bytes that the process may hold in all.
        held: Bytes that it holds already, the picture among them.

    Raises:
        PhotoMemoryError: If not even the lowest strips fit; it names the least limit that would do.
    """
    rows = MOST_ROWS
    while rows > LEAST_ROWS and held + peak_bytes(demand, rows) > limit:
        rows //= 2
    least = held + peak_bytes(demand, rows)
    if least > limit:
        raise too_little(demand, limit, held, least)
    return rows


def too_little(demand: Demand, limit: int, held: int, least: int) -> PhotoMemoryError:
    """Return the error that says what would do; arguments as of `choose_rows`, and the least limit."""
    return PhotoMemoryError(
        f"memory limit: found {limit // MEBIBYTE} MiB, expected at least {-(-least // MEBIBYTE)} MiB for "
        f"{demand.width} x {demand.height} pixels with this network ({-(-held // MEBIBYTE)} MiB are taken "
        "already); allow more, or choose a smaller size"
    )


def picture_bytes(pixels: int) -> int:
    """Return the bytes of a picture of 3 channels in float32."""
    return 3 * pixels * FLOAT_BYTES


def quarter_row_bytes(demand: Demand) -> int:
    """Return the bytes of a row of features at quarter scale."""
    return 4 * demand.settings.width * (demand.padded_width // 4) * demand.item_bytes


def strip_bytes(demand: Demand, rows: int) -> int:
    """Return the bytes of a strip between quarter scale and picture."""
    width, columns, item = demand.settings.width, demand.padded_width, demand.item_bytes
    half = 2 * width * (rows // 2 + 6) * (columns // 2) * item
    full = width * (rows + 12) * (columns + 6)
    picture = picture_bytes(rows * columns)
    # the head's input: as it came, padded; in bf16 also before it is widened
    return max(half + 2 * full * item, 2 * full * FLOAT_BYTES + 4 * picture) + picture
