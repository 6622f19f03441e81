"""One iteration of each stage, from tensors to losses. Both backward passes see the same weights.

The paper's letters: `G_e` enhancer, `G_b` blurrer, `D_e` and `D_b` the judges of clear and of blurry photographs,
x blurry, y clear, `y^ = G_e(x)`, `x^ = G_b(y)`.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss

from clearfundus.networks.discriminator import Discriminator
from clearfundus.networks.generator import Generator
from clearfundus.training.config import LossSettings, RunSettings
from clearfundus.training.losses import adversarial_loss, coarse_loss, feature_loss, simulated_loss


class Translation(NamedTuple):
    """What the generators make of a batch; each (N, 3, H, W)."""

    enhanced: Tensor
    """y^ = G_e(x)"""
    blurred: Tensor
    """x^ = G_b(y)"""
    blurry_cycled: Tensor
    """G_b(G_e(x))"""
    clear_cycled: Tensor
    """G_e(G_b(y))"""
    blurry_same: Tensor
    """G_b(x)"""
    clear_same: Tensor
    """G_e(y)"""
    restored: Tensor
    """G_e of simulated degraded photographs; empty where there are none."""


class Batch(NamedTuple):
    """What one iteration sees; each tensor (N, 3, H, W) in [-1, 1]."""

    blurry: Tensor
    """x"""
    clear: Tensor
    """y"""
    degraded: Tensor
    """Simulated degraded photographs; N may be 0."""
    truth: Tensor
    """The same before their degradation."""
    noise: Tensor | None
    """Noise for the way back of y^ and x^, (2N, 3, H, W), or None."""


class Translator(nn.Module):
    """The two generators."""

    def __init__(self, settings: RunSettings) -> None:
        """Build both with torch's current generator."""
        super().__init__()
        self.enhancer = Generator(settings.generator)
        self.blurrer = Generator(settings.generator)

    def forward(self, batch: Batch, with_cycle: bool = True, with_blurrer: bool = True) -> Translation:
        """Translate a batch.

        Args:
            batch: The pictures.
            with_cycle: Whether to translate unpaired photographs there and back (the paper's stage), or simulated
                pairs only.
            with_blurrer: In the latter case, whether to blur the clear ones as well.
        """
        if not with_cycle:
            empty = batch.degraded[:0]
            blurred = self.blurrer(batch.truth) if with_blurrer else empty
            return Translation(empty, blurred, empty, empty, empty, empty, self.enhancer(batch.degraded))
        count = len(batch.blurry)
        # instance norm treats each picture by itself, so one call serves several
        made = self.enhancer(torch.cat([batch.blurry, batch.clear, batch.degraded]))
        enhanced, clear_same, restored = made[:count], made[count : 2 * count], made[2 * count :]
        blurred, blurry_same = self.blurrer(torch.cat([batch.clear, batch.blurry])).chunk(2)
        back = [enhanced, blurred]
        if batch.noise is not None:
            back = [_as_8_bit(one) + noise for one, noise in zip(back, batch.noise.chunk(2), strict=True)]
        return Translation(
            enhanced,
            blurred,
            self.blurrer(back[0]),
            self.enhancer(back[1]),
            blurry_same,
            clear_same,
            restored,
        )


def _as_8_bit(picture: Tensor) -> Tensor:
    """Round to 8 bits, letting the gradient through; in fp32, for bf16 cannot tell neighbouring levels apart."""
    picture = picture.float()
    rounded = (picture.detach().clamp(-1, 1) * 127.5 + 127.5).round() / 127.5 - 1
    return picture + (rounded - picture.detach())


class Discriminators(nn.Module):
    """The two judges."""

    def __init__(self, settings: RunSettings) -> None:
        """Build both with torch's current generator."""
        super().__init__()
        self.clear = Discriminator(settings.discriminator)
        self.blurry = Discriminator(settings.discriminator)

    def forward(self, clear: Tensor, blurry: Tensor) -> tuple[Tensor, Tensor]:
        """Return the patch maps of pictures shown to the judge of clear and to that of blurry ones."""
        return self.clear(clear)[0], self.blurry(blurry)[0]


def unpaired_losses(
    judges: Discriminators, batch: Batch, made: Translation, settings: RunSettings
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the generators' loss of the paper's stage, and its terms, unweighted, for the log.

    The judges' weights take no gradient from it.
    """
    weights = settings.loss
    judges.requires_grad_(False)
    fake_clear, fake_blurry = judges.clear(made.enhanced)[0], judges.blurry(made.blurred)[0]
    terms = {
        "adversarial": adversarial_loss(fake_clear.float()) + adversarial_loss(fake_blurry.float()),
        "image": l1_loss(made.blurry_cycled.float(), batch.blurry) + l1_loss(made.clear_cycled.float(), batch.clear),
        "identity": l1_loss(made.clear_same.float(), batch.clear) + l1_loss(made.blurry_same.float(), batch.blurry),
    }
    if weights.feature > 0:
        terms |= _feature_terms(judges, batch, made, weights)
    if weights.coarse > 0:
        terms["coarse"] = coarse_loss(made.enhanced.float(), batch.blurry)
    if weights.simulated > 0:
        terms["simulated"] = simulated_loss(made.restored.float(), batch.truth, *settings.simulated.loss_terms)
    judges.requires_grad_(True)
    used = {name: getattr(weights, name, 0.0) for name in terms}  # the norm of the features has no weight
    return torch.stack([weight * terms[name] for name, weight in used.items() if weight > 0]).sum(), terms


def _feature_terms(judges: Discriminators, batch: Batch, made: Translation, weights: LossSettings) -> dict[str, Tensor]:
    loss = batch.blurry.new_zeros(())
    norm = batch.blurry.new_zeros(())
    cases = (
        (judges.blurry, batch.blurry, made.blurry_cycled),
        (judges.clear, batch.clear, made.clear_cycled),
    )
    for judge, real, cycled in cases:
        with torch.no_grad():
            targets = [layer.float() for layer in judge(real)[1]]
        loss = loss + feature_loss([layer.float() for layer in judge(cycled)[1]], targets, weights)
        # logged, because the loss also falls to 0 when the features themselves do
        norm = norm + torch.stack([layer.abs().mean() for layer in targets]).mean() / len(cases)
    return {"feature": loss, "feature_norm": norm}


def simulated_losses(batch: Batch, made: Translation, settings: RunSettings) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the generators' loss of the stage of simulated pairs, and its terms."""
    how = settings.simulated.loss_terms
    terms = {"simulated": simulated_loss(made.restored.float(), batch.truth, *how)}
    if len(made.blurred):
        terms["simulated_blur"] = simulated_loss(made.blurred.float(), batch.degraded, *how)
    return torch.stack(list(terms.values())).sum(), terms
