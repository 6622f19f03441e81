"""All that changes in the course of a run, and one iteration's change of it."""

import copy
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import get_ema_multi_avg_fn

from clearfundus.errors import NonFiniteLossError
from clearfundus.networks.device import place, use_bf16
from clearfundus.training.captured import CapturedPass, Pass, Passed
from clearfundus.training.config import RunSettings
from clearfundus.training.distributed import Ranks, agree
from clearfundus.training.losses import discriminator_loss
from clearfundus.training.pool import Pool, query_pool
from clearfundus.training.schedule import random_at, rate_factor, stage_at
from clearfundus.training.start import Start, begin_with
from clearfundus.training.step import (
    Batch,
    Discriminators,
    Translation,
    Translator,
    simulated_losses,
    unpaired_losses,
)
from clearfundus.training.teacher import load_teacher, taught

BETAS = (0.5, 0.999)


@dataclass(kw_only=True, eq=False)
class State:
    """A run between two iterations.

    Attributes:
        step: Iterations done.
        translator: The two generators.
        average: Their exponential moving average.
        judges: The two discriminators.
        generator_optimizer: Adam of both generators.
        judge_optimizer: Adam of both discriminators.
        clear_pool: Past enhanced photographs, of this process.
        blurry_pool: Past blurred ones, of this process.
        bf16: Whether the networks compute in bf16.
        start: Name and hash of the enhancer that the run began with; "" for random weights.
    """

    step: int
    translator: Translator
    average: Translator
    judges: Discriminators
    generator_optimizer: torch.optim.Adam
    judge_optimizer: torch.optim.Adam
    clear_pool: Pool = ()
    blurry_pool: Pool = ()
    bf16: bool = False
    start: str = ""

    @property
    def networks(self) -> dict[str, nn.Module]:
        """The networks by name."""
        return {"translator": self.translator, "average": self.average, "judges": self.judges}

    @property
    def arithmetic(self) -> str:
        """Type of device and precision, as in "cuda bf16": what a resume must not change."""
        return f"{next(self.translator.parameters()).device.type} {'bf16' if self.bf16 else 'fp32'}"

    @property
    def optimizers(self) -> dict[str, torch.optim.Adam]:
        """The optimizers by name."""
        return {"generator_optimizer": self.generator_optimizer, "judge_optimizer": self.judge_optimizer}


