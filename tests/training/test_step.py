import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss

from clearfundus.training import step
from clearfundus.training.config import RunSettings
from clearfundus.training.losses import simulated_loss
from clearfundus.training.step import (
    Batch,
    Discriminators,
    Translation,
    Translator,
    simulated_losses,
    unpaired_losses,
)
from tiny_run import random_batch, random_pictures, tiny_settings


def built(settings: RunSettings) -> tuple[Translator, Discriminators]:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return Translator(settings), Discriminators(settings)


def with_loss(**weights: float) -> RunSettings:
    """Return settings in which only the named losses count."""
    return tiny_settings(loss={"adversarial": 0, "feature": 0, "identity": 0, **weights})


def losses(
    settings: RunSettings, batch: Batch
) -> tuple[Translator, Discriminators, Translation, Tensor, dict[str, Tensor]]:
    translator, judges = built(settings)
    made = translator(batch)
    return translator, judges, made, *unpaired_losses(judges, batch, made, settings)


def number(scalar: Tensor) -> float:
    return scalar.detach().item()


def total_gradient(network: nn.Module) -> float:
    return sum(number(p.grad.abs().sum()) for p in network.parameters() if p.grad is not None)


def has_no_gradient(network: nn.Module) -> bool:
    return all(parameter.grad is None for parameter in network.parameters())


def test_one_pass_translates_as_the_two_generators_do_one_by_one() -> None:
    translator, _ = built(tiny_settings())
    batch = random_batch(count=2, pairs=1)
    made = translator(batch)
    enhance, blur = translator.enhancer, translator.blurrer
    expected = Translation(
        enhanced=enhance(batch.blurry),
        blurred=blur(batch.clear),
        blurry_cycled=blur(enhance(batch.blurry)),
        clear_cycled=enhance(blur(batch.clear)),
        blurry_same=blur(batch.blurry),
        clear_same=enhance(batch.clear),
        restored=enhance(batch.degraded),
    )
    for name, found, wanted in zip(Translation._fields, made, expected, strict=True):
        assert torch.allclose(found, wanted, atol=1e-5), name


def test_the_feature_constraint_trains_both_generators_and_no_discriminator() -> None:
    # a public code of the same idea detaches both sides: its loss trains nothing (METHOD.md)
    translator, judges, _, loss, _ = losses(with_loss(feature=10), random_batch())
    loss.backward()
    assert total_gradient(translator.enhancer) > 0
    assert total_gradient(translator.blurrer) > 0
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in translator.enhancer.head.parameters())
    assert has_no_gradient(judges)


def test_no_loss_of_the_generators_reaches_a_discriminator_and_all_can_still_be_trained() -> None:
    settings = tiny_settings(loss={"image": 1, "simulated": 1})
    translator, judges, _, loss, _ = losses(settings, random_batch(pairs=1))
    loss.backward()
    assert total_gradient(translator) > 0
    assert has_no_gradient(judges)
    assert all(parameter.requires_grad for parameter in judges.parameters())
    judges.clear(random_pictures(1, 3))[0].mean().backward()
    assert total_gradient(judges.clear) > 0


def test_the_features_of_the_real_photographs_are_targets() -> None:
    batch = random_batch()
    batch.blurry.requires_grad_()
    batch.clear.requires_grad_()
    translator, judges = built(with_loss(feature=10))
    made = Translation(*(one.detach() for one in translator(batch)))
    cycled = made._replace(blurry_cycled=made.blurry_cycled.requires_grad_())
    unpaired_losses(judges, batch, cycled, with_loss(feature=10))[0].backward()
    assert batch.blurry.grad is None
    assert batch.clear.grad is None
    assert cycled.blurry_cycled.grad.abs().sum() > 0


def test_the_feature_constraint_holds_x_in_the_judge_of_blurry_and_y_in_that_of_clear_ones() -> None:
    settings, batch = with_loss(feature=10), random_batch()
    _, judges, made, loss, terms = losses(settings, batch)
    by_hand = torch.zeros(())
    for judge, real, cycled in (
        (judges.blurry, batch.blurry, made.blurry_cycled),
        (judges.clear, batch.clear, made.clear_cycled),
    ):
        layers = zip(judge(cycled)[1], judge(real)[1], strict=True)
        by_hand = by_hand + sum((one - other).abs().mean() for one, other in layers) / 5
    assert number(terms["feature"]) == pytest.approx(number(by_hand), rel=1e-5)
    assert number(loss) == pytest.approx(10 * number(by_hand), rel=1e-5)


