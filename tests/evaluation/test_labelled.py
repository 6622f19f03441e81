from pathlib import Path

import numpy as np
import pytest

import clearfundus as cf
from clearfundus.errors import PhotoReadError, SettingsError
from clearfundus.evaluation.labelled import find_labelled, read_labels
from evaluation.drawn_labels import write_planes

SIZE = (24, 32)


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")


def found(folder: Path) -> dict[str, dict[str, str]]:
    return {
        one.photograph: {role: path.relative_to(folder).as_posix() for role, path in one.files.items()}
        for one in find_labelled(folder)
    }


def test_the_layouts_of_the_collections_and_the_plain_one_are_recognised_below_one_folder(tmp_path: Path) -> None:
    touch(tmp_path, "chase/Image_01L.jpg", "chase/Image_01L_1stHO.png", "chase/Image_01L_2ndHO.png")
    touch(tmp_path, "hrf/images/01_dr.JPG", "hrf/av_manual/01_dr_AVmanual.png", "hrf/manual1/01_dr.tif")
    touch(tmp_path, "les/images/7.png", "les/vessel-segmentations/7.png", "les/arteries-and-veins/7.png")
    touch(tmp_path, "own/a.jpg", "own/a_vessels.png", "own/a_av.png", "own/a_mask.png", "own/b.jpg", "own/c_av.png")
    assert found(tmp_path) == {
        "chase/Image_01L": {"photo": "chase/Image_01L.jpg", "vessels": "chase/Image_01L_1stHO.png"},
        "hrf/01_dr": {
            "photo": "hrf/images/01_dr.JPG",
            "vessels": "hrf/manual1/01_dr.tif",
            "kinds": "hrf/av_manual/01_dr_AVmanual.png",
        },
        "les/7": {
            "photo": "les/images/7.png",
            "vessels": "les/vessel-segmentations/7.png",
            "kinds": "les/arteries-and-veins/7.png",
        },
        "own/a": {"photo": "own/a.jpg", "vessels": "own/a_vessels.png", "kinds": "own/a_av.png"},
    }


def test_one_collection_is_found_from_its_own_folder_too(tmp_path: Path) -> None:
    touch(tmp_path, "images/01_dr.JPG", "av_manual/01_dr_AVmanual.png")
    assert list(found(tmp_path)) == ["01_dr"]


def test_a_folder_without_labels_is_refused_with_what_was_expected(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "b.jpg")
    with pytest.raises(SettingsError, match=r"no photograph with labels.*expected NAME.jpg beside NAME_vessels.png"):
        find_labelled(tmp_path)
    with pytest.raises(SettingsError, match="found no folder"):
        find_labelled(tmp_path / "none")


def test_two_photographs_that_would_have_one_name_are_refused(tmp_path: Path) -> None:
    for name in ("n.jpg", "n_vessels.png", "images/n.jpg", "manual1/n.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    with pytest.raises(SettingsError, match=r"n\.jpg and .*n\.jpg would both be 'n'; rename or remove one"):
        find_labelled(tmp_path)


def test_only_takes_the_photographs_that_a_file_names_in_its_order(tmp_path: Path) -> None:
    touch(tmp_path, *(f"own/{name}{end}" for name in "abc" for end in (".jpg", "_vessels.png")))
    touch(tmp_path, "other/a.jpg", "other/a_vessels.png")
    names = tmp_path / "names.txt"
    names.write_text("c\n\nown/a\n")
    assert [one.photograph for one in find_labelled(tmp_path, names)] == ["own/c", "own/a"]
    names.write_text("a\n")
    with pytest.raises(SettingsError, match="found 2 labelled photographs named 'a'"):
        find_labelled(tmp_path, names)
    names.write_text("d\n")
    with pytest.raises(SettingsError, match="found 0 labelled photographs named 'd'"):
        find_labelled(tmp_path, names)
    names.write_text("\n")
    with pytest.raises(SettingsError, match="found no name"):
        find_labelled(tmp_path, names)
    with pytest.raises(SettingsError, match="cannot be read"):
        find_labelled(tmp_path, tmp_path / "none.txt")


def test_red_is_artery_blue_is_vein_and_every_other_colour_is_vessel_alone(tmp_path: Path) -> None:
    planes = np.zeros((3, *SIZE), np.bool_)
    for row, colour in enumerate(((1, 0, 0), (0, 0, 1), (0, 1, 0), (1, 1, 1))):
        planes[:, 4 * row : 4 * row + 2] = np.array(colour, np.bool_)[:, None, None]
    planes[0, 20] = True  # thinner than half a pixel of the reduced labels
    write_planes(tmp_path / "a_av.png", *planes)
    cf.write_photo(cf.Photo(pixels=np.full((*SIZE, 3), 0.5, np.float32)), tmp_path / "a.png")
    (case,) = find_labelled(tmp_path)
    labels = read_labels(case, SIZE, SIZE)
    rows = {
        name: set(np.flatnonzero(plane.all(axis=1)) // 4)
        for name, plane in vars(labels).items()
        if plane is not None and np.array_equal(plane.all(axis=1), plane.any(axis=1))
    }
    assert rows == {"vessels": {0, 1, 2, 3, 5}, "arteries": {0, 5}, "veins": {1}, "crossings": {2, 3}}
    reduced = read_labels(case, (SIZE[0] // 4, SIZE[1] // 4), SIZE)
    assert [bool(row.all()) for row in reduced.vessels] == [True, True, True, True, False, False]


def test_labels_of_another_size_or_without_a_vessel_are_named(tmp_path: Path) -> None:
    nothing = np.zeros(SIZE, np.bool_)
    write_planes(tmp_path / "a_vessels.png", nothing, nothing, nothing)
    cf.write_photo(cf.Photo(pixels=np.full((*SIZE, 3), 0.5, np.float32)), tmp_path / "a.png")
    (case,) = find_labelled(tmp_path)
    with pytest.raises(PhotoReadError, match=r"labelled/a: found no vessel in its labels"):
        read_labels(case, SIZE, SIZE)
    with pytest.raises(PhotoReadError, match=r"a_vessels.png: found 32 x 24 pixels, expected the photograph's 64 x 48"):
        read_labels(case, SIZE, (48, 64))


@pytest.mark.data
def test_all_photographs_of_the_three_collections_are_found(data_folder: Path) -> None:
    cases = find_labelled(data_folder / "vessels")
    kinds = [one for one in cases if "kinds" in one.files]
    assert (len(cases), len(kinds)) == (54, 26)  # 28 of CHASE_DB1; 15 of HRF and 11 of LES-AV with arteries and veins
