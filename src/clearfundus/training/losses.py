"""The losses of Zhao et al. (MICCAI 2019), section 2: adversarial, consistency in features or pixels, identity.

Equation (1) as printed would have D maximise a sum that D must minimise; it is read as the usual least-squares loss.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, l1_loss, mse_loss

from clearfundus.training.config import LossSettings

RELATIVE_EPSILON = 1e-8
COARSE_SIDE = 16
"""Pixels, each way, that are averaged before light and colour at large are compared; no vessel is as wide."""


def discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """`1/2 [(D(real) - 1)^2 + D(fake)^2]`, mean over patches (eq. 1).

    Args:
        real: Patch map of a real photograph, (N, 1, h, w).
        fake: Patch map of a translated one.
    """
    return 0.5 * (mse_loss(real, torch.ones_like(real)) + mse_loss(fake, torch.zeros_like(fake)))


def adversarial_loss(fake: Tensor) -> Tensor:
    """`(D(fake) - 1)^2`, mean over patches: what a generator pays (eq. 1).

    Args:
        fake: Patch map of a translated photograph, (N, 1, h, w).
    """
    return mse_loss(fake, torch.ones_like(fake))


def feature_loss(cycled: Sequence[Tensor], real: Sequence[Tensor], settings: LossSettings) -> Tensor:
    """L1 between discriminator features of a photograph and of its way there and back (eq. 3).

    The mean over each layer's elements, then the mean (or sum) over layers. The real photograph's features are
    targets: no gradient flows into them.

    Args:
        cycled: Features of the cycled photograph, shallow to deep.
        real: Features of the real one, the same shapes.
        settings: Layers, reduction, and whether each term is divided by the mean magnitude of the real features.
    """
    terms = []
    for one, target in zip(cycled[: settings.feature_layers], real[: settings.feature_layers], strict=True):
        fixed = target.detach()
        term = l1_loss(one, fixed)
        terms.append(term / (fixed.abs().mean() + RELATIVE_EPSILON) if settings.feature_relative else term)
    stacked = torch.stack(terms)
    return stacked.mean() if settings.feature_reduction == "mean" else stacked.sum()


def coarse_loss(enhanced: Tensor, blurry: Tensor) -> Tensor:
    """L1 between an enhanced photograph and its input at low resolution, each as deviations from its channel means.

    It holds how light and colour are spread over the square at large, so it forbids to repaint them: another camera's
    rim, a shading that was not there, a cast over one part. It leaves free what is finer than 16 pixels, so vessels,
    and the mean of each channel, because a veil that is taken away lowers the level. It is no free gift: a veil also
    flattens the spread at large, and an uneven one adds to it; undoing either costs, so keep the weight low.

    Args:
        enhanced: G_e(x), (N, 3, H, W).
        blurry: x, the same shape.
    """
    spread, wanted = (avg_pool2d(one, COARSE_SIDE) for one in (enhanced, blurry))
    spread, wanted = (one - one.mean(dim=(2, 3), keepdim=True) for one in (spread, wanted))
    return l1_loss(spread, wanted)


def simulated_loss(output: Tensor, truth: Tensor, gradient: float, scales: int = 1) -> Tensor:
    """L1 of the pixels plus `gradient` times the L1 of their differences across and down.

    Args:
        output: The enhanced degraded photograph, (N, 3, H, W).
        truth: The photograph before its degradation.
        gradient: Weight of the second term.
        scales: At how many scales, each half the one before, the differences are taken, to be averaged. Those of
            neighbouring pixels are mostly the camera's noise; vessels show at the coarser scales.
    """
    error = output - truth
    loss = error.abs().mean()
    for scale in range(scales):
        if scale:
            error = avg_pool2d(error, 2)
        across, down = error[..., 1:] - error[..., :-1], error[..., 1:, :] - error[..., :-1, :]
        loss = loss + gradient / scales * (across.abs().mean() + down.abs().mean())
    return loss
