from math import inf, nan
from types import MappingProxyType

import numpy as np
import pytest

import clearfundus as cf
from clearfundus.errors import QualityError, SettingsError
from clearfundus.evaluation.cases import OpenCase
from clearfundus.evaluation.protocol import Judge, Rules, choose_metrics, fit_levels
from clearfundus.fundus.field import Field
from clearfundus.quality import METRICS, Measured, Metric, View
from drawn import blur_fundus, draw_fundus, field_mask

SIZE = 96
FIELD = Field(mask=field_mask(SIZE))


def view(pixels: np.ndarray) -> View:
    mask = FIELD.mask
    return View(pixels=pixels * mask[..., None], mask=mask, protocol="fov", side=SIZE, enlarged=False)


def case(photo: cf.Photo, reference: cf.Photo | None) -> OpenCase:
    return OpenCase(photo=photo, field=FIELD, judged=FIELD, reference=reference, notes=MappingProxyType({}))


def scores(judge: Judge, photo: cf.Photo) -> dict[str, float]:
    return {name: score.value for name, score in judge.scores(photo)}


def test_a_gain_and_offset_of_each_channel_are_found_exactly() -> None:
    # even steps, so that the changed levels are whole numbers and nothing is lost by rounding
    levels = (np.random.default_rng(0).integers(20, 60, (SIZE, SIZE, 3)) * 2).astype(np.uint8)
    changed = (levels.astype(float) * (1.5, 0.5, 1.0) + (10, 40, -7)).astype(np.uint8)
    assert np.array_equal(fit_levels(view(levels), view(changed)).pixels, view(changed).pixels)


def test_a_fitted_psnr_is_infinite_for_another_exposure_and_the_plain_one_is_not() -> None:
    levels = (np.random.default_rng(0).integers(20, 60, (SIZE, SIZE, 3)) * 2).astype(np.uint8)
    brighter = view((levels // 2 * 3 + 10).astype(np.uint8))
    metrics = choose_metrics(["psnr", "psnr_fitted", "ssim_fitted"])
    assert metrics["psnr_fitted"].on_view(view(levels), brighter).value == inf
    assert metrics["ssim_fitted"].on_view(view(levels), brighter).value == pytest.approx(1)
    assert metrics["psnr"].on_view(view(levels), brighter).value < 20


def test_the_fit_is_least_squares_and_looks_inside_only() -> None:
    random = np.random.default_rng(1)
    one, other = (random.integers(60, 160, (SIZE, SIZE, 3)).astype(np.uint8) for _ in range(2))
    other[..., 0] = np.clip(one[..., 0] / 2 + other[..., 0] / 3, 0, 255)
    inside = FIELD.mask
    gain, offset = np.polyfit(one[..., 0][inside].astype(float), other[..., 0][inside].astype(float), 1)
    fitted = fit_levels(view(one), view(other)).pixels
    assert np.array_equal(fitted[..., 0][inside], np.rint(gain * one[..., 0][inside] + offset).astype(np.uint8))
    assert not fitted[~inside].any()


def test_a_photographic_negative_is_no_more_like_the_photograph_than_a_plain_picture() -> None:
    levels = (np.random.default_rng(0).integers(20, 60, (SIZE, SIZE, 3)) * 2).astype(np.uint8)
    negative, plain = view(255 - levels), view(np.full_like(levels, 90))
    assert np.array_equal(fit_levels(negative, view(levels)).pixels, fit_levels(plain, view(levels)).pixels)


def test_a_plain_channel_is_shifted_to_the_reference_s_mean() -> None:
    plain = np.full((SIZE, SIZE, 3), 7, np.uint8)
    other = np.full((SIZE, SIZE, 3), 90, np.uint8)
    assert np.array_equal(fit_levels(view(plain), view(other)).pixels, view(other).pixels)


def test_each_set_gets_the_measures_it_can() -> None:
    rules = Rules(metrics=choose_metrics())
    blurry, pairs, simulated = (set(rules.of_set(name)) for name in ("blurry", "pairs", "simulated"))
    assert blurry == {name for name, one in METRICS.items() if not one.needs_reference}
    assert simulated == pairs == (set(METRICS) - blurry) | {"psnr_fitted", "ssim_fitted"}


def test_metrics_are_chosen_by_name_and_a_slot_without_a_model_is_absent() -> None:
    assert list(choose_metrics(["ssim", "lpips", "psnr"])) == ["ssim", "psnr"]
    model = Metric(
        name="lpips",
        function=lambda view, reference: Measured(value=0.5),
        needs_reference=True,
        direction="lower",
        range=(0, inf),
        conventions="",
    )
    assert choose_metrics(["lpips"], {"lpips": model}) == {"lpips": model}
    assert "lpips" in choose_metrics(None, {"lpips": model})
    with pytest.raises(SettingsError, match="found sharpness, expected some of: psnr, "):
        choose_metrics(["sharpness"])
    with pytest.raises(SettingsError, match="psnr comes twice"):
        choose_metrics(["psnr", "psnr"])


@pytest.mark.parametrize("settings", [{"side": 8}, {"protocols": ("all",)}])
def test_rules_that_cannot_be_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(SettingsError, match="expected"):
        Rules(metrics={}, **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("protocol", ["fov", "whole"])
def test_what_is_judged_is_what_the_metric_says_of_the_photograph(protocol: str) -> None:
    clear = draw_fundus(SIZE)
    blurry = blur_fundus(clear)
    rules = Rules(metrics=choose_metrics(["psnr", "ssim"]), protocols=(protocol,), side=64)  # type: ignore[arg-type]
    found = scores(Judge(case(blurry, clear), "simulated", rules), blurry)
    for name, value in found.items():
        assert value == METRICS[name](blurry, FIELD, clear, protocol=protocol, side=64).value  # type: ignore[arg-type]
    assert list(found) == ["psnr", "ssim"]


def test_a_value_that_is_no_number_is_refused() -> None:
    broken = Metric(
        name="broken",
        function=lambda view, reference: Measured(value=nan),
        needs_reference=False,
        direction="none",
        range=(0, 1),
        conventions="",
    )
    judge = Judge(case(draw_fundus(SIZE), None), "blurry", Rules(metrics={"broken": broken}, side=64))
    with pytest.raises(QualityError, match="broken: found a value that is no number"):
        scores(judge, draw_fundus(SIZE))
