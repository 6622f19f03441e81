import dataclasses
import itertools
from typing import Any

import cv2
import numpy as np
import pytest

from clearfundus import Field, Photo
from clearfundus.fundus.degrade import Degradation, DegradeSettings, degrade, degrade_pixels, draw_degradation
from drawn import draw_fundus, field_mask

NOTHING = Degradation(transmission_low=1, transmission_high=1, veil=0.5, blur=0, light=0, noise=0, seed=1)
EVERYTHING = Degradation(
    transmission_low=0.3, transmission_high=0.8, veil=0.7, blur=2 / 512, light=0.2, noise=0.01, seed=1
)


def only(**values: Any) -> Degradation:
    return dataclasses.replace(NOTHING, **values)


def field(size: int = 128) -> Field:
    return Field(mask=field_mask(size))


def inside(photo: Photo) -> np.ndarray:
    return photo.pixels[field_mask(photo.pixels.shape[0])].astype(np.float64)


def degraded(degradation: Degradation, photo: Photo | None = None) -> np.ndarray:
    """Return the degraded pixels inside the field, (N, 3)."""
    photo = photo or draw_fundus(128)
    return inside(degrade(photo, field(photo.pixels.shape[0]), degradation))


def flat(level: float, size: int = 128) -> Photo:
    pixels = np.where(field_mask(size)[..., None], np.float32(level), np.float32(0))
    return Photo(pixels=np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels)


def gradient_energy(photo: Photo) -> float:
    green = photo.pixels[..., 1].astype(np.float64)
    core = cv2.erode(field_mask(green.shape[0]).astype(np.uint8), np.ones((7, 7), np.uint8)).astype(bool)
    down, across = np.gradient(green)
    return float((down**2 + across**2)[core].mean())


def test_the_same_degradation_gives_the_same_picture_twice() -> None:
    photo = draw_fundus(128)
    one, other = degrade(photo, field(), EVERYTHING), degrade(photo, field(), EVERYTHING)
    assert np.array_equal(one.pixels, other.pixels)
    assert not np.array_equal(one.pixels, photo.pixels)


def test_another_seed_gives_another_picture_of_the_same_kind() -> None:
    one, other = degraded(EVERYTHING), degraded(dataclasses.replace(EVERYTHING, seed=2))
    assert not np.array_equal(one, other)
    assert np.abs(one.mean(0) - other.mean(0)).max() < 0.1


def test_a_degradation_can_be_read_back_from_the_note_in_the_photograph() -> None:
    note = degrade(draw_fundus(128), field(), EVERYTHING).provenance["degradation"]
    assert eval(note, {"Degradation": Degradation}) == EVERYTHING  # noqa: S307 - our own repr


def test_drawing_and_degrading_touch_no_global_chance() -> None:
    state = np.random.get_state()[1].copy()  # noqa: NPY002 - the legacy state is what must not move
    degraded(draw_degradation(np.random.default_rng(0)))
    assert np.array_equal(np.random.get_state()[1], state)  # noqa: NPY002


def test_the_caller_keeps_an_unchanged_photograph() -> None:
    photo = draw_fundus(128)
    before = photo.pixels.copy()
    degrade(photo, field(), EVERYTHING)
    assert np.array_equal(photo.pixels, before)


@pytest.mark.parametrize("degradation", [EVERYTHING, only(blur=8 / 512), only(noise=0.1)])
def test_outside_the_field_every_pixel_comes_back_bit_for_bit(degradation: Degradation) -> None:
    photo = draw_fundus(128)
    rng = np.random.default_rng(0)
    pixels = np.where(field_mask()[..., None], photo.pixels, rng.random((128, 128, 3), dtype=np.float32))
    photo = dataclasses.replace(photo, pixels=pixels)
    result = degrade(photo, field(), degradation)
    assert np.array_equal(result.pixels[~field_mask()], pixels[~field_mask()])
    assert not np.array_equal(result.pixels[field_mask()], pixels[field_mask()])


def test_the_result_is_a_photograph_in_0_to_1() -> None:
    harsh = Degradation(transmission_low=0, transmission_high=1, veil=1, blur=0, light=1, noise=1, seed=0)
    result = degrade(draw_fundus(128), field(), harsh)
    assert result.pixels.dtype == np.float32
    assert result.pixels.min() == 0
    assert result.pixels.max() == 1


SETTINGS = DegradeSettings(
    transmission=(0.3, 0.7), veil=(0.2, 0.4), blur=(0.001, 0.002), light=0.25, noise=0.02, untouched=0.25
)


