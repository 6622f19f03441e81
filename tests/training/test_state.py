import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from clearfundus.errors import DeviceError, NonFiniteLossError
from clearfundus.networks import device as devices
from clearfundus.training import state as states
from clearfundus.training.config import RunSettings
from clearfundus.training.distributed import Ranks
from clearfundus.training.losses import discriminator_loss
from clearfundus.training.state import State, Trainer, new_state
from clearfundus.training.step import Batch, Translator, simulated_losses, unpaired_losses
from tiny_run import random_batch, tiny_settings

CPU = torch.device("cpu")


def trainer(settings: RunSettings) -> Trainer:
    return Trainer(new_state(settings, CPU), settings, CPU, Ranks())


def everything(state: State) -> dict[str, object]:
    """Return a deep copy of all that changes in the course of a run."""
    return copy.deepcopy(
        {
            "step": state.step,
            **{name: network.state_dict() for name, network in state.networks.items()},
            **{name: one.state_dict()["state"] for name, one in state.optimizers.items()},
            "pools": (state.clear_pool, state.blurry_pool),
        }
    )


def equal(one: object, other: object) -> bool:
    if isinstance(one, Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, tuple):
        return len(one) == len(other) and all(equal(*both) for both in zip(one, other, strict=True))
    return one == other


def weights_of(network: nn.Module) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in network.parameters()]


def same(one: list[Tensor], other: list[Tensor]) -> bool:
    return all(torch.equal(*both) for both in zip(one, other, strict=True))


def close(one: list[Tensor], other: list[Tensor], atol: float = 1e-7) -> bool:
    return all(torch.allclose(*both, rtol=0, atol=atol) for both in zip(one, other, strict=True))


def test_the_same_seed_gives_the_same_networks_and_another_seed_others() -> None:
    one, again, other = (everything(new_state(tiny_settings(seed=seed), CPU)) for seed in (3, 3, 4))
    assert equal(one, again)
    assert not equal(one["translator"], other["translator"])
    assert not equal(one["judges"], other["judges"])


def test_a_new_state_leaves_the_callers_random_state_alone_and_does_not_depend_on_it() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        first = everything(new_state(tiny_settings(), CPU))
        torch.manual_seed(2)
        before = torch.random.get_rng_state()
        second = everything(new_state(tiny_settings(), CPU))
        assert torch.equal(torch.random.get_rng_state(), before)
    assert equal(first, second)


def test_a_new_state_leaves_the_random_states_of_cuda_devices_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    seeded: list[int] = []
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeded.append)
    new_state(tiny_settings(seed=5), CPU)
    assert seeded == []


def test_the_first_weights_are_those_that_torch_draws_from_the_seed() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(5)
        drawn = weights_of(Translator(tiny_settings()))
    assert same(weights_of(new_state(tiny_settings(seed=5), CPU).translator), drawn)


