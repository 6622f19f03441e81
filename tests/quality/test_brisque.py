from pathlib import Path

import cv2
import numpy as np
import pytest

from clearfundus import Field
from clearfundus.errors import QualityError
from clearfundus.quality.brisque import LIVE_FILE, brisque, load_regressor, measure_brisque
from clearfundus.quality.view import make_view
from drawn import draw_fundus, field_mask
from quality.references import REFERENCE_VALUES, gray_of

TOLERANCE = 6e-4


@pytest.mark.parametrize("name", REFERENCE_VALUES)
def test_it_gives_the_reference_value(name: str) -> None:
    assert brisque(gray_of(name)).value == pytest.approx(REFERENCE_VALUES[name][0], abs=TOLERANCE)


def test_flat_windows_are_reported() -> None:
    assert brisque(gray_of("camera")).flat_share == 0
    assert brisque(gray_of("astronaut")).flat_share == pytest.approx(0.078, abs=0.001)


def test_growing_blur_makes_it_worse() -> None:
    gray = gray_of("camera").astype(np.float64)
    blurred = [gray, *(cv2.GaussianBlur(gray, (0, 0), sigma) for sigma in (1, 2, 4))]
    assert_rises([brisque(np.rint(one)).value for one in blurred])


def test_growing_noise_makes_a_sharp_picture_worse() -> None:
    gray, noise = gray_of("camera"), np.random.default_rng(0).normal(size=(512, 512))
    noisy = [np.clip(np.rint(gray + sigma * noise), 0, 255) for sigma in (0, 10, 20, 40)]
    assert_rises([brisque(one).value for one in noisy])


def assert_rises(values: list[float]) -> None:
    assert values == sorted(values)
    assert values[-1] > values[0] + 10


def test_it_is_known_to_be_fooled_by_noise_on_a_blurred_picture() -> None:
    blurred = cv2.GaussianBlur(gray_of("camera").astype(np.float64), (0, 0), 3)
    noisy = blurred + np.random.default_rng(0).normal(0, 3, blurred.shape)
    # the reason why it is never reported alone
    assert brisque(np.clip(np.rint(noisy), 0, 255)).value < brisque(np.rint(blurred)).value - 10


def test_in_the_field_it_judges_the_inscribed_square() -> None:
    photo, field = draw_fundus(256), Field(mask=field_mask(256))
    view = make_view(photo, field, side=246)
    found = measure_brisque(view)
    side = next(n for n in range(100, 246) if not inscribed(view.mask, n)) - 1
    [top, left] = inscribed(view.mask, side)[0]
    assert found == brisque(view.gray[top : top + side, left : left + side])


def inscribed(mask: np.ndarray, side: int) -> list[list[int]]:
    """Return the places of squares of this side inside the mask, by erosion."""
    eroded = cv2.erode(
        mask.astype(np.uint8), np.ones((side, side)), anchor=(0, 0), borderType=cv2.BORDER_CONSTANT, borderValue=0
    )
    return np.argwhere(eroded).tolist()


def test_in_whole_it_judges_the_frame() -> None:
    view = make_view(draw_fundus(256), Field(mask=field_mask(256)), "whole", side=256)
    assert measure_brisque(view) == brisque(view.gray)
    assert measure_brisque(view).flat_share > 0.1


def test_a_small_field_and_a_picture_without_structure_are_refused() -> None:
    view = make_view(draw_fundus(128), Field(mask=field_mask(128)), side=40)
    with pytest.raises(QualityError, match="brisque: found a field that holds a square of 28 pixels, expected 32"):
        measure_brisque(view)
    with pytest.raises(QualityError, match="brisque: found a picture without structure"):
        brisque(np.zeros((64, 64)))


def test_ones_own_export_of_a_model_is_loaded_and_named(tmp_path: Path) -> None:
    with np.load(LIVE_FILE) as live:
        np.savez(tmp_path / "own.npz", **{**live, "rho": live["rho"] - 1})
    gray = gray_of("camera")
    found = brisque(gray, load_regressor(tmp_path / "own.npz", "own"))
    assert found.fit == "own"
    assert found.value == pytest.approx(brisque(gray).value + 1)


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(QualityError, match="no BRISQUE model"):
        load_regressor(tmp_path / "missing.npz", "own")
    np.savez(tmp_path / "other.npz", mu=np.zeros(36))
    with pytest.raises(QualityError, match="no BRISQUE model"):
        load_regressor(tmp_path / "other.npz", "own")
    arrays = {"sv": np.zeros((3, 35)), "coef": np.zeros(3), "fmin": np.zeros(36), "fmax": np.ones(36)}
    np.savez(tmp_path / "shape.npz", rho=0.0, gamma=0.1, **arrays)
    with pytest.raises(QualityError, match=r"found arrays of shapes \(\(3, 35\)"):
        load_regressor(tmp_path / "shape.npz", "own")


def test_the_input_stays_as_it_was() -> None:
    gray = gray_of("camera").astype(np.float64)
    before = gray.copy()
    brisque(gray)
    np.testing.assert_array_equal(gray, before)
