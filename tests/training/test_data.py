import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from clearfundus import Photo, SettingsError, write_photo
from clearfundus.errors import PhotoError
from clearfundus.fundus.degrade import DegradeSettings
from clearfundus.training import data
from clearfundus.training.config import DataSettings, SimulatedSettings
from clearfundus.training.data import (
    Specimen,
    cut_degraded_pairs,
    cut_square,
    jitter_gain,
    list_photographs,
    read_specimens,
    shrink,
    source_of,
    stack,
)
from drawn import draw_fundus, field_mask
from tiny_run import write_photographs

SMALL = DataSettings(diameter=96, crop=64)


def placed(corners: np.ndarray, width: int) -> np.ndarray:
    """Turn flat indices into rows and columns, (N, 2)."""
    return np.stack([corners // width, corners % width], axis=1)


def read_one(path: Path, settings: DataSettings = SMALL) -> Specimen:
    (specimen,) = read_specimens([path], settings)
    assert isinstance(specimen, Specimen)
    return specimen


def disc(side: int) -> np.ndarray:
    row, column = np.mgrid[:side, :side] - (side - 1) / 2
    return np.hypot(row, column) <= side / 2


def mapped(side: int = 128, crop: int = 64) -> Specimen:
    """Return a specimen whose red is its row, whose green its column: a square of it says where it came from."""
    row, column = np.mgrid[:side, :side].astype(np.uint8)
    mask = disc(side)
    return Specimen(
        name="map",
        pixels=np.stack([row, column, np.zeros_like(row)], axis=2),
        mask=mask,
        corners=data._corners(mask, DataSettings(crop=crop)),
    )


def test_photographs_are_found_in_all_subfolders_in_order(tmp_path: Path) -> None:
    for name in ("b.JPG", "a/z.png", "a/notes.txt", "c.tif", "d.png.part"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()
    assert [str(path.relative_to(tmp_path)) for path in list_photographs(tmp_path)] == ["a/z.png", "b.JPG", "c.tif"]


def test_hidden_files_and_folders_are_left_out_but_not_a_hidden_folder_that_is_named(tmp_path: Path) -> None:
    folder = tmp_path / ".eyes"
    for name in ("a.png", "._a.png", ".thumbnails/a.png", "deep/.cache/more/a.png", "deep/b.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    assert [str(path.relative_to(folder)) for path in list_photographs(folder)] == ["a.png", "deep/b.png"]


def test_a_photograph_at_512_pixels_takes_no_more_memory_than_documented(tmp_path: Path) -> None:
    write_photo(draw_fundus(640), tmp_path / "eye.png")
    specimen = read_one(tmp_path / "eye.png", DataSettings())
    size = specimen.pixels.nbytes + specimen.mask.nbytes + specimen.corners.nbytes
    assert size == pytest.approx(1.4e6, rel=0.05)  # docs/training.md


def test_a_missing_and_an_empty_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="absent: no such folder; expected a folder of photographs"):
        list_photographs(tmp_path / "absent")
    with pytest.raises(SettingsError, match=r"holds no photographs; readable: .*\.png"):
        list_photographs(tmp_path)


@pytest.mark.parametrize("size", [80, 128, 300])
def test_the_field_is_scaled_to_the_asked_diameter(size: int, tmp_path: Path) -> None:
    write_photo(draw_fundus(size), tmp_path / "eye.png")
    specimen = read_one(tmp_path / "eye.png")
    # of equal area; one pixel for the two roundings of the mask
    assert 2 * np.sqrt(specimen.mask.sum() / np.pi) == pytest.approx(96, abs=1.5)
    assert specimen.pixels.dtype == np.uint8
    assert specimen.pixels.shape[:2] == specimen.mask.shape


def test_scaling_keeps_colour_and_place(tmp_path: Path) -> None:
    write_photo(draw_fundus(256), tmp_path / "eye.png")
    specimen, original = read_one(tmp_path / "eye.png"), draw_fundus(256)
    inside = specimen.pixels[specimen.mask] / 255
    assert np.abs(inside.mean(0) - original.pixels[field_mask(256)].mean(0)).max() < 0.02
    # the optic disc, brightest in green, stands on the same side
    spot = np.unravel_index(np.argmax(cv2.GaussianBlur(specimen.pixels[..., 1], (0, 0), 4)), specimen.mask.shape)
    wanted = np.unravel_index(np.argmax(cv2.GaussianBlur(original.pixels[..., 1], (0, 0), 10)), (256, 256))
    assert np.abs(np.array(spot) / specimen.mask.shape[0] - np.array(wanted) / 256).max() < 0.05


@pytest.mark.parametrize(("surround", "level"), [("fill", 40), ("black", 0)])
def test_outside_the_field_stands_reflected_retina_or_black(surround: str, level: int, tmp_path: Path) -> None:
    write_photo(draw_fundus(192), tmp_path / "eye.png")
    specimen = read_one(tmp_path / "eye.png", DataSettings(diameter=96, crop=64, surround=surround))
    # two pixels from the rim; the drawn retina has a mean red of more than 100 of 255 everywhere
    outside = ~cv2.dilate(specimen.mask.astype(np.uint8), np.ones((5, 5), np.uint8)).astype(bool)
    red = specimen.pixels[..., 0][outside]
    assert red.min() >= level
    assert red.max() <= (255 if level else 0)


@pytest.mark.parametrize("share", [0.5, 0.75, 0.95])
def test_the_squares_are_all_those_with_enough_retina_and_no_others(share: float) -> None:
    mask, side = disc(96), 24
    corners = data._corners(mask, DataSettings(crop=side, inside=share))
    found = {tuple(corner) for corner in placed(corners, 96).tolist()}
    by_brute_force = {
        (row, column)
        for row in range(96 - side + 1)
        for column in range(96 - side + 1)
        if mask[row : row + side, column : column + side].mean() >= share
    }
    assert found == by_brute_force
    assert 0 < len(found) < 73 * 73


def test_where_no_square_has_enough_retina_those_with_the_most_are_taken() -> None:
    mask = np.zeros((64, 80), bool)
    mask[20:30, 40:60] = True  # of 80 columns a square holds 64: those from column 0 to 16 hold all of it
    corners = data._corners(mask, DataSettings(crop=64))
    assert corners.tolist() == list(range(17))  # in the first row
    mask[:, 79] = True
    assert data._corners(mask, DataSettings(crop=64)).tolist() == [16]


def test_every_square_of_a_photograph_lies_three_quarters_inside_its_field(tmp_path: Path) -> None:
    write_photographs(tmp_path / "eyes", 3)
    for specimen in read_specimens(list_photographs(tmp_path / "eyes"), SMALL):
        for row, column in placed(specimen.corners, specimen.mask.shape[1]):
            assert specimen.mask[row : row + 64, column : column + 64].mean() >= 0.75


def test_a_field_flatter_than_a_square_is_padded_by_reflection(tmp_path: Path) -> None:
    flat = draw_fundus(300).pixels[105:195]  # what a camera leaves of a field that it cuts off above and below
    write_photo(Photo(pixels=np.ascontiguousarray(flat)), tmp_path / "flat.png")
    specimen = read_one(tmp_path / "flat.png", DataSettings(diameter=96, crop=80))
    assert min(specimen.pixels.shape[:2]) >= 80
    assert specimen.mask.shape == specimen.pixels.shape[:2]
    assert len(specimen.corners) > 0
    height = int(np.flatnonzero(specimen.mask.any(1))[-1]) + 1
    assert height < 70
    square = cut_square(specimen, 80, np.random.default_rng(0))
    assert square.shape == (80, 80, 3)
    assert square.mean() > 0.1  # no black bar


def test_a_photograph_that_cannot_be_used_leaves_its_error_in_its_place(tmp_path: Path) -> None:
    write_photographs(tmp_path / "eyes", 2)
    (tmp_path / "eyes" / "00b.png").write_bytes(b"no picture")
    write_photo(Photo(pixels=np.zeros((64, 64, 3), np.float32)), tmp_path / "eyes" / "00c.png")
    found = list(read_specimens(list_photographs(tmp_path / "eyes"), SMALL))
    assert [type(one) is Specimen for one in found] == [True, False, False, True]
    assert all(isinstance(one, PhotoError) for one in found[1:3])
    assert "00b.png" in str(found[1])
    assert "00c.png" in str(found[2])


def test_photographs_that_are_read_at_one_time_come_in_their_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_photographs(tmp_path / "eyes", 3)
    paths, read, last_is_done = list_photographs(tmp_path / "eyes"), data._specimen, threading.Event()

    def slow_first(path: Path, settings: DataSettings) -> Specimen:
        if path == paths[0]:
            assert last_is_done.wait(timeout=10)  # one thread alone would wait in vain
        specimen = read(path, settings)
        if path == paths[-1]:
            last_is_done.set()
        return specimen

    monkeypatch.setattr(data, "_specimen", slow_first)
    monkeypatch.setattr(data, "count_cores", lambda: 2)
    assert [one.name for one in read_specimens(paths, SMALL)] == [path.name for path in paths]


def test_a_fault_of_the_program_is_raised_and_stops_the_reading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Path] = []

    def broken(path: Path, settings: DataSettings) -> Specimen:
        started.append(path)
        if len(started) == 2:
            raise ZeroDivisionError
        if len(started) > 2:
            time.sleep(0.2)  # time enough for the error to come to who reads
        return mapped()

    monkeypatch.setattr(data, "_specimen", broken)
    monkeypatch.setattr(data, "count_cores", lambda: 1)
    paths = [tmp_path / f"{number}.png" for number in range(500)]
    specimens = read_specimens(paths, SMALL)
    assert isinstance(next(specimens), Specimen)
    with pytest.raises(ZeroDivisionError):
        next(specimens)
    assert len(started) < 5


def test_a_square_is_a_turned_or_flipped_part_of_the_photograph_and_all_8_ways_come_equally_often() -> None:
    specimen, random, ways = mapped(), np.random.default_rng(0), []
    corners = {tuple(corner) for corner in placed(specimen.corners, 128).tolist()}
    for _ in range(800):
        square = np.rint(cut_square(specimen, 64, random) * 255).astype(int)
        row, column = square[..., 0], square[..., 1]
        assert (int(row.min()), int(column.min())) in corners
        # which way the corner square was turned shows in where row and column grow
        way = tuple(int(v) for one in (row, column) for v in (one[1, 0] - one[0, 0], one[0, 1] - one[0, 0]))
        assert np.unique(row * 128 + column).size == 64 * 64  # every pixel once
        ways.append(way)
    kinds = {way: ways.count(way) for way in ways}
    # (row down, row across, column down, column across), the 8 symmetries of the square
    assert set(kinds) == {(s, 0, 0, t) for s in (1, -1) for t in (1, -1)} | {
        (0, s, t, 0) for s in (1, -1) for t in (1, -1)
    }
    assert min(kinds.values()) > 60  # 100 each, standard deviation 9.4
    flipped = sum(count for (a, b, c, d), count in kinds.items() if a * d - b * c < 0)
    assert abs(flipped - 400) < 57  # even odds; four standard deviations of 14.1


def test_the_corners_are_drawn_evenly() -> None:
    specimen, random = mapped(side=96), np.random.default_rng(0)
    drawn = []
    for _ in range(500):
        square = np.rint(cut_square(specimen, 64, random) * 255)
        drawn.append([square[..., 0].min(), square[..., 1].min()])
    corners = placed(specimen.corners, 96)
    spread = np.std(corners, axis=0)
    assert np.abs(np.mean(drawn, axis=0) - corners.mean(0)).max() < 4 * spread.max() / np.sqrt(500)
    assert np.abs(np.std(drawn, axis=0) - spread).max() < 0.15 * spread.max()


def test_degraded_pairs_are_the_same_squares_of_both() -> None:
    # nothing but haze of one transmission and one veil: degraded = clear * t + veil * (1 - t), pixel by pixel
    haze = DegradeSettings(transmission=(0.5, 0.5), blur=(0, 0), light=0, noise=0, untouched=0)
    settings = SimulatedSettings(degrade=haze)
    specimen, random = mapped(), np.random.default_rng(0)
    pairs = [pair for count in (1, 3, 6) for pair in cut_degraded_pairs(specimen, 64, count, settings, random)]
    assert len(pairs) == 10
    assert len({clear.tobytes() for _, clear in pairs}) == 10  # each from a place of its own
    for degraded, clear in pairs:
        veil = (degraded - 0.5 * clear) / 0.5
        assert np.abs(veil - veil[0, 0]).max() < 1e-5
        assert clear.std() > 0.1
        assert not np.allclose(degraded, clear)


def test_an_untouched_pair_is_twice_the_same_square() -> None:
    settings = SimulatedSettings(degrade=DegradeSettings(untouched=1))
    ((degraded, clear),) = cut_degraded_pairs(mapped(), 64, 1, settings, np.random.default_rng(0))
    assert np.array_equal(degraded, clear)


def test_a_photograph_is_made_smaller_by_a_share_drawn_up_to_the_greatest() -> None:
    specimen, random = mapped(), np.random.default_rng(0)
    settings = DataSettings(crop=64, shrink=0.4)
    sides = []
    for _ in range(200):
        smaller = shrink(specimen, settings, random)
        side = len(smaller.pixels)
        sides.append(side)
        assert smaller.name == specimen.name
        assert smaller.pixels.shape == (side, side, 3)
        assert smaller.mask.shape == (side, side)
        assert smaller.mask.mean() == pytest.approx(specimen.mask.mean(), abs=0.02)  # the disc is a disc still
        # rows and columns are spread over fewer pixels
        step = np.diff(smaller.pixels[:, side // 2, 0].astype(float))
        assert step.mean() == pytest.approx(128 / side, rel=0.05)
        assert placed(smaller.corners, side).max() <= side - 64
    assert 76 <= min(sides) <= 80  # 0.6 of 128 is 77
    assert max(sides) >= 126
    assert np.mean(sides) == pytest.approx(0.8 * 128, rel=0.03)  # 2.5 standard deviations of the mean


def test_without_shrinking_a_photograph_is_the_same_and_no_chance_is_drawn() -> None:
    specimen, random = mapped(), np.random.default_rng(0)
    assert shrink(specimen, DataSettings(), random) is specimen
    assert random.random() == np.random.default_rng(0).random()


def test_equal_chance_cuts_equal_squares() -> None:
    one, other = (cut_square(mapped(), 64, np.random.default_rng(3)) for _ in range(2))
    assert np.array_equal(one, other)


def test_one_gain_a_channel_is_given_to_all_squares() -> None:
    squares = [np.full((4, 4, 3), level, np.float32) for level in (0.2, 0.4, 0.5)]
    jittered = jitter_gain(squares, 0.3, np.random.default_rng(0))
    gains = np.array([after[0, 0] / before[0, 0] for before, after in zip(squares, jittered, strict=True)])
    assert np.allclose(gains, gains[0])
    assert len(set(gains[0].tolist())) == 3
    assert np.abs(gains - 1).max() <= 0.3
    assert np.abs(gains - 1).max() > 0


def test_a_gain_never_leaves_the_range_and_0_changes_nothing() -> None:
    square = np.ones((2, 2, 3), np.float32)
    assert max(jitter_gain([square], 0.5, np.random.default_rng(seed))[0].max() for seed in range(5)) == 1
    assert jitter_gain([square], 0, np.random.default_rng(0))[0] is square


def test_squares_become_a_channels_last_tensor_in_minus_1_to_1() -> None:
    square = np.zeros((4, 6, 3), np.float32)
    square[1, 2] = (0.25, 0.5, 1)
    batch = stack([square, square])
    assert batch.shape == (2, 3, 4, 6)
    assert batch[1, :, 1, 2].tolist() == [-0.5, 0, 1]
    assert batch[0, :, 0, 0].tolist() == [-1, -1, -1]
    assert batch.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(("name", "source"), [("csdi_h01.jpg", "csdi"), ("a_b_c.png", "a"), ("eye.png", "")])
def test_the_source_is_what_stands_before_the_first_underscore(name: str, source: str) -> None:
    assert source_of(name) == source
