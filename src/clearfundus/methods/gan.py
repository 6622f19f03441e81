"""The paper's enhancer: a generator trained on unpaired blurry and clear photographs.

A network knows the scale it was trained at, so it is shown the retina at that field diameter; the *change* it
makes is enlarged and added to the full-size photograph, whose own fine detail and resolution stay. `size` names other
ways. Weights may say how far what they do to light at large can be trusted; it is damped and raised accordingly.
"""

from typing import TYPE_CHECKING, Literal

import cv2
import numpy as np

from clearfundus.engines.weights import EngineWeights
from clearfundus.errors import SettingsError
from clearfundus.fundus.field import Field
from clearfundus.fundus.guided import apply_affine, fit_affine
from clearfundus.fundus.unevenness import damp_unevenness
from clearfundus.methods.engine import run_model
from clearfundus.photo import Mask, Photo, Pixels

if TYPE_CHECKING:
    from clearfundus.networks.weights import LoadedWeights

Size = int | Literal["change", "guided", "native"]
"""The field diameter in pixels that the network is shown, the enlarged change added; or by name: "change", the diameter
it was trained at; "guided", likewise, but the change carried by the guided filter; "native", the photograph's own."""
DEFAULT_SIZE: Size = "change"
"""See docs/decisions/0004, 0009, 0014, 0016 and 0021."""
SMALLEST_SIZE = 32
"""Field diameter in pixels below which no vessel is left to see."""
LARGEST_SIZE = 16_384
"""Above any camera's: refused by arithmetic, before room is taken for the enlarged picture."""
GUIDED_RADIUS = 4 / 512
"""Of the guided filter's windows, in field diameters: they are hardly wider than the widest vessels. This and the next
were chosen on simulated pairs of eyes for training, by structural similarity, see docs/decisions/0009."""
GUIDED_DEVIATION = 0.03
"""Local standard deviation, on the scale [0, 1], at which the guided filter halves its gain."""
LEAST_GUIDED_RADIUS = 2
"""In pixels: so far beyond the field's edge cubic interpolation reads, and windows must reach as far."""
HASH_DIGITS = 12
"""Digits of the weights' hash that are written into a picture; enough to tell any two weights apart."""


def gan(
    photo: Photo,
    field: Field,
    *,
    model: "LoadedWeights | EngineWeights | None" = None,
    size: Size | None = None,
    memory_limit: int | None = None,
) -> Photo:
    """Enhance with the paper's generator, at the retinal scale it was trained at.

    Source: Zhao, Yang, Cao, Li, Data-Driven Enhancement of Blurry Retinal Images via Generative Adversarial
    Networks, MICCAI 2019, doi 10.1007/978-3-030-32239-7_9.

    Args:
        photo: The cropped photograph, surround filled.
        field: Its field.
        model: The weights, on the engine they were loaded onto; None loads the shipped default onto torch anew at
            every call.
        size: Field diameter in pixels at which the network sees the photograph, the change enlarged and added; or
            "change", so at the one the weights are made for (768 for the default, 512 for the other shipped ones);
            "guided", at that one, too, the change carried by a fast guided filter; "native", at the photograph's own.
            None is "change".
        memory_limit: Bytes that the process may hold while the network runs, on the network's device; None lets it
            take half of what is available. The result is the same.

    Raises:
        SettingsError: If `size` is out of range.
        PhotoMemoryError: If the memory that is allowed, or there, is too little for any way to run the network.
        WeightsError: If the shipped weights are missing or altered.
    """
    if model is None:
        from clearfundus.networks.weights import load_weights

        model = load_weights()
    size = settle_size(size, model.diameter)
    pixels = photo.pixels
    # as in training; the change outside the field is left out when the result is put back
    shown = np.where(field.mask[..., None], pixels, np.float32(0)) if model.surround == "black" else pixels
    diameter = model.diameter if size == "guided" else size
    seen = shown if diameter == "native" else scaled(shown, diameter, field.diameter)
    # At the photograph's own scale the sum below is the network's output itself, where nothing is damped.
    change = run_model(model, seen, memory_limit)
    change -= seen
    change = damp_unevenness(change, seen, field, model.uneven_error)
    if size == "guided":
        result = _guided(pixels, seen, change, model.diameter, field.mask if model.surround == "black" else None)
    else:
        result = _resize(change, pixels.shape[:2])
        result += pixels
    return photo.with_pixels(result, **describe_gan(model, size))


def describe_gan(model: "LoadedWeights | EngineWeights", size: Size | None) -> dict[str, str]:
    """Return the provenance that `gan` writes.

    Method, weights, digits of their hash and size; by what the change is damped, if it is; the engine if it is not
    torch, and the precision if it is not fp32.
    """
    settled = str(settle_size(size, model.diameter))
    described = {"method": "gan", "weights": model.name, "sha256": model.sha256[:HASH_DIGITS], "size": settled}
    if model.uneven_error:
        described["uneven_error"] = f"{model.uneven_error:g}"
    if isinstance(model, EngineWeights):
        described["engine"] = model.engine
    return described if model.precision == "fp32" else {**described, "precision": model.precision}


def check_size(size: Size) -> Size:
    """Return `size`, or raise a SettingsError if it is no name and no network can be shown a retina that small."""
    if size in ("change", "guided", "native") or (type(size) is int and SMALLEST_SIZE <= size <= LARGEST_SIZE):
        return size
    raise SettingsError(
        f"size: found {size!r}, expected {SMALLEST_SIZE} to {LARGEST_SIZE} pixels, or 'change', 'guided' or 'native'"
    )


def settle_size(size: Size | None, trained: int) -> int | Literal["guided", "native"]:
    """Return the size that is meant.

    Args:
        size: As for `gan`.
        trained: Field diameter in pixels that the weights were trained at.

    Raises:
        SettingsError: If it is out of range.
    """
    size = check_size(DEFAULT_SIZE if size is None else size)
    return trained if size == "change" else size


def _guided(pixels: Pixels, seen: Pixels, change: Pixels, diameter: int, mask: Mask | None) -> Pixels:
    """Return full-size pixels with the change of the reduced ones; `mask`, full-size: the pixels it was learnt from."""
    if mask is not None:
        mask = np.asarray(_resize(mask.astype(np.float32), seen.shape[:2]) > 0.5, np.bool_)
    radius = max(round(GUIDED_RADIUS * diameter), LEAST_GUIDED_RADIUS)
    gain, offset = fit_affine(seen, change, radius=radius, deviation=GUIDED_DEVIATION, mask=mask)
    return apply_affine(pixels, gain, offset)


def scaled(pixels: Pixels, size: int, diameter: float) -> Pixels:
    """Return a picture as the network is shown it: (H, W, 3) in [0, 1], its field brought from `diameter` to `size`."""
    height, width = (max(round(side * size / diameter), 2) for side in pixels.shape[:2])
    return np.clip(_resize(pixels, (height, width)), 0, 1)


def _resize(pixels: Pixels, shape: tuple[int, ...]) -> Pixels:
    """Resize (H, W, 3): by area downwards, so that nothing aliases, by cubic interpolation upwards."""
    if pixels.shape[:2] == shape:
        return pixels
    method = cv2.INTER_AREA if shape[0] * shape[1] < pixels.shape[0] * pixels.shape[1] else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(pixels, (shape[1], shape[0]), interpolation=method), np.float32)
