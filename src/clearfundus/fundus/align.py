"""Lay one photograph of an eye over another of the same eye, so that the two can be compared pixel by pixel.

Two shots of one eye differ by a shift, a turn and a scale, and, because the retina is curved and the camera stood
elsewhere, by a little bending: a polynomial of the second order holds both. A pair that is not of one eye, or too
hazy to tell, is refused: then 3 to 6 matches agree by chance. A pair with few, 20 to 50, can be off by a percent of
the diameter.
"""

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from clearfundus.errors import AlignmentError
from clearfundus.fundus.field import Field
from clearfundus.fundus.landmarks import WORKING_DIAMETER, Points, Scaling, find_landmarks, match
from clearfundus.fundus.smoothing import smooth
from clearfundus.photo import Mask, Photo

TOLERANCE = 8 * WORKING_DIAMETER / 900
"""How far from the similarity a match may lie and still agree, in working pixels; the bending needs that much."""
LEAST_INLIERS = 20
"""Fewer matches than this agree by chance."""
LEAST_FOR_QUADRATIC = 30
"""Fewer matches than this do not carry twelve numbers; the similarity's four stay."""
RANSAC_ROUNDS = 5000
RANSAC_CONFIDENCE = 0.999
REFITS = 10
"""Rounds of reweighted least squares; the weights settle within five or six."""
SMALLEST_SPREAD = 0.5
"""Of the residuals, in working pixels: below it all matches weigh the same."""
EXPECTED_BENDING = 0.01
"""How large second-order coefficients are, in field radii. It sets the ridge: few, scattered matches bend little."""
LEAST_REDUCTION = 1.1
"""A photograph that is reduced by more than this is smoothed first, or its detail would alias."""

Model = Literal["similarity", "quadratic"]
Coefficients = NDArray[np.float64]
"""(6, 2): of 1, r, c, r^2, r c, c^2, for row and column; positions are in field radii, see `_terms`."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Alignment:
    """Where each pixel of the fixed photograph lies in the moving one.

    Attributes:
        inliers: How many matches agree with the similarity.
        model: "quadratic", or "similarity" where the matches are too few for it.
        map: (H, W, 2) float32, row and column in the moving photograph of each pixel of the fixed one.
        mask: (H, W), true where both photographs show retina and no pixel from outside either field has a share.
        reduction: Pixels of the moving photograph per pixel of the fixed one, along a side.
        moving_field: The field of the moving photograph.
    """

    inliers: int
    model: Model
    map: NDArray[np.float32]
    mask: Mask
    reduction: float
    moving_field: Field

    def warp(self, photo: Photo) -> Photo:
        """Return the photograph as the fixed one's camera would have seen it, interpolated once.

        Args:
            photo: The moving photograph, or one of the same size made from it.

        Returns:
            A photograph of the fixed one's size, without alpha; only `mask` of it is to be compared.

        Raises:
            AlignmentError: If the photograph has another size than the moving one.
        """
        if photo.pixels.shape[:2] != self.moving_field.mask.shape:
            found, expected = photo.pixels.shape[:2], self.moving_field.mask.shape
            raise AlignmentError(
                f"{photo.name or 'array'}: found {found[1]} x {found[0]} pixels, expected {expected[1]} x "
                f"{expected[0]} as in the photograph that was aligned; give that one or one made from it"
            )
        pixels = photo.pixels
        if self.reduction > LEAST_REDUCTION:
            pixels = smooth(pixels, (self.reduction - 1) / 2, self.moving_field.mask)
        columns, rows = np.ascontiguousarray(self.map[..., 1]), np.ascontiguousarray(self.map[..., 0])
        warped = cv2.remap(pixels, columns, rows, cv2.INTER_CUBIC, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
        provenance = MappingProxyType({**photo.provenance, "aligned": f"{self.model}, {self.inliers} inliers"})
        clipped = np.clip(warped, 0, 1).astype(np.float32, copy=False)
        return replace(photo, pixels=clipped, alpha=None, provenance=provenance)


def align(moving: Photo, moving_field: Field, fixed: Photo, fixed_field: Field) -> Alignment:
    """Find how the moving photograph must be warped to lie over the fixed one; the same twice for the same input.

    Args:
        moving: The photograph that will be warped, usually the clear one.
        moving_field: Its field.
        fixed: The photograph that stays as it is, of the same eye, of any size.
        fixed_field: Its field.

    Raises:
        AlignmentError: If fewer than 20 matches agree.
    """
    here, there = find_landmarks(fixed, fixed_field), find_landmarks(moving, moving_field)
    source, target = match(here, there)
    similarity, agreed = _similarity(source, target)
    inliers = int(agreed.sum())
    if similarity is None or inliers < LEAST_INLIERS:
        raise AlignmentError(
            f"{moving.name or 'array'} on {fixed.name or 'array'}: found {inliers} landmarks that agree among "
            f"{len(source)} matches, expected at least {LEAST_INLIERS}; give two photographs of the same eye that "
            "show the same vessels, or leave the pair out"
        )
    coefficients = similarity
    model: Model = "similarity"
    if inliers >= LEAST_FOR_QUADRATIC:
        coefficients, model = _quadratic(source[agreed], target[agreed], similarity), "quadratic"
    full = _full_map(coefficients, fixed.pixels.shape[:2], here.scaling, there.scaling)
    (down, across), (fixed_down, fixed_across) = there.scaling.factor, here.scaling.factor
    enlargement = np.sqrt(abs(np.linalg.det(coefficients[1:3])))
    return Alignment(
        inliers=inliers,
        model=model,
        map=full,
        mask=fixed_field.mask & _seen(moving_field, full),
        reduction=float(enlargement * np.sqrt(fixed_down * fixed_across / (down * across))),
        moving_field=moving_field,
    )


def _similarity(source: Points, target: Points) -> tuple[Coefficients | None, Mask]:
    """Return the similarity that most matches agree with, and which do; OpenCV's RANSAC draws from a fixed seed."""
    none = np.zeros(len(source), dtype=np.bool_)
    if len(source) < LEAST_INLIERS:
        return None, none
    matrix, agreed = cv2.estimateAffinePartial2D(
        source,
        target,
        method=cv2.RANSAC,
        ransacReprojThreshold=TOLERANCE,
        maxIters=RANSAC_ROUNDS,
        confidence=RANSAC_CONFIDENCE,
    )
    if not np.any(agreed):  # then there is no matrix either
        return None, none
    radius = WORKING_DIAMETER / 2
    # from x' = A x + b in pixels to field radii: x = radius (1 + u) on either side
    shift = (matrix[:, :2].sum(axis=1) - 1) + matrix[:, 2] / radius
    coefficients = np.zeros((6, 2))
    coefficients[0], coefficients[1:3] = shift, matrix[:, :2].T
    return coefficients, agreed.ravel().astype(np.bool_)