def test_drawn_values_keep_to_their_ranges_and_fill_them() -> None:
    random = np.random.default_rng(0)
    drawn = [draw_degradation(random, SETTINGS) for _ in range(2000)]
    touched = [one for one in drawn if one.blur > 0]
    # a quarter is left untouched: standard deviation sqrt(2000 * 0.25 * 0.75) = 19
    assert abs(len(drawn) - len(touched) - 500) < 80
    ranges = {
        "transmission_low": (0.3, 0.7),
        "transmission_high": (0.3, 0.7),
        "veil": (0.2, 0.4),
        "blur": (0.001, 0.002),
        "light": (0, 0.25),
        "noise": (0, 0.02),
    }
    for name, (low, high) in ranges.items():
        values = np.array([getattr(one, name) for one in touched])
        assert low <= values.min() < low + 0.05 * (high - low), name
        assert high - 0.05 * (high - low) < values.max() <= high, name
    assert all(one.transmission_low <= one.transmission_high for one in drawn)
    # the lesser of two even draws has its mean at a third of the range
    assert np.mean([one.transmission_low for one in touched]) == pytest.approx(0.3 + 0.4 / 3, abs=0.01)
    assert len({one.seed for one in drawn}) > 1990


def test_equal_chance_draws_equal_degradations() -> None:
    one, other = ([draw_degradation(np.random.default_rng(5)) for _ in range(3)] for _ in range(2))
    assert one == other


def test_untouched_draws_change_nothing_at_all() -> None:
    photo = draw_fundus(128)
    for seed in range(10):
        drawn = draw_degradation(np.random.default_rng(seed), DegradeSettings(untouched=1))
        assert np.array_equal(degrade(photo, field(), drawn).pixels, photo.pixels)


def test_a_degradation_of_nothing_is_the_identity() -> None:
    photo = draw_fundus(128)
    assert np.array_equal(degrade(photo, field(), NOTHING).pixels, photo.pixels)


@pytest.mark.parametrize("transmission", [0.9, 0.5, 0.2, 0.0])
def test_a_constant_transmission_compresses_contrast_by_itself(transmission: float) -> None:
    # seen = clear * t + veil * (1 - t), with one veil: every difference between two pixels is scaled by t
    clear = inside(draw_fundus(128))
    seen = degraded(only(transmission_low=transmission, transmission_high=transmission))
    assert np.allclose(seen - seen.mean(0), transmission * (clear - clear.mean(0)), atol=2e-6)


@pytest.mark.parametrize("where", [0.0, 0.5, 1.0])
def test_the_veil_lies_between_the_mean_and_the_98th_percentile_of_the_photograph(where: float) -> None:
    seen, clear = degraded(only(transmission_low=0, transmission_high=0, veil=where)), inside(draw_fundus(128))
    wanted = (1 - where) * clear.mean(0) + where * np.percentile(clear, 98, axis=0)
    assert np.ptp(seen, axis=0).max() < 1e-6  # nothing but veil is seen
    assert np.allclose(seen[0], wanted, atol=1e-5)


def test_the_transmission_spans_what_was_asked_over_the_field_and_is_smooth() -> None:
    # of black and white photographs, seen = clear * t + veil * (1 - t) with equal veils of their own colour
    rng = np.random.default_rng(0)
    clear = np.where(field_mask()[..., None], rng.random((128, 128, 1), dtype=np.float32), 0).repeat(3, axis=2)
    photo = Photo(pixels=clear.astype(np.float32))
    degradation = only(transmission_low=0.2, transmission_high=0.9, veil=0)
    seen = degrade(photo, field(), degradation).pixels
    veil = clear[field_mask()].mean(0)
    usable = field_mask() & (np.abs(clear - veil)[..., 0] > 0.1)
    transmission = ((seen - veil) / np.where(usable[..., None], clear - veil, 1))[..., 0]
    assert transmission[usable].min() == pytest.approx(0.2, abs=0.05)  # its extremes may lie in the box's corners
    assert transmission[usable].max() <= 0.9 + 1e-4
    assert np.ptp(transmission[usable]) > 0.4
    across = np.abs(np.diff(transmission, axis=1))[usable[:, 1:] & usable[:, :-1]]
    assert across.max() < 0.7 * 6 / 128  # from end to end in no less than a sixth of the field


def test_more_blur_leaves_less_gradient_energy() -> None:
    photo = draw_fundus(192)
    blurs = (0, 0.5 / 192, 1 / 192, 2 / 192, 4 / 192)
    energies = [gradient_energy(degrade(photo, field(192), only(blur=blur))) for blur in blurs]
    assert all(later < 0.9 * earlier for earlier, later in itertools.pairwise(energies))
    assert energies[-1] < 0.2 * energies[0]


