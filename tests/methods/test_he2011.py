import numpy as np
import pytest
from scipy.ndimage import maximum_filter, minimum_filter, uniform_filter

from clearfundus import Field, Photo, SettingsError, find_field
from clearfundus.fundus.colour import rgb_to_lab
from clearfundus.fundus.frame import crop_to_field
from clearfundus.fundus.smoothing import smooth
from clearfundus.methods.he2011 import estimate_transmission, find_airlight, he2011
from clearfundus.photo import Gray, Pixels
from drawn import blur_fundus, draw_fundus

AIRLIGHT = np.array([0.9, 0.8, 0.7], np.float32)


def clear_scene(size: int = 160) -> Pixels:
    """Return noise whose true dark channel is zero: each pixel lacks one of the three colours."""
    rng = np.random.default_rng(4)
    pixels = rng.uniform(0.1, 0.9, (size, size, 3)).astype(np.float32)
    np.put_along_axis(pixels, rng.integers(0, 3, (size, size, 1)), 0, axis=2)
    return pixels


def haze_over(clear: Pixels, transmission: Gray | float) -> Pixels:
    share = np.broadcast_to(np.asarray(transmission, np.float32), clear.shape[:2])[..., None]
    return (clear * share + AIRLIGHT * (1 - share)).astype(np.float32)


def whole(pixels: Pixels) -> tuple[Photo, Field]:
    return Photo(pixels=pixels), Field(mask=np.ones(pixels.shape[:2], bool))


def flat(*colour: float, size: int = 40) -> Pixels:
    return np.full((size, size, 3), colour, np.float32)


@pytest.mark.parametrize("transmission", [0.0, 0.3, 0.75, 1.0])
def test_it_finds_the_exact_transmission_of_a_scene_whose_dark_channel_is_zero(transmission: float) -> None:
    hazy = haze_over(clear_scene(), transmission)
    assert np.abs(estimate_transmission(hazy, AIRLIGHT, 5, removed_share=1.0) - transmission).max() < 3e-7
    kept_haze = estimate_transmission(hazy, AIRLIGHT, 5, removed_share=0.95)
    assert np.abs(kept_haze - (1 - 0.95 * (1 - transmission))).max() < 3e-7


def test_of_uneven_haze_it_finds_the_thinnest_of_each_patch() -> None:
    ramp = np.linspace(0.2, 0.9, 160)[:, None] * np.linspace(0.6, 1, 160)
    found = estimate_transmission(haze_over(clear_scene(), ramp), AIRLIGHT, 7, removed_share=1.0)
    assert np.abs(found - maximum_filter(ramp, 7, mode="nearest")).max() < 3e-7


def test_it_recovers_a_hazy_scene_and_the_colour_of_its_haze() -> None:
    clear = clear_scene(240)
    hazy = haze_over(clear, 0.5)
    hazy[:24, :24] = AIRLIGHT  # a patch of which nothing is seen but haze
    photo, field = whole(hazy)
    assert np.array_equal(find_airlight(hazy, field.mask, 7), AIRLIGHT)
    result = he2011(photo, field, removed_share=1.0, patch=7 / field.diameter, guide_radius=10 / field.diameter)
    far = np.s_[60:, 60:]  # farther from that patch than the patch and twice the guided filter's radius
    assert np.abs(result.pixels - clear)[far].max() < 1e-4


