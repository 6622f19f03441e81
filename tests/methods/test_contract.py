"""What every method of the table promises, whatever it does."""

import inspect
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from skimage.data import retina

from clearfundus import Field, FieldNotFoundError, Photo, find_field
from clearfundus.fundus.frame import crop_to_field
from clearfundus.methods import METHODS
from clearfundus.pipeline import PreparedMethod, enhance, prepare_method
from drawn import blur_fundus, draw_fundus


@pytest.fixture(params=METHODS)
def prepared(request: pytest.FixtureRequest, tiny_weights: Path) -> PreparedMethod:
    return prepare_method(request.param, weights=tiny_weights if request.param == "gan" else None)


def test_a_method_returns_a_photograph_of_the_same_size(prepared: PreparedMethod, drawn: Photo) -> None:
    frame = crop_to_field(drawn, find_field(drawn))
    result = prepared(frame.photo, frame.field)
    assert result.pixels.shape == frame.photo.pixels.shape
    assert result.pixels.dtype == np.float32
    assert result.pixels.min() >= 0
    assert result.pixels.max() <= 1


def test_a_method_leaves_its_input_alone(prepared: PreparedMethod, drawn: Photo) -> None:
    frame = crop_to_field(drawn, find_field(drawn))
    before = frame.photo.pixels.copy(), frame.field.mask.copy()
    prepared(frame.photo, frame.field)
    assert np.array_equal(frame.photo.pixels, before[0])
    assert np.array_equal(frame.field.mask, before[1])


def test_a_method_gives_the_same_result_twice(prepared: PreparedMethod, drawn: Photo) -> None:
    frame = crop_to_field(drawn, find_field(drawn))
    first, second = (prepared(frame.photo, frame.field).pixels for _ in range(2))
    assert np.array_equal(first, second)


def test_a_method_writes_the_provenance_it_was_prepared_with(prepared: PreparedMethod, drawn: Photo) -> None:
    result = enhance(drawn, prepared)
    assert result.provenance == prepared.provenance
    assert result.provenance["method"] == prepared.name


def test_a_method_does_not_pass_off_what_was_done_before_as_its_own(prepared: PreparedMethod, drawn: Photo) -> None:
    once = enhance(drawn, "zhou2018", parameters={"gamma": 1.5})
    twice = enhance(once, prepared)
    before = "zhou2018 (gamma=1.5, least_value=0.00392156862745098, clip_limit=3.55, tiles=8)"
    assert twice.provenance == {**prepared.provenance, "before": before}
    thrice = enhance(twice, "identity").provenance
    assert thrice.keys() == {"method", "before"}
    rest = ", ".join(f"{name}={value}" for name, value in prepared.provenance.items() if name != "method")
    assert thrice["before"] == prepared.name + (f" ({rest})" if rest else "") + "; after zhou2018"


def test_the_surround_comes_back_bit_for_bit(prepared: PreparedMethod, drawn: Photo) -> None:
    noisy = drawn.pixels.copy()
    noisy[:4, :4] = 0.02  # something in a corner, outside the field
    photo = Photo(pixels=noisy)
    outside = ~find_field(photo).mask
    result = enhance(photo, prepared)
    assert outside.any()
    assert np.array_equal(result.pixels[outside], photo.pixels[outside])


def test_every_method_but_identity_changes_a_blurry_photograph(prepared: PreparedMethod, drawn: Photo) -> None:
    blurry = blur_fundus(drawn)
    change = np.abs(enhance(blurry, prepared).pixels - blurry.pixels).max()
    assert (change == 0) == (prepared.name == "identity")


# one shape after the other, so that what a method keeps for a shape is made but once
@pytest.mark.parametrize("kind", ["black", "white", "gray", "noise", "red", "one bright pixel"])
@pytest.mark.parametrize("whole", [True, False], ids=["whole frame", "disc"])
@pytest.mark.parametrize("shape", [(2, 2), (5, 3), (9, 130), (64, 64), (127, 91)])
def test_a_method_gives_finite_values_in_range_for_any_picture(
    prepared: PreparedMethod, shape: tuple[int, int], kind: str, whole: bool
) -> None:
    photo = Photo(pixels=picture(kind, shape))
    row, column = np.ogrid[: shape[0], : shape[1]]
    disc = np.hypot(row - (shape[0] - 1) / 2, column - (shape[1] - 1) / 2) <= min(shape) / 2
    # warnings are errors here, so a division by 0 whose result is clipped away does not pass either
    result = prepared(photo, Field(mask=np.ones(shape, bool) if whole else disc)).pixels
    assert result.shape == (*shape, 3)
    assert np.isfinite(result).all()
    assert result.min() >= 0
    assert result.max() <= 1


