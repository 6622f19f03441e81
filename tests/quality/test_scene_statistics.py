import numpy as np
import pytest
from scipy.special import gamma
from scipy.stats import gennorm

from clearfundus.quality.scene_statistics import (
    FLAT_DEVIATION,
    fit_asymmetric,
    fit_symmetric,
    join_sums,
    normalize,
    sums_of_coefficients,
)


def fitted(values: np.ndarray):
    return join_sums(sums_of_coefficients(values.reshape(100, -1))[0])


@pytest.mark.parametrize("shape", [0.5, 1.0, 2.0, 4.0])
def test_the_symmetric_fit_finds_the_shape_and_variance_of_drawn_numbers(shape: float) -> None:
    values = 3 * gennorm.rvs(shape, size=200_000, random_state=np.random.default_rng(0))
    found, variance = fit_symmetric(fitted(values))
    assert found == pytest.approx(shape, rel=0.03)
    assert variance == pytest.approx(9 * gamma(3 / shape) / gamma(1 / shape), rel=0.03)


@pytest.mark.parametrize("shape", [0.6, 2.0])
def test_the_asymmetric_fit_finds_the_shape_and_both_widths(shape: float) -> None:
    rng = np.random.default_rng(1)
    values = np.abs(gennorm.rvs(shape, size=200_000, random_state=rng))
    # an asymmetric density has mass in proportion to the width of each side
    below = rng.random(values.size) < 0.25
    values = np.where(below, -values, 3 * values)
    found, left, right = fit_asymmetric(fitted(values))
    deviation = np.sqrt(gamma(3 / shape) / gamma(1 / shape))
    assert found == pytest.approx(shape, rel=0.03)
    assert (left, right) == pytest.approx((deviation, 3 * deviation), rel=0.03)


def authors_fit(values: np.ndarray) -> tuple[float, float, float]:
    """`estimateaggdparam` of the LIVE release, line by line."""
    gam = 0.2 + 0.001 * np.arange(9801)
    r_gam = gamma(2 / gam) ** 2 / (gamma(1 / gam) * gamma(3 / gam))
    left, right = np.sqrt(np.mean(values[values < 0] ** 2)), np.sqrt(np.mean(values[values > 0] ** 2))
    skew = left / right
    rhat = np.mean(np.abs(values)) ** 2 / np.mean(values**2)
    norm = rhat * (skew**3 + 1) * (skew + 1) / (skew**2 + 1) ** 2
    return gam[np.argmin((r_gam - norm) ** 2)], left, right


@pytest.mark.parametrize("size", [(96, 96), (48, 48), (300, 203)])
def test_the_sums_of_neighbours_are_those_of_circular_shifts(size: tuple[int, int]) -> None:
    plane = np.random.default_rng(2).standard_t(3, size)
    sums = join_sums(sums_of_coefficients(plane))
    alpha, left, right = fit_asymmetric(sums)
    for at, shift in enumerate([(0, 0), (0, 1), (1, 0), (1, 1), (1, -1)]):
        values = plane if at == 0 else plane * np.roll(plane, shift, axis=(0, 1))
        assert (alpha[at], left[at], right[at]) == pytest.approx(authors_fit(values), rel=1e-9)
    # BRISQUE's order of the last shift
    values = plane * np.roll(plane, (-1, 1), axis=(0, 1))
    assert (alpha[4], left[4], right[4]) == pytest.approx(authors_fit(values), rel=1e-9)


def test_numbers_on_one_side_only_give_what_the_authors_code_gives() -> None:
    alpha, left, right = fit_asymmetric(join_sums(sums_of_coefficients(np.ones((9, 9)))))
    assert np.all(alpha == 0.2)
    assert np.all(np.isnan(left))
    assert np.all(right == 1)


@pytest.mark.parametrize(("border", "edge"), [("constant", 0.0), ("nearest", 100.0)])
def test_the_border_is_zeros_or_the_outermost_pixel(border, edge: float) -> None:
    plane = np.full((32, 32), 100.0)
    framed = np.pad(plane, 3, constant_values=edge)
    place = np.arange(7) - 3
    window = np.exp(-(place[:, None] ** 2 + place**2) / (2 * (7 / 6) ** 2))
    window /= window.sum()
    mean = (framed[:7, :7] * window).sum()
    deviation = np.sqrt(abs((framed[:7, :7] ** 2 * window).sum() - mean**2))
    found = normalize(plane, border).coefficients[0, 0]
    assert found == pytest.approx((100 - mean) / (deviation + 1) if border == "constant" else 0, abs=1e-9)


def test_flat_windows_give_exactly_nothing_and_are_counted() -> None:
    plane = np.full((64, 64), 173.0)
    plane[:, 40:] += np.random.default_rng(0).integers(0, 9, (64, 24))
    normalized = normalize(plane, "nearest")
    assert not normalized.coefficients[:, :37].any()
    assert normalized.deviation[:, :37].max() < FLAT_DEVIATION
    assert normalized.flat_share == 37 / 64
