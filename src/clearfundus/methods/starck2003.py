"""Curvelet contrast enhancement of Starck, Murtagh, Candès and Donoho: faint edges are raised, strong ones kept.

In the paper's letters, x is the modulus of a coefficient, the sigma of its band is `noise`, y its `gain`; c is
`noise_multiple`, p `power`, s `saturation`, m `strong`, l `strong_share` and K `strong_multiple`.

The formula as printed, and as the authors programmed it, jumps: the gain climbs to (m/(c sigma))^p just below
x = 2 c sigma and falls there by the factor 2^p. `continuous=True` climbs to (m/(2 c sigma))^p instead, without a jump.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from clearfundus.fundus.colour import luv_to_rgb, rgb_to_luv
from clearfundus.fundus.curvelet import Band, Bands, CurveletTransform
from clearfundus.fundus.field import Field
from clearfundus.methods.checks import check_choice, check_number, require_extra
from clearfundus.photo import Gray, Photo, Pixels

NOISES = ("mix", "white")
STRONG_FROM = ("maximum", "noise")
WEDGES = ("3", "6")  # of 12 the package does not reconstruct to float32 rounding
SMALLEST_DIAMETER = 64  # pixels; below it a retina shows no vessels
RAYLEIGH_MEDIAN = float(np.sqrt(np.log(2)))
"""Median modulus of complex Gaussian noise whose root mean squared modulus is 1."""
LEAST_NOISE = 1e-4
"""Least sigma, in units of L (0 to 100): a tenth of a 16-bit step, above the transform's rounding; keeps flat pictures
from division by zero."""


@dataclass(frozen=True, kw_only=True)
class GainCurve:
    """The gain of a coefficient as a function of its modulus; the attributes are parameters of `starck2003`."""

    noise_multiple: float
    power: float
    saturation: float
    continuous: bool
    gain_cap: float

    def __post_init__(self) -> None:
        """Refuse numbers out of range."""
        check_number("noise_multiple", self.noise_multiple, 0, 1000, above=True)
        check_number("power", self.power, 0, 1)
        check_number("saturation", self.saturation, 0, 1)

    def __call__(self, modulus: NDArray[np.float32], noise: float, strong: float) -> NDArray[np.float32]:
        """Return the gain for each modulus.

        Args:
            modulus: Any shape, 0 or more.
            noise: The band's noise sigma, above 0.
            strong: From this modulus on an edge is strong enough; at least 2 c sigma is used, for below it the
                ramp of the formula would shrink coefficients.
        """
        low = self.noise_multiple * noise
        high = 2 * low
        strong = max(strong, high)
        top = (strong / (high if self.continuous else low)) ** self.power
        # the printed (x - c s)/(c s) top + (2 c s - x)/(c s), in a form that is exactly 1 where `top` is 1
        ramp = 1 + (modulus / np.float32(low) - 1) * np.float32(top - 1)
        exponent = np.where(modulus < strong, np.float32(self.power), np.float32(self.saturation))
        decay = (np.float32(strong) / np.maximum(modulus, np.float32(high))) ** exponent
        gain = np.where(modulus < high, ramp, decay)
        gain[modulus < low] = 1
        return np.minimum(gain, np.float32(self.gain_cap))


@dataclass(frozen=True, kw_only=True)
class Levels:
    """How the noise sigma and m of a band are found; the attributes are parameters of `starck2003`."""

    noise: str
    own_noise_share: float
    strong_from: str
    strong_share: float
    strong_multiple: float

    def __post_init__(self) -> None:
        """Refuse words and numbers out of range."""
        check_choice("noise", self.noise, NOISES)
        check_choice("strong_from", self.strong_from, STRONG_FROM)
        check_number("own_noise_share", self.own_noise_share, 0, 1)
        check_number("strong_share", self.strong_share, 0, 1)
        check_number("strong_multiple", self.strong_multiple, 0, 1000)

    def noise_of(self, modulus: Gray, white: float) -> float:
        """Return a band's sigma, given that of white noise in it."""
        own = self.own_noise_share * _sigma(modulus) if self.noise == "mix" else 0.0
        return max(white, own)

    def strong_of(self, modulus: Gray, noise: float) -> float:
        """Return m of a band."""
        if self.strong_from == "noise":
            return self.strong_multiple * noise
        return self.strong_share * float(modulus.max())


