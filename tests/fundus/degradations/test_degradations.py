"""What holds for every model of a degradation."""

import dataclasses
import itertools
import json

import cv2
import numpy as np
import pytest

from clearfundus import Field, Photo
from clearfundus.errors import SettingsError
from clearfundus.fundus.degradations import DEGRADATIONS, Model, decibels, from_record
from clearfundus.fundus.degradations.cofe import Cofe
from clearfundus.fundus.degradations.focus import Focus
from clearfundus.fundus.degradations.peli import Peli
from drawn import draw_fundus, field_mask

NAMES = list(DEGRADATIONS)


def draw(name: str, severity: float = 0.8, seed: int = 3) -> Model:
    return DEGRADATIONS[name].draw(np.random.default_rng(seed), severity)


def field(size: int = 128) -> Field:
    return Field(mask=field_mask(size))


def worst_cofe() -> Model:
    """Return a degradation with light, dust and blur."""
    drawn = (draw("cofe", 1, seed) for seed in range(100))
    return next(one for one in drawn if isinstance(one, Cofe) and one.tone and one.spots and one.blur[0] > 0)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_degradation_gives_the_same_picture_twice_and_changes_it(name: str) -> None:
    photo, model = draw_fundus(128), draw(name)
    before = photo.pixels.copy()
    one, other = model.apply(photo, field()), model.apply(photo, field())
    assert np.array_equal(one.pixels, other.pixels)
    assert not np.array_equal(one.pixels, photo.pixels)
    assert np.array_equal(photo.pixels, before)  # the caller keeps his own


@pytest.mark.parametrize("name", NAMES)
def test_equal_chance_draws_equal_degradations_and_other_chance_others(name: str) -> None:
    assert draw(name) == draw(name)
    assert draw(name) != draw(name, seed=4)


@pytest.mark.parametrize("name", NAMES)
def test_drawing_and_applying_touch_no_global_chance(name: str) -> None:
    state = np.random.get_state()[1].copy()  # noqa: NPY002 - the legacy state is what must not move
    draw(name).apply(draw_fundus(64), field(64))
    assert np.array_equal(np.random.get_state()[1], state)  # noqa: NPY002


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("name", NAMES)
def test_a_record_read_back_from_json_repeats_the_degradation_bit_for_bit(name: str, seed: int) -> None:
    model = draw(name, seed=seed)
    found = from_record(json.loads(json.dumps(model.to_record())))
    assert found == model
    assert type(found) is type(model)
    photo = draw_fundus(64)
    assert np.array_equal(found.apply(photo, field(64)).pixels, model.apply(photo, field(64)).pixels)


@pytest.mark.parametrize("name", NAMES)
def test_the_photograph_says_what_was_done_to_it(name: str) -> None:
    model = draw(name)
    note = model.apply(draw_fundus(64), field(64)).provenance["degradation"]
    assert from_record(json.loads(note)) == model


@pytest.mark.parametrize("name", NAMES)
def test_outside_the_field_every_pixel_comes_back_bit_for_bit(name: str) -> None:
    rng = np.random.default_rng(0)
    pixels = np.where(field_mask()[..., None], draw_fundus(128).pixels, rng.random((128, 128, 3), dtype=np.float32))
    result = draw(name, 1).apply(Photo(pixels=pixels), field())
    assert np.array_equal(result.pixels[~field_mask()], pixels[~field_mask()])


@pytest.mark.parametrize("name", NAMES)
def test_the_black_surround_does_not_reach_the_rim(name: str) -> None:
    # black or white outside, the retina is degraded alike
    photo, mask = draw_fundus(128), field_mask()[..., None]
    white = Photo(pixels=np.where(mask, photo.pixels, np.float32(1)))
    model = worst_cofe() if name == "cofe" else draw(name, 1)
    one, other = model.apply(photo, field()).pixels, model.apply(white, field()).pixels
    assert np.array_equal(one[field_mask()], other[field_mask()])


@pytest.mark.parametrize("name", NAMES)
def test_severity_0_hardly_changes_anything(name: str) -> None:
    photo = draw_fundus(128)
    for seed in range(5):
        assert decibels(photo, draw(name, 0, seed).apply(photo, field()), field()) > 60


@pytest.mark.parametrize("name", NAMES)
def test_more_severity_is_worse(name: str) -> None:
    # on average over draws; every single draw of every model but the scatter's, whose veil may be the retina's colour
    photo = draw_fundus(96)
    strengths = np.array(
        [
            [decibels(photo, draw(name, s, seed).apply(photo, field(96)), field(96)) for s in (0.1, 0.3, 0.5, 0.7, 1)]
            for seed in range(6)
        ]
    )
    strengths = np.minimum(strengths, 80)  # infinite where a blur is far narrower than a pixel
    assert (np.diff(strengths.mean(0)) < -0.5).all(), strengths.mean(0)
    assert (np.diff(strengths, axis=1) <= 0).mean() > 0.95


@pytest.mark.parametrize("severity", [-0.01, 1.01, float("nan")])
@pytest.mark.parametrize("name", NAMES)
def test_a_severity_out_of_range_is_refused(name: str, severity: float) -> None:
    with pytest.raises(SettingsError, match="severity: found"):
        draw(name, severity)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "cataract"])  # its noise is per pixel
