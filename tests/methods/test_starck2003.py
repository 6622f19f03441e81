import importlib.util
import math

import cv2
import numpy as np
import pytest

from clearfundus import Field, Photo, SettingsError, enhance, find_field
from clearfundus.errors import MissingExtraError
from clearfundus.fundus.frame import crop_to_field
from clearfundus.methods.starck2003 import RAYLEIGH_MEDIAN, GainCurve, Levels, _weigh, starck2003
from drawn import blur_fundus, draw_fundus


def curve(**changes: float) -> GainCurve:
    numbers = {"noise_multiple": 3.0, "power": 0.5, "saturation": 0.0, "continuous": False, "gain_cap": math.inf}
    return GainCurve(**{**numbers, **changes})


def gain_at(modulus: float, *, strong: float = 30.0, **changes: float) -> float:
    """Return the gain at one modulus where c sigma is 3 (c = 3, sigma = 1)."""
    return float(curve(**changes)(np.array([modulus], np.float32), 1.0, strong)[0])


def levels(**changes: str | float) -> Levels:
    numbers = {
        "noise": "white",
        "own_noise_share": 0.2,
        "strong_from": "maximum",
        "strong_share": 0.5,
        "strong_multiple": 20.0,
    }
    return Levels(**{**numbers, **changes})


def band(*moduli: float, background: float = 0.0) -> np.ndarray:
    """Return a band of 8 x 8 coefficients: the given ones first, the rest of the background's modulus."""
    coefficients = np.full(64, background, np.complex64)
    coefficients[: len(moduli)] = moduli
    return (coefficients * 1j ** np.arange(64)).reshape(8, 8).astype(np.complex64)  # of all phases


def whole(pixels: np.ndarray) -> tuple[Photo, Field]:
    return Photo(pixels=pixels), Field(mask=np.ones(pixels.shape[:2], bool))


def test_the_gain_has_the_values_of_the_printed_formula() -> None:
    # m = 30, c sigma = 3, p = 0.5: (m / c sigma)^p = sqrt(10)
    assert gain_at(2.99) == 1
    assert gain_at(3) == pytest.approx(1)
    assert gain_at(4.5) == pytest.approx(0.5 * math.sqrt(10) + 0.5)
    assert gain_at(6 - 1e-5) == pytest.approx(math.sqrt(10), abs=1e-4)  # 3.16
    assert gain_at(6) == pytest.approx(math.sqrt(5))  # 2.24
    assert gain_at(20) == pytest.approx(math.sqrt(1.5))
    assert gain_at(30) == 1
    assert gain_at(120) == 1
    assert gain_at(120, saturation=0.5) == pytest.approx(0.5)


@pytest.mark.parametrize("power", [0.2, 0.5, 1.0])
def test_the_printed_gain_falls_by_two_to_the_power_p_at_twice_c_sigma(power: float) -> None:
    assert gain_at(6 - 1e-5, power=power) / gain_at(6, power=power) == pytest.approx(2**power, rel=1e-4)


def test_the_continuous_gain_has_no_jump() -> None:
    moduli = np.linspace(0, 60, 60001, dtype=np.float32)
    gains = curve(continuous=True)(moduli, 1.0, 30.0)
    assert np.abs(np.diff(gains)).max() < 1e-3
    assert gains.max() == pytest.approx(math.sqrt(5), abs=1e-3)


@pytest.mark.parametrize("continuous", [False, True])
def test_no_gain_is_below_1_where_the_band_is_weak(continuous: bool) -> None:
    moduli = np.linspace(0, 60, 6001, dtype=np.float32)
    for strong in (0.0, 1.0, 4.0, 6.0):  # all at or below 2 c sigma
        assert curve(continuous=continuous)(moduli, 1.0, strong).min() >= 1


def test_the_gain_is_capped() -> None:
    assert gain_at(6 - 1e-5, strong=3000) == pytest.approx(math.sqrt(1000), rel=1e-3)
    assert gain_at(6 - 1e-5, strong=3000, gain_cap=3.0) == 3


def complex_noise(deviation: float) -> np.ndarray:
    """Return the moduli of complex Gaussian noise whose root mean squared modulus is the deviation."""
    parts = np.random.default_rng(0).standard_normal((2, 300, 300)) * deviation / math.sqrt(2)
    return np.hypot(*parts).astype(np.float32)


