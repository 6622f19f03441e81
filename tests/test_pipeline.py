import dataclasses
import re
import time
import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from clearfundus import (
    DeviceError,
    Field,
    FieldNotFoundError,
    Photo,
    SettingsError,
    WeightsError,
    enhance,
    find_field,
    pipeline,
    prepare_method,
)
from clearfundus.engines.weights import EngineWeights
from clearfundus.errors import MissingExtraError
from clearfundus.methods import EXTRAS, METHODS, polesel2000
from drawn import draw_fundus


def test_an_unknown_method_is_refused_with_the_known_ones() -> None:
    with pytest.raises(SettingsError, match=r"unknown method 'clähe'; known: gan, clahe, flatfield, mitra2018, "):
        prepare_method("clähe")


def test_an_unknown_parameter_is_refused_with_the_known_ones() -> None:
    with pytest.raises(SettingsError, match="'clip'; known: clip_limit, tiles"):
        prepare_method("clahe", parameters={"clip": 3.0})
    with pytest.raises(SettingsError, match="'clip'; known: none"):
        prepare_method("identity", parameters={"clip": 3.0})


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"clip_limit": "3"}, r"'clip_limit': found '3' \(str\), expected float"),
        ({"clip_limit": True}, r"found True \(bool\), expected float"),
        ({"tiles": 8.0}, r"'tiles': found 8.0 \(float\), expected int"),
        ({"tiles": True}, r"found True \(bool\), expected int"),
    ],
)
def test_a_parameter_of_the_wrong_type_is_named(parameters: dict, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        prepare_method("clahe", parameters=parameters)


@pytest.mark.parametrize("method", ["clahe", "mitra2018", "zhou2018"])
def test_a_huge_clip_limit_is_refused_by_name(method: str) -> None:
    with pytest.raises(SettingsError, match=r"clip_limit: found 1e\+30, expected a number above 0 and at most 256"):
        prepare_method(method, parameters={"clip_limit": 1e30})


@pytest.mark.parametrize("digits", [400, 5000])  # beyond floats, and beyond what Python writes out
@pytest.mark.parametrize(("method", "name"), [("clahe", "clip_limit"), ("clahe", "tiles"), ("mitra2018", "limits")])
def test_a_whole_number_too_large_for_any_parameter_is_refused_by_name(method: str, name: str, digits: int) -> None:
    with pytest.raises(SettingsError, match=rf"'{method}', parameter '{name}': found a whole number of \d+ bits"):
        prepare_method(method, parameters={name: 10**digits})


def test_a_working_diameter_has_an_end(drawn: Photo) -> None:
    assert prepare_method("polesel2000", parameters={"working_diameter": 100_000}).name == "polesel2000"
    with pytest.raises(SettingsError, match="working_diameter: found 100001, expected 16 or more and at most 100000"):
        prepare_method("polesel2000", parameters={"working_diameter": 100_001})
    with pytest.raises(SettingsError, match="working_diameter: found 1000"):
        polesel2000(drawn, find_field(drawn), working_diameter=10**400)


@pytest.mark.parametrize(
    ("method", "parameters", "message"),
    [
        ("clahe", {"tiles": 0}, "tiles: found 0, expected 1 to 64"),
        ("mitra2018", {"cutoff": 0.0}, "cutoff: found 0.0"),
        ("mitra2018", {"limits": "pooled"}, "limits: found 'pooled'"),
        ("zhou2018", {"gamma": 0.0}, "gamma: found 0.0"),
        ("zhou2018", {"clip_limit": 0.0}, "clip_limit: found 0.0"),
        ("xiong2017", {"window": 2.0}, "window: found 2.0"),
        ("he2011", {"patch": 0.0}, "patch: found 0.0"),
        ("polesel2000", {"step": 2.0}, "step: found 2.0"),
        ("starck2003", {"scales": 7}, "scales: found 7"),
        ("starck2003", {"strong_share": 1.5}, "strong_share: found 1.5"),
    ],
)
def test_a_number_out_of_range_is_refused_before_any_photograph(method: str, parameters: dict, message: str) -> None:
    for package in EXTRAS.get(method, ("", ()))[1]:
        pytest.importorskip(package)
    with pytest.raises(SettingsError, match=message):
        prepare_method(method, parameters=parameters)


@pytest.mark.parametrize("method", [name for name in METHODS if name != "gan"])
def test_to_prepare_a_method_takes_less_than_50_ms(method: str) -> None:
    """The best of five, so that a busy machine does not fail it; the windows of starck2003 alone would take longer."""
    for package in EXTRAS.get(method, ("", ()))[1]:
        pytest.importorskip(package)
    best = float("inf")
    for _ in range(5):
        started = time.process_time()
        prepare_method(method)
        best = min(best, time.process_time() - started)
    assert best < 0.05


def test_a_fault_that_is_no_setting_is_left_to_the_photographs(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(photo: Photo, field: Field) -> Photo:
        raise ZeroDivisionError

    monkeypatch.setattr(pipeline, "METHODS", {"broken": broken})
    assert prepare_method("broken").name == "broken"


@pytest.mark.parametrize(("name", "hint"), [("model", "'weights'"), ("size", "'size'")])
def test_weights_and_size_are_no_free_parameters(name: str, hint: str) -> None:
    with pytest.raises(SettingsError, match=f"'{name}' is set by {hint}"):
        prepare_method("gan", parameters={name: 3})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"weights": "compact"}, "takes no weights"),
        ({"size": 512}, "takes no size"),
        ({"device": "cuda"}, "runs on the CPU; found device 'cuda'"),
    ],
)
def test_a_setting_that_would_be_ignored_is_refused(settings: dict, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        prepare_method("clahe", **settings)


def test_a_parameter_reaches_the_method(drawn: Photo) -> None:
    weak, strong = (enhance(drawn, "clahe", parameters={"clip_limit": limit}) for limit in (1.0, 8.0))
    assert np.abs(strong.pixels - drawn.pixels).mean() > 2 * np.abs(weak.pixels - drawn.pixels).mean()
    assert strong.provenance == {"method": "clahe", "clip_limit": "8.0", "tiles": "8"}


def test_what_was_done_before_by_no_method_is_kept_apart_too(drawn: Photo) -> None:
    bad = drawn.with_pixels(drawn.pixels, degradation="cataract").with_pixels(drawn.pixels, aligned="yes")
    assert bad.provenance == {"degradation": "cataract", "aligned": "yes"}
    assert enhance(bad, "identity").provenance == {
        "method": "identity",
        "before": "no method (degradation=cataract, aligned=yes)",
    }


def test_a_whole_number_serves_where_a_real_one_is_expected(drawn: Photo) -> None:
    one, other = (enhance(drawn, "clahe", parameters={"clip_limit": limit}) for limit in (3, 3.0))
    assert np.array_equal(one.pixels, other.pixels)
    assert one.provenance == other.provenance


def test_unknown_weights_device_and_size_are_refused_before_any_photograph(tiny_weights: Path) -> None:
    with pytest.raises(WeightsError, match="no such weights"):
        prepare_method("gan", weights="sharpest")
    with pytest.raises(DeviceError, match="'tpu' is unknown"):
        prepare_method("gan", weights=tiny_weights, device="tpu")
    with pytest.raises(SettingsError, match="size: found 3"):
        prepare_method("gan", weights=tiny_weights, size=3)


def test_a_function_of_ones_own_is_a_method(drawn: Photo) -> None:
    def darken(photo: Photo, field: Field) -> Photo:
        assert field.mask.shape == photo.pixels.shape[:2]
        return photo.with_pixels(photo.pixels * np.float32(0.5), method="darken")

    result = enhance(drawn, darken)
    assert result.provenance["method"] == "darken"
    assert np.allclose(result.pixels[64, 64], drawn.pixels[64, 64] / 2, atol=1e-6)
    with pytest.raises(SettingsError, match="found a function"):
        enhance(drawn, darken, size=512)


def test_a_photograph_without_a_field_is_refused() -> None:
    with pytest.raises(FieldNotFoundError):
        enhance(Photo(pixels=np.zeros((64, 64, 3), np.float32)), "identity")


def test_a_method_without_its_optional_package_is_refused_before_any_photograph(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pipeline, "EXTRAS", {"clahe": ("curvelet", ("numpy", "no_such_package"))})
    with pytest.raises(MissingExtraError, match=r"clahe needs no_such_package, .*'clearfundus\[curvelet\]'"):
        prepare_method("clahe")
    assert prepare_method("identity").name == "identity"
    monkeypatch.setattr(pipeline, "EXTRAS", {"clahe": ("curvelet", ("numpy",))})
    assert prepare_method("clahe").name == "clahe"


def test_the_extras_of_the_methods_are_those_that_can_be_installed() -> None:
    project = Path(__file__).parents[1] / "pyproject.toml"
    extras = tomllib.loads(project.read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    for extra, packages in EXTRAS.values():
        assert {re.split(r"[^\w-]", one)[0] for one in extras[extra]} == set(packages)


def test_several_methods_share_one_field_and_one_filled_surround_and_give_what_each_gives_alone(
    drawn: Photo, tiny_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    methods = [prepare_method("gan", weights=tiny_weights), prepare_method("clahe"), prepare_method("identity")]
    alone = [enhance(drawn, method) for method in methods]
    calls = []
    for name in ("find_field", "crop_to_field"):  # the crop fills the surround
        monkeypatch.setattr(pipeline, name, _counted(name, getattr(pipeline, name), calls))
    together = list(pipeline.enhance_with_each(drawn, methods))
    assert calls == ["find_field", "crop_to_field"]
    for one, other in zip(together, alone, strict=True):
        assert np.array_equal(one.pixels, other.pixels)
        assert one.provenance == other.provenance


def test_each_method_starts_only_when_its_result_is_asked_for(drawn: Photo) -> None:
    ran = []

    def note(photo: Photo, field: Field) -> Photo:
        ran.append(photo)
        return photo

    results = pipeline.enhance_with_each(drawn, [note, note])
    next(results)
    assert len(ran) == 1


def _counted(name: str, function: Callable[..., object], calls: list[str]) -> Callable[..., object]:
    def call(*values: object) -> object:
        calls.append(name)
        return function(*values)

    return call


def test_a_memory_limit_holds_the_network_and_leaves_the_prepared_method_as_it_was(
    tiny_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits: list[int | None] = []

    def remember(network: object, pixels: np.ndarray, memory_limit: int | None = None) -> np.ndarray:
        limits.append(memory_limit)
        return pixels.copy()

    monkeypatch.setattr("clearfundus.networks.inference.run_generator", remember)
    prepared = prepare_method("gan", weights=tiny_weights, device="cpu")
    held = prepared.within(2**30)
    for method in (held, prepared):
        enhance(draw_fundus(96), method)
    assert limits == [2**30, None]
    assert held.provenance == prepared.provenance


def test_a_memory_limit_is_refused_where_nothing_heeds_it() -> None:
    with pytest.raises(SettingsError, match="method 'clahe' takes no memory limit; it has no network"):
        prepare_method("clahe").within(2**30)
    elsewhere = EngineWeights(
        engine="onnxruntime",
        precision="fp32",
        run=np.copy,
        name="tiny",
        role="enhancer",
        sha256="0" * 64,
        diameter=64,
        surround="fill",
        uneven_error=0.0,
        card={},
        terms="",
    )
    prepared = dataclasses.replace(prepare_method("identity"), weights=elsewhere)
    with pytest.raises(SettingsError, match="engine 'onnxruntime' takes no memory limit; use --engine torch"):
        prepared.within(2**30)
