"""What the enhancer does to photographs it was not trained on: figures for the log, and a sheet to look at."""

from collections.abc import Callable

import cv2
import numpy as np
import torch
from torch import Tensor

from clearfundus.fundus.field import Field
from clearfundus.networks.inference import run_generator
from clearfundus.photo import Mask, Photo, Pixels
from clearfundus.quality.ssim import ssim
from clearfundus.quality.view import to_gray
from clearfundus.training.batches import Photographs
from clearfundus.training.config import RunSettings
from clearfundus.training.data import Specimen
from clearfundus.training.schedule import random_at
from clearfundus.training.simulate import simulate
from clearfundus.training.step import Translator

MOST_PHOTOGRAPHS = 8  # of each side; enough to see a trend, cheap enough to do often
SHEET_ROWS = 3
SHEET_TILE = 256
LEAST_ENERGY = 1e-9  # far below one 8-bit step a field; keeps a photograph that shows nothing from a division by 0
RIM_SHARE, MIDDLE_SHARE = 0.03, 0.5  # of the field's radius: so near the edge is rim, deeper than that is middle
GREEN = 1  # the channel in which vessels stand out

Figures = dict[str, float]
Translate = Callable[[Pixels], Pixels]


def validate(translator: Translator, held_out: Photographs, settings: RunSettings) -> Figures:
    """Measure the generators on whole held-out photographs.

    Returns:
        `sharpness_gain`: gradient energy (Tenengrad) in green of G_e(x) over that of x; `identity_error`: mean
        absolute change of clear photographs; `color_shift`: greatest change of a channel's mean on clear ones;
        `cycle_error` and `cycle_error_8_bit`: mean absolute error of G_b(G_e(x)), and the same when G_e(x) is rounded
        to 8 bits and given noise of 1/255 on the way; `ssim_clear`: SSIM of G_e(y) to y; `rim_change`: how much more
        the rim of clear photographs changes than their middle (see `rim_change`), left out where none shows a rim;
        `restored_error` and `degraded_error`: mean absolute error of
        simulated degraded photographs with and without enhancement. All inside the field, on the scale [0, 1].
    """
    translator.eval()
    enhance, blur = _runner(translator.enhancer), _runner(translator.blurrer)
    rows: list[Figures] = []
    for index, specimen in enumerate(held_out.blurry[:MOST_PHOTOGRAPHS]):
        rows.append(_on_blurry(enhance, blur, specimen, random_at(settings.seed, "noise", index)))
    for index, specimen in enumerate(held_out.clear[:MOST_PHOTOGRAPHS]):
        rows.append(_on_clear(enhance, specimen, settings, index))
    translator.train()
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: float(np.mean([row[name] for row in rows if name in row])) for name in names}


def _runner(network: torch.nn.Module) -> Translate:
    return lambda pixels: run_generator(network, pixels)


def _on_blurry(enhance: Translate, blur: Translate, specimen: Specimen, random: np.random.Generator) -> Figures:
    inside, blurry = specimen.mask, _float(specimen)
    enhanced = enhance(blurry)
    noise = random.standard_normal(enhanced.shape, dtype=np.float32)
    noisy = np.clip((np.rint(enhanced * 255) + noise) / np.float32(255), 0, 1, dtype=np.float32)
    return {
        "sharpness_gain": sharpness(enhanced, inside) / sharpness(blurry, inside),
        "answer": answer(enhanced, blurry, inside),
        "cycle_error": _error(blur(enhanced), blurry, inside),
        "cycle_error_8_bit": _error(blur(noisy), blurry, inside),
    }


def _on_clear(enhance: Translate, specimen: Specimen, settings: RunSettings, index: int) -> Figures:
    inside, clear = specimen.mask, _float(specimen)
    same = enhance(clear)
    random = random_at(settings.seed, "validation", index)
    degraded = simulate(clear, Field(mask=inside), settings.simulated, random)
    rim, middle = rim_change(same, clear, inside)
    before, after = (to_gray(np.rint(np.clip(one, 0, 1) * 255).astype(np.uint8)) for one in (clear, same))
    shift = np.abs(same[inside].mean(0) - clear[inside].mean(0))
    return {
        "identity_error": _error(same, clear, inside),
        "color_shift": float(shift.max()),
        "ssim_clear": ssim(after, before, inside),
        **({} if np.isnan(rim) else {"rim_change": rim - middle}),
        "restored_error": _error(enhance(degraded), clear, inside),
        "degraded_error": _error(degraded, clear, inside),
    }


