import cv2
import numpy as np
import pytest
from skimage.filters import sobel_h, sobel_v

from clearfundus import Field, Photo
from clearfundus.errors import QualityError
from clearfundus.fundus.foreground import measure_contrast
from clearfundus.fundus.frame import crop_to_field
from clearfundus.quality.contrast import (
    measure_rms_contrast,
    measure_tenengrad,
    measure_vessel_contrast,
    rms_contrast,
    tenengrad,
    vessel_contrast,
)
from clearfundus.quality.view import make_view
from drawn import blur_fundus, draw_fundus, field_mask

SIDE = 256
MEASURES = pytest.mark.parametrize("measure", [measure_rms_contrast, measure_vessel_contrast, measure_tenengrad])
FUNCTIONS = pytest.mark.parametrize("function", [rms_contrast, vessel_contrast, tenengrad])


def fundus() -> Photo:
    return draw_fundus(SIDE)


def view_of(photo: Photo, protocol="fov"):
    return make_view(photo, Field(mask=field_mask(SIDE)), protocol, SIDE)


def picture_for(function, *shape: int) -> np.ndarray:
    colour = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    return colour[..., 0] if function is tenengrad else colour


@MEASURES
def test_more_blur_and_more_haze_give_less(measure) -> None:
    clear = measure(view_of(fundus())).value
    blurred = [measure(view_of(blur_fundus(fundus(), sigma=sigma, haze=0))).value for sigma in (0.006, 0.012, 0.024)]
    hazed = [measure(view_of(blur_fundus(fundus(), sigma=0.001, haze=haze))).value for haze in (0.2, 0.5, 0.8)]
    for values in ([clear, *blurred], [clear, *hazed]):
        assert values == sorted(values, reverse=True)
        assert values[-1] < values[0] / 2


@MEASURES
def test_sharpening_is_rewarded_without_end(measure) -> None:
    photo = fundus()
    soft = cv2.GaussianBlur(photo.pixels, (0, 0), 3)
    values = [
        measure(view_of(photo.with_pixels(photo.pixels + amount * (photo.pixels - soft)))).value
        for amount in (0, 1, 3, 6)
    ]
    assert values == sorted(values)
    assert values[-1] > 1.5 * values[0]


@MEASURES
def test_it_looks_inside_the_field_in_both_protocols(measure) -> None:
    values = [measure(view_of(fundus(), protocol)).value for protocol in ("fov", "whole")]
    assert values[1] == pytest.approx(values[0], rel=0.2)


@FUNCTIONS
def test_what_lies_outside_the_field_does_not_count(function) -> None:
    mask = field_mask(SIDE)
    view = view_of(fundus(), "whole")
    picture = (view.gray if function is tenengrad else view.pixels).copy()
    found = function(picture, mask)
    picture[~mask] = 255
    assert function(picture, mask) == found


@FUNCTIONS
def test_a_flat_picture_has_none(function) -> None:
    flat = np.full_like(picture_for(function, 64, 64), 90)
    assert function(flat) == pytest.approx(0, abs=1e-6)
    assert function(flat, field_mask(64)) == pytest.approx(0, abs=1e-6)
    assert function(np.zeros_like(flat)) == 0


def test_rms_contrast_of_fine_stripes_is_their_amplitude_over_their_mean() -> None:
    pixels = np.zeros((240, 240, 3), np.uint8)
    pixels[..., 1] = np.where(np.arange(240) % 4 < 2, 80, 120)
    assert rms_contrast(pixels) == pytest.approx(20 / 100, rel=0.01)
    assert rms_contrast(pixels, field_mask(240)) == pytest.approx(20 / 100, rel=0.01)


def test_rms_contrast_does_not_ask_how_bright_the_light_is() -> None:
    pixels = np.zeros((240, 240, 3), np.uint8)
    light = np.linspace(60, 240, 240)[:, None] * np.ones(240)
    pixels[..., 1] = np.rint(light * np.where(np.arange(240) % 4 < 2, 0.8, 1))
    assert rms_contrast(pixels) == pytest.approx(0.1 / 0.9, rel=0.03)


def test_vessel_contrast_is_the_foreground_contrast_of_what_is_saved() -> None:
    view = view_of(fundus())
    frame = crop_to_field(Photo(pixels=view.pixels.astype(np.float32) / 255), Field(mask=view.mask))
    assert measure_vessel_contrast(view).value == measure_contrast(frame.photo, frame.field) > 0.1


@pytest.mark.parametrize(("down", "across"), [(3, 0), (0, 2), (2, 3)])
def test_tenengrad_of_a_ramp_is_its_squared_slope(down: int, across: int) -> None:
    ramp = down * np.arange(40.0)[:, None] + across * np.arange(40.0)
    assert tenengrad(ramp) == pytest.approx(down**2 + across**2, rel=1e-12)
    assert tenengrad(ramp, np.ones((40, 40), bool)) == pytest.approx(down**2 + across**2, rel=1e-12)


def test_tenengrad_is_scikit_images_sobel_12_pixels_inside() -> None:
    gray = picture_for(tenengrad, 96, 96).astype(float)
    # scikit-image takes differences over two pixels for what lies two pixels apart: twice the derivative
    squared = (sobel_h(gray) / 2) ** 2 + (sobel_v(gray) / 2) ** 2
    assert tenengrad(gray) == pytest.approx(squared[1:-1, 1:-1].mean(), rel=1e-9)
    mask = field_mask(96)
    inner = np.lib.stride_tricks.sliding_window_view(mask, (25, 25)).all((2, 3))
    assert tenengrad(gray, mask) == pytest.approx(squared[12:-12, 12:-12][inner].mean(), rel=1e-9)


@FUNCTIONS
def test_other_arrays_are_refused(function) -> None:
    picture = picture_for(function, 40, 40)
    for wrong, message in (
        (picture.astype(np.float32), "type float32"),
        (picture[..., None], "shape"),
        (picture[:1], "40 x 1 pixels"),
    ):
        with pytest.raises(QualityError, match=f"{function.__name__}: found .*{message}"):
            function(wrong)
    with pytest.raises(QualityError, match=r"expected .* and bool"):
        function(picture, np.ones((40, 39), bool))
    with pytest.raises(QualityError, match="empty mask"):
        function(picture, np.zeros((40, 40), bool))


def test_tenengrad_refuses_another_range_and_a_field_too_small() -> None:
    with pytest.raises(QualityError, match="not whole"):
        tenengrad(np.random.default_rng(0).random((40, 40)))
    with pytest.raises(QualityError, match="holds no window of 25 x 25"):
        tenengrad(np.zeros((40, 40), np.uint8), field_mask(40, 0.5))
