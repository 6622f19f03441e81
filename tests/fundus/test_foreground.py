"""Foreground contrast: that it scales with the transmission, and falls with the cataract."""

import csv
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data
from scipy.stats import spearmanr

from clearfundus import Field, Photo, find_field, read_photo
from clearfundus.fundus.foreground import measure_contrast, take_apart
from clearfundus.fundus.frame import Frame, crop_to_field


def reduced(pixels: np.ndarray, side: int) -> np.ndarray:
    scale = side / max(pixels.shape[:2])
    return pixels if scale >= 1 else cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


@cache
def clear_retina() -> Frame:
    photo = Photo(pixels=reduced(skimage.data.retina().astype(np.float32) / 255, 900))
    return crop_to_field(photo, find_field(photo))


@pytest.mark.parametrize("transmission", [0.8, 0.6, 0.4])
def test_it_scales_with_the_transmission_of_a_uniform_haze(transmission: float) -> None:
    frame = clear_retina()
    clear = take_apart(frame.photo.pixels, frame.field)
    size = frame.photo.pixels.shape[1::-1]
    light = cv2.resize(clear.light, size, interpolation=cv2.INTER_LINEAR)
    hazy = np.clip(transmission * frame.photo.pixels + (1 - transmission) * light, 0, 1)
    found = take_apart(hazy, frame.field).contrast[clear.mask].mean() / clear.contrast[clear.mask].mean()
    assert found == pytest.approx(transmission, abs=0.02)


def test_it_hardly_depends_on_the_size_of_the_photograph() -> None:
    figures = []
    for side in (1411, 700, 500):
        photo = Photo(pixels=reduced(skimage.data.retina().astype(np.float32) / 255, side))
        frame = crop_to_field(photo, find_field(photo))
        figures.append(measure_contrast(frame.photo, frame.field))
    assert figures == pytest.approx([figures[0]] * 3, rel=0.06)


def test_neither_the_rim_nor_a_flat_retina_has_contrast() -> None:
    row, column = np.mgrid[:400, :400] - 199.5
    inside = np.hypot(row, column) < 190
    pixels = np.where(inside[..., None], (0.7, 0.4, 0.2), 0).astype(np.float32)
    photo = Photo(pixels=cv2.GaussianBlur(pixels, (0, 0), 2))  # a soft rim, as lenses have
    frame = crop_to_field(photo, find_field(photo))
    layers = take_apart(frame.photo.pixels, frame.field)
    assert layers.contrast[layers.mask].max() < 0.01


@pytest.mark.data
def test_it_falls_with_the_grade_of_the_cataract(data_folder: Path) -> None:
    with (data_folder / "manifest.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["cataract_grade"]]
    grades, contrasts = [], []
    for row in rows:
        photo = Photo(pixels=reduced(read_photo(data_folder / row["file"]).pixels, 512))
        frame = crop_to_field(photo, find_field(photo))
        grades.append(float(row["cataract_grade"]))
        contrasts.append(measure_contrast(frame.photo, frame.field))
    found = spearmanr(grades, contrasts).statistic
    assert len(rows) >= 50
    assert found <= -0.8  # -0.85 over 118 photographs when this was written


def test_slow_changes_of_the_retina_are_background_and_have_no_contrast() -> None:
    wave = 0.4 * (1 + 0.2 * np.sin(np.arange(400) / 400 * 4 * np.pi))
    pixels = np.tile(wave[None, :, None], (400, 1, 3)).astype(np.float32)
    layers = take_apart(pixels, Field(mask=np.ones((400, 400), bool)))
    assert np.median(layers.contrast) < 0.02
