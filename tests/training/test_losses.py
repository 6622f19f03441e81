import pytest
import torch
from torch import Tensor

from clearfundus.training.config import LossSettings
from clearfundus.training.losses import adversarial_loss, coarse_loss, discriminator_loss, feature_loss, simulated_loss


def patches(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float32).view(1, 1, 1, -1)


def test_the_discriminators_loss_by_hand() -> None:
    # 1/2 [((2 - 1)^2 + (0 - 1)^2) / 2  +  (0.5^2 + (-1)^2) / 2] = 1/2 [1 + 0.625]
    assert float(discriminator_loss(patches(2, 0), patches(0.5, -1))) == pytest.approx(0.8125)


def test_the_discriminators_loss_is_least_where_real_is_1_and_fake_is_0() -> None:
    # eq. (1) as printed would have D maximise this; it is read the other way round
    assert float(discriminator_loss(patches(1, 1), patches(0, 0))) == 0
    assert float(discriminator_loss(patches(0, 0), patches(1, 1))) == pytest.approx(1)


def test_the_adversarial_loss_by_hand() -> None:
    # ((0.5 - 1)^2 + (-1 - 1)^2) / 2 = (0.25 + 4) / 2; no half here
    assert float(adversarial_loss(patches(0.5, -1))) == pytest.approx(2.125)
    assert float(adversarial_loss(patches(1, 1))) == 0


REAL = [torch.tensor([1.0, -1.0, 3.0, 3.0]), torch.tensor([10.0, 30.0]), torch.tensor([0.0])]
CYCLED = [torch.tensor([1.0, 1.0, 2.0, 3.0]), torch.tensor([20.0, 20.0]), torch.tensor([6.0])]
# by hand: mean absolute differences of the layers are (0 + 2 + 1 + 0) / 4 = 0.75, (10 + 10) / 2 = 10, and 6;
# mean magnitudes of the real features are 8 / 4 = 2, 40 / 2 = 20, and 0


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"feature_layers": 3}, (0.75 + 10 + 6) / 3),
        ({"feature_layers": 3, "feature_reduction": "sum"}, 0.75 + 10 + 6),
        ({"feature_layers": 2}, (0.75 + 10) / 2),
        ({"feature_layers": 1}, 0.75),
        ({"feature_layers": 2, "feature_relative": True}, (0.75 / 2 + 10 / 20) / 2),
        ({"feature_layers": 2, "feature_relative": True, "feature_reduction": "sum"}, 0.75 / 2 + 10 / 20),
    ],
)
def test_the_feature_loss_by_hand(options: dict[str, object], expected: float) -> None:
    assert float(feature_loss(CYCLED, REAL, LossSettings(**options))) == pytest.approx(expected)


def test_the_mean_over_a_layer_does_not_depend_on_its_size() -> None:
    settings = LossSettings(feature_layers=2)
    large = [REAL[0].repeat(100), REAL[1]], [CYCLED[0].repeat(100), CYCLED[1]]
    assert float(feature_loss(large[1], large[0], settings)) == pytest.approx((0.75 + 10) / 2)


def test_features_that_are_0_do_not_divide_by_0() -> None:
    loss = feature_loss([torch.ones(2)], [torch.zeros(2)], LossSettings(feature_layers=1, feature_relative=True))
    assert torch.isfinite(loss)


@pytest.mark.parametrize("relative", [False, True])
def test_the_real_features_are_targets_and_take_no_gradient(relative: bool) -> None:
    real, cycled = torch.tensor([2.0, 4.0], requires_grad=True), torch.tensor([3.0, 1.0], requires_grad=True)
    feature_loss([cycled], [real], LossSettings(feature_layers=1, feature_relative=relative)).backward()
    assert real.grad is None
    # d/dc mean|c - r| = sign(c - r) / 2; relative: divided by the mean magnitude 3
    assert torch.allclose(cycled.grad, torch.tensor([0.5, -0.5]) / (3 if relative else 1))


def test_feature_lists_of_different_length_are_an_error() -> None:
    with pytest.raises(ValueError, match="zip"):
        feature_loss(CYCLED[:2], REAL, LossSettings())


def test_the_loss_of_simulated_pairs_by_hand() -> None:
    truth = torch.zeros(1, 1, 2, 2)
    output = torch.tensor([[[[1.0, 3.0], [0.0, -2.0]]]])
    # pixels (1 + 3 + 0 + 2) / 4 = 1.5; across |3 - 1|, |-2 - 0|, mean 2; down |0 - 1|, |-2 - 3|, mean 3
    assert float(simulated_loss(output, truth, 0.0)) == pytest.approx(1.5)
    assert float(simulated_loss(output, truth, 2.0)) == pytest.approx(1.5 + 2 * (2 + 3))


def test_a_constant_error_costs_pixels_but_no_gradients() -> None:
    truth = torch.rand(2, 3, 5, 5)
    assert float(simulated_loss(truth + 0.25, truth, 100.0)) == pytest.approx(0.25, abs=1e-4)


def test_the_coarser_scales_compare_the_gradients_of_pooled_pictures() -> None:
    error = torch.tensor([[0.0, 1.0, 0.0, 1.0]] * 4).reshape(1, 1, 4, 4)
    # Mean of pixels 0.5. Scale 1: differences across all 1, down all 0. Scale 2: every 2x2 mean is 0.5, no difference.
    # So 0.5 + 3 / 2 * (1 + 0) = 2.0 with two scales, and 0.5 + 3 * 1 = 3.5 with one.
    nothing = torch.zeros_like(error)
    assert simulated_loss(error, nothing, 3.0, 2).item() == pytest.approx(2.0)
    assert simulated_loss(error, nothing, 3.0).item() == pytest.approx(3.5)


def test_the_coarse_loss_leaves_levels_and_vessels_free() -> None:
    blurry = torch.rand((1, 3, 64, 64), generator=torch.Generator().manual_seed(0)) - 0.5
    veil = torch.tensor([0.3, -0.1, 0.2]).view(1, 3, 1, 1)
    stripes = torch.tensor([0.4, -0.4]).repeat(32)  # finer than 16 pixels, and 0 on average
    assert float(coarse_loss(blurry + veil + stripes, blurry)) < 1e-6


def test_the_coarse_loss_of_a_repainted_half_by_hand() -> None:
    blurry = torch.zeros(1, 3, 64, 64)
    painted = blurry.clone()
    painted[:, 0, :, :32] = 0.6  # the mean of red is 0.3, so each cell deviates by 0.3, in one channel of three
    assert float(coarse_loss(painted, blurry)) == pytest.approx(0.1)
    painted.requires_grad_(True)
    coarse_loss(painted, blurry).backward()
    assert painted.grad is not None
    assert painted.grad[:, 0].abs().min() > 0
