"""Vessel segmentation: three fixed ways to find the vessels, a probability a pixel and a mask.

`SEGMENTERS` holds them by name. The facts to know: everything is computed at a field diameter of 540 pixels and mapped
back, so vessels thinner than that scale shows are not found however many pixels the camera has; and thresholds were
chosen on photographs that were held out of training, never on the test photographs.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

import cv2
import numpy as np

from clearfundus.errors import SettingsError
from clearfundus.fundus.field import Field, find_field
from clearfundus.photo import Gray, Mask, Photo, Pixels
from clearfundus.vessels import gabor
from clearfundus.vessels.scale import Scaled, scale_to_vessels

RIM = 4
"""Pixels of the field's edge where no vessel is believed: the camera's stop looks like one."""
SMALLEST_PART = 20
"""Connected pixels; a smaller part is no vessel."""
LEAST_VARIATION = 0.01
"""Deviation inside the field, on the scale [0, 1], of the channel that varies most, smoothed by a pixel. Below it there
is grain, and nothing else, which a network would blow up; the plainest of 138 training photographs has 0.043."""
DEFAULT = "wnet"

SEGMENTERS: Mapping[str, str] = MappingProxyType(
    {
        "wnet": "a small W-Net, trained on clear photographs",
        "wnet-robust": "the same W-Net, trained further on degraded photographs",
        "gabor": "a bank of Gabor filters; no training",
    }
)
"""Name -> what it is."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Segmentation:
    """The vessels of one photograph.

    Attributes:
        scaled: The photograph at the scale of vessels, and the way back.
        probability: Of a vessel, (h, w) in [0, 1] at that scale; 0 outside the field.
        mask: (h, w), true on vessels: probability at or over the threshold, off the field's rim, in parts of 20 pixels
            or more.
        threshold: The probability from which on a pixel counts as vessel.
        segmenter: Its name in `SEGMENTERS`.
        weights: Hash of its weights; empty for a segmenter without.
        reason: Why the mask is empty; empty itself if the mask is not.
    """

    scaled: Scaled
    probability: Gray
    mask: Mask
    threshold: float
    segmenter: str
    weights: str
    reason: str = ""

    @property
    def probability_in_photo(self) -> Gray:
        """The probability at the size of the whole photograph, (H, W); 0 outside its field."""
        return self.scaled.plane_in_photo(self.probability)

    @property
    def probability_off_rim(self) -> Gray:
        """The probability without the field's rim, (h, w): what trackers get, which would follow the rim."""
        return np.where(_off_rim(self.scaled.field.mask), self.probability, np.float32(0))

    @property
    def mask_in_photo(self) -> Mask:
        """The mask at the size of the whole photograph, (H, W).

        Near the mask the probability is enlarged and compared with the threshold again, so that edges are smooth.
        """
        near = cv2.dilate(self.mask.astype(np.float32), np.ones((3, 3), np.uint8))
        found = self.scaled.plane_in_photo(np.asarray(near, np.float32)) >= 0.5
        return np.asarray(found & (self.probability_in_photo >= self.threshold), dtype=np.bool_)


@dataclass(frozen=True, kw_only=True)
class Segmenter:
    """A segmenter with its weights loaded, ready for any number of photographs.

    Attributes:
        name: Its name in `SEGMENTERS`.
        weights: Hash of its weights; empty for a segmenter without.
        threshold: The probability from which on a pixel counts as vessel.
        function: Pixels and field at the scale of vessels -> probability.
    """

    name: str
    weights: str
    threshold: float
    function: Callable[[Pixels, Field], Gray]

    def __call__(self, photo: Photo, field: Field) -> Segmentation:
        """Segment a whole photograph.

        Args:
            photo: The photograph.
            field: Its field of view.
        """
        return self.on(scale_to_vessels(photo, field))

    def on(self, scaled: Scaled) -> Segmentation:
        """Segment a photograph that is at the scale of vessels already."""
        variation = _variation(scaled)
        if variation < LEAST_VARIATION:
            probability = np.zeros(scaled.field.mask.shape, np.float32)
            mask, reason = np.zeros(scaled.field.mask.shape, np.bool_), _nothing_to_see(variation)
        else:
            probability = self.function(scaled.pixels, scaled.field)
            mask = to_mask(probability, scaled.field.mask, self.threshold)
            reason = "" if mask.any() else _reason(probability, self.threshold)
        return Segmentation(
            scaled=scaled,
            probability=probability,
            mask=mask,
            threshold=self.threshold,
            segmenter=self.name,
            weights=self.weights,
            reason=reason,
        )


