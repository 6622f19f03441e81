"""Photo: the one representation of a picture inside the package.

RGB float32, (H, W, 3), [0, 1]; files, bit depths, colour spaces and orientation are settled when a file is read and
restored when it is written.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from clearfundus.errors import PhotoReadError

Pixels = NDArray[np.float32]
"""RGB, (H, W, 3), in [0, 1]."""
Gray = NDArray[np.float32]
"""One plane, (H, W); the range is the function's to say."""
Mask = NDArray[np.bool_]
"""(H, W), true on the retina."""

AFTER = "; after "  # between the steps that were taken before, the last one first


@dataclass(frozen=True, kw_only=True, eq=False)
class Photo:
    """A photograph, with what is needed to write it back as it came.

    Attributes:
        pixels: RGB, float32, (H, W, 3), finite, in [0, 1], sRGB-coded unless `icc_profile` says otherwise.
        bits: Bits per channel of the file it came from and of the file it will be written to: 8 or 16.
        alpha: The alpha plane, (H, W) in [0, 1], or None.
        icc_profile: The file's colour profile, byte for byte.
        exif: The file's EXIF block with its orientation set to 1, for it has been applied to the pixels.
        resolution: Pixels per inch across and down, or None.
        name: The name of the file it came from, for messages; empty for an array.
        provenance: What was done to it: method, weights, version; what was done before that is told in one value,
            `before`. Written into the file.
    """

    pixels: Pixels
    bits: int = 8
    alpha: Gray | None = None
    icc_profile: bytes | None = None
    exif: bytes | None = None
    resolution: tuple[float, float] | None = None
    name: str = ""
    provenance: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        """Refuse what no method could treat as a photograph.

        Raises:
            PhotoReadError: If `pixels` has another shape or dtype, or holds NaN, infinity or values outside [0, 1].
        """
        where = self.name or "array"
        pixels = self.pixels
        if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.float32:
            raise PhotoReadError(
                f"{where}: found an array of shape {pixels.shape} and type {pixels.dtype}, "
                "expected (height, width, 3) and float32; convert it first"
            )
        if min(pixels.shape[:2]) < 2:
            raise PhotoReadError(f"{where}: {pixels.shape[1]} x {pixels.shape[0]} pixels is no photograph")
        low, high = float(pixels.min()), float(pixels.max())
        if not (np.isfinite(low) and np.isfinite(high)):
            raise PhotoReadError(f"{where}: holds values that are not finite; mend the array first")
        if low < 0 or high > 1:
            raise PhotoReadError(
                f"{where}: found values in [{low:g}, {high:g}], expected [0, 1]; divide 8-bit values by 255"
            )

    def with_pixels(self, pixels: Pixels, **provenance: str) -> "Photo":
        """Return the same photograph with other pixels (clipped to [0, 1]) and added provenance.

        A method's note stands alone, for another's parameters beside its own would pass for its own: what was done
        before it goes into one value, `before`, as "zhou2018 (gamma=2.2); after clahe".

        Args:
            pixels: RGB, (H, W, 3).
            provenance: What was done, as `method="clahe"`.
        """
        clipped = np.clip(pixels, 0, 1).astype(np.float32, copy=False)
        old = self.provenance
        if "method" in provenance:
            old = {"before": _told(old)} if old else {}
        return replace(self, pixels=clipped, provenance=MappingProxyType({**old, **provenance}))


def _told(provenance: Mapping[str, str]) -> str:
    """Tell in a line what was done to a photograph: the last step in full, the steps before it by name."""
    told = {name: value for name, value in provenance.items() if name not in ("method", "before")}
    rest = ", ".join(f"{name}={value}" for name, value in told.items())
    step = provenance.get("method", "no method") + (f" ({rest})" if rest else "")
    earlier = provenance["before"].split(AFTER) if "before" in provenance else []
    return AFTER.join([step, *(one.partition(" (")[0] for one in earlier)])