def picture(kind: str, shape: tuple[int, int]) -> np.ndarray:
    """Return (H, W, 3) in [0, 1]."""
    pixels = np.full((*shape, 3), {"white": 1.0, "gray": 0.5}.get(kind, 0.0), np.float32)
    if kind == "noise":
        pixels = np.random.default_rng(0).random((*shape, 3), dtype=np.float32)
    elif kind == "red":
        pixels[..., 0] = 0.8
    elif kind == "one bright pixel":
        pixels[shape[0] // 2, shape[1] // 2] = 1
    return pixels


def test_a_16_bit_photograph_keeps_its_depth_and_its_fine_steps(prepared: PreparedMethod, drawn: Photo) -> None:
    levels = np.rint(drawn.pixels * 65535)
    result = enhance(replace(drawn, pixels=(levels / 65535).astype(np.float32), bits=16), prepared)
    assert result.bits == 16
    inside = result.pixels[find_field(drawn).mask]
    assert len(np.unique(np.rint(inside[:, 1] * 65535))) > 1000  # 8 bits would leave at most 256


def test_a_picture_without_a_field_is_refused_by_name(prepared: PreparedMethod) -> None:
    photo = Photo(pixels=np.zeros((64, 64, 3), np.float32), name="lens_cap.png")
    with pytest.raises(FieldNotFoundError, match=r"lens_cap\.png"):
        enhance(photo, prepared)


def test_a_photograph_cropped_inside_its_field_is_enhanced_up_to_the_border(prepared: PreparedMethod) -> None:
    photo = blur_fundus(draw_fundus(192))
    inner = replace(photo, pixels=photo.pixels[40:150, 40:150].copy())
    assert find_field(inner).mask.all()
    changed = (enhance(inner, prepared).pixels != inner.pixels).any(axis=-1)
    assert changed.mean() > 0.5 or prepared.name == "identity"
    assert (changed[0].any() and changed[:, -1].any()) or prepared.name == "identity"


@pytest.mark.parametrize("name", METHODS)
def test_a_method_names_its_source_and_defaults_all_its_numbers(name: str) -> None:
    document = inspect.getdoc(METHODS[name]) or ""
    assert "\nSource: " in document
    for parameter in list(inspect.signature(METHODS[name]).parameters.values())[2:]:
        assert parameter.kind is parameter.KEYWORD_ONLY
        assert parameter.default is not parameter.empty
        assert f"{parameter.name}: " in document


HALVED = {
    "clahe": 0.006,
    "mitra2018": 0.007,
    "zhou2018": 0.007,
    "xiong2017": 0.001,
    "he2011": 0.011,
    "polesel2000": 0.005,
}
"""Mean absolute difference allowed between a run at half the size and one at full size; none may exceed 0.011. The
network sees one size whatever the photograph's; starck2003 is tested at a smaller size, for its windows' sake."""


@pytest.mark.parametrize("name", HALVED)
def test_half_the_size_gives_nearly_the_same_result(name: str) -> None:
    photo = Photo(pixels=retina().astype(np.float32) / np.float32(255))
    frame = crop_to_field(photo, find_field(photo))
    height, width = frame.field.mask.shape
    pixels, share, full = (
        cv2.resize(one, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
        for one in (
            frame.photo.pixels,
            frame.field.mask.astype(np.float32),
            METHODS[name](frame.photo, frame.field).pixels,
        )
    )
    inside = share > 0.5
    half = METHODS[name](Photo(pixels=pixels), Field(mask=inside)).pixels
    assert np.abs(half - full)[inside].mean() < HALVED[name]
    assert np.abs(half - pixels)[inside].mean() > 0.004  # it did something
