"""Each model of a degradation against closed forms."""

import dataclasses
import itertools

import cv2
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.special import ndtr

from clearfundus import Field, Photo
from clearfundus.fundus.degradations import DEGRADATIONS, Model, decibels, from_record
from clearfundus.fundus.degradations.arcnet import KERNELS, ArcNet
from clearfundus.fundus.degradations.cataract import Cataract
from clearfundus.fundus.degradations.cofe import Cofe
from clearfundus.fundus.degradations.cofe_parts import BOX, CUT_OFF, Halo, Hole, Spot, Tone
from clearfundus.fundus.degradations.focus import Focus
from clearfundus.fundus.degradations.peli import LEVELS, Peli
from clearfundus.fundus.degradations.texture import noise, smooth_map
from clearfundus.fundus.degrade import DegradeSettings, degrade
from drawn import draw_fundus, field_mask

CLEAR_ARCNET = ArcNet(kept=1, haze=0, centre=(0, 0), blur=0, contrast=1, brightness=1, saturation=1)
CLEAR_COFE = Cofe(tone=None, halo=None, hole=None, spots=(), blur=(0.0, 0.0))
CLEAR_PELI = Peli(transmission=1, unevenness=0, attenuation=1, veil=(0.75, 0.62, 0.45), blur=0, noise=0, seed=1)


def whole(size: int = 128) -> Field:
    return Field(mask=np.ones((size, size), bool))


def field(size: int = 128) -> Field:
    return Field(mask=field_mask(size))


def even(level: float | tuple[float, float, float], size: int = 128) -> Photo:
    return Photo(pixels=np.full((size, size, 3), level, dtype=np.float32))


