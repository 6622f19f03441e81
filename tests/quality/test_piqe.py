import cv2
import numpy as np
import pytest
import skimage

from clearfundus import Field, Photo, find_field
from clearfundus.errors import QualityError
from clearfundus.fundus.degrade import Degradation, degrade
from clearfundus.quality.piqe import measure_piqe, piqe
from clearfundus.quality.view import make_view, to_gray
from drawn import draw_fundus, field_mask


def gray_of(name: str) -> np.ndarray:
    picture = getattr(skimage.data, name)()
    return picture.astype(float) if picture.ndim == 2 else to_gray(picture)


def noisy(gray: np.ndarray, sigma: float) -> np.ndarray:
    return np.clip(np.rint(gray + np.random.default_rng(0).normal(0, sigma, gray.shape)), 0, 255)


def by_the_paper(gray: np.ndarray, *, surround_of_matlab: bool = False) -> tuple[float, int]:
    """The definition, block by block and segment by segment; and with the columns that MATLAB takes away."""
    gray = cv2.copyMakeBorder(gray, 0, -gray.shape[0] % 16, 0, -gray.shape[1] % 16, cv2.BORDER_REPLICATE)
    mean = cv2.GaussianBlur(gray, (7, 7), 7 / 6, borderType=cv2.BORDER_REPLICATE)
    square = cv2.GaussianBlur(gray * gray, (7, 7), 7 / 6, borderType=cv2.BORDER_REPLICATE)
    normalized = (gray - mean) / (np.sqrt(np.abs(square - mean * mean)) + 1)
    cost, active = 0.0, 0
    for top in range(0, gray.shape[0], 16):
        for left in range(0, gray.shape[1], 16):
            block = normalized[top : top + 16, left : left + 16]
            variance = np.var(block, ddof=1)
            if variance <= 0.1:
                continue
            active += 1
            edges = (block[0], block[15], block[:, 0], block[:, 15])
            if any(np.std(edge[start : start + 6], ddof=1) < 0.1 for edge in edges for start in range(11)):
                cost += 1 - variance
            surround = [column for column in range(16) if column not in ((7, 9) if surround_of_matlab else (7, 8))]
            ratio = np.std(block[:, 7:9], ddof=1) / np.std(block[:, surround], ddof=1)
            sigma = np.sqrt(variance)
            if sigma > 2 * abs(sigma - ratio) / max(sigma, ratio):
                cost += variance
    return 100 * (cost + 1) / (active + 1), active


@pytest.mark.parametrize("name", ["camera", "chelsea", "coffee"])
@pytest.mark.parametrize("sigma", [0, 5])
def test_it_is_the_papers_definition(name: str, sigma: float) -> None:
    gray = noisy(gray_of(name), sigma)[:250, :300]
    score, active = by_the_paper(gray)
    found = piqe(gray)
    assert found.value == pytest.approx(score, abs=1e-9)
    assert found.blocks == active > 0


@pytest.mark.parametrize("name", ["camera", "chelsea", "coffee", "astronaut"])
def test_matlab_as_we_read_it_is_less_than_half_a_point_off(name: str) -> None:
    gray = gray_of(name)[:320, :320]
    assert piqe(gray).value == pytest.approx(by_the_paper(gray, surround_of_matlab=True)[0], abs=0.5)


def test_a_flat_picture_has_no_active_block_and_is_the_worst() -> None:
    found = piqe(np.full((64, 64), 90, np.uint8))
    assert (found.value, found.blocks, found.flat_share) == (100, 0, 1)


def test_noise_everywhere_costs_its_variance() -> None:
    # every block is noisy, and hardly an edge has a flat stretch: the score is the blocks' mean variance, 0.75
    found = piqe(noisy(np.full((256, 256), 128.0), 40))
    assert found.blocks == 256
    assert found.value == pytest.approx(75, abs=2)


PHOTOGRAPHS = pytest.mark.parametrize("name", ["camera", "chelsea", "coffee"])