def test_with_white_noise_a_bands_noise_is_that_of_white_noise() -> None:
    assert levels(noise="white").noise_of(complex_noise(10), 0.3) == 0.3


@pytest.mark.parametrize("share", [0.2, 0.6, 1.0])
def test_with_mixed_noise_a_band_has_at_least_a_share_of_its_own_level(share: float) -> None:
    mixed = levels(noise="mix", own_noise_share=share)
    assert mixed.noise_of(complex_noise(10), 0.3) == pytest.approx(10 * share, rel=0.01)
    assert mixed.noise_of(complex_noise(10), 10.5 * share) == 10.5 * share


def test_strong_is_a_share_of_the_bands_maximum_or_a_multiple_of_its_noise() -> None:
    modulus = np.array([[1, 8]], np.float32)
    assert levels(strong_share=0.25).strong_of(modulus, 0.5) == 2
    assert levels(strong_from="noise", strong_multiple=7.0).strong_of(modulus, 0.5) == 3.5


def test_the_gain_is_that_of_lightness_and_colour_together() -> None:
    # sigma is 1 by the background, so c sigma = 3; m = 30 by the strong edge of L
    lightness = band(60, 0, 2, background=RAYLEIGH_MEDIAN)
    before = [lightness, band(0, 3, 3), band(0, 4, 6)]
    planes = [[[band(5)], [plane.copy()]] for plane in before]
    _weigh(planes, [[1.0], [1.0]], curve(), levels())
    added = np.zeros(64)
    added[1] = (5 / 3 - 1) * (math.sqrt(10) - 1)  # of u and v alone, joint modulus 5, on the ramp
    added[2] = math.sqrt(30 / 7) - 1  # of L, u and v, joint modulus 7
    for plane, original in zip(planes, before, strict=True):
        assert plane[1][0] == pytest.approx(original * added.reshape(8, 8), abs=1e-5)
        assert not plane[0][0].any()  # the low-pass stays as it is, so nothing of it is added


def test_the_noise_of_a_band_is_that_of_the_finest_scale_times_its_norm() -> None:
    norms = [[1.0], [4.0], [0.5, 2.0]]
    coarse = band(10, 20, 100)
    finest = [band(background=RAYLEIGH_MEDIAN * norm) for norm in norms[2]]  # white noise of sigma 1
    nothing = [[band()], [band()], [band(), band()]]
    planes = [[[band()], [coarse.copy()], finest], nothing, nothing]
    _weigh(planes, norms, curve(), levels())
    # c sigma = 3 * 4 = 12 and m = 50
    added = np.array([0, (20 / 12 - 1) * (math.sqrt(50 / 12) - 1), 0])
    assert planes[0][1][0].ravel()[:3] == pytest.approx(coarse.ravel()[:3] * added, abs=1e-4)
    assert not np.any(planes[0][2])


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"noise_multiple": 0.0}, "noise_multiple: found 0.0, expected a number above 0"),
        ({"power": 1.5}, "power: found 1.5, expected 0 or more and at most 1"),
        ({"saturation": -0.1}, "saturation: found -0.1"),
        ({"strong_from": "mean"}, "strong_from: found 'mean', expected one of: maximum, noise"),
        ({"strong_share": 2.0}, "strong_share: found 2.0"),
        ({"strong_multiple": float("inf")}, "strong_multiple: found inf"),
        ({"noise": "pink"}, "noise: found 'pink', expected one of: mix, white"),
        ({"own_noise_share": -1.0}, "own_noise_share: found -1.0"),
        ({"gain_cap": 0.5, "noise": "white"}, "gain_cap: found 0.5, expected 1 or more"),
        ({"scales": 1}, "scales: found 1, expected 2 or more and at most 6"),
        ({"wedges": 4}, "wedges: found '4', expected one of: 3, 6"),
        ({"working_diameter": 10.0}, "working_diameter: found 10.0"),
    ],
)
def test_numbers_out_of_range_are_named(parameters: dict, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        starck2003(*whole(np.zeros((8, 8, 3), np.float32)), **parameters)


def test_without_the_package_the_error_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "curvelets" else found(name))
    with pytest.raises(MissingExtraError, match=r"starck2003 needs curvelets.*pip install 'clearfundus\[curvelet\]'"):
        starck2003(*whole(np.zeros((8, 8, 3), np.float32)))