def test_it_agrees_with_the_equations_written_with_scipy() -> None:
    pixels = blur_fundus(draw_fundus(160)).pixels
    pixels = np.clip(pixels, 0.02, 1)
    photo, field = whole(pixels)
    diameter = 2 * np.sqrt(160 * 160 / np.pi)  # 180.5: a patch of 4.5, so 5 pixels, and a radius of 18
    double = pixels.astype(np.float64)
    dark = minimum_filter(double.min(axis=2), 5, mode="nearest")
    top = dark >= np.sort(dark.ravel())[-26]  # 0.001 of 25,600
    airlight = double[top][double[top].mean(axis=1).argmax()]
    transmission = 1 - 0.95 * minimum_filter((double / airlight).min(axis=2), 5, mode="nearest")
    guide = double @ np.array([0.299, 0.587, 0.114])

    def mean(plane: np.ndarray) -> np.ndarray:
        return np.asarray(uniform_filter(plane, 2 * 18 + 1, mode="reflect"))

    slope = (mean(guide * transmission) - mean(guide) * mean(transmission)) / (mean(guide**2) - mean(guide) ** 2 + 1e-3)
    refined = mean(slope) * guide + mean(mean(transmission) - slope * mean(guide))
    expected = np.clip((double - airlight) / np.maximum(refined, 0.1)[..., None] + airlight, 0, 1)
    assert field.diameter == pytest.approx(diameter)
    assert expected.std() > 0.05
    assert np.abs(he2011(photo, field).pixels - expected).max() < 1e-4


def test_the_airlight_is_sought_inside_the_field_only() -> None:
    pixels = flat(0.4, 0.3, 0.2)
    pixels[:, 30:] = 1  # brighter, and outside
    pixels[10:20, 10:20] = 0.6, 0.5, 0.4
    mask = np.zeros((40, 40), bool)
    mask[:, :30] = True
    assert find_airlight(pixels, mask, 5).tolist() == pytest.approx([0.6, 0.5, 0.4])
    assert find_airlight(pixels, np.ones_like(mask), 5).tolist() == [1, 1, 1]


def test_the_airlight_is_one_pixels_colour_and_a_lone_bright_pixel_is_none() -> None:
    pixels = flat(0.4, 0.3, 0.2)
    pixels[3, 3] = 1  # a reflex: bright, but its patch is not
    pixels[20:30, 20:30] = 0.6, 0.5, 0.4
    pixels[25, 25] = 0.9, 0.5, 0.4  # as bright in the dark channel as its neighbours, and brighter itself
    assert find_airlight(pixels, np.ones((40, 40), bool), 5).tolist() == pytest.approx([0.9, 0.5, 0.4])


def test_of_airlights_that_tie_the_reddest_is_taken_wherever_it_lies() -> None:
    pixels = np.full((9, 9, 3), 0.2, np.float32)
    pixels[2, 2], pixels[6, 6] = (0.75, 0.5, 0.25), (0.5, 0.75, 0.25)
    everywhere = np.ones((9, 9), np.bool_)
    for turned in (pixels, pixels[::-1, ::-1]):
        found = find_airlight(np.ascontiguousarray(turned), everywhere, 1)
        np.testing.assert_array_equal(found, np.float32([0.75, 0.5, 0.25]))
    pixels[6, 6] = (0.75, 0.25, 0.5)  # as red, less green
    for turned in (pixels, pixels[::-1, ::-1]):
        found = find_airlight(np.ascontiguousarray(turned), everywhere, 1)
        np.testing.assert_array_equal(found, np.float32([0.75, 0.5, 0.25]))


def test_the_share_of_brightest_pixels_decides_which_may_hold_the_airlight() -> None:
    pixels = flat(0.2, 0.2, 0.2)
    pixels[20:30, 20:30] = 0.5  # the brightest dark channel: 36 of 1,600 pixels with a patch of 5
    pixels[:15, :15] = 1, 1, 0.4  # next, and brighter: 169 pixels
    inside = np.ones((40, 40), bool)
    assert find_airlight(pixels, inside, 5, brightest_share=36 / 1600).tolist() == [0.5, 0.5, 0.5]
    assert find_airlight(pixels, inside, 5, brightest_share=37 / 1600).tolist() == pytest.approx([1, 1, 0.4])


def test_a_picture_without_blue_does_not_change() -> None:
    drawn = draw_fundus(128).pixels.copy()
    drawn[..., 2] = 0
    photo, field = whole(drawn)
    assert np.abs(he2011(photo, field).pixels - drawn).max() < 1e-6