def prepare_segmenter(name: str = DEFAULT, *, device: str = "auto", flips: bool = True) -> Segmenter:
    """Choose a segmenter and load its weights.

    Args:
        name: A name in `SEGMENTERS`.
        device: Where a network runs: "auto", "cpu", "cuda" or "cuda:N".
        flips: Whether a network takes the mean over four mirror images, at four times the cost.

    Raises:
        SettingsError: If the name is unknown, or a segmenter without a network is given a device.
        WeightsError: If the weights are missing or altered.
        DeviceError: If the named device is not there.
    """
    if name not in SEGMENTERS:
        raise SettingsError(f"unknown segmenter {name!r}; known: {', '.join(SEGMENTERS)}")
    if name == "gabor":
        if device not in ("auto", "cpu"):
            raise SettingsError(f"segmenter 'gabor' runs on the CPU; found device {device!r}, expected auto or cpu")
        return Segmenter(name=name, weights="", threshold=gabor.THRESHOLD, function=_find_ridges)
    from clearfundus.networks.device import choose_device
    from clearfundus.networks.segmenter import run_segmenter
    from clearfundus.networks.segmenter_weights import load_segmenter

    loaded = load_segmenter(name, device=choose_device(device))
    run = partial(run_segmenter, loaded.network, flips=flips)
    return Segmenter(
        name=name,
        weights=loaded.sha256,
        threshold=loaded.threshold,
        function=lambda pixels, field: run(pixels, field.mask),
    )


def segment(photo: Photo, segmenter: str | Segmenter = DEFAULT, *, device: str = "auto") -> Segmentation:
    """Find the vessels of one photograph.

    Args:
        photo: The photograph, whole.
        segmenter: A name in `SEGMENTERS`, or what `prepare_segmenter` returned, for many photographs.
        device: Where a network runs, if a name is given.

    Returns:
        Probability and mask; an empty mask with the reason where no vessel shows.

    Raises:
        FieldNotFoundError: If the photograph shows no lit field.
        SettingsError: If the name is unknown.
        WeightsError: If the weights are missing or altered.
        DeviceError: If the named device is not there.
    """
    if isinstance(segmenter, str):
        segmenter = prepare_segmenter(segmenter, device=device)
    return segmenter(photo, find_field(photo))


def to_mask(probability: Gray, inside: Mask, threshold: float) -> Mask:
    """Return where there are vessels.

    Args:
        probability: (h, w) in [0, 1], at the scale of vessels.
        inside: (h, w), the field; of its edge 4 pixels do not count, where it is not the picture's own.
        threshold: The least probability of a vessel.

    Returns:
        (h, w); 8-connected parts below 20 pixels are dropped.
    """
    found = ((probability >= threshold) & _off_rim(inside)).astype(np.uint8)
    count, parts, statistics, _ = cv2.connectedComponentsWithStats(found, connectivity=8)
    large = statistics[:, cv2.CC_STAT_AREA] >= SMALLEST_PART
    large[0] = False  # the ground
    return np.asarray(large[parts] if count > 1 else np.zeros(found.shape), dtype=np.bool_)


def _off_rim(inside: Mask) -> Mask:
    """Return the field without its rim; the picture's own border is none."""
    kernel = np.ones((2 * RIM + 1, 2 * RIM + 1), np.uint8)
    # beyond the picture OpenCV takes everything for inside
    return np.asarray(cv2.erode(inside.astype(np.uint8), kernel) > 0, dtype=np.bool_)


def _find_ridges(pixels: Pixels, field: Field) -> Gray:
    return gabor.to_probability(gabor.find_ridges(pixels, field), field.mask)


def _variation(scaled: Scaled) -> float:
    """Return the deviation inside the field of the channel that varies most, without grain."""
    smoothed = cv2.GaussianBlur(scaled.pixels, (0, 0), 1.0)
    return float(smoothed[scaled.field.mask].std(axis=0).max())


def _nothing_to_see(variation: float) -> str:
    return (
        f"no vessels: the field is plain, its levels deviate by {255 * variation:.1f} of 255 and at least "
        f"{255 * LEAST_VARIATION:.1f} are needed to tell anything from grain"
    )


def _reason(probability: Gray, threshold: float) -> str:
    return (
        f"no vessels: the greatest probability is {float(probability.max(initial=0)):.2f} and vessels begin at "
        f"{threshold:.2f}, in parts of {SMALLEST_PART} pixels or more at a field diameter of 540"
    )