def test_the_blur_is_a_gaussian_of_the_asked_width() -> None:
    # the blurred edge between two halves is the normal distribution's integral; its slope in the middle is
    # step / (sigma sqrt(2 pi))
    size, sigma = 256, 3.0
    pixels = np.full((size, size, 3), 0.3, np.float32)
    pixels[:, size // 2 :] = 0.7
    whole = Field(mask=np.ones((size, size), bool))
    blurred = degrade_pixels(pixels, whole, only(blur=sigma / whole.diameter))
    slope = float(np.diff(blurred[size // 2, :, 1]).max())
    assert slope == pytest.approx(0.4 / (sigma * np.sqrt(2 * np.pi)), rel=0.02)


def test_the_black_surround_does_not_blur_into_the_rim() -> None:
    # nothing but blur on an even retina: it stays even up to the edge
    seen = degraded(only(blur=8 / 512), flat(0.6))
    assert np.abs(seen - 0.6).max() < 1e-5


@pytest.mark.parametrize("noise", [0.005, 0.012, 0.03])
def test_the_noise_has_the_asked_standard_deviation_and_no_mean(noise: float) -> None:
    change = degraded(only(noise=noise), flat(0.5)) - 0.5
    # 35,000 values: three standard errors of the deviation are 1.1 %
    assert change.std() == pytest.approx(noise, rel=0.015)
    assert abs(change.mean()) < noise / 40


def test_the_light_changes_each_pixel_by_the_asked_share_at_most_and_colours_alike() -> None:
    gain = degraded(only(light=0.3), flat(0.5)) / 0.5
    assert gain.min() >= 0.7 - 1e-5
    assert gain.max() <= 1.3 + 1e-5
    assert np.ptp(gain) > 0.35
    assert np.allclose(gain[:, :1], gain)


@pytest.mark.parametrize(
    "degradation",
    [
        only(blur=4 / 512),
        only(transmission_low=0.2, transmission_high=0.9),
        only(light=0.3),
        dataclasses.replace(EVERYTHING, noise=0),
    ],
)
def test_lengths_scale_with_the_field(degradation: Degradation) -> None:
    # a photograph of twice the size, degraded and reduced, is the small one degraded; noise is per pixel, so without
    small = draw_fundus(160)
    large = Photo(pixels=np.clip(cv2.resize(small.pixels, (320, 320), interpolation=cv2.INTER_CUBIC), 0, 1))
    from_large = degrade_pixels(large.pixels, Field(mask=np.ones((320, 320), bool)), degradation)
    from_small = degrade_pixels(small.pixels, Field(mask=np.ones((160, 160), bool)), degradation)
    reduced = cv2.resize(from_large, (160, 160), interpolation=cv2.INTER_AREA)
    change = np.abs(from_small - small.pixels).mean()
    assert np.abs(reduced - from_small).mean() < 0.1 * change


def test_a_field_away_from_the_middle_of_its_frame_is_degraded_the_same() -> None:
    photo = draw_fundus(128)
    wide = np.zeros((160, 200, 3), np.float32)
    wide[20:148, 50:178] = photo.pixels
    mask = np.zeros((160, 200), bool)
    mask[20:148, 50:178] = field_mask()
    moved = degrade(Photo(pixels=wide), Field(mask=mask), dataclasses.replace(EVERYTHING, noise=0)).pixels
    still = degrade(photo, field(), dataclasses.replace(EVERYTHING, noise=0)).pixels
    assert np.abs(moved[20:148, 50:178] - still).max() < 2e-3  # the veil is sampled on a grid of its own


def test_the_tint_colours_the_veil_and_nothing_else() -> None:
    veil = degraded(only(transmission_low=0, transmission_high=0, veil=0))
    tinted = degraded(only(transmission_low=0, transmission_high=0, veil=0, tint=(0.5, 1.0, 1.2)))
    assert tinted == pytest.approx(veil * [0.5, 1.0, 1.2], abs=1e-6)


def test_a_tint_is_drawn_only_where_it_is_asked_for() -> None:
    plain, tinted = (
        draw_degradation(np.random.default_rng(7), one) for one in (DegradeSettings(), DegradeSettings(tint=0.2))
    )
    assert tinted.tint != (1.0, 1.0, 1.0)
    assert all(0.8 <= factor <= 1.2 for factor in tinted.tint)
    assert dataclasses.replace(tinted, tint=(1.0, 1.0, 1.0)) == plain