def new_state(settings: RunSettings, device: torch.device, start: Start | None = None) -> State:
    """Build the state before the first iteration; the caller's random state is left as it was.

    Args:
        settings: What to train.
        device: Where.
        start: Weights to begin with, see `load_start`; None for random ones.

    Raises:
        DeviceError: If bf16 is named and the device has none.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(settings.seed)  # torch.manual_seed would seed CUDA devices, too
        translator, judges = Translator(settings), Discriminators(settings)
    began_with = begin_with(translator, start or {})
    translator, judges = place(translator, device), place(judges, device)
    return State(
        step=0,
        translator=translator,
        average=copy.deepcopy(translator).requires_grad_(False),
        judges=judges,
        generator_optimizer=_adam(translator, device),
        judge_optimizer=_adam(judges, device),
        bf16=use_bf16(settings.precision, device),
        start=began_with,
    )


def _adam(network: nn.Module, device: torch.device) -> torch.optim.Adam:
    """Return Adam; on a CUDA device in one kernel instead of one for each operation."""
    return torch.optim.Adam(network.parameters(), betas=BETAS, fused=device.type == "cuda" or None)


class Trainer:
    """Advances a state; wraps its networks once for several processes, or its passes once for a CUDA device."""

    def __init__(
        self,
        state: State,
        settings: RunSettings,
        device: torch.device,
        ranks: Ranks,
        capture: bool = True,
    ) -> None:
        """Prepare to train `state` on `device`, together with the other processes of `ranks`.

        Args:
            state: What is trained.
            settings: How.
            device: Where the state is.
            ranks: This process among its peers.
            capture: Whether a process alone on a CUDA device replays captured passes.
        """
        self.state, self.settings, self.device, self.ranks = state, settings, device, ranks
        self.teacher = load_teacher(settings, device)
        self.translate: nn.Module = state.translator
        self.judge: nn.Module = state.judges
        if ranks.count > 1:
            rests = settings.simulated.steps > 0  # the blurrer, in part of the first stage; to look for it costs time
            self.translate = DistributedDataParallel(state.translator, find_unused_parameters=rests)
            self.judge = DistributedDataParallel(state.judges)
        captures = capture and device.type == "cuda" and ranks.count == 1

        def prepare(work: Pass, network: nn.Module) -> Pass:
            return CapturedPass(work, [network]) if captures else work

        self._restore = prepare(partial(self._pass_simulated, False), state.translator)
        self._restore_and_blur = prepare(partial(self._pass_simulated, True), state.translator)
        self._translate_unpaired = prepare(self._pass_unpaired, state.translator)
        self._judge_unpaired = prepare(self._pass_judges, state.judges)

    def advance(self, batch: Batch) -> dict[str, Tensor]:
        """Do one iteration.

        Returns:
            The loss terms, unweighted.

        Raises:
            NonFiniteLossError: If a loss or a gradient is NaN or infinite; the state is then the one before this
                iteration.
        """
        for optimizer in self.state.optimizers.values():
            optimizer.zero_grad(set_to_none=True)
        if stage_at(self.settings, self.state.step) == "simulated":
            terms = self._advance_simulated(batch)
        else:
            terms = self._advance_unpaired(batch)
        self._average()
        self.state.step += 1
        return {name: term.detach() for name, term in terms.items()}

    def _advance_simulated(self, batch: Batch) -> dict[str, Tensor]:
        every = self.settings.simulated.blurrer_every
        with_blurrer = every > 0 and self.state.step % every == 0
        work = self._restore_and_blur if with_blurrer else self._restore
        loss, terms, _ = work(*batch)
        self._require_finite(loss, terms)
        self._update(self.state.generator_optimizer, self.settings.simulated.learning_rate)
        return terms

    def _advance_unpaired(self, batch: Batch) -> dict[str, Tensor]:
        state, settings = self.state, self.settings
        loss, terms, (enhanced, blurred) = self._translate_unpaired(*batch)
        chance = random_at(settings.seed, "pool", state.step, self.ranks.rank)
        capacity = settings.unpaired.pool
        shown_clear, clear_pool = query_pool(state.clear_pool, enhanced, capacity, chance)
        shown_blurry, blurry_pool = query_pool(state.blurry_pool, blurred, capacity, chance)
        judge_loss, judge_terms, _ = self._judge_unpaired(batch.clear, batch.blurry, shown_clear, shown_blurry)
        terms |= judge_terms
        self._require_finite(loss + judge_loss, terms)
        self._update(state.generator_optimizer, settings.unpaired.learning_rate)
        self._update(state.judge_optimizer, settings.unpaired.discriminator_rate)
        state.clear_pool, state.blurry_pool = clear_pool, blurry_pool
        return terms

    def _pass_simulated(self, with_blurrer: bool, *inputs: Tensor | None) -> Passed:
        batch = Batch._make(inputs)
        with self._autocast():
            if self.teacher is not None:
                batch = taught(batch, self.teacher.network)
            made = self.translate(batch, with_cycle=False, with_blurrer=with_blurrer)
            loss, terms = simulated_losses(batch, made, self.settings)
        loss.backward()
        return Passed(loss, terms)

    def _pass_unpaired(self, *inputs: Tensor | None) -> Passed:
        batch = Batch._make(inputs)
        with self._autocast():
            made: Translation = self.translate(batch)
            loss, terms = unpaired_losses(self.state.judges, batch, made, self.settings)
        loss.backward()
        return Passed(loss, terms, (made.enhanced.detach(), made.blurred.detach()))

    def _pass_judges(self, clear: Tensor, blurry: Tensor, shown_clear: Tensor, shown_blurry: Tensor) -> Passed:
        with self._autocast():
            on_clear, on_blurry = self.judge(torch.cat([clear, shown_clear]), torch.cat([blurry, shown_blurry]))
            terms = {
                "judge_clear": discriminator_loss(*on_clear.float().chunk(2)),
                "judge_blurry": discriminator_loss(*on_blurry.float().chunk(2)),
            }
            loss = terms["judge_clear"] + terms["judge_blurry"]
        loss.backward()
        return Passed(loss, terms)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.state.bf16)

    def _require_finite(self, loss: Tensor, terms: dict[str, Tensor]) -> None:
        # a finite loss may have gradients that are not; Adam would carry them into every weight, for good
        networks = (self.state.translator, self.state.judges)
        gradients = [one.grad for network in networks for one in network.parameters() if one.grad is not None]
        both = torch.stack([loss.detach(), nn.utils.get_total_norm(gradients)]).isfinite()
        if agree(bool(both.all()), self.ranks, self.device):
            return
        what = "gradient" if both[0] else "loss"
        values = ", ".join(f"{name} {float(term.detach()):g}" for name, term in terms.items())
        raise NonFiniteLossError(
            f"iteration {self.state.step}: a {what} is not finite ({values}). The state before it is kept as a "
            'checkpoint; lower the learning rate or set precision = "fp32" in a new run'
        )

    def _update(self, optimizer: torch.optim.Adam, rate: float) -> None:
        for group in optimizer.param_groups:
            group["lr"] = rate * rate_factor(self.settings, self.state.step)
        optimizer.step()

    def _average(self) -> None:
        # at first the average follows closely, lest it carry the initial weights along
        decay = min(self.settings.ema, (1 + self.state.step) / (10 + self.state.step))
        mean, new = (list(each.parameters()) for each in (self.state.average, self.state.translator))
        get_ema_multi_avg_fn(decay)(mean, new, self.state.step)