def test_the_norm_of_the_real_features_is_logged_and_not_trained_by() -> None:
    settings, batch = with_loss(feature=10), random_batch()
    _, judges, _, loss, terms = losses(settings, batch)
    norms = [
        torch.stack([layer.abs().mean() for layer in judge(real)[1]]).mean()
        for judge, real in ((judges.blurry, batch.blurry), (judges.clear, batch.clear))
    ]
    assert number(terms["feature_norm"]) == pytest.approx(number(sum(norms)) / 2, rel=1e-5)
    assert not terms["feature_norm"].requires_grad
    assert number(loss) == pytest.approx(10 * number(terms["feature"]))


def test_identity_and_image_terms_by_hand() -> None:
    batch = random_batch()
    _, _, made, _, terms = losses(tiny_settings(), batch)
    identity = l1_loss(made.clear_same, batch.clear) + l1_loss(made.blurry_same, batch.blurry)  # eq. 4
    image = l1_loss(made.blurry_cycled, batch.blurry) + l1_loss(made.clear_cycled, batch.clear)  # eq. 2
    assert number(terms["identity"]) == pytest.approx(number(identity))
    assert number(terms["image"]) == pytest.approx(number(image))


def test_the_adversarial_term_asks_each_judge_about_the_fake_of_its_side() -> None:
    batch = random_batch()
    _, judges, made, loss, terms = losses(with_loss(adversarial=1), batch)
    clear, blurry = judges.clear(made.enhanced)[0], judges.blurry(made.blurred)[0]
    by_hand = ((clear - 1) ** 2).mean() + ((blurry - 1) ** 2).mean()
    assert number(loss) == pytest.approx(number(by_hand), rel=1e-5)
    assert number(terms["adversarial"]) == pytest.approx(number(by_hand), rel=1e-5)


def test_the_papers_loss_is_the_sum_with_weights_1_10_10() -> None:
    _, _, _, loss, terms = losses(tiny_settings(), random_batch())
    by_hand = number(terms["adversarial"]) + 10 * number(terms["feature"]) + 10 * number(terms["identity"])
    assert number(loss) == pytest.approx(by_hand, rel=1e-5)


def test_image_10_and_feature_0_is_the_ablation_without_the_feature_constraint() -> None:
    _, judges, _, loss, terms = losses(tiny_settings(loss={"feature": 0, "image": 10}), random_batch())
    by_hand = number(terms["adversarial"]) + 10 * number(terms["image"]) + 10 * number(terms["identity"])
    assert number(loss) == pytest.approx(by_hand, rel=1e-5)
    assert "feature" not in terms
    loss.backward()
    assert has_no_gradient(judges)


def test_the_anchor_is_a_small_image_term_beside_the_feature_constraint() -> None:
    batch = random_batch()
    plain = losses(tiny_settings(), batch)[3]
    _, _, _, anchored, terms = losses(tiny_settings(loss={"image": 0.5}), batch)
    assert number(anchored - plain) == pytest.approx(0.5 * number(terms["image"]), rel=1e-3)


def test_the_image_term_trains_both_generators() -> None:
    translator, _, _, loss, _ = losses(with_loss(image=10), random_batch())
    loss.backward()
    assert total_gradient(translator.enhancer) > 0
    assert total_gradient(translator.blurrer) > 0


def test_the_adversarial_term_alone_trains_each_generator_by_its_own_judge() -> None:
    translator, judges = built(with_loss(adversarial=1))
    batch = random_batch()
    made = translator(batch)
    with torch.no_grad():
        for parameter in judges.blurry.parameters():
            parameter.zero_()  # this judge tells nothing any more
    unpaired_losses(judges, batch, made, with_loss(adversarial=1))[0].backward()
    assert total_gradient(translator.enhancer) > 0
    assert total_gradient(translator.blurrer) == 0


def test_simulated_pairs_may_be_kept_up_beside_the_papers_losses() -> None:
    settings, batch = tiny_settings(loss={"simulated": 5}), random_batch(pairs=1)
    _, _, made, loss, terms = losses(settings, batch)
    plain = losses(tiny_settings(), batch)[3]
    by_hand = simulated_loss(made.restored, batch.truth, settings.simulated.gradient)
    assert number(terms["simulated"]) == pytest.approx(number(by_hand), rel=1e-5)
    assert number(loss - plain) == pytest.approx(5 * number(by_hand), rel=1e-3)


