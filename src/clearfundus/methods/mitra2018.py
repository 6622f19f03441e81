"""Mitra et al. 2018: an uneven veil is taken off in the Fourier domain, then light, contrast and colour are set.

The model's letters, as the code names them: I_c the channels of `pixels`, B_c the `veil`, d0 `cutoff`, lambda
`adjustment_exponent`, d1 and d2 `bright_adjustment` and `dark_adjustment`, i' `target`, alpha `clipped_share`, lo
and hi `black_level` and `white_levels`, beta `gamma`.

This is a reconstruction. The paper's abstract gives the order of the stages: the cataract's uneven surroundings
estimated in the frequency domain, intensity equalised in an adapted HSI space that knows no gamut problem, a
max-min colour correction. It does not give the low-pass filter, its cut-off, the HSI space or any number. Wording
and order are those of the removal of thin clouds by Liu et al., Opt. Express 22, 618 (2014); stages one and three
follow a public implementation of that, and stage two changes intensity as Naik and Murthy, IEEE TIP 12, 1591
(2003), do.
"""

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.fft import dctn, idctn

from clearfundus.fundus.equalization import CLIP_LIMIT, TILES, equalize
from clearfundus.fundus.field import Field
from clearfundus.methods.checks import check_choice, check_number
from clearfundus.photo import Gray, Mask, Photo, Pixels

RANGES = {
    "cutoff": (0.1, 20),
    "bright_adjustment": (0, 1),
    "dark_adjustment": (0, 1),
    "adjustment_exponent": (0.1, 10),
    "clipped_share": (0, 0.5),
    "black_level": (0, 0.5),
    "gamma_limit": (1, 10),
}
"""Least and greatest value allowed."""
LIMITS = ("joint", "per_channel")
WORKING_SIDE = 512
"""Long side in pixels of the reduced copy that the veil is found on: it holds no fine detail."""
THIRDS = np.full((1, 3), 1 / 3, dtype=np.float32)
"""Shares of red, green and blue in the intensity of HSI."""
TINY = np.float32(1e-12)
"""Keeps 0/0 finite."""
BINS = 4096
"""Levels of the histogram that stands for the picture where a limit or an exponent is sought."""
HISTOGRAM_TOP = 1 + 1e-6
"""OpenCV leaves out a value at the very top, so the top lies above 1."""
SMALLEST_RANGE = 0.1
"""Least distance of the limits: a nearly black picture would become all noise otherwise."""
HALVINGS = 24
"""Steps of the search for the exponent: they bring it to about a ten-millionth."""


def mitra2018(  # noqa: PLR0913 - a method's numbers are its arguments
    photo: Photo,
    field: Field,
    *,
    cutoff: float = 2.0,
    bright_adjustment: float = 5 / 255,
    dark_adjustment: float = 5 / 255,
    adjustment_exponent: float = 2.0,
    clip_limit: float = CLIP_LIMIT,
    tiles: int = TILES,
    limits: str = "joint",
    clipped_share: float = 0.005,
    black_level: float = 0.0,
    gamma_limit: float = 2.0,
) -> Photo:
    """Take an uneven veil off, equalise the intensity at unchanged hue, and stretch to the full range.

    Source: Mitra, Roy, Roy and Setua, Enhancement and restoration of non-uniform illuminated fundus image of
    retina obtained through thin layer of cataract, Computer Methods and Programs in Biomedicine 156 (2018). A
    reconstruction: see the head of this file.

    Args:
        photo: The cropped photograph, surround filled.
        field: Its field; limits and means are taken over it.
        cutoff: Frequency at which the veil's low-pass has fallen to exp(-1/2), in cycles per field diameter, 0.1
            to 20; chosen here, as wide as the public implementation's. Above 3 it takes disc and macula for veil.
        bright_adjustment: How much more than the veil is taken off where the veil is brightest, 0 to 1; 5/255 in
            the public implementation (3/255 and 20/255 in its variants).
        dark_adjustment: How much less than the veil is taken off where it is darkest, 0 to 1; likewise.
        adjustment_exponent: How the two adjustments grow from the veil's middle level, 0.1 to 10; 2 in the public
            implementation.
        clip_limit: Of the intensity's equalisation, as for `clahe`; chosen here.
        tiles: Tiles down and across, as for `clahe`; chosen here.
        limits: "joint" for one white level over all channels, chosen here because it keeps the colours; or
            "per_channel", as Liu et al. have it, which makes fundus photographs gray.
        clipped_share: Share of the values that lies above the white level, 0 to 0.5; 0.005 in the public
            implementation.
        black_level: Value that becomes 0, 0 to 0.5; 0 chosen here: the public implementation's percentile over
            a whole frame gives 0 wherever there is a black surround.
        gamma_limit: The final power brings the field's mean intensity back to the photograph's, as far as it can
            between 1 / gamma_limit and gamma_limit; 1 to 10, and 1 switches it off. Power and limit are chosen
            here; Liu et al. call theirs adaptive. A very pale picture reaches the limit and becomes brighter.

    Raises:
        SettingsError: If a number is out of range or a word unknown.
    """
    parameters = {name: value for name, value in locals().items() if name not in ("photo", "field")}
    for name, (low, high) in RANGES.items():
        check_number(name, parameters[name], low, high)
    check_choice("limits", limits, LIMITS)
    pixels = remove_veil(
        photo.pixels,
        field,
        cutoff=cutoff,
        bright_adjustment=bright_adjustment,
        dark_adjustment=dark_adjustment,
        adjustment_exponent=adjustment_exponent,
    )
    pixels = set_intensity(pixels, equalize(intensity(pixels), clip_limit=clip_limit, tiles=tiles))
    pixels = correct_max_min(
        pixels,
        field.mask,
        black_level=black_level,
        white_levels=find_white_levels(pixels, field.mask, limits=limits, clipped_share=clipped_share),
        mean=float(_channel_means(photo.pixels, field.mask).mean()),
        gamma_limit=gamma_limit,
    )
    return photo.with_pixels(pixels, method="mitra2018", **{name: str(value) for name, value in parameters.items()})