def edge(size: int = 256) -> Photo:
    """Return a dark and a light half, side by side."""
    pixels = np.full((size, size, 3), 0.3, np.float32)
    pixels[:, size // 2 :] = 0.7
    return Photo(pixels=pixels)


# blur


@pytest.mark.parametrize(
    ("blurred_by", "axis"),
    [
        (lambda sigma: Focus(blur=sigma, noise=0, seed=0), 1),
        (lambda sigma: dataclasses.replace(CLEAR_PELI, blur=sigma), 1),
        (lambda sigma: dataclasses.replace(CLEAR_ARCNET, blur=sigma), 1),
        (lambda sigma: dataclasses.replace(CLEAR_COFE, blur=(sigma, 0.0)), 1),
        (lambda sigma: dataclasses.replace(CLEAR_COFE, blur=(0.0, sigma)), 0),
    ],
)
@pytest.mark.parametrize("sigma", [2.0, 5.0])
def test_a_blurred_edge_is_that_of_a_gaussian_of_the_stated_width(blurred_by, axis: int, sigma: float) -> None:
    # closed form: the normal distribution's integral; a kernel cut off to a box would give a ramp
    photo = edge() if axis == 1 else Photo(pixels=edge().pixels.transpose(1, 0, 2).copy())
    model: Model = blurred_by(sigma / whole(256).diameter)
    seen = np.moveaxis(model.apply(photo, whole(256)).pixels, axis, 1)[128, :, 1]
    expected = 0.3 + 0.4 * ndtr((np.arange(256) - 127.5) / sigma)
    assert np.abs(seen - expected).max() < 0.002
    # and so its gradient energy: step^2 / (2 sigma sqrt(pi))
    assert np.sum(np.diff(seen) ** 2) == pytest.approx(0.4**2 / (2 * sigma * np.sqrt(np.pi)), rel=0.03)


def test_a_blur_along_one_axis_leaves_the_other_alone() -> None:
    model = dataclasses.replace(CLEAR_COFE, blur=(0.0, 0.02))
    assert np.allclose(model.apply(edge(), whole(256)).pixels, edge().pixels, atol=1e-6)


# texture


@pytest.mark.parametrize("size", [580, 700, 1001])
def test_the_noise_has_the_asked_deviation_and_no_mean(size: int) -> None:
    drawn = noise((size, size), field(size), 0.01, np.random.default_rng(0))
    assert drawn.std() == pytest.approx(0.01, rel=0.03)
    assert abs(drawn.mean()) < 1e-4
    assert abs(np.corrcoef(drawn[..., 0].ravel(), drawn[..., 1].ravel())[0, 1]) < 0.01


def test_a_smooth_map_spans_its_range_over_the_field_and_is_as_smooth_as_asked() -> None:
    found = smooth_map((256, 256), field(256), 1 / 6, np.random.default_rng(0))
    assert found[field_mask(256)].min() == pytest.approx(-1, abs=1e-5)
    assert found[field_mask(256)].max() == pytest.approx(1, abs=1e-5)
    # from end to end in no less than a fifth of the field
    assert np.abs(np.diff(found, axis=1))[field_mask(256)[:, 1:]].max() < 2 * 5 / 256
    assert np.abs(found - gaussian_filter(found, 3))[field_mask(256)].max() < 0.02


# cataract


def test_cataract_is_the_degradation_of_training_bit_for_bit() -> None:
    model = DEGRADATIONS["cataract"].draw(np.random.default_rng(1), 0.7)
    assert isinstance(model, Cataract)
    assert np.array_equal(
        model.apply(draw_fundus(128), whole()).pixels, degrade(draw_fundus(128), whole(), model).pixels
    )


def test_a_cataract_recorded_before_veils_had_a_tint_is_read_without_one() -> None:
    model = DEGRADATIONS["cataract"].draw(np.random.default_rng(1), 0.7)
    older = {name: value for name, value in dataclasses.asdict(model).items() if name != "tint"}
    assert from_record({"model": "cataract", "parameters": older}) == model


def test_cataract_stays_within_the_ranges_of_training() -> None:
    ranges = DegradeSettings()
    for seed, severity in itertools.product(range(50), (0.0, 0.5, 1.0)):
        model = Cataract.draw(np.random.default_rng(seed), severity)
        assert ranges.transmission[0] <= model.transmission_low <= model.transmission_high <= ranges.transmission[1]
        assert 0 <= model.blur <= ranges.blur[1]
        assert 0 <= model.light <= ranges.light
        assert 0 <= model.noise <= ranges.noise


# focus


@pytest.mark.parametrize(("severity", "sigma"), [(0.25, 1), (0.5, 2), (0.75, 3), (1, 4)])
def test_focus_has_four_even_steps_with_the_same_noise(severity: float, sigma: float) -> None:
    model = Focus.draw(np.random.default_rng(0), severity)
    assert model.blur * 540 == pytest.approx(sigma)
    assert model.noise == 0.01


# peli


@pytest.mark.parametrize(("level", "passed", "sigma"), [("mild", 0.6, 1), ("medium", 0.4, 1.5), ("severe", 0.25, 2)])
def test_peli_has_three_named_levels(level: str, passed: float, sigma: float) -> None:
    model = Peli.draw(np.random.default_rng(0), LEVELS[level])
    assert model.transmission == pytest.approx(passed)
    assert model.blur * 540 == pytest.approx(sigma)
    assert (model.unevenness, model.attenuation, model.noise) == pytest.approx((0.15, 0.9, 0.008))


@pytest.mark.parametrize("severity", LEVELS.values())
def test_the_oracle_recovers_the_clear_picture_where_there_is_no_blur_and_no_noise(severity: float) -> None:
    photo = draw_fundus(128)
    model = dataclasses.replace(Peli.draw(np.random.default_rng(2), severity), blur=0, noise=0)
    seen = model.apply(photo, field())
    assert np.abs(model.unveil(seen, field()).pixels - photo.pixels).max() < 5e-6
    assert severity == 0 or decibels(photo, seen, field()) < 25


def test_the_oracle_leaves_blur_and_noise() -> None:
    photo, model = draw_fundus(128), Peli.draw(np.random.default_rng(2), 2 / 3)
    seen = model.apply(photo, field())
    found = model.unveil(seen, field())
    assert decibels(photo, seen, field()) + 5 < decibels(photo, found, field()) < 50


def test_an_even_veil_is_the_published_form() -> None:
    model = dataclasses.replace(CLEAR_PELI, transmission=0.4, attenuation=0.9)
    seen = model.apply(even((0.5, 0.3, 0.1)), whole()).pixels
    expected = 0.9 * 0.4 * np.array([0.5, 0.3, 0.1]) + 0.6 * np.array([0.75, 0.62, 0.45])
    assert np.allclose(seen, expected, atol=1e-6)


def test_the_transmission_swings_to_both_sides_and_is_kept_in_its_limits() -> None:
    for middle, low, high in ((0.5, 0.35, 0.65), (0.1, 0.05, 0.25), (0.95, 0.8, 1.0)):
        model = dataclasses.replace(CLEAR_PELI, transmission=middle, unevenness=0.15, veil=(0.0, 0.0, 0.0))
        passed = model.apply(even(1), field()).pixels[field_mask()]
        assert (passed.min(), passed.max()) == pytest.approx((low, high), abs=1e-4)


# arcnet


@pytest.mark.parametrize("centre", [(0.0, 0.0), (0.2, -0.3)])
def test_the_haze_grows_outwards_from_its_centre_to_the_share_asked(centre: tuple[float, float]) -> None:
    # of black with a white point, the veil is white and what is seen is the haze
    size = 129
    pixels = np.zeros((size, size, 3), np.float32)
    pixels[64, 64] = 1
    mask = field_mask(size)
    seen = dataclasses.replace(CLEAR_ARCNET, haze=0.7, centre=centre).apply(Photo(pixels=pixels), field(size)).pixels
    row, column = np.mgrid[:size, :size] - 64 - np.array(centre)[:, None, None] * field(size).diameter
    distance = np.hypot(row, column)
    haze = seen[..., 0][mask & (pixels[..., 0] == 0)]
    far = distance[mask & (pixels[..., 0] == 0)]
    assert np.allclose(haze, 0.7 * far / distance[mask].max(), atol=1e-4)
    assert haze.max() == pytest.approx(0.7, abs=1e-4)
    assert haze.min() < 0.02


def test_the_veil_is_the_brightest_value_of_each_channel() -> None:
    photo = draw_fundus(128)
    seen = dataclasses.replace(CLEAR_ARCNET, kept=1, haze=1, centre=(0.0, 0.0)).apply(photo, field()).pixels
    row, column = np.unravel_index(
        np.argmax(np.where(field_mask(), np.hypot(*np.mgrid[-63.5:64, -63.5:64]), 0)), (128,) * 2
    )
    assert np.allclose(seen[row, column], photo.pixels[field_mask()].max(0), atol=1e-3)


def test_arcnet_blurs_as_wide_as_the_published_boxes() -> None:
    drawn = {round(ArcNet.draw(np.random.default_rng(seed), 1).blur * 512, 4) for seed in range(40)}
    boxes = {round(float(np.std(np.arange(kernel) - kernel // 2)), 4) for kernel in KERNELS}
    assert drawn == boxes


def test_saturation_changes_red_against_blue_as_in_rgb() -> None:
    # blue and red exchanged, an orange of this luminance would lose less of its red
    colour = np.array([0.6, 0.3, 0.1])
    seen = dataclasses.replace(CLEAR_ARCNET, saturation=0.5).apply(even((0.6, 0.3, 0.1)), whole()).pixels
    gray = colour @ [0.299, 0.587, 0.114]
    assert np.allclose(seen, gray + 0.5 * (colour - gray), atol=1e-6)


# cofe


def test_all_seven_combinations_of_faults_are_drawn_alike() -> None:
    found = [
        (model.tone is not None, bool(model.spots), model.blur != (0.0, 0.0))
        for model in (Cofe.draw(np.random.default_rng(seed), 1) for seed in range(700))
    ]
    counts = {subset: found.count(subset) for subset in set(found)}
    assert len(counts) == 7
    assert (False, False, False) not in counts
    assert min(counts.values()) > 60  # 100 each, with a deviation of 9


def test_a_fault_is_of_the_same_kind_at_every_severity() -> None:
    for seed in range(20):
        mild, bad = (Cofe.draw(np.random.default_rng(seed), severity) for severity in (0.2, 1.0))
        assert [spot.centre for spot in mild.spots] == [spot.centre for spot in bad.spots]
        assert (mild.tone is None, mild.hole and mild.hole.radius) == (bad.tone is None, bad.hole and bad.hole.radius)
        assert np.allclose(mild.blur, 0.2 * np.array(bad.blur))


def test_tone_is_brightness_then_contrast_then_saturation() -> None:
    colours = np.array([[0.6, 0.3, 0.1], [0.3, 0.2, 0.2]])
    pixels = np.zeros((128, 128, 3), np.float32)
    pixels[:64], pixels[64:] = colours
    tone = Tone(brightness=0.8, contrast=1.2, saturation=0.7)
    seen = dataclasses.replace(CLEAR_COFE, tone=tone).apply(Photo(pixels=pixels), whole()).pixels
    expected = 0.8 * colours
    luma = expected @ [0.299, 0.587, 0.114]
    expected = luma.mean() + 1.2 * (expected - luma.mean())
    luma = (expected @ [0.299, 0.587, 0.114])[:, None]
    expected = luma + 0.7 * (expected - luma)
    assert np.allclose(seen[[0, 127], 0], expected, atol=1e-5)


def test_a_halo_lights_the_rim_in_its_colour_and_not_the_middle() -> None:
    halo = Halo(centre=(0.0, 0.0), inner=0.4, outer=0.9, softness=0.02, colour=(0.5, 1.0, 1.0), strength=0.8)
    seen = dataclasses.replace(CLEAR_COFE, halo=halo).apply(even(0.4), field()).pixels
    assert np.allclose(seen[64, 64], 0.4, atol=1e-4)
    assert np.allclose(seen[64, 4], 0.4 + 0.4 * 0.8 * np.array([0.5, 1.0, 1.0]), atol=2e-3)
    # half at the radius where it begins
    at_inner = 0.4 + np.interp(0.4 * field().diameter, np.arange(64) + 0.5, seen[64, 64:, 2] - 0.4)
    assert at_inner == pytest.approx(0.4 + 0.4 * 0.8 / 2, abs=0.02)


def test_a_hole_is_as_deep_as_asked_and_only_in_a_bright_photograph() -> None:
    hole = Hole(centre=(0.1, 0.0), radius=0.2, softness=0.03, depth=0.26, share=0.05)
    model = dataclasses.replace(CLEAR_COFE, hole=hole)
    seen = model.apply(even(0.6), field()).pixels
    row = round(63.5 + 0.1 * field().diameter)
    assert np.allclose(seen[row, 64], 0.6 - 0.26 - 0.05 * 0.6, atol=1e-4)
    assert np.allclose(seen[4, 64], 0.6, atol=1e-4)
    assert np.array_equal(model.apply(even(0.25), field()).pixels, even(0.25).pixels)


def test_a_spot_is_a_blurred_disc_where_it_was_put() -> None:
    size = 512
    spot = Spot(centre=(-0.2, 0.3), radius=12 / size, softness=3 / size, strength=0.2)
    diameter = whole(size).diameter
    seen = dataclasses.replace(CLEAR_COFE, spots=(spot,)).apply(even(0.4, size), whole(size)).pixels[..., 0] - 0.4
    row, column = np.mgrid[:size, :size] - (size - 1) / 2
    far = np.hypot(row + 0.2 * diameter, column - 0.3 * diameter)
    disc = np.where(far <= 12 / size * diameter, np.float32(0.2), np.float32(0))
    expected = cv2.GaussianBlur(disc, (0, 0), 3 / size * diameter)
    assert np.abs(seen - expected).max() < 0.02  # the closed form takes the edge as straight
    assert seen.sum() == pytest.approx(expected.sum(), rel=0.1)
    assert np.abs(seen[far > 24 / size * diameter + 2]).max() < 1e-4


def test_spots_are_as_bright_as_published() -> None:
    # of the greatest and the least radius, 25 and 5.12 pixels of 512: A (1 - t) with A = 14/25 + 1 - r/25
    spots = [spot for seed in range(400) for spot in Cofe.draw(np.random.default_rng(seed), 1).spots]
    sizes = np.array([2 * spot.radius * 512 for spot in spots])
    assert 5.12 <= sizes.min() < 5.5
    assert 25 < sizes.max() <= 25.6
    opacity = 1 - np.exp(-(0.5 + sizes / 25) * 0.3 * sizes / 25)
    assert np.allclose([spot.strength for spot in spots], (14 / 25 + 1 - sizes / 25) * opacity)
    assert {len(Cofe.draw(np.random.default_rng(seed), 1).spots) for seed in range(400)} == {0, 5, 6, 7, 8, 9, 10}


@pytest.mark.parametrize(("sigmas", "share"), [(2 / 3, CUT_OFF), (0.8, CUT_OFF), (4, BOX), (5, BOX)])
def test_a_cut_off_kernel_is_as_wide_as_said(sigmas: float, share: float) -> None:
    # of halo, hole and dust: OpenCV's kernel of 101 pixels for the named deviation, in kernel widths
    weights = cv2.getGaussianKernel(101, sigmas * 101).ravel()
    assert np.sqrt(weights @ (np.arange(101) - 50.0) ** 2) / 101 == pytest.approx(share, rel=0.02)


def test_edges_are_as_soft_as_the_published_kernels_make_them() -> None:
    drawn = [Cofe.draw(np.random.default_rng(seed), 1) for seed in range(400)]
    holes = [model.hole for model in drawn if model.hole]
    kernels = np.array([hole.softness / (CUT_OFF * 2 * hole.radius) for hole in holes])
    assert 0.55 <= kernels.min() < 0.56
    assert 0.74 < kernels.max() <= 0.75
    spots = [spot for model in drawn for spot in model.spots]
    named = np.array([2 * (5 + 20 * 2 * spot.radius * 512 / 25) / 512 for spot in spots])
    kernels = np.array([spot.softness for spot in spots]) / BOX / named
    assert 0.2 <= kernels.min() < 0.202
    assert 0.248 < kernels.max() <= 0.25
    halos = [model.halo for model in drawn if model.halo]
    for halo in halos:
        reach = 2 * max(0.5 + abs(offset) for offset in halo.centre)
        assert halo.softness == pytest.approx(CUT_OFF * abs(reach - 2 * halo.inner))
        assert 0.375 <= halo.inner <= 0.5 < halo.outer
