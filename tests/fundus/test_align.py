"""Registration: known warps under haze are found again, strangers are refused, real pairs lie over each other."""

import csv
import json
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data
from numpy.typing import NDArray

from clearfundus import Photo, read_photo
from clearfundus.errors import AlignmentError
from clearfundus.fundus import align as align_module
from clearfundus.fundus.align import Alignment, align
from clearfundus.fundus.degrade import Degradation, degrade
from clearfundus.fundus.field import Field, find_field
from clearfundus.fundus.landmarks import Landmarks, Scaling, find_landmarks, flatten, match
from drawn import draw_fundus, field_mask

HAZE = {
    "none": Degradation(transmission_low=1, transmission_high=1, veil=0, blur=0, light=0, noise=0.002, seed=1),
    "mild": Degradation(
        transmission_low=0.6, transmission_high=1, veil=0.5, blur=0.7 / 512, light=0.1, noise=0.004, seed=1
    ),
    "moderate": Degradation(
        transmission_low=0.3, transmission_high=0.7, veil=0.6, blur=1.4 / 512, light=0.2, noise=0.008, seed=1
    ),
    "severe": Degradation(
        transmission_low=0.15, transmission_high=0.35, veil=0.8, blur=2.2 / 512, light=0.3, noise=0.012, seed=1
    ),
}


def known_map(shape: tuple[int, ...], seed: int) -> NDArray[np.float32]:
    """A turn, scale, shift and slight bending: (H, W, 2), row and column in the picture that is warped."""
    rng = np.random.default_rng(seed)
    angle, scale = np.deg2rad(rng.uniform(-15, 15)), rng.uniform(0.9, 1.1)
    radius = shape[0] / 2
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    shift, bend = rng.uniform(-0.16, 0.16, 2) * radius, rng.uniform(-0.01, 0.01, (3, 2)) * radius
    centre = np.array([(shape[0] - 1) / 2, (shape[1] - 1) / 2])
    place = np.stack(np.mgrid[: shape[0], : shape[1]], axis=-1) - centre
    row, column = place[..., :1] / radius, place[..., 1:] / radius
    bent = row**2 * bend[0] + row * column * bend[1] + column**2 * bend[2]
    return (place @ turn.T + centre + shift + bent).astype(np.float32)


def warped(photo: Photo, where: NDArray[np.float32]) -> Photo:
    return photo.with_pixels(cv2.remap(photo.pixels, where[..., 1].copy(), where[..., 0].copy(), cv2.INTER_CUBIC))


def distance(alignment: Alignment, where: NDArray[np.float32]) -> float:
    """The median distance over the overlap, in pixels of the moving photograph."""
    return float(np.median(np.linalg.norm(alignment.map - where, axis=-1)[alignment.mask]))


@pytest.fixture(scope="module")
def retina() -> tuple[Photo, Field]:
    photo = Photo(pixels=(skimage.data.retina() / 255).astype(np.float32), name="retina")
    return photo, find_field(photo)


@cache
def warped_retina(seed: int) -> tuple[NDArray[np.float32], Photo, Field]:
    """A known map, the retina warped by it, and that photograph's field."""
    photo = Photo(pixels=(skimage.data.retina() / 255).astype(np.float32), name="retina")
    where = known_map(photo.pixels.shape, seed)
    fixed = warped(photo, where)
    return where, fixed, find_field(fixed)


@pytest.fixture(scope="module")
def drawn_pair() -> tuple[Photo, Field, Photo, Field]:
    """A drawn eye of 700 pixels and the same eye at half the size."""
    big = draw_fundus(700)
    small = big.with_pixels(cv2.resize(big.pixels, (350, 350), interpolation=cv2.INTER_AREA))
    return big, Field(mask=field_mask(700)), small, Field(mask=field_mask(350))


@pytest.fixture(scope="module")
def drawn_alignment(drawn_pair) -> Alignment:
    return align(*drawn_pair)