def remove_veil(
    pixels: Pixels,
    field: Field,
    *,
    cutoff: float,
    bright_adjustment: float,
    dark_adjustment: float,
    adjustment_exponent: float,
) -> Pixels:
    """Stage one: subtract the low frequencies of each channel and add its mean over the field.

    Args:
        pixels: RGB, (H, W, 3) in [0, 1], surround filled.
        field: Its field.
        cutoff: As for `mitra2018`, like the rest.
        bright_adjustment: As there.
        dark_adjustment: As there.
        adjustment_exponent: As there.

    Returns:
        (H, W, 3) in [0, 1].
    """
    height, width = field.mask.shape
    scale = min(1.0, WORKING_SIDE / max(height, width))
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    mask = cv2.resize(field.mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
    down, across = cutoff * height / field.diameter, cutoff * width / field.diameter
    reduced = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), dtype=np.float32)
    veil = low_pass(reduced, down, across)
    low, high = veil[mask].min(axis=0), veil[mask].max(axis=0)
    position = np.clip((veil - (low + high) / 2) / np.maximum((high - low) / 2, TINY), -1, 1)
    adjustment = np.where(position > 0, np.float32(bright_adjustment), np.float32(-dark_adjustment))
    veil += adjustment * np.abs(position) ** np.float32(adjustment_exponent)
    veil -= _channel_means(pixels, field.mask)
    enlarged = cv2.resize(veil, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(np.clip(cv2.subtract(pixels, enlarged), 0, 1), dtype=np.float32)


def low_pass(pixels: Pixels, down: float, across: float) -> Pixels:
    """Multiply a picture's frequencies f by exp(-f^2 / (2 f0^2)).

    The picture is continued by its mirror image: its Fourier transform is then its cosine transform, and the rim
    on one side does not leak to the other.

    Args:
        pixels: (H, W, 3).
        down: The cut-off f0 in cycles per picture height.
        across: The same in cycles per picture width.
    """
    height, width = pixels.shape[:2]
    row, column = np.arange(height) / (2 * down), np.arange(width) / (2 * across)  # f / f0: half a cycle a step
    response = np.exp(-(row[:, None] ** 2 + column**2) / 2).astype(np.float32)
    spectrum = dctn(pixels, axes=(0, 1), norm="ortho")
    return np.asarray(idctn(spectrum * response[..., None], axes=(0, 1), norm="ortho"), dtype=np.float32)


def intensity(pixels: Pixels) -> Gray:
    """Return (R + G + B) / 3, (H, W) in [0, 1]."""
    return np.asarray(cv2.transform(pixels, THIRDS), dtype=np.float32)


def set_intensity(pixels: Pixels, target: Gray) -> Pixels:
    """Stage two: give each pixel a new intensity at its old hue, with no value outside [0, 1] to clip.

    Where the pixel darkens, the channels are scaled; where it brightens, their distances to white are. A plain
    scaling would push the strongest channel beyond 1.

    Args:
        pixels: RGB, (H, W, 3) in [0, 1].
        target: The intensity (R + G + B) / 3 to reach, (H, W) in [0, 1].

    Returns:
        (H, W, 3) in [0, 1].
    """
    now = intensity(pixels)
    darker = target <= now
    factor = np.where(darker, target / np.maximum(now, TINY), (1 - target) / np.maximum(1 - now, TINY))
    white = np.where(darker, np.float32(0), 1 - factor)  # 1 - (1 - W) factor = W factor + (1 - factor)
    result = cv2.multiply(pixels, cv2.merge([factor] * 3))
    cv2.add(result, cv2.merge([white] * 3), dst=result)
    return np.asarray(np.clip(result, 0, 1, out=result), dtype=np.float32)


def find_white_levels(pixels: Pixels, mask: Mask, *, limits: str, clipped_share: float) -> NDArray[np.float64]:
    """Return the level of red, green and blue that only `clipped_share` of the values within the mask exceed.

    Args:
        pixels: RGB, (H, W, 3) in [0, 1].
        mask: (H, W), the pixels that count.
        limits: "joint" for three equal levels from all channels' values, or "per_channel".
        clipped_share: In [0, 1).

    Returns:
        (3,); exact to the histogram's step, 1/4096.
    """
    counts = _histograms(pixels, mask)
    if limits == "joint":
        counts = np.broadcast_to(counts.sum(axis=0), counts.shape)
    share = np.cumsum(counts, axis=1) / counts.sum(axis=1, keepdims=True)
    edges = np.linspace(0, HISTOGRAM_TOP, BINS + 1)[1:]
    return np.array([edges[np.searchsorted(one, 1 - clipped_share - 1e-9)] for one in share])


def correct_max_min(
    pixels: Pixels,
    mask: Mask,
    *,
    black_level: float,
    white_levels: NDArray[np.float64],
    mean: float,
    gamma_limit: float,
) -> Pixels:
    """Stage three: stretch between the limits, then raise to the one power that gives the mean intensity.

    Args:
        pixels: RGB, (H, W, 3) in [0, 1].
        mask: (H, W), the pixels whose mean counts.
        black_level: What becomes 0.
        white_levels: What becomes 1, in red, green and blue.
        mean: The mean intensity to reach over the mask.
        gamma_limit: The power lies between 1 / gamma_limit and gamma_limit.

    Returns:
        (H, W, 3) in [0, 1].
    """
    factors = 1 / np.maximum(white_levels - black_level, SMALLEST_RANGE)
    centres = (np.arange(BINS) + 0.5) * (HISTOGRAM_TOP / BINS)
    stretched = np.clip((centres - black_level) * factors[:, None], 0, 1)  # (3, BINS)
    counts = _histograms(pixels, mask)
    low, high = 1 / gamma_limit, gamma_limit
    for _ in range(HALVINGS):  # a greater power darkens
        gamma = (low + high) / 2
        if np.average(stretched**gamma, weights=counts) > mean:
            low = gamma
        else:
            high = gamma
    result = (pixels - np.float32(black_level)) * factors.astype(np.float32)
    np.clip(result, 0, 1, out=result)
    return np.asarray(cv2.pow(result, (low + high) / 2, dst=result), dtype=np.float32)


def _channel_means(pixels: Pixels, mask: Mask) -> NDArray[np.float32]:
    """Return the means of red, green and blue over the mask, (3,)."""
    return np.array(cv2.mean(pixels, mask.astype(np.uint8))[:3], dtype=np.float32)


def _histograms(pixels: Pixels, mask: Mask) -> NDArray[np.float64]:
    """Return how many values of red, green and blue lie in each level, (3, BINS)."""
    inside = mask.astype(np.uint8)
    counts = [cv2.calcHist([pixels], [channel], inside, [BINS], [0, HISTOGRAM_TOP]) for channel in range(3)]
    return np.reshape(counts, (3, BINS)).astype(np.float64)
