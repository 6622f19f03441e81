import csv
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy.stats import spearmanr

from clearfundus import Field, Photo, find_field, read_photo, write_photo
from clearfundus.errors import QualityError
from clearfundus.quality import METRICS
from clearfundus.quality.fniqe import SHIPPED_FILE, fit, measure_fniqe, save_model, shipped_model
from clearfundus.quality.niqe import load_model, measure_niqe
from clearfundus.quality.view import make_view
from drawn import blur_fundus, draw_fundus, field_mask

SIDE = 430
EVERYTHING = 0.0  # so that few drawn photographs have enough blocks


@pytest.fixture(scope="module")
def drawn_photos() -> list[Photo]:
    return [draw_fundus(480, np.random.default_rng(seed)) for seed in range(14)]


@pytest.fixture(scope="module")
def model(drawn_photos: list[Photo]):
    return fit(drawn_photos, name="drawn", side=SIDE, sharpest_share=EVERYTHING)


def test_growing_blur_and_haze_are_worse_than_what_it_was_fitted_on(model) -> None:
    photo = draw_fundus(480, np.random.default_rng(99))
    field = Field(mask=field_mask(480))
    for steps in ({"sigma": (0.002, 0.004, 0.008), "haze": (0, 0, 0)}, {"sigma": (1e-4,) * 3, "haze": (0.2, 0.4, 0.6)}):
        worse = [blur_fundus(photo, sigma=s, haze=h) for s, h in zip(steps["sigma"], steps["haze"], strict=True)]
        values = [measure_fniqe(make_view(one, field, side=SIDE), model=model).value for one in [photo, *worse]]
        assert values == sorted(values)


def test_growing_noise_is_worse(model) -> None:
    photo, field = draw_fundus(480, np.random.default_rng(99)), Field(mask=field_mask(480))
    noise = np.random.default_rng(0).normal(size=photo.pixels.shape).astype(np.float32)
    noisy = [photo.with_pixels(photo.pixels + np.float32(sigma / 255) * noise) for sigma in (0, 3, 6, 12)]
    values = [measure_fniqe(make_view(one, field, side=SIDE), model=model).value for one in noisy]
    assert values == sorted(values)


def test_a_fit_is_saved_and_loaded_and_names_its_scores(model, tmp_path: Path) -> None:
    file = tmp_path / "own.npz"
    save_model(model, file)
    loaded = load_model(file)
    assert (loaded.name, loaded.side) == ("drawn", SIDE)
    np.testing.assert_array_equal(loaded.mean, model.mean)
    np.testing.assert_array_equal(loaded.covariance, model.covariance)
    first = file.read_bytes()
    save_model(loaded, file)
    assert file.read_bytes() == first
    view = make_view(draw_fundus(480), Field(mask=field_mask(480)), side=SIDE)
    assert measure_fniqe(view, model=loaded).fit == "drawn"


def test_a_folder_is_fitted_like_its_photographs(drawn_photos: list[Photo], model, tmp_path: Path) -> None:
    for number, photo in enumerate(drawn_photos):
        write_photo(photo, tmp_path / f"{number:02}.png")
    (tmp_path / "note.txt").write_text("no photograph")
    found = fit(tmp_path, name="drawn", side=SIDE, sharpest_share=EVERYTHING)
    np.testing.assert_allclose(found.mean, model.mean, rtol=1e-6)


def test_photographs_smaller_than_the_side_are_refused(drawn_photos: list[Photo]) -> None:
    with pytest.raises(QualityError, match=r"drawn_480: found a field smaller than 768 pixels.*pass for sharpness"):
        fit(drawn_photos, name="small")


def test_too_few_blocks_no_folder_and_no_place_are_refused(drawn_photos, model, tmp_path: Path) -> None:
    with pytest.raises(QualityError, match=r"one: found . blocks in 1 photographs, expected 72 at least"):
        fit(drawn_photos[:1], name="one", side=SIDE)
    with pytest.raises(QualityError, match="none: found 0 blocks in 0 photographs"):
        fit([], name="none")
    with pytest.raises(QualityError, match="found no such folder"):
        fit(tmp_path / "missing", name="none")
    with pytest.raises(QualityError, match=r"found the suffix '\.txt', expected '\.npz'"):
        save_model(model, tmp_path / "own.txt")
    with pytest.raises(QualityError, match="cannot be written"):
        save_model(model, tmp_path / "missing" / "own.npz")


def test_the_shipped_fit_has_a_note_and_its_name_in_every_score() -> None:
    view = make_view(draw_fundus(400), Field(mask=field_mask(400)), side=384)
    found = measure_fniqe(view)
    assert found.fit == shipped_model().name == "clear54"
    assert found.blocks == measure_niqe(view).blocks
    assert shipped_model().side == 768
    with np.load(SHIPPED_FILE) as held:
        assert set(held) == {"mu", "cov", "name", "side"}
    assert SHIPPED_FILE.name in (SHIPPED_FILE.parent / "FNIQE.md").read_text(encoding="utf-8")


def graded(data_folder: Path, split: str) -> list[tuple[Path, float]]:
    with (data_folder / "manifest.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["cataract_grade"] and row["split"].startswith(split)]
    return [(data_folder / row["file"], float(row["cataract_grade"])) for row in rows]


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize(
    ("split", "side", "count", "least"),
    # Measured 0.790 of all at 512 px, where 100 of them are enlarged, and 0.773 of the 18 at 768, where none is. Both
    # miss the aim of 0.8, on photographs by which the fit was chosen. The floors leave room: fields found a few pixels
    # larger or smaller move the blocks, and with them these figures by 0.01 and 0.05.
    [("", 512, 118, 0.75), ("test_blurry", 768, 18, 0.7)],
)
def test_it_ranks_cataracts_as_experts_did(data_folder: Path, split: str, side: int, count: int, least: float) -> None:
    cv2.setNumThreads(1)
    files = graded(data_folder, split)
    assert len(files) == count
    photos = (read_photo(file) for file, _ in files)
    values = [float(METRICS["fniqe"](photo, find_field(photo), side=side)) for photo in photos]
    assert spearmanr(values, [grade for _, grade in files]).statistic >= least
