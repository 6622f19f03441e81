"""PIQE: which share of a picture's lively blocks looks distorted, 0 to 100.

Lower is better; it has no trained parameters. The picture is freed of its local mean and contrast (MSCN coefficients,
as in NIQE) and cut into blocks. A block is active if its variance v exceeds 0.1. An active block has a noticeable
artefact where 6 pixels in a row of one of its four edges are flat, and noise where its deviation stands out (see
`_has_noise`). It costs 1 - v for an artefact, v for noise, so 1 for both.

The fact to know: faint noise, of 1 to 3 levels, breaks up flat edges and improves it by 5 to 20; more noise worsens it.
Haze takes active blocks away and worsens it, but haze under a camera's noise can score better than the clear picture.
A block whose detail is gone is not active and not counted: `blocks` says on how many the value rests.

Source: Venkatanath, Praneeth, Chandrasekhar, Channappayya and Medasani, Blind Image Quality Evaluation Using Perception
Based Features, NCC (2015). Letters of the paper: v is nu_k, sigma_blk is the block's deviation.
"""

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from clearfundus.errors import QualityError
from clearfundus.photo import Mask
from clearfundus.quality.checks import Plane, check_gray
from clearfundus.quality.inside import check_inside, erode
from clearfundus.quality.measured import Measured
from clearfundus.quality.scene_statistics import FLAT_DEVIATION, WINDOW_SIDE, normalize
from clearfundus.quality.view import View

BLOCK_SIDE = 16
ACTIVE_VARIANCE = 0.1
SEGMENT_LENGTH = 6
FLAT_SEGMENT_DEVIATION = 0.1
NOISE_FACTOR = 2
STABILIZER = 1
"""C of the paper; a picture without active blocks gets 100."""
CONVENTIONS = (
    "By the paper's definition, on gray, blocks of 16 x 16 from the top left; MATLAB's piqe as we read it (MATLAB "
    "itself was not run) differed by up to 0.4. Protocol fov: blocks 3 pixels off the field's edge. No trained "
    "parameters. Only active blocks count, and without one it is 100. Faint noise improves it, over haze above all."
)
"""For the table of metrics."""


def piqe(gray: NDArray[np.generic], mask: Mask | None = None) -> Measured:
    """Measure a gray picture.

    Args:
        gray: (H, W), uint8 or float64, whole levels of 0 to 255, at least 16 x 16.
        mask: (H, W): judge only blocks whose windows lie wholly inside, 3 pixels off its edge. None judges the whole
            picture, its last rows and columns repeated up to a multiple of 16.

    Returns:
        The score; `blocks` is the number of active blocks, `flat_share` that of the judged blocks' pixels.

    Raises:
        QualityError: If an array is another, or no block lies inside.
    """
    plane = check_gray(gray, "piqe", BLOCK_SIDE)
    down, across = (-side % BLOCK_SIDE for side in plane.shape)
    normalized = normalize(np.pad(plane, ((0, down), (0, across)), mode="edge"), "nearest")
    judged = np.ones(normalized.deviation.shape, dtype=np.bool_)
    if mask is not None:
        radius = WINDOW_SIDE // 2
        counted = erode(check_inside(mask, gray, "piqe"), radius, "piqe", border_is_edge=False)
        judged = np.pad(counted, ((0, down), (0, across)))
    chosen = _as_blocks(judged).all(axis=(1, 2))
    if not chosen.any():
        raise QualityError(
            f"piqe: found a field that holds no block of {BLOCK_SIDE} x {BLOCK_SIDE} pixels, expected one at least; "
            "use a larger side"
        )
    blocks = _as_blocks(normalized.coefficients)[chosen]
    variance = blocks.var(axis=(1, 2), ddof=1)
    active = variance > ACTIVE_VARIANCE
    blocks, variance = blocks[active], variance[active]
    distortion = np.where(_has_artefact(blocks), 1 - variance, 0) + np.where(_has_noise(blocks, variance), variance, 0)
    return Measured(
        value=100 * float(distortion.sum() + STABILIZER) / (len(blocks) + STABILIZER),
        blocks=len(blocks),
        flat_share=float(np.mean(_as_blocks(normalized.deviation)[chosen] < FLAT_DEVIATION)),
    )


def _as_blocks(plane: NDArray[Any]) -> NDArray[Any]:
    """Cut a plane into blocks, (N, 16, 16), in reading order."""
    rows, columns = (side // BLOCK_SIDE for side in plane.shape)
    cut = plane.reshape(rows, BLOCK_SIDE, columns, BLOCK_SIDE).swapaxes(1, 2)
    return cut.reshape(-1, BLOCK_SIDE, BLOCK_SIDE)


def _has_artefact(blocks: Plane) -> Mask:
    """Say which blocks, (N, 16, 16), have an edge with a flat stretch of 6 pixels."""
    edges = np.stack([blocks[:, 0], blocks[:, -1], blocks[:, :, 0], blocks[:, :, -1]], axis=1)
    deviation = sliding_window_view(edges, SEGMENT_LENGTH, axis=2).std(axis=-1, ddof=1)
    return np.asarray((deviation < FLAT_SEGMENT_DEVIATION).any(axis=(1, 2)), dtype=np.bool_)


def _has_noise(blocks: Plane, variance: Plane) -> Mask:
    """Say which blocks, (N, 16, 16), are noisy: deviation > 2 beta.

    beta is |deviation - ratio| / max(deviation, ratio), and ratio the deviation of the two middle columns over that of
    the other fourteen. MATLAB's piqe, as we read it, leaves the right middle column in and its neighbour out of those.
    Written that way too, it moved scores by up to 0.4 on the photographs of scikit-image and parts of them; MATLAB
    itself was not run.

    Args:
        blocks: Active ones.
        variance: Theirs, (N,).
    """
    deviation = np.sqrt(variance)
    middle = np.s_[BLOCK_SIDE // 2 - 1 : BLOCK_SIDE // 2 + 1]
    centre = blocks[:, :, middle].std(axis=(1, 2), ddof=1)
    surround = np.delete(blocks, middle, axis=2).std(axis=(1, 2), ddof=1)
    with np.errstate(divide="ignore", invalid="ignore"):  # a flat surround: beta is NaN, and there is no noise
        ratio = centre / surround
        beta = np.abs(deviation - ratio) / np.maximum(deviation, ratio)
    return np.asarray(deviation > NOISE_FACTOR * beta, dtype=np.bool_)


def measure_piqe(view: View, reference: View | None = None) -> Measured:
    """Measure a view: in "fov" on the blocks inside the field, in "whole" on the frame.

    Args:
        view: The view.
        reference: Not used.

    Raises:
        QualityError: If the field is too small for one block.
    """
    del reference
    return piqe(view.gray, view.mask if view.protocol == "fov" else None)
