"""The range of every setting of a training run, as a table; and the rules that join two settings."""

from collections.abc import Callable, Mapping
from operator import attrgetter
from types import MappingProxyType
from typing import Any, NamedTuple

from clearfundus.errors import SettingsError
from clearfundus.training.config import DataSettings, RunSettings, SimulatedSettings

GENERATOR_LOSSES = ("adversarial", "feature", "image", "identity", "simulated")
SHARES_TOLERANCE = 1e-9  # of 0.3 + 0.3 + 0.4
LAYERS = 5  # convolutions of a discriminator


class Range(NamedTuple):
    """What a setting must be, in words and as a test."""

    expected: str
    holds: Callable[[Any], bool]


def _at_least(low: int) -> Range:
    return Range(f"{low} or more", lambda value: bool(value >= low))


def _within(low: float, high: float) -> Range:
    return Range(f"a value in [{low:g}, {high:g}]", lambda value: bool(low <= value <= high))


def _span(high: float) -> Range:
    return Range(
        f"low and high, in this order, in [0, {high:g}]", lambda value: bool(0 <= value[0] <= value[1] <= high)
    )


POSITIVE = Range("more than 0", lambda value: bool(value > 0))

RANGES: Mapping[str, Range] = MappingProxyType(
    {
        "seed": _at_least(0),
        "ema": Range("a value in [0, 1)", lambda value: bool(0 <= value < 1)),
        "uneven_error": _within(0, 1),
        "data.crop": Range("a multiple of 4, from 64 on", lambda value: bool(value >= 64 and value % 4 == 0)),
        "data.inside": _within(0, 1),
        "data.validation": Range("a value in (0, 0.5]", lambda value: bool(0 < value <= 0.5)),
        "data.split_seed": _at_least(0),
        "data.gain_jitter": _within(0, 0.5),
        "data.shrink": _within(0, 0.5),
        "data.finest": Range("a value in (0, 1]", lambda value: bool(0 < value <= 1)),
        "data.extra_times": _at_least(1),
        "data.extra_diameter": _at_least(0),
        "generator.width": _at_least(1),
        "generator.blocks": _at_least(1),
        "generator.leak": Range("a value in [0, 1)", lambda value: bool(0 <= value < 1)),
        "discriminator.width": _at_least(1),
        "simulated.steps": _at_least(0),
        "simulated.scales": Range("a whole number from 1 to 8", lambda value: bool(1 <= value <= 8)),
        "simulated.batch": _at_least(1),
        "simulated.squares": _at_least(1),
        "simulated.learning_rate": POSITIVE,
        "simulated.gradient": _at_least(0),
        "simulated.blurrer_every": _at_least(0),
        "simulated.degrade.transmission": _span(1),
        "simulated.degrade.veil": _span(1),
        "simulated.degrade.blur": _span(0.1),
        "simulated.degrade.light": _within(0, 1),
        "simulated.degrade.noise": _within(0, 1),
        "simulated.degrade.tint": _within(0, 1),
        "simulated.degrade.untouched": _within(0, 1),
        "simulated.real": _at_least(0),
        "simulated.mix.severity": _span(1),
        "simulated.camera.spots": _within(0, 1),
        "simulated.camera.jpeg": _within(0, 1),
        "simulated.camera.quality": Range(
            "low and high, in this order, in [1, 100]", lambda value: bool(1 <= value[0] <= value[1] <= 100)
        ),
        **{f"simulated.mix.{name}": _within(0, 1) for name in ("peli", "arcnet", "cofe", "focus")},
        "unpaired.steps": _at_least(0),
        "unpaired.batch": _at_least(1),
        "unpaired.learning_rate": POSITIVE,
        "unpaired.discriminator_rate": POSITIVE,
        "unpaired.pool": _at_least(0),
        **{f"loss.{name}": _at_least(0) for name in GENERATOR_LOSSES},
        "loss.coarse": _at_least(0),
        "loss.feature_layers": _within(1, LAYERS),
        "loss.cycle_noise": _at_least(0),
        **{f"every.{what}": _at_least(1) for what in ("log", "sample", "validate", "checkpoint")},
    }
)


def check_ranges(settings: RunSettings, where: str) -> None:
    """Refuse settings out of range.

    Args:
        settings: What to check; every value has the right type.
        where: Name of the source, for messages.

    Raises:
        SettingsError: If a setting is out of range, or two do not go together.
    """
    for name, (expected, holds) in RANGES.items():
        value = attrgetter(name)(settings)
        if not holds(value):
            section, _, key = name.rpartition(".")
            raise SettingsError(
                f"{where}{f' [{section}]' * bool(section)}: {key}: found {value!r}, expected {expected}"
            )
    _check_data(settings.data, where)
    if settings.steps == 0:
        raise SettingsError(f"{where}: steps: found 0 in [simulated] and [unpaired], expected some in one of them")
    _check_pairs(settings.simulated, where)
    least = 2**settings.simulated.scales
    if settings.data.crop < least:  # at the coarsest scale there would be no two pixels to compare
        raise SettingsError(
            f"{where} [simulated]: scales: found {settings.simulated.scales} with a crop of {settings.data.crop}, "
            f"expected a crop of {least} at least"
        )
    if settings.unpaired.steps and not any(getattr(settings.loss, name) for name in GENERATOR_LOSSES):
        raise SettingsError(f"{where} [loss]: found weight 0 for every loss, expected one above 0 to train by")


def _check_data(data: DataSettings, where: str) -> None:
    """Refuse settings of the photographs that do not go together."""
    crop, diameter, shrink = data.crop, data.diameter, data.shrink
    if diameter * (1 - shrink) < crop:
        smaller = f", made smaller by up to {shrink:g}" if shrink else ""
        raise SettingsError(f"{where} [data]: diameter: found {diameter}{smaller}, expected at least the crop, {crop}")
    extra_diameter = data.extra_diameter or diameter
    if extra_diameter * (1 - shrink) < crop:
        raise SettingsError(
            f"{where} [data]: extra_diameter: found {extra_diameter}, expected at least the crop, {crop}"
        )
    if data.balanced and data.extra_times > 1:
        raise SettingsError(
            f"{where} [data]: extra_times: found {data.extra_times} with balanced, expected 1: each source is "
            "drawn equally often, however often its photographs count"
        )


def _check_pairs(settings: SimulatedSettings, where: str) -> None:
    """Refuse settings of simulated pairs that do not go together."""
    shares = sum(settings.mix.shares.values())
    if shares > 1 + SHARES_TOLERANCE:
        raise SettingsError(f"{where} [simulated.mix]: found shares of {shares:g} in all, expected 1 at most")
    if settings.batch % settings.squares:
        raise SettingsError(
            f"{where} [simulated]: squares: found {settings.squares} of each photograph in a batch of "
            f"{settings.batch}, expected a divisor of the batch"
        )
    if settings.real and not settings.teacher:
        raise SettingsError(f"{where} [simulated]: real: found {settings.real} without teacher, expected 0")
    if settings.camera.spots and settings.teacher:
        raise SettingsError(
            f"{where} [simulated.camera]: spots: found {settings.camera.spots:g} with a teacher, expected 0: "
            "what the teacher makes of a spot would take the place of the truth that holds it"
        )
