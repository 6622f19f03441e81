from dataclasses import replace

import cv2
import numpy as np
import pytest

from clearfundus import Field, Photo
from clearfundus.errors import QualityError
from clearfundus.quality.view import make_view, to_gray
from drawn import draw_fundus, field_mask


def field_of(size: int) -> Field:
    return Field(mask=field_mask(size))


def test_gray_is_matlabs_on_every_kind_of_colour() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 50, 3), dtype=np.uint8)
    red, green, blue = (pixels[..., channel].astype(float) for channel in range(3))
    expected = np.floor(0.298936 * red + 0.587043 * green + 0.114021 * blue + 0.5)
    found = to_gray(pixels)
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, expected)


def test_gray_of_gray_is_itself() -> None:
    levels = np.repeat(np.arange(256, dtype=np.uint8)[:, None, None], 3, axis=2)
    np.testing.assert_array_equal(to_gray(levels)[:, 0], np.arange(256))


@pytest.mark.parametrize("wrong", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((4, 4, 4), np.uint8)])
def test_gray_refuses_other_arrays(wrong: np.ndarray) -> None:
    with pytest.raises(QualityError, match=r"expected \(height, width, 3\) and uint8"):
        to_gray(wrong)


def test_fov_is_cropped_to_the_field_and_whole_is_not() -> None:
    photo, field = draw_fundus(256), field_of(256)
    top, _, bottom, _ = field.box
    assert bottom - top < 250
    fov, whole = (make_view(photo, field, protocol, side=128) for protocol in ("fov", "whole"))
    assert fov.pixels.shape == whole.pixels.shape == (128, 128, 3)
    assert fov.mask.any(axis=1).mean() > whole.mask.any(axis=1).mean()
    assert fov.inside is fov.mask
    assert whole.inside.all()


def test_a_view_of_the_photographs_own_size_is_what_is_saved_black_outside() -> None:
    photo, field = draw_fundus(128), field_of(128)
    veiled = photo.with_pixels(np.maximum(photo.pixels, np.float32(0.2)))
    view = make_view(veiled, field, "whole", side=128)
    assert not view.enlarged
    saved = np.rint(veiled.pixels * 255).astype(np.uint8)
    np.testing.assert_array_equal(view.pixels[field.mask], saved[field.mask])
    assert not view.pixels[~field.mask].any()
    np.testing.assert_array_equal(view.mask, field.mask)


def test_it_is_rounded_before_it_is_reduced() -> None:
    # levels 10.4 are saved as 10 each; their mean of four would round to 10 only if rounded first
    pixels = np.full((64, 64, 3), 10.4 / 255, np.float32)
    pixels[::2] = 11.4 / 255  # saved 11; mean of the saved 10.5, of the unsaved 10.9
    pixels[::4] = 10.4 / 255
    photo, field = Photo(pixels=pixels), Field(mask=np.ones((64, 64), bool))
    view = make_view(photo, field, side=16)
    assert np.unique(view.pixels).tolist() == [10]  # (10 + 10 + 11 + 10) / 4; unrounded 10.65 would give 11


def test_the_longer_side_gets_the_side_and_the_shape_stays() -> None:
    photo = Photo(pixels=np.random.default_rng(0).random((300, 200, 3), dtype=np.float32))
    view = make_view(photo, Field(mask=np.ones((300, 200), bool)), side=90)
    assert view.pixels.shape == (90, 60, 3)
    expected = cv2.resize(np.rint(photo.pixels * 255).astype(np.float32), (60, 90), interpolation=cv2.INTER_AREA)
    np.testing.assert_array_equal(view.pixels, np.rint(expected))


def test_only_pixels_wholly_inside_are_inside() -> None:
    mask = np.zeros((100, 100), bool)
    mask[1:99, 1:99] = True
    photo = Photo(pixels=np.full((100, 100, 3), 0.5, np.float32))
    view = make_view(photo, Field(mask=mask), "whole", side=50)
    assert view.mask.sum() == 48 * 48
    assert np.unique(view.pixels[view.mask]).tolist() == [128]
    assert not view.pixels[~view.mask].any()


def test_enlarging_is_told() -> None:
    photo, field = draw_fundus(128), field_of(128)
    assert make_view(photo, field, side=300).enlarged
    assert not make_view(photo, field, side=100).enlarged


@pytest.mark.parametrize("protocol", ["fov", "whole"])
@pytest.mark.parametrize("size", [300, 512])
def test_the_black_surround_does_not_bleed_into_an_enlarged_picture(size: int, protocol: str) -> None:
    pixels = np.full((size, size, 3), 128 / 255, np.float32)
    field = field_of(size)
    pixels[~field.mask] = 0
    view = make_view(Photo(pixels=pixels), field, protocol, side=768)
    assert view.enlarged
    assert np.unique(view.pixels[view.mask]).tolist() == [128]
    assert not view.pixels[~view.mask].any()


def test_reducing_is_by_the_share_of_area_over_the_black_surround() -> None:
    photo, field = draw_fundus(300), field_of(300)
    view = make_view(photo, field, "whole", side=130)
    saved = np.rint(photo.pixels * 255) * field.mask[..., None]
    expected = np.rint(cv2.resize(saved, (130, 130), interpolation=cv2.INTER_AREA))
    np.testing.assert_array_equal(view.pixels[view.mask], expected[view.mask])


def test_a_field_of_another_size_an_empty_one_and_unknown_settings_are_refused() -> None:
    photo = replace(draw_fundus(64), name="eye.jpg")
    with pytest.raises(QualityError, match=r"eye\.jpg: found a field of shape \(32, 32\), expected \(64, 64\)"):
        make_view(photo, field_of(32))
    with pytest.raises(QualityError, match=r"eye\.jpg: found an empty field"):
        make_view(photo, Field(mask=np.zeros((64, 64), bool)))
    with pytest.raises(QualityError, match="protocol: found 'roi', expected one of: fov, whole"):
        make_view(photo, field_of(64), "roi")
    with pytest.raises(QualityError, match="side: found 8"):
        make_view(photo, field_of(64), side=8)
