"""How well a mask of vessels agrees with a drawn one: pixel by pixel, along the centrelines, and in its topology.

The fact to know: everything is counted inside the field alone. Papers that count the black surround as right report
accuracies and specificities that are higher for the same mask.

Sources: clDice of Shit et al., CVPR 2021; Betti errors as in Hu et al., NeurIPS 2019, over the whole picture in
place of patches; why accuracies often do not compare, in Kovacs and Fazekas, arXiv 2111.03853.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from math import nan
from types import MappingProxyType

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.morphology import skeletonize

from clearfundus.errors import QualityError
from clearfundus.photo import Gray, Mask
from clearfundus.vessels.segment import SMALLEST_PART

TOLERANCE = 2.0
"""Pixels that a centreline may be off, at a field diameter of 540: about half a vessel's width there."""
CONVENTIONS: Mapping[str, str] = MappingProxyType(
    {
        "auc": "area under the ROC curve of the probability: the chance that a vessel pixel has a higher one than "
        "another pixel, ties counting half",
        "f1": "harmonic mean of precision and sensitivity over pixels, the Dice coefficient",
        "sensitivity": "share of the drawn vessels' pixels that are found",
        "specificity": "share of the other pixels inside the field that are left out",
        "precision": "share of the found pixels that are drawn",
        "accuracy": "share of all pixels inside the field that are right",
        "cldice": "harmonic mean of the share of the found skeleton on drawn vessels and of the drawn skeleton on "
        "found ones; no tolerance",
        "centreline_precision": "share of the found skeleton within the tolerance of the drawn one",
        "centreline_recall": "share of the drawn skeleton within the tolerance of the found one",
        "centreline_f": "harmonic mean of the two",
        "betti0_error": "found less drawn number of separate parts, 8-connected, without its sign; parts of fewer "
        "than 20 pixels count in neither",
        "betti1_error": "found less drawn number of holes in those parts, 4-connected, without its sign",
    }
)
"""Score -> what it is; all inside the field. Where nothing was found although vessels are drawn, every share of what
was found is 0; shares of what was drawn are NaN where nothing is drawn."""
DIRECTIONS: Mapping[str, str] = MappingProxyType(
    {name: "lower" if name.startswith("betti") else "higher" for name in CONVENTIONS}
)
"""Score -> what is better, "higher" or "lower"."""


@dataclass(frozen=True, kw_only=True)
class MaskScores:
    """How well one mask agrees with a drawn one; `CONVENTIONS` says what each score is.

    Attributes:
        auc: In [0, 1]; NaN without a probability, or where the field holds one kind of pixel only.
        f1: In [0, 1]; NaN where neither mask holds a pixel.
        sensitivity: In [0, 1]; NaN where no vessel is drawn.
        specificity: In [0, 1]; NaN where all is drawn as vessel.
        precision: In [0, 1]; NaN where neither mask holds a pixel.
        accuracy: In [0, 1].
        cldice: In [0, 1]; NaN where neither mask holds a pixel.
        centreline_precision: In [0, 1]; NaN where neither mask holds a pixel.
        centreline_recall: In [0, 1]; NaN where no vessel is drawn.
        centreline_f: In [0, 1]; NaN where neither mask holds a pixel.
        betti0_error: A whole number.
        betti1_error: A whole number.
    """

    auc: float
    f1: float
    sensitivity: float
    specificity: float
    precision: float
    accuracy: float
    cldice: float
    centreline_precision: float
    centreline_recall: float
    centreline_f: float
    betti0_error: float
    betti1_error: float

    def as_dict(self) -> dict[str, float]:
        """Return score -> value, in the order of the fields."""
        return {one.name: getattr(self, one.name) for one in fields(self)}