@pytest.mark.parametrize(
    ("haze", "largest", "seed"),
    [
        ("none", 0.15, 1),
        ("mild", 0.2, 1),
        ("moderate", 0.6, 1),
        ("severe", 2.5, 1),
        ("severe", 2.5, 2),
        ("moderate", 0.6, 3),
    ],
)
def test_a_known_warp_is_found_again_through_haze(haze, largest, seed, retina) -> None:
    photo, field = retina
    where, fixed, fixed_field = warped_retina(seed)
    found = align(photo, field, degrade(fixed, fixed_field, HAZE[haze]), fixed_field)
    assert found.model == "quadratic"
    assert distance(found, where) < largest  # pixels of 1411; about half again of what was measured
    assert found.mask.mean() > 0.6 * fixed_field.mask.mean()


def test_another_size_is_the_same_place(drawn_pair, drawn_alignment) -> None:
    big, _, small, _ = drawn_pair
    found = drawn_alignment
    rows, columns = np.mgrid[:350, :350]
    assert distance(found, np.stack([2 * rows + 0.5, 2 * columns + 0.5], axis=-1)) < 0.3
    assert found.reduction == pytest.approx(2, rel=0.01)
    result = found.warp(big)
    assert result.pixels.shape == small.pixels.shape
    assert result.provenance["aligned"] == f"quadratic, {found.inliers} inliers"
    difference = np.abs(result.pixels - small.pixels)[found.mask]
    assert difference.mean() < 0.01


def test_the_same_input_gives_the_same_map_whatever_the_random_state(drawn_pair, drawn_alignment) -> None:
    cv2.setRNGSeed(20)
    first, second = drawn_alignment, align(*drawn_pair)
    assert first.inliers == second.inliers
    np.testing.assert_array_equal(first.map, second.map)


@pytest.mark.parametrize("reduced", [True, False])
def test_no_value_from_outside_the_moving_field_reaches_the_overlap(reduced, drawn_pair, drawn_alignment) -> None:
    big, big_field, small, small_field = drawn_pair
    moving, field, fixed_field, found = big, big_field, small_field, drawn_alignment
    if not reduced:  # then nothing is smoothed first, and the cubic alone reads beyond the edge
        moving, field, fixed_field = small, small_field, big_field
        found = align(moving, field, big, fixed_field)
    marked = np.where(field.mask[..., None], 0.5, 1.0) * np.ones(3)
    result = found.warp(moving.with_pixels(marked))
    np.testing.assert_allclose(result.pixels[found.mask], 0.5, atol=1e-5)
    assert not (found.mask & ~fixed_field.mask).any()
    assert found.mask.sum() > 0.95 * fixed_field.mask.sum()


def test_two_strangers_are_refused_with_their_names_and_the_matches_that_agreed() -> None:
    one, other = (draw_fundus(500, np.random.default_rng(seed)) for seed in (3, 4))
    field = Field(mask=field_mask(500))
    one, other = (Photo(pixels=photo.pixels, name=name) for photo, name in ((one, "left.png"), (other, "right.png")))
    with pytest.raises(AlignmentError, match=r"left\.png on right\.png: found 1?\d landmarks that agree.*same eye"):
        align(one, field, other, field)


def test_a_picture_without_detail_has_no_landmarks_and_is_refused(drawn_pair) -> None:
    _, _, small, small_field = drawn_pair
    flat = Photo(pixels=np.full((128, 128, 3), 0.5, np.float32), name="flat")
    field = Field(mask=field_mask(128))
    assert len(find_landmarks(flat, field).points) == 0
    with pytest.raises(AlignmentError, match="found 0 landmarks"):
        align(small, small_field, flat, field)