def starck2003(  # noqa: PLR0913 - a method's numbers are its arguments
    photo: Photo,
    field: Field,
    *,
    noise_multiple: float = 3.0,
    power: float = 0.5,
    saturation: float = 0.0,
    strong_from: str = "maximum",
    strong_share: float = 0.5,
    strong_multiple: float = 20.0,
    continuous: bool = False,
    noise: str = "mix",
    own_noise_share: float = 0.2,
    gain_cap: float = 3.0,
    scales: int = 5,
    wedges: int = 3,
    working_diameter: float = 900.0,
) -> Photo:
    """Raise faint edges in the curvelet domain of the three Luv planes; large-scale light and colour stay.

    Source: Starck, Murtagh, Candès and Donoho, Gray and Color Image Contrast Enhancement by the Curvelet Transform,
    IEEE Trans. Image Processing 12(6), 706-717 (2003). The gain is theirs to the letter; the transform is not: theirs
    was the first, of ridgelets, and this is the uniform discrete curvelet transform of 2010. Two steps of their
    programme are not offered: a power of the luminance, 0 by default there, and stretching each plane to its old range,
    which would lift the blacks and dull the colour of a retina.

    Args:
        photo: The cropped photograph, surround filled.
        field: Its field, for the diameter.
        noise_multiple: c, a coefficient below c sigma is noise and stays; "typically larger than 3" (published).
        power: p, how strongly faint edges are raised, 0 for not at all, at most 1; 0.5 in the authors' programme.
        saturation: s, the exponent that lowers coefficients beyond m, 0 to 1; 0, for none, in the authors' programme.
        strong_from: What m, from which an edge is strong, is set by: "maximum" of the band's coefficients, or
            "noise". Both published; the first is the default of the authors' programme.
        strong_share: l, m as a share of the band's maximum, 0 to 1; 0.5 in the authors' programme.
        strong_multiple: K, m as a multiple of sigma; 20 in the authors' programme. Used with "noise".
        continuous: Whether the gain climbs without the printed jump; no is the published form.
        noise: How sigma is found: "white", the authors', takes white noise of the finest scale's level for all
            bands, and gives JPEG pictures a dotted texture; "mix", chosen here, also asks each band.
        own_noise_share: Sigma is at least this share of the level the band's own median would have in pure
            noise, 0 to 1; chosen here. Used with "mix".
        gain_cap: Largest gain, 1 or more; infinite for none. Chosen here. Used with "mix"; "white" has none.
        scales: Scales of the transform, 2 to 6, low-pass included, which stays as it is; chosen here.
        wedges: Orientations at the coarsest scale that lie nearer to the rows than to the columns, and the other
            way round: 3 or 6, doubled at each finer scale; 3 chosen here.
        working_diameter: Field diameter in pixels at which a larger photograph is transformed; the change is
            enlarged and added. Smaller ones stay as they are. 900 chosen here: the diameter at which the numbers
            above were settled. Memory and time grow with its square: to build the windows takes 500 MB at 900.

    Raises:
        SettingsError: If a number is out of range.
        MissingExtraError: If the packages of the extra `curvelet` are not installed.
    """
    parameters = {name: str(value) for name, value in locals().items() if name not in ("photo", "field")}
    check_number("gain_cap", gain_cap, 1)
    curve = GainCurve(
        noise_multiple=noise_multiple,
        power=power,
        saturation=saturation,
        continuous=continuous,
        gain_cap=gain_cap if noise == "mix" else math.inf,
    )
    levels = Levels(
        noise=noise,
        own_noise_share=own_noise_share,
        strong_from=strong_from,
        strong_share=strong_share,
        strong_multiple=strong_multiple,
    )
    check_number("scales", scales, 2, 6)
    check_choice("wedges", str(wedges), WEDGES)
    check_number("working_diameter", working_diameter, SMALLEST_DIAMETER)
    require_extra("starck2003", "curvelet", ("curvelets", "typing_extensions"))
    change = _change(_reduced(photo.pixels, working_diameter / field.diameter), (scales, wedges), curve, levels)
    return photo.with_pixels(_added(photo.pixels, change), method="starck2003", **parameters)


def _added(pixels: Pixels, change: Pixels) -> Pixels:
    """Return the picture plus a change, which is enlarged if it is smaller."""
    height, width = pixels.shape[:2]
    if change.shape != pixels.shape:
        change = np.asarray(cv2.resize(change, (width, height), interpolation=cv2.INTER_CUBIC), np.float32)
    return pixels + change


def _reduced(pixels: Pixels, factor: float) -> Pixels:
    """Return the picture reduced by area to this factor of its sides, or as it is if that would enlarge it."""
    if factor >= 1:
        return pixels
    height, width = (max(round(side * factor), 2) for side in pixels.shape[:2])
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA), np.float32)


def _change(pixels: Pixels, scales_wedges: tuple[int, int], curve: GainCurve, levels: Levels) -> Pixels:
    """Return what the method adds to RGB, (H, W, 3).

    The transform is linear, so the coefficients times (gain - 1) give the change of the Luv planes; where no gain
    acts it is exactly 0, and neither the transform nor the conversion of colour leaves a trace.
    """
    if (pixels == pixels[0, 0]).all():  # no edge to raise; the windows need not be built
        return np.zeros_like(pixels)
    luv = rgb_to_luv(pixels)
    transform = CurveletTransform(luv.shape[:2], scales=scales_wedges[0], wedges=scales_wedges[1])
    planes = [transform.forward(luv[..., index]) for index in range(3)]
    _weigh(planes, transform.norms, curve, levels)
    before = luv_to_rgb(luv)
    for index, bands in enumerate(planes):
        luv[..., index] += transform.backward(bands)
    np.maximum(luv[..., 0], 0, out=luv[..., 0])  # below black no colour is defined
    return luv_to_rgb(luv) - before


def _weigh(planes: list[Bands], norms: list[list[float]], curve: GainCurve, levels: Levels) -> None:
    """Multiply the coefficients of the three planes, in place, by the gain of their common modulus, less 1."""
    moduli = [[_modulus(bands) for bands in zip(*scale, strict=True)] for scale in zip(*planes, strict=True)]
    finest = [(modulus / np.float32(norm)).ravel() for modulus, norm in zip(moduli[-1], norms[-1], strict=True)]
    white = max(_sigma(np.concatenate(finest)), LEAST_NOISE)
    for scale, group in enumerate(moduli):
        for index, modulus in enumerate(group):
            noise = levels.noise_of(modulus, white * norms[scale][index])
            added = curve(modulus, noise, levels.strong_of(modulus, noise)) - 1
            for plane in planes:
                plane[scale][index] *= added if scale > 0 else 0  # the low-pass stays as it is


def _modulus(bands: Sequence[Band]) -> Gray:
    """Return the square root of the summed squared moduli of one band in the three planes."""
    return np.sqrt(sum((band.real**2 + band.imag**2 for band in bands), start=np.float32(0)))


def _sigma(modulus: Gray) -> float:
    """Return the root mean squared modulus that complex Gaussian noise of this median modulus has."""
    return float(np.median(modulus)) / RAYLEIGH_MEDIAN
