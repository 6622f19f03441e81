"""What every method of the table promises, whatever it does."""

import inspect
from pathlib import Path

import numpy as np
import pytest

from clearfundus import Field, Photo, find_field
from clearfundus.fundus.frame import crop_to_field
from clearfundus.methods import METHODS
from clearfundus.pipeline import PreparedMethod, enhance, prepare_method
from drawn import blur_fundus


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


@pytest.mark.parametrize("shape", [(2, 2), (5, 3), (9, 130)])
def test_a_method_takes_pictures_of_odd_and_tiny_sizes(prepared: PreparedMethod, shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    photo = Photo(pixels=rng.random((*shape, 3), dtype=np.float32))
    field = Field(mask=np.ones(shape, bool))
    assert prepared(photo, field).pixels.shape == (*shape, 3)


@pytest.mark.parametrize("name", METHODS)
def test_a_method_names_its_source_and_defaults_all_its_numbers(name: str) -> None:
    document = inspect.getdoc(METHODS[name]) or ""
    assert "\nSource: " in document
    for parameter in list(inspect.signature(METHODS[name]).parameters.values())[2:]:
        assert parameter.kind is parameter.KEYWORD_ONLY
        assert parameter.default is not parameter.empty
        assert f"{parameter.name}: " in document
