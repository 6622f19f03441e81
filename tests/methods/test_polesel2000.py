import math

import cv2
import numpy as np
import pytest
from skimage.data import retina

from clearfundus import Field, Photo, SettingsError, find_field
from clearfundus.fundus.colour import luminance
from clearfundus.fundus.frame import crop_to_field
from clearfundus.methods.polesel2000 import (
    LEAST_REGULARISATION,
    Plane,
    add_light,
    automatic_thresholds,
    local_variance,
    noise_deviation,
    polesel2000,
    reduce_to_diameter,
    sharpen,
)
from clearfundus.photo import Gray
from clearfundus.pipeline import enhance
from drawn import blur_fundus


@pytest.fixture(scope="module")
def real() -> Photo:
    """A real photograph, 1411 x 1411 (public domain, comes with scikit-image)."""
    return Photo(pixels=retina().astype(np.float32) / 255)


def whole(gray: Gray) -> tuple[Photo, Field]:
    """Return a gray photograph of the plane, all field."""
    return Photo(pixels=np.repeat(gray[..., None], 3, 2).astype(np.float32)), Field(mask=np.ones(gray.shape, bool))


def noise(deviation: float, shape: tuple[int, int] = (300, 300), mean: float = 128) -> Plane:
    return np.random.default_rng(0).normal(mean, deviation, shape)


def at(plane: Plane, row: int, column: int) -> float:
    """Read a plane whose border is repeated outwards."""
    height, width = plane.shape
    return float(plane[min(max(row, 0), height - 1), min(max(column, 0), width - 1)])


