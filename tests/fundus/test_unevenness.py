import cv2
import numpy as np
import pytest

from clearfundus import Field
from clearfundus.fundus.smoothing import smooth
from clearfundus.fundus.unevenness import SCALES, damp_unevenness

SIDE = 256
DIAMETER = 0.9 * SIDE
WEAK_CAST = np.float32([1, 0, -1])


def disc(side: int = SIDE) -> Field:
    row, column = np.mgrid[:side, :side] - (side - 1) / 2
    return Field(mask=np.hypot(row, column) <= 0.45 * side)


DEEP = disc().mask & np.roll(disc().mask, 40, 1) & np.roll(disc().mask, -40, 1)
"""So far from the edges to both sides that nothing beyond them counts in the smoothing."""


def picture(side: int = SIDE, *, bright_at_top: float = 0.2) -> np.ndarray:
    light = 0.5 + bright_at_top * np.linspace(0.5, -0.5, side)[:, None, None]
    texture = np.random.default_rng(0).normal(0, 0.03, (side, side, 3))
    return (light + texture).astype(np.float32)


def tilt(height: float, side: int = SIDE) -> np.ndarray:
    """Return what grows by `height` from left to right, 0 in the middle; no light from top to bottom explains it."""
    slope = np.linspace(-height / 2, height / 2, side, dtype=np.float32)
    return np.broadcast_to(slope[None, :, None], (side, side, 3)).copy()


def noise(seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.02, (SIDE, SIDE, 3)).astype(np.float32)


def fine() -> np.ndarray:
    """Return noise finer than the scales."""
    return noise() - smooth(noise(), SCALES[-1] * DIAMETER / 2)


def middle(seed: int) -> np.ndarray:
    """Return noise of a middle scale."""
    return 10 * (smooth(noise(seed), 0.012 * DIAMETER) - smooth(noise(seed), 0.02 * DIAMETER))


def waves(length: float) -> np.ndarray:
    """Return waves, so many field diameters long, each way."""
    phase = 2 * np.pi / (length * DIAMETER) * np.arange(SIDE, dtype=np.float32)
    return np.broadcast_to((0.05 * np.cos(phase[:, None]) * np.cos(phase))[..., None], (SIDE, SIDE, 3)).astype(
        np.float32
    )


def enlarged(plane: np.ndarray, scale: float) -> np.ndarray:
    side = round(len(plane) * scale)
    return plane if side == len(plane) else cv2.resize(plane, (side, side), interpolation=cv2.INTER_CUBIC)


def test_what_a_gain_of_each_channel_explains_stays() -> None:
    clear = picture()
    change = clear * np.float32([0.3, -0.2, 0.1]) + np.float32([0.05, -0.02, 0])
    found = damp_unevenness(change, clear, disc(), 0.05)
    assert found.dtype == np.float32
    excess = (found - change)[disc().mask]
    assert np.abs(excess - excess.mean(0)).max() < 2e-3


@pytest.mark.parametrize("level", [0.003, 0.01, 0.1])
def test_the_mean_is_multiplied_by_the_wiener_gain_of_its_own_strength(level: float) -> None:
    error, mean = 0.02, np.float32([level, -level / 2, 0])
    found = damp_unevenness(np.broadcast_to(mean, (SIDE, SIDE, 3)).copy(), picture(), disc(), error)
    power = 1.25 * level**2
    wanted = mean * (power / (power + (error / 2) ** 2))
    assert np.allclose(found[disc().mask], wanted, rtol=0.01, atol=1e-6)


def test_fine_detail_stays() -> None:
    change, inside = fine(), disc().mask
    found = damp_unevenness(change, picture(), disc(), 0.05)
    assert np.std((found - change)[inside]) < 0.1 * np.std(change[inside])


@pytest.mark.parametrize("scale", [1, 2.5])  # above 1 the grid is coarser than the picture
def test_of_a_middle_scale_only_what_a_gain_of_each_channel_explains_stays(scale: float) -> None:
    field = disc(round(SIDE * scale))
    texture, other = (enlarged(middle(seed), scale) for seed in (1, 2))
    clear, inside = np.float32(0.5) + texture, field.mask
    explained = texture * np.float32([0.5, 0.2, -0.1])
    found = damp_unevenness(explained, clear, field, 0.02)
    assert np.std((found - explained)[inside]) < 0.05 * np.std(explained[inside])
    assert np.std(damp_unevenness(other, clear, field, 0.02)[inside]) < 0.4 * np.std(other[inside])