def _quadratic(source: Points, target: Points, start: Coefficients) -> Coefficients:
    """Fit the second-order polynomial by reweighted least squares (Cauchy's weights), from the similarity on."""
    radius = WORKING_DIAMETER / 2
    terms = np.stack(_terms(source[:, 0], source[:, 1]), axis=1)
    wanted = target / radius - 1
    second_order = np.diag([0.0, 0, 0, 1, 1, 1])
    coefficients = start
    for _ in range(REFITS):
        distance = np.hypot(*(terms @ coefficients - wanted).T) * radius
        spread = max(1.4826 * float(np.median(distance)), SMALLEST_SPREAD)
        weighted = terms.T / (1 + (distance / (2 * spread)) ** 2)
        # the most likely bending, where it is normal with the expected size and matches scatter by the spread
        ridge = (spread / radius / EXPECTED_BENDING) ** 2 * second_order
        coefficients = np.linalg.solve(weighted @ terms + ridge, weighted @ wanted)
    return coefficients


def _terms(row: NDArray[np.floating], column: NDArray[np.floating]) -> list[NDArray[np.floating]]:
    """Return 1, r, c, r^2, r c, c^2 of working positions, r and c in field radii from a radius in from the corner."""
    radius = WORKING_DIAMETER / 2
    r, c = row / radius - 1, column / radius - 1
    return [np.ones_like(r), r, c, r * r, r * c, c * c]


def _full_map(coefficients: Coefficients, shape: tuple[int, ...], here: Scaling, there: Scaling) -> NDArray[np.float32]:
    """Return for each pixel of the fixed photograph its row and column in the moving one, (H, W, 2)."""
    row = ((np.arange(shape[0]) - here.corner[0] + 0.5) * here.factor[0] - 0.5)[:, None]
    column = ((np.arange(shape[1]) - here.corner[1] + 0.5) * here.factor[1] - 0.5)[None]
    terms = _terms(row, column)
    full = np.empty((*shape[:2], 2), dtype=np.float32)
    for axis in range(2):
        # summed by broadcasting: only r c spans both axes
        place = sum(weight * term for weight, term in zip(coefficients[:, axis], terms, strict=True))
        working = (np.asarray(place) + 1) * (WORKING_DIAMETER / 2)
        full[..., axis] = (working + 0.5) / there.factor[axis] - 0.5 + there.corner[axis]
    return full


def _seen(moving_field: Field, full: NDArray[np.float32]) -> Mask:
    """Return where all sixteen pixels that cubic interpolation reads lie in the moving photograph's field."""
    kernel = np.ones((3, 3), np.uint8)
    inner = cv2.erode(moving_field.mask.astype(np.uint8), kernel, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    columns, rows = np.ascontiguousarray(full[..., 1]), np.ascontiguousarray(full[..., 0])
    share = cv2.remap(inner.astype(np.float32), columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    return np.asarray(share >= 0.999, dtype=np.bool_)