def answer(enhanced: Pixels, pixels: Pixels, inside: Mask) -> float:
    """Return the share of an enhancer's change, as spread, that no gain and offset for each channel explains.

    A network that has gone dead gives the same numbers at every pixel, which is a gain and an offset: then it is 0.

    Args:
        enhanced: What it made, (H, W, 3) in [0, 1]; values that were clipped do not count.
        pixels: What it was given, (H, W, 3).
        inside: (H, W), true on the retina.

    Returns:
        In [0, 1]; 0 also where nothing was changed.
    """
    left = spread = 0.0
    for channel in range(3):
        counts = inside & (enhanced[..., channel] > 0) & (enhanced[..., channel] < 1)
        if not counts.any():
            continue
        given, found = (plane[..., channel][counts].astype(np.float64) for plane in (pixels, enhanced - pixels))
        given, found = given - given.mean(), found - found.mean()
        gain = given @ found / max(given @ given, np.finfo(np.float64).tiny)
        left += float(((found - gain * given) ** 2).sum())
        spread += float((found**2).sum())
    return float(np.sqrt(left / spread)) if spread > 0 else 0.0


def rim_change(enhanced: Pixels, pixels: Pixels, inside: Mask) -> tuple[float, float]:
    """Return how much an enhancer changes the rim of the field, and how much its middle.

    Most clear photographs come from other cameras than most blurry ones, so an enhancer can learn to paint the other
    camera's rim. Then the first number is well above the second.

    Args:
        enhanced: What it made, (H, W, 3) in [0, 1].
        pixels: What it was given, (H, W, 3).
        inside: (H, W), true on the retina. The picture's own border is no rim.

    Returns:
        Mean absolute change within 3 % of the field's radius of its edge, and of what lies deeper than half the
        radius; NaN, both, where the field has no edge in the picture.
    """
    depth = cv2.distanceTransform(inside.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    radius = Field(mask=inside).diameter / 2
    rim, middle = inside & (depth <= max(RIM_SHARE * radius, 1)), depth >= MIDDLE_SHARE * radius
    if inside.all() or not middle.any():
        return float("nan"), float("nan")
    return _error(enhanced, pixels, rim), _error(enhanced, pixels, middle)


def _float(specimen: Specimen) -> Pixels:
    return specimen.pixels.astype(np.float32) / np.float32(255)


def _error(one: Pixels, other: Pixels, inside: Mask) -> float:
    return float(np.abs(one[inside] - other[inside]).mean())


def sharpness(pixels: Pixels, inside: Mask) -> float:
    """Return the mean gradient energy (Tenengrad) of green inside the field; never 0, so that it can divide.

    Args:
        pixels: RGB, (H, W, 3) in [0, 1].
        inside: (H, W), true on the retina.
    """
    green = np.ascontiguousarray(pixels[..., GREEN])
    across, down = cv2.Sobel(green, cv2.CV_32F, 1, 0), cv2.Sobel(green, cv2.CV_32F, 0, 1)
    return max(float((across**2 + down**2)[inside].mean()), LEAST_ENERGY)


def sample_sheet(translator: Translator, held_out: Photographs) -> Photo:
    """Draw rows of x, G_e(x), G_b(G_e(x)), y, G_b(y), G_e(G_b(y)) for the first held-out photographs."""
    translator.eval()
    enhance, blur = _runner(translator.enhancer), _runner(translator.blurrer)
    rows = []
    for blurry, clear in zip(held_out.blurry[:SHEET_ROWS], held_out.clear[:SHEET_ROWS], strict=False):
        x, y = _float(blurry), _float(clear)
        enhanced, blurred = enhance(x), blur(y)
        tiles = (x, enhanced, blur(enhanced), y, blurred, enhance(blurred))
        rows.append(np.concatenate([_tile(one) for one in tiles], axis=1))
    translator.train()
    return Photo(pixels=np.concatenate(rows), provenance={"sheet": "x, G_e(x), G_b(G_e(x)), y, G_b(y), G_e(G_b(y))"})


def _tile(pixels: Pixels) -> Pixels:
    tile = cv2.resize(pixels, (SHEET_TILE, SHEET_TILE), interpolation=cv2.INTER_AREA)
    return np.clip(tile, 0, 1).astype(np.float32)


def as_numbers(terms: dict[str, Tensor]) -> Figures:
    """Turn loss terms into numbers."""
    return {name: float(term) for name, term in terms.items()}