def test_rounding_to_8_bits_changes_values_and_lets_the_gradient_through() -> None:
    picture = torch.tensor([-1.3, -1.0, 0.0031, 0.5, 1.0, 1.3], requires_grad=True)
    rounded = step._as_8_bit(picture)
    # by hand: 127.5 v + 127.5 is 0, 0, 127.895, 191.25, 255, 255 after clipping; rounded 0, 0, 128, 191, 255, 255
    expected = torch.tensor([0, 0, 128, 191, 255, 255]) / 127.5 - 1
    assert torch.allclose(rounded, expected, atol=1e-6)
    rounded.sum().backward()
    assert torch.equal(picture.grad, torch.ones(6))


def test_rounding_to_8_bits_yields_8_bit_levels_also_in_bf16() -> None:
    picture = torch.linspace(-1, 1, 1001).bfloat16()
    rounded = step._as_8_bit(picture)
    levels = rounded * 127.5 + 127.5
    assert rounded.dtype == torch.float32
    assert (levels - levels.round()).abs().max() < 1e-3


def test_the_noise_of_the_cycle_reaches_the_way_back_only() -> None:
    translator, _ = built(tiny_settings())
    quiet, noisy = random_batch(), random_batch(noise=True)
    one, other = translator(quiet), translator(noisy)
    for name in ("enhanced", "blurred", "blurry_same", "clear_same"):
        assert torch.equal(getattr(one, name), getattr(other, name))
    for name in ("blurry_cycled", "clear_cycled"):
        assert not torch.equal(getattr(one, name), getattr(other, name))
    noise_on_x, noise_on_y = noisy.noise.chunk(2)
    by_hand = translator.blurrer(step._as_8_bit(other.enhanced) + noise_on_x)
    assert torch.allclose(other.blurry_cycled, by_hand, atol=1e-5)
    by_hand = translator.enhancer(step._as_8_bit(other.blurred) + noise_on_y)
    assert torch.allclose(other.clear_cycled, by_hand, atol=1e-5)


def test_the_gradient_of_the_cycle_passes_the_rounding_to_the_first_generator() -> None:
    translator, judges = built(with_loss(image=1))
    batch = random_batch(noise=True)
    made = translator(batch)
    l1_loss(made.blurry_cycled, batch.blurry).backward()
    assert total_gradient(translator.enhancer) > 0
    assert has_no_gradient(judges)


def test_a_pass_over_simulated_pairs_makes_only_what_they_need() -> None:
    translator, _ = built(tiny_settings())
    batch = random_batch(count=0, pairs=2)
    made = translator(batch, with_cycle=False, with_blurrer=True)
    assert torch.allclose(made.restored, translator.enhancer(batch.degraded), atol=1e-6)
    assert torch.allclose(made.blurred, translator.blurrer(batch.truth), atol=1e-6)
    without = translator(batch, with_cycle=False, with_blurrer=False)
    assert torch.equal(without.restored, made.restored)
    assert all(len(one) == 0 for name, one in without._asdict().items() if name != "restored")


@pytest.mark.parametrize("with_blurrer", [False, True])
def test_the_stage_of_simulated_pairs_trains_the_enhancer_back_and_the_blurrer_forth(with_blurrer: bool) -> None:
    settings = tiny_settings(simulated={"gradient": 3.0})
    translator, _ = built(settings)
    batch = random_batch(count=0, pairs=2)
    made = translator(batch, with_cycle=False, with_blurrer=with_blurrer)
    loss, terms = simulated_losses(batch, made, settings)
    by_hand = number(simulated_loss(made.restored, batch.truth, 3.0))
    assert number(terms["simulated"]) == pytest.approx(by_hand)
    if with_blurrer:
        back = number(simulated_loss(made.blurred, batch.degraded, 3.0))
        assert number(terms["simulated_blur"]) == pytest.approx(back)
        by_hand += back
    assert number(loss) == pytest.approx(by_hand)
    loss.backward()
    assert total_gradient(translator.enhancer) > 0
    assert has_no_gradient(translator.blurrer) is not with_blurrer


def test_the_judges_are_shown_their_own_side() -> None:
    _, judges = built(tiny_settings())
    clear, blurry = random_pictures(1, 1), random_pictures(1, 2)
    on_clear, on_blurry = judges(clear, blurry)
    assert torch.equal(on_clear, judges.clear(clear)[0])
    assert torch.equal(on_blurry, judges.blurry(blurry)[0])