def test_few_matches_keep_the_similarity(drawn_pair, monkeypatch) -> None:
    monkeypatch.setattr(align_module, "LEAST_FOR_QUADRATIC", 10**6)
    found = align(*drawn_pair)
    assert found.model == "similarity"
    # second differences of a similarity's map are 0
    bending = np.diff(found.map.astype(np.float64), n=2, axis=1)
    assert np.abs(bending).max() < 1e-3


def test_only_a_photograph_of_the_moving_size_is_warped(drawn_pair, drawn_alignment) -> None:
    with pytest.raises(AlignmentError, match=r"found 350 x 350 pixels, expected 700 x 700"):
        drawn_alignment.warp(drawn_pair[2])


def test_flattening_undoes_a_veil() -> None:
    green = draw_fundus(300).pixels[..., 1].copy()
    mask = field_mask(300, share=0.9)
    clear, veiled = flatten(green, mask, 270), flatten((0.3 * green + 0.5).astype(np.float32), mask, 270)
    np.testing.assert_allclose(veiled[mask], clear[mask], atol=0.02)


def test_a_landmark_stands_in_one_match_at_most() -> None:
    rng = np.random.default_rng(0)
    descriptors = np.abs(rng.normal(size=(6, 128))).astype(np.float32)
    descriptors /= np.linalg.norm(descriptors, axis=1, keepdims=True)
    twice = np.concatenate([descriptors[:3], 0.98 * descriptors[:3] + 0.02 * descriptors[3:]])
    twice /= np.linalg.norm(twice, axis=1, keepdims=True)
    scaling = Scaling(corner=(0, 0), factor=(1, 1))
    first = Landmarks(points=np.arange(12.0).reshape(6, 2), descriptors=twice, scaling=scaling)
    second = Landmarks(points=100 + np.arange(12.0).reshape(6, 2), descriptors=descriptors, scaling=scaling)
    here, there = match(first, second)
    np.testing.assert_array_equal(here, first.points[:3])
    np.testing.assert_array_equal(there, second.points[:3])


def test_landmarks_that_stand_there_twice_give_no_root_of_a_negative_number() -> None:
    descriptors = np.abs(np.random.default_rng(0).normal(size=(50, 128))).astype(np.float32)
    descriptors /= np.linalg.norm(descriptors, axis=1, keepdims=True)
    twice = np.concatenate([descriptors, descriptors])
    assert (descriptors @ twice.T).max() > 1  # as float32 rounds
    scaling = Scaling(corner=(0, 0), factor=(1, 1))
    first = Landmarks(points=np.zeros((50, 2)), descriptors=descriptors, scaling=scaling)
    second = Landmarks(points=np.zeros((100, 2)), descriptors=twice, scaling=scaling)
    with np.errstate(invalid="raise"):
        match(first, second)


def given_map(row: dict[str, str], shape: tuple[int, ...]) -> NDArray[np.float64]:
    """The listed affine goes from the clear photograph to the blurry one, x before y; the map goes the other way."""
    inverse = cv2.invertAffineTransform(np.array(json.loads(row["affine_clear_to_blurry"])))
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    places = np.stack([columns, rows], axis=-1) @ inverse[:, :2].T + inverse[:, 2]
    return places[..., ::-1]


@pytest.mark.data
@pytest.mark.slow
def test_at_least_twelve_of_thirteen_real_pairs_are_registered(data_folder: Path) -> None:
    folder = data_folder / "test" / "pairs"
    close = []
    with (folder / "pairs.csv").open(encoding="utf-8") as table:
        for row in csv.DictReader(table):
            clear, blurry = (read_photo(folder / f"{row['pair']}_{kind}.jpg") for kind in ("clear_native", "blurry"))
            try:
                found = align(clear, find_field(clear), blurry, find_field(blurry))
            except AlignmentError:
                continue
            close.append(distance(found, given_map(row, blurry.pixels.shape)) < 3)
    assert len(close) >= 12
    assert sum(close) >= 12  # an affine fitted by others, at 960 pixels; the retina bends by 1 to 2