@PHOTOGRAPHS
def test_more_noise_and_more_blur_are_worse(name: str) -> None:
    gray = gray_of(name)[:288, :288]
    noise = [piqe(noisy(gray, sigma)).value for sigma in (3, 6, 12, 25)]
    assert noise == sorted(noise)
    assert noise[-1] > piqe(gray).value + 20
    one, three = (piqe(np.rint(cv2.GaussianBlur(gray, (0, 0), sigma))).value for sigma in (1, 3))
    assert piqe(gray).value + 5 < one < three - 5


@PHOTOGRAPHS
def test_faint_noise_is_taken_for_a_better_picture(name: str) -> None:
    gray = gray_of(name)[:288, :288]
    assert piqe(noisy(gray, 2)).value < piqe(gray).value - 3


def hazy_retinas(noise: float) -> tuple[list[float], list[int]]:
    """The values and active blocks of a retina, clear and through three growing hazes with this noise in each."""
    photo = Photo(pixels=(skimage.data.retina() / 255).astype(np.float32))
    field = find_field(photo)
    hazy = [
        Degradation(transmission_low=low, transmission_high=high, veil=veil, blur=0, light=0, noise=noise, seed=1)
        for low, high, veil in [(0.6, 1, 0.5), (0.3, 0.7, 0.6), (0.15, 0.35, 0.8)]
    ]
    photos = [photo, *(degrade(photo, field, one) for one in hazy)]
    found = [measure_piqe(make_view(one, field)) for one in photos]
    return [one.value for one in found], [one.blocks for one in found]


def test_growing_haze_without_noise_is_worse_and_leaves_fewer_blocks() -> None:
    values, blocks = hazy_retinas(0)
    assert values == sorted(values)
    assert values[-1] > values[0] + 10
    assert blocks == sorted(blocks, reverse=True)
    assert blocks[-1] < blocks[0] / 20


def test_haze_with_a_cameras_noise_is_taken_for_a_better_picture() -> None:
    values, _ = hazy_retinas(0.012)
    assert values[-1] < values[0] - 5


def test_what_lies_outside_the_field_does_not_count() -> None:
    mask = field_mask(256)
    gray = gray_of("camera")[100:356, 100:356]
    found = piqe(gray, mask)
    other = np.where(mask, gray, 255 - gray)
    assert piqe(other, mask) == found
    assert piqe(other).value != pytest.approx(found.value, abs=0.01)


def test_a_field_without_surround_is_the_whole_picture_without_what_was_repeated() -> None:
    gray = gray_of("camera")
    assert piqe(gray, np.ones(gray.shape, bool)) == piqe(gray)
    assert piqe(gray[:250, :250], np.ones((250, 250), bool)).value != piqe(gray[:250, :250]).value


def test_a_view_counts_what_its_protocol_says() -> None:
    photo, field = draw_fundus(256), Field(mask=field_mask(256))
    fov, whole = (make_view(photo, field, protocol, side=200) for protocol in ("fov", "whole"))
    assert measure_piqe(fov) == piqe(fov.gray, fov.mask)
    assert measure_piqe(whole) == piqe(whole.gray)


def test_other_arrays_are_refused() -> None:
    gray = np.zeros((32, 32), np.uint8)
    for wrong, message in (
        (np.zeros((32, 32, 3), np.uint8), "shape"),
        (gray.astype(np.float32), "type float32"),
        (gray + 0.5, "not whole"),
        (gray - 1.0, "expected 0 to 255"),
        (gray[:15], "32 x 15 pixels, expected 16 x 16"),
    ):
        with pytest.raises(QualityError, match=f"piqe: found .*{message}"):
            piqe(wrong)
    with pytest.raises(QualityError, match="holds no block of 16 x 16"):
        piqe(gray, field_mask(32, 0.5))
    with pytest.raises(QualityError, match="holds no window"):
        piqe(gray, field_mask(32, 0.1))
    with pytest.raises(QualityError, match=r"expected .* and bool"):
        piqe(gray, np.ones((32, 30), bool))