def score_masks(
    probability: Gray | None, mask: Mask, truth: Mask, field_mask: Mask, tolerance: float = TOLERANCE
) -> MaskScores:
    """Score one mask of vessels against a drawn one, inside the field.

    Args:
        probability: Of a vessel, (H, W) in [0, 1]; None for a mask without, as an expert's.
        mask: The mask to judge, (H, W).
        truth: The drawn vessels, (H, W).
        field_mask: (H, W), true on the retina: nothing outside counts.
        tolerance: Distance in pixels that still counts as agreement of centrelines.

    Raises:
        QualityError: If shapes or types are other, the field is empty, or a probability lies outside [0, 1].
    """
    check_masks("score_masks", mask=mask, truth=truth, field_mask=field_mask)
    if not field_mask.any():
        raise QualityError("score_masks: found an empty field, expected the part that shows the retina")
    found, drawn = mask & field_mask, truth & field_mask
    auc = nan
    if probability is not None:
        if probability.shape != truth.shape:
            raise QualityError(
                f"score_masks: found a probability of shape {probability.shape}, expected {truth.shape}, that of the "
                "masks; bring them to one size"
            )
        auc = area_under_curve(probability[field_mask], truth[field_mask])
    return MaskScores(
        auc=auc,
        **score_pixels(mask, truth, field_mask),
        **score_centrelines(found, drawn, tolerance),
        **score_topology(found, drawn),
    )


def area_under_curve(probability: Gray, truth: Mask) -> float:
    """Return the area under the ROC curve, exactly, with ties counting half.

    Args:
        probability: Of any shape, in [0, 1]: only its order counts.
        truth: True on vessels, of the same shape.

    Returns:
        In [0, 1]; NaN if all pixels are of one kind.

    Raises:
        QualityError: If shapes or types differ from that, or a probability is not in [0, 1].
    """
    if truth.dtype != np.bool_ or probability.shape != truth.shape:
        raise QualityError(
            f"area_under_curve: found {probability.dtype} {probability.shape} and {truth.dtype} {truth.shape}, "
            "expected a float array and a bool array of one shape"
        )
    low, high = float(probability.min(initial=0)), float(probability.max(initial=0))
    if not (low >= 0 and high <= 1):  # NaN fails both
        raise QualityError(f"area_under_curve: found values in [{low:g}, {high:g}], expected probabilities in [0, 1]")
    others, vessels = np.sort(probability[~truth]), np.sort(probability[truth])
    if not (others.size and vessels.size):
        return nan
    below = int(np.searchsorted(others, vessels, side="left").sum())
    not_above = int(np.searchsorted(others, vessels, side="right").sum())
    return (below + not_above) / 2 / (others.size * vessels.size)


def score_pixels(mask: Mask, truth: Mask, field_mask: Mask) -> dict[str, float]:
    """Return F1, sensitivity, specificity, precision and accuracy over the pixels of the field.

    Args:
        mask: Found vessels, (H, W).
        truth: Drawn vessels, (H, W).
        field_mask: (H, W), true on the pixels that count.

    Raises:
        QualityError: If shapes or types differ from that.
    """
    check_masks("score_pixels", mask=mask, truth=truth, field_mask=field_mask)
    counted = int(field_mask.sum())
    both, found, drawn = (int((one & field_mask).sum()) for one in (mask & truth, mask, truth))
    neither = counted - found - drawn + both
    return {
        "f1": share(2 * both, found + drawn),
        "sensitivity": share(both, drawn),
        "specificity": share(neither, counted - drawn),
        "precision": _precision(both, found, drawn),
        "accuracy": share(both + neither, counted),
    }


def score_centrelines(mask: Mask, truth: Mask, tolerance: float = TOLERANCE) -> dict[str, float]:
    """Return clDice, and precision, recall and F of the centrelines.

    Args:
        mask: Found vessels, (H, W); the centrelines are its skeleton, with all side branches.
        truth: Drawn vessels, (H, W).
        tolerance: In pixels.

    Raises:
        QualityError: If shapes or types differ from that.
    """
    check_masks("score_centrelines", mask=mask, truth=truth)
    found, drawn = thin(mask), thin(truth)
    length, drawn_length = int(found.sum()), int(drawn.sum())
    on_vessels = _precision(int((found & truth).sum()), length, drawn_length)
    covered = share(int((drawn & mask).sum()), drawn_length)
    precision = _precision(int((distance_to(drawn)[found] <= tolerance).sum()), length, drawn_length)
    recall = share(int((distance_to(found)[drawn] <= tolerance).sum()), drawn_length)
    return {
        "cldice": harmonic_mean(on_vessels, covered),
        "centreline_precision": precision,
        "centreline_recall": recall,
        "centreline_f": harmonic_mean(precision, recall),
    }


