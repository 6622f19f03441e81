"""How results are judged: every method's on the same pixels, at the same size, after the same rounding.

Photographs alone get the measures that need no reference, pairs and simulated ones those that need one. The facts to
know: two shots of one eye differ in exposure, and the level under a haze is ambiguous; plain PSNR and SSIM count that
as error. So both come once more, as `psnr_fitted` and `ssim_fitted`, after a gain and an offset for each channel fitted
to the reference inside the field judged.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isnan
from types import MappingProxyType

import numpy as np

from clearfundus.errors import QualityError, SettingsError
from clearfundus.evaluation.cases import OpenCase, SetName
from clearfundus.photo import Photo
from clearfundus.quality import METRICS, Measured, Metric, Protocol, Score, View, make_view
from clearfundus.quality.inside import require_reference
from clearfundus.quality.models import SLOTS
from clearfundus.quality.view import DEFAULT_SIDE, PROTOCOLS, SMALLEST_SIDE

FITTED = "_fitted"
FITTED_METRICS = ("psnr", "ssim")


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What is measured, and at which size.

    Attributes:
        metrics: Metrics by name, the fitted ones among them.
        protocols: "fov", "whole" or both.
        side: Longer side in pixels at which results are judged.
    """

    metrics: Mapping[str, Metric]
    protocols: Sequence[Protocol] = ("fov",)
    side: int = DEFAULT_SIDE

    def __post_init__(self) -> None:
        """Refuse what no view can be made for.

        Raises:
            SettingsError: If the side is too small, or a protocol unknown.
        """
        if self.side < SMALLEST_SIDE:
            raise SettingsError(f"side: found {self.side}, expected {SMALLEST_SIDE} pixels or more")
        for protocol in self.protocols:
            if protocol not in PROTOCOLS:
                raise SettingsError(f"protocol: found {protocol!r}, expected one of: {', '.join(PROTOCOLS)}, both")

    def of_set(self, name: SetName) -> dict[str, Metric]:
        """Return the metrics that a set gets."""
        return {key: metric for key, metric in self.metrics.items() if metric.needs_reference == (name != "blurry")}


def choose_metrics(
    names: Sequence[str] | None = None, models: Mapping[str, Metric] = MappingProxyType({})
) -> dict[str, Metric]:
    """Return the metrics to measure.

    Args:
        names: Their names; None for all. A slot without a model is left out, not measured as something else.
        models: Metrics made of a user's own files, by slot.

    Raises:
        SettingsError: If a name is unknown or comes twice.
    """
    known: dict[str, Metric] = {**METRICS, **models}
    known |= {name + FITTED: fitted(METRICS[name]) for name in FITTED_METRICS if name in METRICS}
    if names is None:
        return known
    unknown = [name for name in names if name not in known and name not in SLOTS]
    if unknown:
        raise SettingsError(f"metrics: found {', '.join(unknown)}, expected some of: {', '.join([*known, *SLOTS])}")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SettingsError(f"metrics: {', '.join(twice)} comes twice; name each once")
    return {name: known[name] for name in names if name in known}


def fitted(metric: Metric) -> Metric:
    """Return the metric that first fits each channel's gain and offset to the reference.

    Args:
        metric: A metric that needs a reference.
    """

    def measure(view: View, reference: View | None) -> Measured:
        reference = require_reference(reference, metric.name + FITTED)
        return metric.function(fit_levels(view, reference), reference)

    return replace(
        metric,
        name=metric.name + FITTED,
        function=measure,
        conventions=(
            f"{metric.name} after a gain, 0 or more, and an offset for each channel, fitted to the reference by least "
            f"squares inside the field judged, clipped and rounded to 8 bit. {metric.conventions}"
        ),
    )


def fit_levels(view: View, reference: View) -> View:
    """Return the view with the gain and offset of each channel that bring it closest to the reference.

    A gain is never negative: a channel that runs against the reference becomes plain.

    Args:
        view: The view to change.
        reference: The reference's, of the same size; only pixels inside the field of both count.
    """
    inside = view.mask & reference.mask
    pixels = view.pixels.copy()
    for channel in range(3):
        found = view.pixels[..., channel][inside].astype(np.float64)
        wanted = reference.pixels[..., channel][inside].astype(np.float64)
        spread = found - found.mean()
        power = float(spread @ spread)
        gain = float(spread @ wanted) / power if power > 0 else 0.0  # a plain channel can only be shifted
        gain = max(gain, 0.0)  # else a photographic negative would be as good as the photograph
        levels = wanted.mean() + gain * (view.pixels[..., channel] - found.mean())
        pixels[..., channel] = np.clip(np.rint(levels), 0, 255).astype(np.uint8)
    pixels[~view.mask] = 0
    return replace(view, pixels=pixels)


class Judge:
    """Judges what every method makes of one case; the reference's views are made once."""

    def __init__(self, case: OpenCase, name: SetName, rules: Rules) -> None:
        """Make the reference's views.

        Args:
            case: The case.
            name: Its set.
            rules: What is measured.
        """
        self.case, self.rules, self.metrics = case, rules, rules.of_set(name)
        self.references = {one: self._view(case.reference, one) for one in rules.protocols if case.reference}

    def scores(self, result: Photo) -> Iterator[tuple[str, Score]]:
        """Yield the name of each metric with the score, protocol by protocol.

        Args:
            result: What a method made, of the case's size.

        Raises:
            QualityError: If it cannot be judged, or a value is no number.
        """
        for protocol in self.rules.protocols:
            view = self._view(result, protocol)
            for name, metric in self.metrics.items():
                score = metric.on_view(view, self.references.get(protocol))
                if isnan(score.value):
                    raise QualityError(f"{name}: found a value that is no number, expected one; leave the metric out")
                yield name, score

    def _view(self, photo: Photo, protocol: Protocol) -> View:
        return make_view(photo, self.case.judged, protocol, self.rules.side)