@pytest.mark.parametrize("steps", [0, 2])
def test_weights_without_gradient_are_looked_for_only_where_the_blurrer_may_rest(
    steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrapped: list[bool] = []

    def wrap(network: nn.Module, find_unused_parameters: bool = False) -> nn.Module:
        wrapped.append(find_unused_parameters)
        return network

    monkeypatch.setattr(states, "DistributedDataParallel", wrap)
    settings = tiny_settings(simulated={"steps": steps})
    Trainer(new_state(settings, CPU), settings, CPU, Ranks(count=2))
    assert wrapped == [steps > 0, False]  # generators, discriminators


def test_the_networks_start_apart_and_the_average_at_the_generators() -> None:
    state = new_state(tiny_settings(), CPU)
    assert not same(weights_of(state.translator.enhancer), weights_of(state.translator.blurrer))
    assert not same(weights_of(state.judges.clear), weights_of(state.judges.blurry))
    assert same(weights_of(state.average), weights_of(state.translator))
    assert not any(parameter.requires_grad for parameter in state.average.parameters())


def test_the_optimizers_are_adam_with_betas_0_5_and_0_999() -> None:
    state = new_state(tiny_settings(), CPU)  # METHOD.md "Training"
    for optimizer in state.optimizers.values():
        assert type(optimizer) is torch.optim.Adam
        assert optimizer.defaults["betas"] == (0.5, 0.999)
        assert optimizer.defaults["weight_decay"] == 0


def test_both_sides_of_an_unpaired_iteration_see_the_same_weights() -> None:
    # by hand: the losses at the old weights, one gradient each, and one step of a fresh Adam each
    settings, batch = tiny_settings(unpaired={"learning_rate": 1e-3, "discriminator_rate": 2e-3}), random_batch(count=2)
    expected, found = new_state(settings, CPU), trainer(settings)
    made = expected.translator(batch)
    loss, _ = unpaired_losses(expected.judges, batch, made, settings)
    loss.backward()
    judge_loss = discriminator_loss(
        expected.judges.clear(batch.clear)[0], expected.judges.clear(made.enhanced.detach())[0]
    ) + discriminator_loss(expected.judges.blurry(batch.blurry)[0], expected.judges.blurry(made.blurred.detach())[0])
    judge_loss.backward()
    torch.optim.Adam(expected.translator.parameters(), lr=1e-3, betas=(0.5, 0.999)).step()
    torch.optim.Adam(expected.judges.parameters(), lr=2e-3, betas=(0.5, 0.999)).step()
    terms = found.advance(batch)
    # Adam's first step is rate * sign(gradient): where a gradient is all but 0, as of biases before a norm, rounding
    # decides on the sign; so compare the weights before no norm, and all others by their share
    for name in ("translator", "judges"):
        pairs = zip(weights_of(expected.networks[name]), weights_of(found.state.networks[name]), strict=True)
        differing = [(one - other).abs() > 1e-5 for one, other in pairs if one.ndim == 4]
        assert torch.cat([one.flatten() for one in differing]).float().mean() < 0.01
    assert float(terms["judge_clear"] + terms["judge_blurry"]) == pytest.approx(judge_loss.item(), rel=1e-5)


def test_a_simulated_iteration_is_one_step_of_adam_on_the_pairs() -> None:
    settings = tiny_settings(simulated={"steps": 4, "learning_rate": 1e-3, "blurrer_every": 1})
    batch = random_batch(count=0, pairs=2)
    expected, found = new_state(settings, CPU), trainer(settings)
    made = expected.translator(batch, with_cycle=False)
    simulated_losses(batch, made, settings)[0].backward()
    torch.optim.Adam(expected.translator.parameters(), lr=1e-3, betas=(0.5, 0.999)).step()
    judges = weights_of(found.state.judges)
    found.advance(batch)
    assert close(weights_of(expected.translator), weights_of(found.state.translator))
    assert same(weights_of(found.state.judges), judges)


def test_the_rates_follow_the_schedule_of_their_stage() -> None:
    settings = tiny_settings(
        simulated={"steps": 2, "learning_rate": 0.5},
        unpaired={"steps": 4, "learning_rate": 0.01, "discriminator_rate": 0.02},
    )
    one = trainer(settings)
    rates = []
    for step in range(6):
        one.advance(random_batch(count=0, pairs=1) if step < 2 else random_batch())
        rates.append([optimizer.param_groups[0]["lr"] for optimizer in one.state.optimizers.values()])
    assert [rate for rate, _ in rates] == pytest.approx([0.5, 0.5, 0.01, 0.01, 0.01, 0.005])
    assert [rate for _, rate in rates[2:]] == pytest.approx([0.02, 0.02, 0.02, 0.01])


def test_the_average_follows_the_generators_closely_at_first() -> None:
    one = trainer(tiny_settings(ema=0.9, unpaired={"steps": 200}))
    for step in range(3):
        before = weights_of(one.state.average)
        one.advance(random_batch())
        decay = (1 + step) / (10 + step)  # less than 0.9 up to the 80th iteration
        wanted = [
            decay * old + (1 - decay) * new for old, new in zip(before, weights_of(one.state.translator), strict=True)
        ]
        assert close(weights_of(one.state.average), wanted)
    one.state.step = 100  # (1 + 100) / (10 + 100) = 0.918 is above 0.9
    before = weights_of(one.state.average)
    one.advance(random_batch())
    wanted = [0.9 * old + 0.1 * new for old, new in zip(before, weights_of(one.state.translator), strict=True)]
    assert close(weights_of(one.state.average), wanted)


@pytest.mark.parametrize(("every", "expected"), [(0, []), (1, [0, 1, 2, 3]), (3, [0, 3])])
def test_the_blurrer_is_trained_in_every_nth_simulated_iteration(every: int, expected: list[int]) -> None:
    one = trainer(tiny_settings(simulated={"steps": 4, "blurrer_every": every}))
    moved = []
    for step in range(4):
        blurrer, enhancer = weights_of(one.state.translator.blurrer), weights_of(one.state.translator.enhancer)
        terms = one.advance(random_batch(count=0, pairs=1))
        assert not same(weights_of(one.state.translator.enhancer), enhancer)
        if not same(weights_of(one.state.translator.blurrer), blurrer):
            moved.append(step)
        assert ("simulated_blur" in terms) is (step in expected)
    assert moved == expected


def test_the_pools_keep_the_fakes_of_their_side() -> None:
    one = trainer(tiny_settings(unpaired={"pool": 2}))
    for seed in range(2):
        batch = random_batch(seed=10 * seed)
        with torch.no_grad():
            made = one.state.translator(batch)
        one.advance(batch)
        assert torch.allclose(one.state.clear_pool[seed], made.enhanced[0], atol=1e-6)
        assert torch.allclose(one.state.blurry_pool[seed], made.blurred[0], atol=1e-6)
    one.advance(random_batch(seed=50))
    assert len(one.state.clear_pool) == len(one.state.blurry_pool) == 2
    assert not any(fake.requires_grad for fake in one.state.clear_pool)


def poisoned(batch: Batch) -> Batch:
    for picture in (batch.clear, batch.truth):
        picture[..., 0, 0] = float("nan")
    return batch


@pytest.mark.parametrize("stage", ["simulated", "unpaired"])
def test_a_loss_that_is_not_finite_stops_before_anything_changes(stage: str) -> None:
    pairs = {"steps": 4 if stage == "simulated" else 0}
    one = trainer(tiny_settings(simulated=pairs))
    options = {"count": 0, "pairs": 1} if stage == "simulated" else {}
    one.advance(random_batch(**options))
    before = everything(one.state)
    with pytest.raises(NonFiniteLossError, match=r"iteration 1: a loss is not finite \(.*nan.*lower the learning rate"):
        one.advance(poisoned(random_batch(**options)))
    assert equal(everything(one.state), before)


def of_generator(state: State) -> nn.Parameter:
    return state.translator.enhancer.head.bias


def of_judge(state: State) -> nn.Parameter:
    return state.judges.clear.convolutions[0].bias


@pytest.mark.parametrize(
    ("stage", "parameter"),
    [("simulated", of_generator), ("unpaired", of_generator), ("unpaired", of_judge)],
)
@pytest.mark.parametrize("factor", [float("nan"), float("inf"), 1e38])
def test_a_gradient_that_is_not_finite_stops_before_it_gets_into_the_weights(
    stage: str, parameter: Callable[[State], nn.Parameter], factor: float
) -> None:
    # the loss itself is finite here; Adam would make NaN of the weights, and the checkpoint before the first NaN
    # loss would hold them. 1e38 is finite, but its square, which Adam keeps, is not
    one = trainer(tiny_settings(simulated={"steps": 4 if stage == "simulated" else 0}))
    options = {"count": 0, "pairs": 1} if stage == "simulated" else {}
    one.advance(random_batch(**options))
    before = everything(one.state)
    parameter(one.state).register_hook(lambda gradient: gradient * factor)
    with pytest.raises(NonFiniteLossError, match="iteration 1: a gradient is not finite"):
        one.advance(random_batch(**options))
    assert equal(everything(one.state), before)


def test_bf16_is_refused_on_a_device_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "has_bf16", lambda _: False)
    with pytest.raises(DeviceError, match="no bf16 arithmetic"):
        trainer(tiny_settings(precision="bf16"))


def test_in_bf16_the_weights_stay_fp32_and_the_losses_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "has_bf16", lambda _: True)  # a CPU without it emulates it, slowly
    full, half = trainer(tiny_settings()), trainer(tiny_settings(precision="bf16"))
    assert half.state.bf16
    one, other = full.advance(random_batch()), half.advance(random_batch())
    for name in one:
        # bf16 has 8 significant bits
        assert other[name].item() == pytest.approx(one[name].item(), rel=0.03, abs=0.01), name
    assert all(value.dtype == torch.float32 for value in half.state.translator.parameters())
    assert not same(weights_of(full.state.translator), weights_of(half.state.translator))