def by_pixel(x: Plane, tau1: float, tau2: float) -> Plane:
    """The paper's equations with its constants, one pixel at a time."""
    height, width = x.shape
    z_x, z_y, y = np.zeros_like(x), np.zeros_like(x), np.zeros_like(x)
    for n in range(height):
        for m in range(width):
            z_x[n, m] = 2 * x[n, m] - at(x, n, m - 1) - at(x, n, m + 1)
            z_y[n, m] = 2 * x[n, m] - at(x, n - 1, m) - at(x, n + 1, m)

    def g(plane: Plane, n: int, m: int) -> float:
        around = [at(plane, n + i, m + j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
        return 9 * float(plane[n, m]) - sum(around)

    for n in range(height):
        weights, autocorrelation = np.zeros(2), np.eye(2)
        for m in range(width):
            y[n, m] = x[n, m] + weights @ [z_x[n, m], z_y[n, m]]
            v = np.var([at(x, n + i, m + j) for i in (-1, 0, 1) for j in (-1, 0, 1)])
            alpha = 1 if v < tau1 else 4 if v < tau2 else 3
            detail = np.array([g(z_x, n, m), g(z_y, n, m)])
            error = alpha * g(x, n, m) - (g(x, n, m) + weights @ detail)
            autocorrelation = 0.5 * autocorrelation + 0.5 * np.outer(detail, detail)
            weights = weights + 2 * 0.1 * error * np.linalg.inv(autocorrelation + np.eye(2)) @ detail
    return y


def test_it_equals_the_equations_worked_pixel_by_pixel() -> None:
    plane = cv2.GaussianBlur(noise(60, (24, 31)), (0, 0), 1)  # variances on both sides of both thresholds
    variance = local_variance(plane)
    assert min((variance < 60).sum(), ((variance >= 60) & (variance < 200)).sum(), (variance >= 200).sum()) > 20
    gain = np.where(variance < 60, 1.0, np.where(variance < 200, 4.0, 3.0))
    found = sharpen(plane, gain, step=0.1, forgetting=0.5, regularisation=1)
    expected = by_pixel(plane, 60, 200)
    assert np.abs(expected - plane).max() > 5
    assert np.abs(found - expected).max() <= 1e-9


def test_the_method_puts_the_equations_together() -> None:
    plane = cv2.GaussianBlur(noise(60, (24, 31)), (0, 0), 1) / 255
    photo, field = whole(plane)
    found = polesel2000(photo, field, thresholds="published", least_colour_gain=0).pixels
    expected = by_pixel(luminance(photo.pixels).astype(np.float64) * 255, 60, 200) / 255
    assert np.abs(found - expected[..., None]).max() < 1e-6


def test_with_an_infinite_low_threshold_it_changes_nothing(drawn: Photo) -> None:
    field = find_field(drawn)
    same = polesel2000(drawn, field, thresholds="published", low_variance=math.inf, high_variance=math.inf)
    assert np.array_equal(same.pixels, drawn.pixels)


def test_flat_areas_stay_and_a_soft_edge_gets_steeper() -> None:
    gray = np.full((64, 256), 0.4, np.float32)
    gray[:, 128:] = 0.5
    gray = cv2.GaussianBlur(gray, (0, 0), 2)
    found = polesel2000(*whole(gray)).pixels[..., 0]
    assert np.abs(found - gray)[:, :100].max() < 1e-6
    assert np.abs(found - gray)[:, 156:].max() < 1e-6
    assert np.diff(found, axis=1).max() > 1.3 * np.diff(gray, axis=1).max()


def test_the_noise_estimate_finds_white_noise_on_sloping_light() -> None:
    light = np.linspace(0, 100, 300)[:, None]
    assert noise_deviation(noise(5) + light, np.ones((300, 300), bool)) == pytest.approx(5, rel=0.02)


def test_automatic_thresholds_are_percentiles_inside_the_field() -> None:
    plane = 20 * cv2.GaussianBlur(noise(5), (0, 0), 4)  # strong, smooth structure, hardly any noise
    mask = np.zeros(plane.shape, bool)
    mask[:, :150] = True
    plane[:, 152:] = 0
    low, high = automatic_thresholds(plane, mask, (68, 84), 4)
    inside = local_variance(plane)[:, :150]
    assert (inside < low).mean() == pytest.approx(0.68, abs=1e-4)
    assert (inside < high).mean() == pytest.approx(0.84, abs=1e-4)


def test_automatic_thresholds_stay_above_the_noise() -> None:
    plane, mask = noise(5), np.ones((300, 300), bool)
    low, high = automatic_thresholds(plane, mask, (68, 84), 4)
    assert low == pytest.approx(4 * 5**2, rel=0.04)
    assert high == 2 * low
    assert automatic_thresholds(plane, mask, (68, 84), 0)[0] < low / 2
    # of 9 pixels of white noise, v / s^2 * 9 is chi-squared with 8 degrees: P(v > 4 s^2) = 2e-5
    assert (local_variance(plane) < low).mean() > 0.9995


def test_pure_noise_is_hardly_raised() -> None:
    plane = noise(5) / 255
    found = polesel2000(*whole(plane)).pixels[..., 0]
    assert found.std() < 1.01 * plane.std()


def test_colours_are_scaled_as_a_whole_within_limits(drawn: Photo) -> None:
    field = Field(mask=np.ones(drawn.pixels.shape[:2], bool))
    blurry = blur_fundus(drawn)
    dim = Photo(pixels=blurry.pixels * 0.4)  # so that nothing is clipped
    factor = polesel2000(dim, field, most_colour_gain=1.02).pixels / np.maximum(dim.pixels, 1e-9)
    inside = dim.pixels.min(2) > 0.01
    assert np.ptp(factor[inside], axis=1).max() < 1e-5
    assert factor[inside].max() == pytest.approx(1.02, abs=1e-5)
    assert factor[inside].min() < 0.99


def test_light_is_added_up_to_the_limits_and_black_stays_black() -> None:
    pixels = np.array([[[0.4, 0.2, 0.1]] * 4, [[0, 0, 0]] * 4], np.float32)
    light = luminance(pixels)
    change = np.array([[0.05, 0.0, -0.3, 2.0]] * 2, np.float32)
    found = add_light(pixels, light, change, (0.25, 4))
    assert luminance(found)[0, 0] == pytest.approx(light[0, 0] + 0.05, abs=1e-6)
    assert np.array_equal(found[0, 1], pixels[0, 1])
    assert np.allclose(found[0, 2], 0.25 * pixels[0, 2])
    assert np.allclose(found[0, 3], 4 * pixels[0, 3])
    assert not found[1].any()


def test_a_large_photograph_is_reduced_to_the_working_diameter_and_a_small_one_is_not() -> None:
    mask = np.zeros((1100, 1000), bool)
    mask[100:1000, 50:950] = True
    plane, reduced = reduce_to_diameter(np.full(mask.shape, 0.5, np.float32), Field(mask=mask), 540)
    assert Field(mask=reduced).diameter == pytest.approx(540, rel=0.01)
    assert plane.shape == reduced.shape
    assert np.allclose(plane, 127.5)
    small = np.random.default_rng(0).random((30, 40), dtype=np.float32)
    same, _ = reduce_to_diameter(small, Field(mask=np.ones(small.shape, bool)), 540)
    assert np.array_equal(same, small.astype(np.float64) * 255)


def test_the_published_thresholds_hardly_change_a_fundus(real: Photo) -> None:
    frame = crop_to_field(real, find_field(real))
    plane, mask = reduce_to_diameter(luminance(frame.photo.pixels), frame.field, 540)
    assert (local_variance(plane)[mask] < 60).mean() > 0.95
    published, automatic = (
        np.abs(polesel2000(frame.photo, frame.field, thresholds=one).pixels - frame.photo.pixels)[
            frame.field.mask
        ].mean()
        for one in ("published", "auto")
    )
    assert 0 < published < 0.002
    assert automatic > 3 * published


def test_hues_stay_unless_a_channel_is_clipped() -> None:
    gray = np.clip(cv2.GaussianBlur(noise(120, (60, 80), mean=160), (0, 0), 1) / 255, 0, 1)
    pixels = (gray[..., None] * [1.0, 0.5, 0.25]).astype(np.float32)
    result = polesel2000(Photo(pixels=pixels), Field(mask=np.ones(gray.shape, bool))).pixels
    clipped = result[..., 0] == 1
    ratio = result[..., 1] / np.maximum(result[..., 0], 1e-9)
    bright = result[..., 0] > 0.1
    assert np.abs(ratio - 0.5)[bright & ~clipped].max() < 1e-5
    assert ratio[clipped].max() > 0.55


def test_light_stays(real: Photo) -> None:
    inside = find_field(real).mask
    before, after = luminance(real.pixels), luminance(enhance(real, polesel2000).pixels)
    assert abs((after - before)[inside].mean()) < 0.0005


@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_a_uniform_picture_comes_back(level: float) -> None:
    photo, field = whole(np.full((40, 50), level, np.float32))
    assert np.abs(polesel2000(photo, field).pixels - level).max() < 1e-6


@pytest.mark.parametrize("shape", [(2, 2), (2, 90), (90, 2), (9, 130)])
@pytest.mark.parametrize("kind", ["noise", "checkerboard", "columns"])
@pytest.mark.parametrize("speed", [0.5, 1.0])
def test_the_fastest_steps_with_the_least_regularisation_stay_finite(
    shape: tuple[int, int], kind: str, speed: float
) -> None:
    row, column = np.mgrid[: shape[0], : shape[1]]
    gray = np.random.default_rng(0).integers(0, 2, shape) if kind == "noise" else column % 2
    photo, field = whole(((gray + row) % 2 if kind == "checkerboard" else gray).astype(np.float32))
    numbers = {"step": speed, "forgetting": speed, "regularisation": LEAST_REGULARISATION}
    found = polesel2000(photo, field, thresholds="published", low_variance=0, medium_gain=100, **numbers)
    assert np.isfinite(found.pixels).all()  # a division by 0 would be an error here


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"thresholds": "paper"}, "thresholds: found 'paper', expected one of: auto, published"),
        ({"low_variance": -1.0}, "low_variance: found -1.0, expected 0 or more"),
        ({"low_variance": 80.0, "high_variance": 70.0}, "high_variance: found 70.0, expected 80 or more"),
        ({"low_percentile": 101.0}, "low_percentile: found 101.0"),
        ({"high_percentile": 60.0}, "high_percentile: found 60.0, expected 68 or more and at most 100"),
        ({"noise_floor": math.nan}, "noise_floor: found nan"),
        ({"medium_gain": math.inf}, "medium_gain: found inf"),
        ({"strong_gain": -1.0}, "strong_gain: found -1.0"),
        ({"forgetting": 0.0}, "forgetting: found 0.0, expected a number above 0"),
        ({"step": 0.6}, "step: found 0.6, expected 0 or more and at most 0.5"),
        ({"regularisation": 1e-12}, "regularisation: found 1e-12, expected 1e-06 or more"),
        ({"low_variance": math.inf}, "high_variance: found 200.0, expected inf or more"),
        ({"working_diameter": 0}, "working_diameter: found 0, expected 16 or more"),
        ({"least_colour_gain": 1.5}, "least_colour_gain: found 1.5"),
        ({"most_colour_gain": 0.5}, "most_colour_gain: found 0.5"),
    ],
)
def test_numbers_out_of_range_are_named(parameters: dict, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        polesel2000(*whole(np.zeros((8, 8), np.float32)), **parameters)
