from pathlib import Path

import cv2
import numpy as np
import pytest

from clearfundus.errors import PhotoError
from clearfundus.fundus.field import Field, find_field
from clearfundus.fundus.frame import CROP_MARGIN, LEAST_SEAM, SEAM, crop_to_field, fill_surround, put_back
from clearfundus.photo import Mask, Photo, Pixels, read_photo
from drawn import draw_fundus, field_mask


def random_photo(height: int, width: int, **settings: object) -> Photo:
    """Return a photograph whose every pixel is of its own, so that no pixel can pass for another."""
    pixels = np.random.default_rng(3).random((height, width, 3), dtype=np.float32)
    return Photo(pixels=pixels, **settings)  # type: ignore[arg-type]


def ellipse(height: int, width: int, *, centre: tuple[float, float], radii: tuple[float, float]) -> Mask:
    row, column = np.mgrid[:height, :width]
    inside: Mask = ((row - centre[0]) / radii[0]) ** 2 + ((column - centre[1]) / radii[1]) ** 2 < 1
    return inside


MASKS = {
    "a disc": ellipse(61, 61, centre=(30, 30), radii=(20, 20)),
    "an odd wide frame": ellipse(47, 83, centre=(22, 40), radii=(18, 25)),
    "a disc near a corner": ellipse(60, 70, centre=(18, 17), radii=(16, 15)),
    "a disc cut off on two sides": ellipse(40, 60, centre=(20, 30), radii=(24, 24)),
    "a disc cut off at a corner": ellipse(50, 50, centre=(5, 5), radii=(30, 30)),
    "the whole frame": np.ones((33, 45), dtype=np.bool_),
    "one pixel": ellipse(21, 23, centre=(10, 10), radii=(1, 1)),
}
every_mask = pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS.keys())


@every_mask
def test_an_unchanged_crop_put_back_is_the_original_bit_for_bit(mask: Mask) -> None:
    photo = random_photo(*mask.shape)
    frame = crop_to_field(photo, Field(mask=mask))
    assert put_back(frame, frame.photo).pixels.tobytes() == photo.pixels.tobytes()


@every_mask
def test_pixels_outside_the_field_come_back_bit_for_bit(mask: Mask) -> None:
    photo = random_photo(*mask.shape)
    frame = crop_to_field(photo, Field(mask=mask))
    result = put_back(frame, frame.photo.with_pixels(1 - frame.photo.pixels))
    assert result.pixels[~mask].tobytes() == photo.pixels[~mask].tobytes()


@every_mask
def test_deep_inside_the_field_the_enhanced_pixels_stand_unblended(mask: Mask) -> None:
    photo = random_photo(*mask.shape)
    frame = crop_to_field(photo, Field(mask=mask))
    result = put_back(frame, frame.photo.with_pixels(1 - frame.photo.pixels))
    depth = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    deep = depth >= 2 + max(LEAST_SEAM, SEAM * frame.original_field.diameter) if not mask.all() else mask
    np.testing.assert_array_equal(result.pixels[deep], 1 - photo.pixels[deep])


def test_the_crop_is_the_bounding_box_and_eight_pixels() -> None:
    mask = ellipse(100, 120, centre=(50.5, 60.5), radii=(20.2, 30.2))  # rows 31..70, columns 31..90
    frame = crop_to_field(random_photo(100, 120), Field(mask=mask))
    assert CROP_MARGIN == 8
    assert frame.box == (23, 23, 79, 99)
    assert frame.photo.pixels.shape == (56, 76, 3)
    np.testing.assert_array_equal(frame.field.mask, mask[23:79, 23:99])


def test_the_crop_stops_at_the_pictures_border() -> None:
    mask = ellipse(40, 60, centre=(20, 30), radii=(24, 24))
    frame = crop_to_field(random_photo(40, 60), Field(mask=mask))
    assert frame.box == (0, 0, 40, 60)


def test_the_crops_pixels_in_the_field_are_the_originals() -> None:
    mask = MASKS["an odd wide frame"]
    photo = random_photo(*mask.shape)
    frame = crop_to_field(photo, Field(mask=mask))
    np.testing.assert_array_equal(frame.photo.pixels[frame.field.mask], photo.pixels[mask])


def test_what_belongs_to_the_file_is_carried_through_and_the_provenance_grows() -> None:
    mask = MASKS["a disc"]
    alpha = np.random.default_rng(1).random(mask.shape, dtype=np.float32)
    settings = {"bits": 16, "alpha": alpha, "icc_profile": b"icc", "exif": b"exif", "resolution": (300.0, 200.0)}
    photo = random_photo(*mask.shape, name="eye.png", **settings)
    frame = crop_to_field(photo, Field(mask=mask))
    top, left, bottom, right = frame.box
    np.testing.assert_array_equal(frame.photo.alpha, alpha[top:bottom, left:right])
    enhanced = Photo(pixels=frame.photo.pixels).with_pixels(frame.photo.pixels, method="clahe")
    result = put_back(frame, enhanced)
    assert (result.bits, result.icc_profile, result.exif) == (16, b"icc", b"exif")
    assert (result.resolution, result.name) == ((300.0, 200.0), "eye.png")
    np.testing.assert_array_equal(result.alpha, alpha)
    assert dict(result.provenance) == {"method": "clahe"}


def test_neither_cropping_nor_putting_back_changes_the_original() -> None:
    photo = draw_fundus(96)
    before = photo.pixels.copy()
    frame = crop_to_field(photo, find_field(photo))
    put_back(frame, frame.photo.with_pixels(frame.photo.pixels * 0))
    np.testing.assert_array_equal(photo.pixels, before)