def test_a_photograph_of_twice_the_size_is_degraded_alike(name: str) -> None:
    small = draw_fundus(320)
    large = Photo(pixels=np.clip(cv2.resize(small.pixels, (640, 640), interpolation=cv2.INTER_CUBIC), 0, 1))
    mask = cv2.resize(field_mask(320).astype(np.uint8), (640, 640), interpolation=cv2.INTER_NEAREST) > 0
    model = worst_cofe() if name == "cofe" else draw(name, 1)
    from_large = cv2.resize(model.apply(large, Field(mask=mask)).pixels, (320, 320), interpolation=cv2.INTER_AREA)
    from_small = model.apply(small, field(320)).pixels
    inside = cv2.erode(field_mask(320).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    change = np.abs(from_small - small.pixels)[inside].mean()
    assert np.abs(from_large - from_small)[inside].mean() < 0.1 * change


def test_a_field_away_from_the_middle_of_its_frame_is_degraded_the_same() -> None:
    photo = draw_fundus(128)
    wide, mask = np.zeros((180, 220, 3), np.float32), np.zeros((180, 220), bool)
    wide[30:158, 60:188], mask[30:158, 60:188] = photo.pixels, field_mask()
    for model in (draw("peli"), draw("arcnet"), draw("focus"), worst_cofe()):
        moved = model.apply(Photo(pixels=wide), Field(mask=mask)).pixels[30:158, 60:188]
        assert np.abs(moved - model.apply(photo, field()).pixels).max() < 1e-4, model.name


@pytest.mark.parametrize("shape", [(2, 2), (5, 3), (9, 130), (64, 64)])
@pytest.mark.parametrize("name", NAMES)
def test_photographs_of_any_shape_and_content_pass(name: str, shape: tuple[int, int]) -> None:
    whole = Field(mask=np.ones(shape, bool))
    for level in (0, 1, np.random.default_rng(0).random((*shape, 3))):
        pixels = np.full((*shape, 3), level, dtype=np.float32)
        model = worst_cofe() if name == "cofe" else draw(name, 1)
        result = model.apply(Photo(pixels=pixels), whole).pixels  # a Photo refuses what is not finite or in range
        assert result.shape == pixels.shape
        assert result.dtype == np.float32


def test_decibels_are_those_of_a_known_difference_over_the_field_only() -> None:
    clear = Photo(pixels=np.full((128, 128, 3), 0.5, np.float32))
    changed = np.where(field_mask()[..., None], np.float32(0.6), np.float32(1))
    assert decibels(clear, Photo(pixels=changed.repeat(3, axis=2)), field()) == pytest.approx(20, abs=1e-4)
    assert decibels(clear, clear, field()) == float("inf")


GOOD = Focus(blur=0.004, noise=0.01, seed=1).to_record()


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ([], "no record of a degradation"),
        ({"model": "focus"}, "no record of a degradation"),
        ({**GOOD, "model": "fog"}, "found 'fog', expected one of: cataract, peli"),
        ({**GOOD, "model": ["focus"]}, "expected one of"),
        ({**GOOD, "parameters": 3}, "focus: found 3"),
        ({**GOOD, "parameters": {"blur": 0.1, "noise": 0.1}}, "missing: seed"),
        ({**GOOD, "parameters": {"blur": 0.1, "noise": 0.1, "seed": 1, "fog": 2}}, "unknown parameters: fog"),
        ({**GOOD, "parameters": {"blur": float("nan"), "noise": 0.1, "seed": 1}}, "focus.blur: found nan"),
        ({**GOOD, "parameters": {"blur": True, "noise": 0.1, "seed": 1}}, "focus.blur: found True"),
        ({**GOOD, "parameters": {"blur": 0.1, "noise": 0.1, "seed": 1.5}}, "focus.seed: found 1.5, expected int"),
    ],
)
def test_a_damaged_record_is_refused_by_name(record: object, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        from_record(record)


def test_a_nested_value_of_a_record_is_refused_by_its_place() -> None:
    record = json.loads(json.dumps(worst_cofe().to_record()))
    record["parameters"]["spots"][1]["radius"] = "wide"
    with pytest.raises(SettingsError, match=r"cofe\.spots\[1\]\.radius: found 'wide'"):
        from_record(record)
    with pytest.raises(SettingsError, match=r"peli\.veil: found 2 values, expected 3"):
        from_record({"model": "peli", "parameters": {**dataclasses.asdict(draw("peli")), "veil": [0.5, 0.5]}})


def test_whole_numbers_in_a_record_are_numbers_as_well() -> None:
    model = from_record({"model": "focus", "parameters": {"blur": 0, "noise": 0, "seed": 1}})
    assert model == Focus(blur=0.0, noise=0.0, seed=1)


def test_severities_between_those_of_the_named_levels_lie_between_them() -> None:
    drawn = [draw("peli", severity) for severity in (0.2, 1 / 3, 0.5, 2 / 3, 0.8, 1)]
    passed = [one.transmission for one in drawn if isinstance(one, Peli)]
    assert all(later < earlier for earlier, later in itertools.pairwise(passed))
