from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage

from clearfundus import Field, Photo, find_field
from clearfundus.errors import QualityError
from clearfundus.fundus.degrade import Degradation, degrade
from clearfundus.quality.niqe import LIVE_FILE, BlockModel, find_blocks, load_model, measure_niqe, niqe
from clearfundus.quality.view import make_view
from drawn import draw_fundus, field_mask
from quality.references import REFERENCE_VALUES, gray_of

TOLERANCE = 2e-4


@pytest.mark.parametrize("name", REFERENCE_VALUES)
def test_it_gives_the_reference_value(name: str) -> None:
    assert niqe(gray_of(name)).value == pytest.approx(REFERENCE_VALUES[name][1], abs=TOLERANCE)


def test_the_blocks_cover_the_greatest_multiple_of_96_from_the_top_left() -> None:
    gray = gray_of("chelsea")  # 300 x 451
    found = niqe(gray)
    assert found.blocks == 3 * 4
    assert found == niqe(gray[:288, :384])


def test_growing_blur_makes_it_worse() -> None:
    gray = gray_of("camera").astype(np.float64)
    values = [niqe(np.rint(cv2.GaussianBlur(gray, (0, 0), sigma))).value for sigma in (0.01, 1, 2, 4)]
    assert values == sorted(values)
    assert values[-1] > values[0] + 2


def test_growing_noise_makes_it_worse() -> None:
    gray, noise = gray_of("camera"), np.random.default_rng(0).normal(size=(512, 512))
    values = [niqe(np.clip(np.rint(gray + sigma * noise), 0, 255)).value for sigma in (0, 10, 20, 40)]
    assert values == sorted(values)
    assert values[-1] > values[0] + 2


@pytest.mark.parametrize("blur", [0, 0.7 / 512])
def test_growing_haze_over_a_retina_makes_it_worse(blur: float) -> None:
    photo = Photo(pixels=(skimage.data.retina() / 255).astype(np.float32))
    field = find_field(photo)
    hazy = [
        Degradation(
            transmission_low=low, transmission_high=high, veil=veil, blur=steps * blur, light=0, noise=0, seed=1
        )
        for steps, (low, high, veil) in enumerate([(0.6, 1, 0.5), (0.3, 0.7, 0.6), (0.15, 0.35, 0.8)], start=1)
    ]
    photos = [photo, *(degrade(photo, field, one) for one in hazy)]
    values = [measure_niqe(make_view(one, field)).value for one in photos]
    assert values == sorted(values)
    assert values[-1] > values[0] + 3


def test_under_a_mask_the_surround_does_not_matter() -> None:
    gray, mask = np.rint(gray_of("retina")[:700, :700]), field_mask(700, 0.9)
    other = np.where(mask, gray, 255.0)
    assert niqe(np.where(mask, gray, 0), mask) == niqe(other, mask)


def test_a_mask_of_everything_judges_the_grid_from_the_top_left() -> None:
    gray = gray_of("camera")[:480, :384]
    assert niqe(gray, np.ones(gray.shape, bool)) == niqe(gray)


def test_flat_blocks_are_left_out_of_the_covariance_and_reported() -> None:
    gray = gray_of("camera")[:288, :480].copy()
    gray[:96, :96] = 7  # one flat block; its neighbours see the step
    blocks = find_blocks(gray)
    assert np.isnan(blocks.features[0]).any()
    assert np.isfinite(blocks.features[1:]).all()
    assert 0 < blocks.flat_share < 1 / 15
    assert np.isfinite(niqe(gray).value)


def test_the_distance_is_that_of_the_paper() -> None:
    rng = np.random.default_rng(0)
    features, mean = rng.normal(size=(200, 36)), rng.normal(size=36)
    spread = np.cov(rng.normal(size=(200, 36)), rowvar=False)
    model = BlockModel(name="drawn", mean=mean, covariance=spread)
    between = features.mean(axis=0) - mean
    pooled = (spread + np.cov(features, rowvar=False)) / 2
    assert model.distance(features) == pytest.approx(np.sqrt(between @ np.linalg.inv(pooled) @ between))
    assert model.distance(np.tile(mean, (5, 1))) == pytest.approx(0, abs=1e-9)


def test_means_pass_over_nan_and_covariances_over_its_rows() -> None:
    rng = np.random.default_rng(1)
    features = rng.normal(size=(100, 36))
    features[3, 5] = np.nan
    model = BlockModel(name="drawn", mean=np.zeros(36), covariance=np.eye(36))
    mean = np.nanmean(features, axis=0)
    pooled = (np.eye(36) + np.cov(np.delete(features, 3, axis=0), rowvar=False)) / 2
    assert model.distance(features) == pytest.approx(np.sqrt(mean @ np.linalg.inv(pooled) @ mean))


def test_a_view_is_judged_inside_the_field_or_whole() -> None:
    photo, field = draw_fundus(400), Field(mask=field_mask(400))
    fov, whole = (make_view(photo, field, protocol, side=384) for protocol in ("fov", "whole"))
    assert measure_niqe(fov) == niqe(fov.gray, fov.mask)
    assert measure_niqe(whole) == niqe(whole.gray)
    assert measure_niqe(whole).blocks == 16
    assert measure_niqe(fov).blocks < 9


def test_a_field_too_small_for_a_block_and_a_picture_without_structure_are_refused() -> None:
    view = make_view(draw_fundus(128), Field(mask=field_mask(128)), side=128)
    with pytest.raises(QualityError, match="niqe: found a field that holds no block of 96 x 96 pixels"):
        measure_niqe(view)
    with pytest.raises(QualityError, match="niqe: found 95 x 200 pixels, expected 96 x 96 at least"):
        niqe(np.zeros((200, 95)))
    with pytest.raises(QualityError, match="niqe: found a picture without structure"):
        niqe(np.full((200, 200), 80, np.uint8))


def test_ones_own_export_of_a_model_is_loaded_and_named(tmp_path: Path) -> None:
    with np.load(LIVE_FILE) as live:
        np.savez(tmp_path / "own.npz", **live)
    found = niqe(gray_of("camera"), model=load_model(tmp_path / "own.npz"))
    assert found.fit == "own"
    assert found.value == niqe(gray_of("camera")).value


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(QualityError, match="no NIQE model"):
        load_model(tmp_path / "missing.npz")
    (tmp_path / "text.npz").write_text("no archive")
    with pytest.raises(QualityError, match="no NIQE model"):
        load_model(tmp_path / "text.npz")
    np.savez(tmp_path / "shape.npz", mu=np.zeros(36), cov=np.zeros((35, 36)))
    with pytest.raises(QualityError, match=r"found shapes \(36,\) and \(35, 36\)"):
        load_model(tmp_path / "shape.npz")
