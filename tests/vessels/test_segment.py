"""Segmentation of drawn photographs by every segmenter: vessels found, mapped back, and none where none can be seen."""

import re
from pathlib import Path

import cv2
import numpy as np
import pytest

import clearfundus as cf
from clearfundus.fundus.phantom import Phantom, draw_phantom
from clearfundus.photo import Photo
from clearfundus.vessels.scale import DIAMETER
from clearfundus.vessels.segment import SEGMENTERS, SMALLEST_PART, Segmentation, prepare_segmenter, segment, to_mask


@pytest.fixture(scope="module")
def phantom() -> Phantom:
    return draw_phantom(700, 3)


@pytest.fixture(scope="module", params=SEGMENTERS)
def found(request: pytest.FixtureRequest, phantom: Phantom) -> Segmentation:
    return segment(phantom.photo, prepare_segmenter(request.param, flips=False))


def test_most_of_what_is_found_is_vessel_and_most_vessels_are_found(found: Segmentation, phantom: Phantom) -> None:
    mask = found.mask_in_photo
    inside = cf.find_field(phantom.photo).mask
    near = cv2.dilate(phantom.vessels.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    assert (mask & near).sum() > 0.75 * mask.sum()
    assert (mask & phantom.vessels & inside).sum() > 0.5 * (phantom.vessels & inside).sum()
    assert found.reason == ""


def test_everything_stays_inside_the_field(found: Segmentation, phantom: Phantom) -> None:
    inside = cf.find_field(phantom.photo).mask
    assert not found.mask_in_photo[~inside].any()
    assert not found.probability_in_photo[~inside].any()
    assert found.probability_in_photo.shape == phantom.photo.pixels.shape[:2]
    assert found.probability.min() >= 0
    assert found.probability.max() <= 1


def test_it_is_computed_at_the_scale_of_vessels(found: Segmentation) -> None:
    assert found.scaled.field.diameter == pytest.approx(DIAMETER, rel=0.01)


def test_it_says_who_made_it(found: Segmentation) -> None:
    assert found.segmenter in SEGMENTERS
    assert (len(found.weights) == 64) == (found.segmenter != "gabor")
    assert 0 < found.threshold < 1


def hazy(colour: tuple[float, float, float], *, noise: float, light: float, size: int = 300) -> Photo:
    """Draw a field in which nothing is to be seen: one colour, darker to the rim by a share, with grain."""
    row, column = np.mgrid[:size, :size] - (size - 1) / 2
    away = np.hypot(row, column) / (0.48 * size)
    grain = np.random.default_rng(0).normal(0, noise, (size, size, 3))
    pixels = (np.array(colour) * (1 - light * away[..., None]) + grain) * (away < 1)[..., None]
    return Photo(pixels=np.clip(pixels, 0, 1).astype(np.float32))


@pytest.mark.parametrize("name", SEGMENTERS)
@pytest.mark.parametrize("colour", [(1.0, 0.7, 0.4), (0.63, 0.35, 0.24)])
@pytest.mark.parametrize("noise", [0.0, 1 / 255, 3 / 255])
def test_a_plain_field_gives_an_empty_mask_and_the_reason(
    name: str, colour: tuple[float, float, float], noise: float
) -> None:
    found = segment(hazy(colour, noise=noise, light=0.0), prepare_segmenter(name, flips=False))
    assert not found.mask.any()
    assert not found.probability.any()
    assert re.match(r"no vessels: the field is plain, its levels deviate by \d\.\d of 255", found.reason)


@pytest.mark.parametrize("name", SEGMENTERS)
@pytest.mark.parametrize("colour", [(0.6, 0.42, 0.24), (0.63, 0.35, 0.24)])
def test_light_that_falls_off_is_no_vessel(name: str, colour: tuple[float, float, float]) -> None:
    found = segment(hazy(colour, noise=0.5 / 255, light=0.35, size=600), prepare_segmenter(name, flips=False))
    assert not found.mask.any()
    assert found.reason.startswith("no vessels: the greatest probability is")


def test_a_small_part_and_the_fields_rim_do_not_count() -> None:
    inside = np.zeros((60, 80), np.bool_)
    inside[10:, :] = True  # the picture's own border on the other sides is no edge of the field
    probability = np.zeros((60, 80), np.float32)
    probability[30, 10 : 10 + SMALLEST_PART] = 0.5
    probability[40, 10 : 9 + SMALLEST_PART] = 0.5
    probability[13, :] = 0.5
    probability[59, :] = 0.5
    mask = to_mask(probability, inside, 0.5)
    assert mask[30].sum() == SMALLEST_PART
    assert mask[59].all()
    assert mask.sum() == SMALLEST_PART + 80
    assert not to_mask(probability, inside, 0.51).any()


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(cf.SettingsError, match="unknown segmenter 'unet'; known: wnet, wnet-robust, gabor"):
        segment(draw_phantom(64, 0).photo, "unet")


def test_a_segmenter_without_a_network_takes_no_other_device() -> None:
    with pytest.raises(cf.SettingsError, match="'gabor' runs on the CPU; found device 'cuda'"):
        prepare_segmenter("gabor", device="cuda")


@pytest.mark.data
def test_on_a_held_out_eye_the_segmenters_are_as_good_as_they_were(data_folder: Path) -> None:
    # F1 of the validation eye 09, left, in pixels of the photograph; as measured with the shipped weights, less 0.02
    from skimage.io import imread

    photo = cf.read_photo(data_folder / "vessels/chase_db1/Image_09L.jpg")
    truth = imread(data_folder / "vessels/chase_db1/Image_09L_1stHO.png") > 0
    for name, least in FLOORS.items():
        found = segment(photo, name).mask_in_photo
        assert 2 * (found & truth).sum() / (found.sum() + truth.sum()) > least, name


FLOORS = {"wnet": 0.75, "wnet-robust": 0.74, "gabor": 0.62}
