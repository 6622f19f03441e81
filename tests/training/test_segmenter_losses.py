"""The segmenter's losses against closed forms, and what each of them is blind to."""

import math

import pytest
import torch

from clearfundus.training.segmenter_losses import centreline_dice_loss, cross_entropy, dice_loss, soft_skeleton


def plane(rows: slice, columns: slice, side: int = 24) -> torch.Tensor:
    found = torch.zeros(1, 1, side, side)
    found[..., rows, columns] = 1
    return found


BAR = plane(slice(10, 15), slice(3, 21))


def test_cross_entropy_counts_only_inside() -> None:
    logits, target = torch.zeros(1, 1, 2, 2), torch.tensor([[[[1.0, 0.0], [1.0, 0.0]]]])
    inside = torch.tensor([[[[1.0, 1.0], [0.0, 0.0]]]])
    logits[0, 0, 1] = 50.0
    assert float(cross_entropy(logits, target, inside)) == pytest.approx(math.log(2))
    assert float(cross_entropy(logits, target, 0 * inside)) == 0


def test_cross_entropy_of_a_share_is_least_at_that_share() -> None:
    target, inside = torch.full((1, 1, 1, 1), 0.3), torch.ones(1, 1, 1, 1)
    logits = torch.tensor([-2.0, math.log(0.3 / 0.7), 0.0])
    losses = [float(cross_entropy(one.reshape(1, 1, 1, 1), target, inside)) for one in logits]
    assert losses[1] == min(losses)


def test_dice_is_0_for_the_same_and_nearly_1_for_another() -> None:
    assert float(dice_loss(BAR, BAR)) == pytest.approx(0, abs=1e-6)
    other = plane(slice(0, 5), slice(3, 21))
    assert float(dice_loss(BAR, other)) == pytest.approx(1 - 1 / (2 * 90 + 1))


def test_the_skeleton_of_a_bar_five_rows_wide_is_its_middle_row() -> None:
    found = soft_skeleton(BAR)[0, 0]
    assert float(found[12, 8:16].min()) == 1
    assert float(found.sum()) == float(found[12].sum())


def test_cldice_forgives_width_and_punishes_a_gap_more_than_dice_does() -> None:
    narrow = plane(slice(11, 14), slice(3, 21))
    gap = BAR.clone()
    gap[..., 11:13] = 0
    assert float(centreline_dice_loss(narrow, BAR)) < 0.3 * float(dice_loss(narrow, BAR))
    assert float(centreline_dice_loss(gap, BAR)) > float(dice_loss(gap, BAR)) / 2
    assert float(centreline_dice_loss(BAR, BAR)) == pytest.approx(0, abs=1e-6)


def test_every_loss_has_a_gradient() -> None:
    logits = torch.zeros(1, 1, 24, 24, requires_grad=True)
    probability = torch.sigmoid(logits)
    total = cross_entropy(logits, BAR, torch.ones_like(BAR)) + dice_loss(probability, BAR)
    (total + centreline_dice_loss(probability, BAR)).backward()
    assert logits.grad is not None
    assert bool(torch.isfinite(logits.grad).all())
    assert float(logits.grad[BAR > 0].mean()) < 0