def test_an_enhanced_crop_of_another_size_is_refused_with_both_sizes() -> None:
    photo = random_photo(61, 61, name="eye.png")
    frame = crop_to_field(photo, Field(mask=MASKS["a disc"]))
    with pytest.raises(PhotoError, match=r"eye\.png: found .*\(20, 20, 3\), expected \(55, 55, 3\)"):
        put_back(frame, random_photo(20, 20))


def flat_disc(size: int, *, before: float) -> tuple[Photo, Mask]:
    mask = field_mask(size, share=0.8)
    return Photo(pixels=np.where(mask[..., None], before, 0.0).repeat(3, axis=2).astype(np.float32)), mask


@pytest.mark.parametrize("after", [0.3, 0.9])
def test_a_flat_field_brightened_or_darkened_shows_no_ring(after: float) -> None:
    size, before = 1001, 0.5
    photo, mask = flat_disc(size, before=before)
    frame = crop_to_field(photo, Field(mask=mask))
    enhanced = frame.photo.with_pixels(np.full_like(frame.photo.pixels, after))
    middle = put_back(frame, enhanced).pixels[size // 2, :, 0]
    inside = middle[mask[size // 2]]
    half = inside[: len(inside) // 2]  # from the rim to the centre
    steps = np.diff(half) * np.sign(after - before)
    assert (steps >= 0).all()  # monotonic: no ring darker or brighter than both sides
    assert half.min() >= min(before, after)
    assert half.max() <= max(before, after)
    # The seam is 0.004 D wide, here 3.2 pixels, so no single step may be more than a third of the change.
    assert steps.max() < 0.35 * abs(after - before)
    assert half[0] == pytest.approx(before, abs=0.2 * abs(after - before))
    assert half[6] == pytest.approx(after)


def test_in_a_small_picture_the_seam_is_two_pixels_wide() -> None:
    photo, mask = flat_disc(101, before=0.5)
    frame = crop_to_field(photo, Field(mask=mask))
    middle = put_back(frame, frame.photo.with_pixels(np.full_like(frame.photo.pixels, 0.9))).pixels[50, :, 0]
    inside = middle[mask[50]]
    np.testing.assert_allclose(inside[:4], [0.6, 0.8, 0.9, 0.9], atol=1e-6)  # 1/4 and 3/4 of the change, then all


def test_the_pictures_own_border_is_not_faded() -> None:
    photo = random_photo(60, 100)
    mask = ellipse(60, 100, centre=(30, 50), radii=(45, 45))  # cut off above and below
    frame = crop_to_field(photo, Field(mask=mask))
    result = put_back(frame, frame.photo.with_pixels(1 - frame.photo.pixels))
    np.testing.assert_array_equal(result.pixels[[0, -1], 40:60], 1 - photo.pixels[[0, -1], 40:60])


def check_fill(filled: Pixels, pixels: Pixels, mask: Mask) -> None:
    """Assert, pixel by pixel, the definition: the value at 2q - p where that lies inside, else at q.

    More than one q may be nearest, and the distance by which it is found is a few percent off, so any q within 4 %
    and half a pixel of the nearest is right.
    """
    height, width = mask.shape
    inside = np.argwhere(mask)
    for p in np.argwhere(~mask):
        distances = np.hypot(*(inside - p).T)
        values = []
        for q in inside[distances <= distances.min() * 1.04 + 0.5]:
            row, column = 2 * q - p
            usable = 0 <= row < height and 0 <= column < width and mask[row, column]
            values.append(pixels[row, column] if usable else pixels[*q])
        assert any((filled[*p] == value).all() for value in values), f"pixel {p}"


@every_mask
def test_the_surround_mirrors_the_field_as_a_slow_loop_does(mask: Mask) -> None:
    pixels = random_photo(*mask.shape).pixels
    filled = fill_surround(pixels, mask)
    check_fill(filled, pixels, mask)
    np.testing.assert_array_equal(filled[mask], pixels[mask])


def test_a_straight_edge_is_mirrored_exactly() -> None:
    # Closed form: field left of column 12, so column 11 + k shows column 11 - k.
    pixels = random_photo(9, 20).pixels
    mask = np.zeros((9, 20), dtype=np.bool_)
    mask[:, :12] = True
    filled = fill_surround(pixels, mask)
    np.testing.assert_array_equal(filled[:, 12:20], pixels[:, 10:2:-1])


def test_a_filled_flat_field_is_flat_to_the_corners() -> None:
    photo, mask = flat_disc(101, before=0.5)
    assert (fill_surround(photo.pixels, mask) == 0.5).all()


def test_filling_leaves_its_input_unchanged() -> None:
    photo, mask = flat_disc(51, before=0.5)
    before = photo.pixels.copy()
    fill_surround(photo.pixels, mask)
    np.testing.assert_array_equal(photo.pixels, before)


@pytest.mark.data
def test_real_photographs_come_back_bit_for_bit_from_crop_and_put_back(
    data_folder: Path,
) -> None:
    paths = sorted((data_folder / "test" / "blurry").glob("*.jpg"))[::5]
    assert paths
    for path in paths:
        photo = read_photo(path)
        frame = crop_to_field(photo, find_field(photo))
        assert put_back(frame, frame.photo).pixels.tobytes() == photo.pixels.tobytes()
        outside = ~frame.original_field.mask
        result = put_back(frame, frame.photo.with_pixels(1 - frame.photo.pixels))
        assert result.pixels[outside].tobytes() == photo.pixels[outside].tobytes()
