from pathlib import Path

import cv2
import numpy as np
import pytest

import clearfundus as cf
from clearfundus.errors import AlignmentError, FieldNotFoundError, PhotoReadError, SettingsError
from clearfundus.evaluation.cases import Case, Simulation, find_cases, open_case
from clearfundus.interfaces.cli import main
from drawn import blur_fundus, draw_fundus, field_mask

SIMULATION = Simulation(seed=3)
SIZE = 96


def write(place: Path, photo: cf.Photo) -> Path:
    place.parent.mkdir(parents=True, exist_ok=True)
    cf.write_photo(photo, place)
    return place


def turned(photo: cf.Photo, degrees: float) -> cf.Photo:
    side = photo.pixels.shape[0]
    matrix = cv2.getRotationMatrix2D(((side - 1) / 2, (side - 1) / 2), degrees, 1)
    return photo.with_pixels(cv2.warpAffine(photo.pixels, matrix, (side, side)))


def only(folder: Path, name: str = "pairs") -> Case:
    (case,) = find_cases({name: folder})  # type: ignore[dict-item]
    return case


def test_photographs_are_found_in_all_folders_below_in_order_and_named_by_their_place(tmp_path: Path) -> None:
    for name in ("b.png", "a.jpg", "left/a.png", ".hidden/c.png", ".d.png"):
        write(tmp_path / name, draw_fundus(32))
    (tmp_path / "notes.txt").touch()
    found = find_cases({"blurry": tmp_path, "simulated": tmp_path})
    names = ["a", "b", "left/a"]
    assert [one.name for one in found] == [f"{set_}/{name}" for set_ in ("blurry", "simulated") for name in names]


def test_of_a_pair_the_registered_photograph_is_taken_before_the_native_one(tmp_path: Path) -> None:
    for ending in ("blurry", "clear", "clear_native", "mask"):
        write(tmp_path / f"A_{ending}.png", draw_fundus(32))
    assert set(only(tmp_path).files) == {"photo", "clear", "mask"}
    (tmp_path / "A_clear.png").unlink()
    assert set(only(tmp_path).files) == {"photo", "native", "mask"}


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ([], "found no photograph in"),
        (["eye.png"], "pairs are named NAME_blurry"),
        (["a_blurry.png", "a_blurry.jpg"], "would both be 'a_blurry'"),
    ],
)
def test_a_folder_that_is_no_folder_of_pairs_is_refused(files: list[str], message: str, tmp_path: Path) -> None:
    for name in files:
        write(tmp_path / name, draw_fundus(32))
    with pytest.raises(SettingsError, match=message):
        find_cases({"pairs": tmp_path})


def test_a_folder_that_is_missing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="found no folder"):
        find_cases({"blurry": tmp_path / "none"})