def test_a_picture_with_one_level_of_blue_hardly_changes() -> None:
    drawn = draw_fundus(128).pixels.copy()
    frame = crop_to_field(Photo(pixels=drawn), find_field(Photo(pixels=drawn)))
    frame.photo.pixels[..., 2] = 1 / 255
    # A of blue is held at 0.05, so t = 1 - 0.95 (1/255) / 0.05 = 0.925
    assert np.abs(he2011(frame.photo, frame.field).pixels - frame.photo.pixels).mean() < 0.05


def test_the_airlight_is_at_least_its_floor() -> None:
    # t = 1 - 0.95 x 0.01 / 0.05 = 0.81; J = (0.01 - 0.05) / 0.81 + 0.05
    assert he2011(*whole(flat(0.01, 0.01, 0.01))).pixels == pytest.approx(0.0006173, abs=1e-6)
    assert he2011(*whole(flat(0.0, 0.0, 0.0))).pixels.max() < 1e-7


def test_the_transmission_is_at_least_its_floor() -> None:
    pixels = flat(0.5, 0.5, 0.5, size=80)
    pixels[40:] *= 0.98  # far from the edge t is 1 - 0.98 = 0.02
    result = he2011(*whole(pixels), removed_share=1.0, least_transmission=0.2).pixels
    assert result[-10:] == pytest.approx((0.49 - 0.5) / 0.2 + 0.5, abs=1e-4)


def test_removing_none_of_the_haze_changes_nothing() -> None:
    photo, field = whole(blur_fundus(draw_fundus(96)).pixels)
    assert np.abs(he2011(photo, field, removed_share=0.0).pixels - photo.pixels).max() < 1e-6


def test_on_a_hazy_retina_it_fails_as_published_darker_redder_and_less_evenly_lit() -> None:
    blurry = blur_fundus(draw_fundus(256))
    frame = crop_to_field(blurry, find_field(blurry))
    mask = frame.field.mask
    result = he2011(frame.photo, frame.field)
    before, after = (rgb_to_lab(one.pixels)[mask].mean(axis=0) for one in (frame.photo, result))
    assert after[0] < before[0] - 10
    assert np.arctan2(after[2], after[1]) < np.arctan2(before[2], before[1]) - np.radians(5)
    light = [smooth(one.pixels[..., 1], frame.field.diameter / 12, mask)[mask] for one in (frame.photo, result)]
    assert light[1].std() / light[1].mean() > 1.5 * light[0].std() / light[0].mean()


def test_an_edge_of_the_least_variance_stays_finite_in_a_bright_picture() -> None:
    pixels = 1 - np.random.default_rng(5).random((400, 400, 3), dtype=np.float32) * np.float32(1e-4)
    result = he2011(*whole(pixels), guide_variance=1e-5).pixels
    assert np.isfinite(result).all()
    assert result.min() > 0.99


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"patch": 0.0}, "patch: found 0.0, expected a number above 0 and at most 1"),
        ({"patch": float("nan")}, "patch: found nan"),
        ({"removed_share": -0.1}, "removed_share: found -0.1, expected 0 or more and at most 1"),
        ({"removed_share": 1.1}, "removed_share: found 1.1"),
        ({"least_transmission": 0.0}, "least_transmission: found 0.0"),
        ({"brightest_share": 0.0}, "brightest_share: found 0.0"),
        ({"least_airlight": 0.0}, "least_airlight: found 0.0"),
        ({"guide_radius": 2.0}, "guide_radius: found 2.0"),
        ({"guide_variance": 1e-9}, "guide_variance: found 1e-09, expected 1e-05 or more"),
    ],
)
def test_numbers_out_of_range_are_named(parameters: dict, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        he2011(*whole(flat(0.5, 0.4, 0.3)), **parameters)