def score_topology(mask: Mask, truth: Mask) -> dict[str, float]:
    """Return the errors of the numbers of parts and of holes.

    Args:
        mask: Found vessels, (H, W).
        truth: Drawn vessels, (H, W). Thin ones crumble where a drawing is reduced to a field diameter of 540: hundreds
            of crumbs would hide how many parts there are, so parts of fewer than 20 pixels are left out on both sides.

    Raises:
        QualityError: If shapes or types differ from that.
    """
    check_masks("score_topology", mask=mask, truth=truth)
    (parts, holes), (drawn_parts, drawn_holes) = (betti_numbers(large_parts(one)) for one in (mask, truth))
    return {"betti0_error": float(abs(parts - drawn_parts)), "betti1_error": float(abs(holes - drawn_holes))}


def betti_numbers(mask: Mask) -> tuple[int, int]:
    """Return the number of 8-connected parts of a mask, and that of 4-connected holes in it.

    Args:
        mask: (H, W); beyond its edge all is ground, which is no hole.
    """
    padded = np.pad(mask, 1).astype(np.uint8)
    parts, _ = cv2.connectedComponents(padded, connectivity=8)
    grounds, _ = cv2.connectedComponents(1 - padded, connectivity=4)
    return parts - 1, grounds - 2  # OpenCV counts the pixels that are not asked for as one part more


def large_parts(mask: Mask, smallest: int = SMALLEST_PART) -> Mask:
    """Return a mask without its 8-connected parts of fewer pixels than the smallest that counts."""
    _, labels, statistics, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    large = statistics[:, cv2.CC_STAT_AREA] >= smallest
    large[0] = False  # the ground
    return np.asarray(large[labels], np.bool_)


def thin(mask: Mask) -> Mask:
    """Return the skeleton of a mask, (H, W), lines one pixel wide, by the thinning of Zhang and Suen (1984)."""
    return np.asarray(skeletonize(mask), np.bool_)  # type: ignore[no-untyped-call]


def distance_to(lines: Mask) -> Gray:
    """Return each pixel's distance to the nearest true one, (H, W) in pixels; infinite if there is none."""
    if not lines.any():
        return np.full(lines.shape, np.inf, np.float32)
    return np.asarray(cv2.distanceTransform((~lines).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE), np.float32)


def share(part: float, whole: float) -> float:
    """Return part over whole; NaN if the whole is nothing."""
    return part / whole if whole else nan


def harmonic_mean(first: float, second: float) -> float:
    """Return the harmonic mean; 0 if either is 0, whatever the other one, else NaN if either is NaN."""
    return 2 * first * second / (first + second) if first and second else 0.0


def check_masks(measure: str, **masks: NDArray[np.generic]) -> None:
    """Refuse masks that are no (H, W) arrays of bool of one shape.

    Args:
        measure: Name of the measure, for the message.
        masks: The masks by name.

    Raises:
        QualityError: If a type is another, or shapes differ.
    """
    shapes = {one.shape for one in masks.values()}
    if len(shapes) > 1 or any(one.ndim != 2 or one.dtype != np.bool_ for one in masks.values()):
        found = ", ".join(f"{name} {one.dtype} {one.shape}" for name, one in masks.items())
        raise QualityError(f"{measure}: found {found}; expected arrays of bool, (H, W), of one size")


def _precision(right: int, found: int, drawn: int) -> float:
    """Return the share of what is found that is right: 0 if nothing is found of something drawn."""
    return 0.0 if drawn and not found else share(right, found)
