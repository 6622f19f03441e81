import cv2
import numpy as np
import pytest

from clearfundus.training.data import Specimen
from clearfundus.training.fineness import fineness, keep_finest
from drawn import draw_fundus, field_mask


def specimen(pixels: np.ndarray, name: str = "eye", mask: np.ndarray | None = None) -> Specimen:
    eight_bit = np.rint(np.clip(pixels, 0, 1) * 255).astype(np.uint8)
    inside = np.ones(pixels.shape[:2], bool) if mask is None else mask
    return Specimen(name=name, pixels=eight_bit, mask=inside, corners=np.zeros(1, np.int32))


def enlarged(pixels: np.ndarray, times: float) -> np.ndarray:
    side = len(pixels)
    small = cv2.resize(pixels, (round(side / times),) * 2, interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (side, side), interpolation=cv2.INTER_CUBIC)


def test_a_slope_is_half_as_fine_and_white_noise_wholly() -> None:
    slope = np.repeat(np.arange(200)[None] / 255, 200, axis=0)[..., None].repeat(3, axis=2)
    assert fineness(specimen(slope)) == pytest.approx(0.5)
    noise = np.random.default_rng(0).random((200, 200, 3))
    assert fineness(specimen(noise)) == pytest.approx(1, abs=0.01)


def test_an_enlarged_photograph_is_less_fine_the_more_it_was_enlarged() -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, (256, 256, 3))
    sharp = draw_fundus(256).pixels + noise
    found = [fineness(specimen(enlarged(sharp, times), mask=field_mask(256))) for times in (1, 1.3, 2, 3)]
    assert found == sorted(found, reverse=True)
    assert found[0] - found[-1] > 0.1


def test_contrast_and_level_do_not_matter_nor_does_what_lies_outside() -> None:
    pixels = np.random.default_rng(0).random((128, 128, 3))
    hazy = specimen(0.5 * pixels + 0.4)
    assert fineness(hazy) == pytest.approx(fineness(specimen(pixels)), rel=0.01)
    mask = np.zeros((128, 128), bool)
    mask[:, :64] = True
    half = pixels.copy()
    half[:, 64:] = 0.5  # flat outside
    assert fineness(specimen(half, mask=mask)) == fineness(specimen(pixels, mask=mask))


def test_a_photograph_that_shows_nothing_is_the_least_fine() -> None:
    assert fineness(specimen(np.full((64, 64, 3), 0.5))) == 0
    assert fineness(specimen(np.zeros((64, 64, 3)), mask=np.zeros((64, 64), bool))) == 0


def test_the_finest_are_kept_in_their_order() -> None:
    sharp = np.random.default_rng(0).random((96, 96, 3))
    found = [specimen(enlarged(sharp, times), str(times)) for times in (3, 1, 2, 1.5, 4)]
    assert [one.name for one in keep_finest(found, 0.6)] == ["1", "2", "1.5"]
    assert [one.name for one in keep_finest(found, 0.5)] == ["1", "2", "1.5"]  # rounded up
    assert [one.name for one in keep_finest(found, 0.01)] == ["1"]
    assert keep_finest(found, 1) == found


def test_of_equals_the_first_are_kept() -> None:
    pixels = np.random.default_rng(0).random((64, 64, 3))
    found = [specimen(pixels, name) for name in "abcd"]
    assert [one.name for one in keep_finest(found, 0.5)] == ["a", "b"]


@pytest.mark.parametrize(("share", "count"), [(0.07, 7), (0.55, 55), (0.551, 56), (1, 100)])
def test_a_share_that_comes_out_whole_is_not_rounded_up(share: float, count: int) -> None:
    flat = specimen(np.zeros((8, 8, 3)))
    assert len(keep_finest([flat] * 100, share)) == count