def test_a_registered_pair_is_judged_where_both_show_retina(tmp_path: Path) -> None:
    clear = draw_fundus(SIZE)
    write(tmp_path / "A_blurry.png", blur_fundus(clear))
    half = np.ones((SIZE, SIZE), np.float32)
    half[:, : SIZE // 2] = 0
    write(tmp_path / "A_clear.png", clear.with_pixels(clear.pixels * half[..., None]))
    opened = open_case(only(tmp_path), SIMULATION)
    assert opened.field.mask[SIZE // 2, SIZE // 4]
    assert not opened.judged.mask[SIZE // 2, SIZE // 4]
    assert opened.judged.mask[SIZE // 2, 3 * SIZE // 4]
    assert opened.notes["overlap"] == pytest.approx(0.5, abs=0.06)


def test_a_given_mask_says_where_a_pair_is_judged(tmp_path: Path) -> None:
    clear = draw_fundus(SIZE)
    write(tmp_path / "A_blurry.png", blur_fundus(clear))
    write(tmp_path / "A_clear.png", clear)
    mask = np.zeros((SIZE, SIZE, 3), np.float32)
    mask[40:60, 40:60] = 1
    write(tmp_path / "A_mask.png", cf.Photo(pixels=mask))
    assert open_case(only(tmp_path), SIMULATION).judged.box == (40, 40, 60, 60)
    write(tmp_path / "A_mask.tif", cf.Photo(pixels=mask * 0))
    (tmp_path / "A_mask.png").unlink()
    with pytest.raises(PhotoReadError, match="no overlap"):
        open_case(only(tmp_path), SIMULATION)


def test_a_native_photograph_is_laid_over_the_blurry_one(tmp_path: Path) -> None:
    clear = draw_fundus(512)
    write(tmp_path / "A_blurry.png", blur_fundus(clear, sigma=0.002, haze=0.2))
    seen = turned(clear, 5)
    seen.pixels[:, :100] = 0  # so the native photograph shows less than the blurry one
    write(tmp_path / "A_clear_native.png", seen)
    opened = open_case(only(tmp_path), SIMULATION)
    assert opened.reference is not None
    assert int(str(opened.notes["inliers"])) >= 20
    inside = opened.judged.mask
    before = np.abs(turned(clear, 5).pixels - clear.pixels)[inside].mean()
    after = np.abs(opened.reference.pixels - clear.pixels)[inside].mean()
    assert after < before / 3
    assert not (inside & ~opened.field.mask).any()
    assert opened.field.mask[256, 60]
    assert not inside[256, 60]


def test_a_native_photograph_of_another_eye_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "A_blurry.png", draw_fundus(256))
    write(tmp_path / "A_clear_native.png", draw_fundus(256, np.random.default_rng(9)))
    with pytest.raises(AlignmentError, match="found"):
        open_case(only(tmp_path), SIMULATION)


def test_a_pair_without_its_other_photograph_is_named(tmp_path: Path) -> None:
    write(tmp_path / "A_blurry.png", draw_fundus(SIZE))
    with pytest.raises(PhotoReadError, match=r"A_blurry\.png: found no NAME_clear"):
        open_case(only(tmp_path), SIMULATION)
    write(tmp_path / "A_clear.png", draw_fundus(64))
    with pytest.raises(PhotoReadError, match="found 64 x 64 pixels, expected 96 x 96; name it NAME_clear_native"):
        open_case(only(tmp_path), SIMULATION)


@pytest.mark.parametrize("ending", ["_clear", "_clear_native"])
def test_a_clear_photograph_whose_blurry_one_is_missing_is_named(ending: str, tmp_path: Path) -> None:
    write(tmp_path / f"eye{ending}.png", draw_fundus(128))
    write(tmp_path / "eye_Blurry.png", draw_fundus(128))
    write(tmp_path / "other_blurry.png", draw_fundus(128))
    cases = {case.photograph: case for case in find_cases({"pairs": tmp_path})}
    assert list(cases) == ["eye", "other"]
    with pytest.raises(PhotoReadError, match=rf"eye{ending}\.png: found no eye_blurry beside it; check its name"):
        open_case(cases["eye"], SIMULATION)


def test_a_photograph_without_a_field_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "black.png", cf.Photo(pixels=np.zeros((64, 64, 3), np.float32)))
    with pytest.raises(FieldNotFoundError):
        open_case(only(tmp_path, "blurry"), SIMULATION)


def test_a_simulated_pair_has_the_photograph_itself_for_its_truth(tmp_path: Path) -> None:
    write(tmp_path / "eye.png", draw_fundus(SIZE))
    opened = open_case(only(tmp_path, "simulated"), SIMULATION)
    assert opened.reference is not None
    assert np.array_equal(opened.reference.pixels, cf.read_photo(tmp_path / "eye.png").pixels)
    assert np.array_equal(opened.photo.pixels[~opened.field.mask], opened.reference.pixels[~opened.field.mask])
    assert np.abs(opened.photo.pixels - opened.reference.pixels)[opened.field.mask].mean() > 0.01
    assert opened.notes["model"] == "cataract"
    assert opened.notes["seed"] == 3


def test_a_simulated_photograph_is_what_degrade_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    eye = write(tmp_path / "in" / "eye.png", draw_fundus(SIZE))
    assert main(["degrade", str(eye), "-o", str(tmp_path / "bad.png"), "--model", "peli", "--seed", "5"]) == 0
    opened = open_case(only(tmp_path / "in", "simulated"), Simulation(model="peli", severity=0.5, seed=5))
    assert np.array_equal(opened.photo.pixels, cf.read_photo(tmp_path / "bad.png").pixels)


def test_another_seed_gives_another_degradation_and_the_same_seed_the_same(tmp_path: Path) -> None:
    write(tmp_path / "eye.png", draw_fundus(SIZE))
    first, same, other = (open_case(only(tmp_path, "simulated"), Simulation(seed=seed)).photo for seed in (1, 1, 2))
    assert np.array_equal(first.pixels, same.pixels)
    assert not np.array_equal(first.pixels, other.pixels)


@pytest.mark.parametrize(("settings", "message"), [({"model": "fog"}, "'fog'"), ({"severity": 1.5}, "1.5")])
def test_a_simulation_that_cannot_be_is_refused(settings: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        Simulation(**settings)  # type: ignore[arg-type]


def test_the_drawn_field_is_what_is_found(tmp_path: Path) -> None:
    write(tmp_path / "eye.png", draw_fundus(SIZE))
    opened = open_case(only(tmp_path, "blurry"), SIMULATION)
    assert opened.judged is opened.field
    assert opened.reference is None
    assert (opened.field.mask & ~field_mask(SIZE)).sum() == 0