def test_each_middle_scale_has_a_gain_of_its_own() -> None:
    inside = disc().mask
    coarse, narrow = waves(0.2), waves(0.06)
    change = 0.5 * coarse - 0.5 * narrow
    found = damp_unevenness(change, np.float32(0.5) + coarse + narrow, disc(), 0.02)
    # one gain for both would be 0, and leave nothing of the coarser one
    assert np.std((found - change)[inside]) < 0.45 * np.std(change[inside])


def raised_by(of_smooth: float, of_middle: np.ndarray | float, *, level: float = 0.5) -> list[float]:
    """Return by what the smooth part of a result is raised, each channel, if a change has these gains.

    Light falls from top to bottom, the middle scale is waves, and across them lies a tilt that neither explains.
    """
    light, cross = tilt(0.2).swapaxes(0, 1), tilt(0.1) * WEAK_CAST
    clear = np.float32(level) + light + waves(0.08)
    change = of_smooth * light + np.float32(of_middle) * waves(0.08) + cross
    result = (clear + damp_unevenness(change, clear, disc(), 1e-4))[DEEP]
    part = light[DEEP] - light[DEEP].mean(0)
    return list((result * part).sum(0) / (part * part).sum(0) / (1 + of_smooth))


@pytest.mark.parametrize(
    ("of_smooth", "of_middle", "raised"),
    [
        (0.1, 0.37, (1.37 / 1.1) ** 0.5),
        (0.1, 2.0, 1.25),  # no more than GREATEST_RAISE
        (0.1, -0.2, 1.0),  # never lowered
        (0.1, -3.0, 1.0),  # an inverted one is none to compare with
        (-2.0, 1.0, 1.0),  # nor is one of its own
        (-0.7, -0.6, (0.4 / 0.3) ** 0.5),  # weak ones are compared
    ],
)
def test_the_smooth_part_is_raised_half_of_the_way_to_the_gain_of_the_middle_scales(
    of_smooth: float, of_middle: float, raised: float
) -> None:
    assert raised_by(of_smooth, of_middle) == pytest.approx([raised] * 3, rel=0.04)


def test_each_channel_is_raised_by_itself() -> None:
    of_middle = np.float32([0.0, 0.37, 1.0])
    expected = [1, (1.37 / 1.1) ** 0.5, 1.25]
    assert raised_by(0.1, of_middle) == pytest.approx(expected, rel=0.04)


def test_all_middle_scales_tell_by_what_to_raise() -> None:
    light = tilt(0.2).swapaxes(0, 1)
    clear = np.float32(0.5) + light + waves(0.25) + waves(0.08)
    change = 0.1 * light + 0.6 * waves(0.25) + 0.1 * waves(0.08)
    result = clear + damp_unevenness(change, clear, disc(), 1e-4)
    found = (result[DEEP] * light[DEEP]).sum() / (light[DEEP] ** 2).sum() / 1.1
    assert 1.05 < found < 1.18  # 1 by the finer of the two alone, 1.21 by the coarser


def test_what_is_raised_was_damped_before() -> None:
    cross = tilt(0.1) * WEAK_CAST
    light = tilt(0.2).swapaxes(0, 1)
    clear = np.float32(0.5) + light + waves(0.08)
    change = 0.1 * light + 2 * waves(0.08) + cross
    power = float((cross[disc().mask] ** 2).sum(-1).mean())
    error = power**0.5  # so half of it is left, and that is raised by a quarter
    result = clear + damp_unevenness(change, clear, disc(), error)
    kept = float((result[DEEP] * cross[DEEP]).sum() / (cross[DEEP] ** 2).sum())
    assert kept == pytest.approx(0.5 * 1.25, abs=0.06)


@pytest.mark.parametrize(("level", "least", "greatest"), [(0.08, 0.97, 1.03), (0.105, 1.02, 1.2), (0.895, 1.02, 1.2)])
def test_no_channel_is_raised_until_it_is_black_or_white(level: float, least: float, greatest: float) -> None:
    assert least < raised_by(0.1, 2.0, level=level)[1] < greatest  # 1.25 at a level of 0.5


def test_the_mean_stays_where_the_smooth_part_is_raised() -> None:
    change = 0.1 * tilt(0.2) + 0.6 * waves(0.08) + np.float32(0.2)
    inside = disc().mask
    found = damp_unevenness(change, np.float32(0.5) + tilt(0.2) + waves(0.08), disc(), 0.02)
    assert np.abs((found - change)[inside].mean(0)).max() < 2e-3