class TestWithThePackage:
    @pytest.fixture(autouse=True)
    def _package(self) -> None:
        pytest.importorskip("curvelets")

    @pytest.mark.parametrize("shape", [(2, 2), (5, 3), (9, 130), (101, 97), (300, 210)])
    def test_power_0_is_the_identity_at_any_size(self, shape: tuple[int, int]) -> None:
        pixels = np.random.default_rng(1).random((*shape, 3), dtype=np.float32)
        result = starck2003(*whole(pixels), power=0.0, scales=3, working_diameter=100.0)
        assert np.array_equal(result.pixels, pixels)

    @pytest.mark.parametrize("noise", ["mix", "white"])
    @pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
    def test_a_flat_picture_stays_as_it_is(self, noise: str, level: float) -> None:
        pixels = np.full((40, 51, 3), level, np.float32)
        result = starck2003(*whole(pixels), noise=noise, scales=3)
        assert np.abs(result.pixels - pixels).max() < 1e-4

    def test_noise_alone_is_not_raised(self) -> None:
        rng = np.random.default_rng(2)
        pixels = np.clip(0.5 + 0.02 * rng.standard_normal((120, 120, 3)), 0, 1).astype(np.float32)
        change = np.abs(starck2003(*whole(pixels)).pixels - pixels)
        assert change.mean() < 0.0005

    def test_a_faint_line_is_raised_and_the_light_stays(self) -> None:
        rng = np.random.default_rng(3)
        pixels = np.full((160, 160, 3), 0.5) + 0.002 * rng.standard_normal((160, 160, 1))
        cv2.line(pixels, (10, 40), (150, 70), (0.47, 0.47, 0.47), 2)  # faint
        cv2.line(pixels, (10, 90), (150, 120), (0.1, 0.1, 0.1), 2)  # strong, of the same direction
        pixels = cv2.GaussianBlur(np.clip(pixels, 0, 1).astype(np.float32), (0, 0), 1)
        result = starck2003(*whole(pixels), noise="white").pixels

        def depth(picture: np.ndarray, row: int) -> float:
            return float(np.median(picture[row - 8]) - picture[row - 4 : row + 5, 80].min())

        assert depth(result, 55) > 1.15 * depth(pixels, 55)
        assert depth(result, 105) == pytest.approx(depth(pixels, 105), rel=0.1)
        assert result.mean() == pytest.approx(pixels.mean(), abs=0.001)

    def test_the_settings_act(self) -> None:
        photo = blur_fundus(draw_fundus(128))
        frame = crop_to_field(photo, find_field(photo))
        results = [
            starck2003(frame.photo, frame.field, **{"scales": 4, **parameters}).pixels
            for parameters in (
                {},
                {"scales": 3},
                {"power": 0.3},
                {"saturation": 0.5},
                {"continuous": True},
                {"noise": "white"},
                {"own_noise_share": 0.6},
                {"strong_from": "noise"},
                {"strong_from": "noise", "strong_multiple": 8.0},
                {"strong_share": 0.9},
                {"noise_multiple": 1.5},
                {"gain_cap": 1.1},
                {"wedges": 6},
                {"working_diameter": 64.0},
            )
        ]
        for index, one in enumerate(results):
            assert all(np.abs(one - other).max() > 1e-4 for other in results[:index])

    def test_half_the_resolution_gives_nearly_the_same_picture(self) -> None:
        data = pytest.importorskip("skimage.data")
        retina = data.retina().astype(np.float32) / 255  # 1411 x 1411, more than a quick test has time for
        full = cv2.resize(retina, (576, 576), interpolation=cv2.INTER_AREA)
        half = cv2.resize(full, (288, 288), interpolation=cv2.INTER_AREA)
        from_full, from_half = (
            enhance(Photo(pixels=pixels), lambda photo, field: starck2003(photo, field, working_diameter=350.0)).pixels
            for pixels in (full, half)
        )
        reduced = cv2.resize(from_full, (288, 288), interpolation=cv2.INTER_AREA)
        assert np.abs(reduced - from_half).mean() <= 0.011
        assert np.abs(from_half - half).mean() > 0.001  # it did something