def test_of_the_smooth_part_each_principal_component_of_the_colour_is_damped_by_itself() -> None:
    inside = disc().mask
    gray = tilt(0.2)
    cast = 0.01 * np.cos(np.linspace(-2 * np.pi, 2 * np.pi, SIDE, dtype=np.float32))[None, :, None] * WEAK_CAST
    cast = np.broadcast_to(cast, gray.shape)
    found = damp_unevenness(gray + cast, picture(), disc(), 0.02)
    # gray: power 3 x 0.05^2, so 0.95 is kept; cast: 2 x 0.01^2 / 2, so 0.2; one gain for both would be 0.95
    for one, bounds in ((gray, (0.85, 1.0)), (cast, (-0.1, 0.35))):
        part = one[inside] - one[inside].mean(0)
        kept = float((found[inside] * part).sum() / (part * part).sum())
        assert bounds[0] < kept < bounds[1]


@pytest.mark.parametrize("height", [0.02, 0.1, 0.4])
def test_a_tilt_is_multiplied_by_the_wiener_gain_of_its_own_strength(height: float) -> None:
    error, inside = 0.02, disc().mask
    change = tilt(height)
    power = float((change[inside] ** 2).sum(-1).mean())  # of the one component, the gray, that there is
    found = damp_unevenness(change + 0.1, picture(), disc(), error) - 0.1
    kept = float((found * change)[inside].sum() / (change * change)[inside].sum())
    assert kept == pytest.approx(power / (power + error**2), abs=0.04)


def test_without_an_error_nothing_is_damped_and_with_a_great_one_all_of_it() -> None:
    change, inside = tilt(0.1), disc().mask
    assert damp_unevenness(change, picture(), disc(), 0) is change
    left = damp_unevenness(change, picture(), disc(), 10)
    # what the smoothing's mean of a slope lacks beside the edge is not smooth enough to be taken
    assert np.std(left[inside]) < 0.25 * np.std(change[inside])
    assert np.std(left[DEEP]) < 0.06 * np.std(change[DEEP])


def test_the_input_is_not_changed() -> None:
    change, clear = tilt(0.1).copy(), picture()
    before = change.copy(), clear.copy()
    damp_unevenness(change, clear, disc(), 0.02)
    assert np.array_equal(change, before[0])
    assert np.array_equal(clear, before[1])


@pytest.mark.parametrize("scale", [0.5, 2, 3.3])
def test_the_result_does_not_depend_on_the_scale(scale: float) -> None:
    side = round(SIDE * scale)
    ratios = []
    for one in (SIDE, side):
        inside = disc(one).mask
        change = tilt(0.1, one)
        found = damp_unevenness(change, picture(one), disc(one), 0.02)
        ratios.append(float((found * change)[inside].sum() / (change * change)[inside].sum()))
    assert ratios[0] == pytest.approx(ratios[1], abs=0.01)


def test_the_field_may_have_another_scale_than_the_picture() -> None:
    change, clear = tilt(0.1), picture()
    one, other = (damp_unevenness(change, clear, disc(side), 0.02) for side in (SIDE, 1000))
    assert np.abs(one - other)[disc().mask].max() < 1e-3


@pytest.mark.parametrize("side", [SIDE, 1000])  # at the latter, samples of the grid lie across the edge
def test_what_lies_outside_the_field_does_not_matter(side: int) -> None:
    change, clear, inside = tilt(0.1, side), picture(side), disc(side).mask
    found = damp_unevenness(change, clear, disc(side), 0.02)
    other_change, other_clear = change.copy(), clear.copy()
    other_change[~inside], other_clear[~inside] = 5, 0
    other = damp_unevenness(other_change, other_clear, disc(side), 0.02)
    # of a sample across the edge a thousandth may lie outside (WHOLLY_INSIDE), where the change is 5: less than 0.005
    assert np.abs(found - other)[inside].max() < (1e-6 if side == SIDE else 4e-3)


@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (40, 30)])
def test_small_and_flat_pictures_come_back_finite(shape: tuple[int, int]) -> None:
    field = Field(mask=np.ones(shape, bool))
    flat, change = np.full((*shape, 3), 0.5, np.float32), np.full((*shape, 3), 0.1, np.float32)
    damped = change * (0.03 / (0.03 + 0.01**2))  # of the mean, which is all there is
    assert np.allclose(damp_unevenness(change, flat, field, 0.02), damped, atol=1e-6)
    noisy = flat + np.random.default_rng(0).normal(0, 1e-3, flat.shape).astype(np.float32)
    assert np.abs(damp_unevenness(change, noisy, field, 0.02) - change).max() < 1e-3
    uneven = change + np.linspace(-0.2, 0.2, shape[1], dtype=np.float32)[None, :, None]
    found = damp_unevenness(uneven, flat, field, 10)  # all that is smooth
    assert np.isfinite(found).all()
    assert np.std(found) <= np.std(uneven) * (1 if shape[1] == 1 else 0.6)
