from pathlib import Path

import pytest

from clearfundus import SettingsError, TrainingError
from clearfundus.training.split import group_of, read_groups, refuse_shared_files, split_by_eye


def files(side: str, count: int) -> list[Path]:
    return [Path(f"/photographs/{side}/{number:03d}.png") for number in range(count)]


def eyes(paths: list[Path], groups: dict[str, str]) -> set[str]:
    return {group_of(path, groups) for path in paths}


def test_no_eye_stands_on_two_sides_of_the_split() -> None:
    sides = {"blurry": files("blurry", 30), "clear": files("clear", 42)}
    # three photographs an eye, and the first four blurry eyes have clear photographs too
    groups = {f"blurry/{number:03d}.png": f"eye {number // 3}" for number in range(30)}
    groups |= {f"clear/{number:03d}.png": f"eye {number // 3 + 6}" for number in range(42)}
    for seed in range(20):
        split = split_by_eye(sides, groups, 0.2, seed)
        training = eyes([*split["blurry"][0], *split["clear"][0]], groups)
        held = eyes([*split["blurry"][1], *split["clear"][1]], groups)
        assert not training & held
        for side, paths in sides.items():
            kept, out = split[side]
            assert sorted(kept + out) == paths
            # one fifth of the side's eyes or more: what the other side holds out is held out here as well
            assert len(eyes(out, groups)) >= (2 if side == "blurry" else 3)


def test_without_a_table_each_file_is_an_eye_and_the_share_is_rounded_up() -> None:
    split = split_by_eye({"blurry": files("blurry", 21), "clear": files("clear", 40)}, None, 0.05, 0)
    assert [len(part) for part in split["blurry"]] == [19, 2]  # 21 * 0.05 = 1.05
    assert [len(part) for part in split["clear"]] == [38, 2]


def test_at_least_one_eye_is_held_out() -> None:
    split = split_by_eye({"blurry": files("blurry", 2), "clear": files("clear", 2)}, None, 0.01, 0)
    assert [len(part) for part in split["blurry"]] == [1, 1]


def test_the_split_is_a_function_of_the_seed() -> None:
    sides = {"blurry": files("blurry", 40), "clear": files("clear", 40)}
    assert split_by_eye(sides, None, 0.2, 3) == split_by_eye(sides, None, 0.2, 3)
    assert split_by_eye(sides, None, 0.2, 3) != split_by_eye(sides, None, 0.2, 4)


def test_the_sides_are_not_split_at_the_same_places() -> None:
    sides = {"blurry": files("blurry", 40), "clear": files("clear", 40)}
    split = split_by_eye(sides, None, 0.2, 0)
    assert [path.name for path in split["blurry"][1]] != [path.name for path in split["clear"][1]]


def test_too_few_photographs_are_refused() -> None:
    with pytest.raises(TrainingError, match=r"the clear side has 1 photographs, and none is left .* at least two"):
        split_by_eye({"blurry": files("blurry", 9), "clear": files("clear", 1)}, None, 0.05, 0)


def test_one_eye_photographed_often_is_refused_too() -> None:
    groups = {f"{number:03d}.png": f"eye {number}" for number in range(9)} | {"one.png": "eye 10", "two.png": "eye 10"}
    clear = [Path("/photographs/one.png"), Path("/photographs/two.png")]
    with pytest.raises(TrainingError, match="the clear side has 2 photographs, and none is left"):
        split_by_eye({"blurry": files("blurry", 9), "clear": clear}, groups, 0.05, 0)


def test_a_file_that_the_table_does_not_name_is_named() -> None:
    sides = {"blurry": files("blurry", 3), "clear": files("clear", 3)}
    groups = {f"{side}/{number:03d}.png": "eye" for side in sides for number in range(3)}
    del groups["clear/001.png"]
    with pytest.raises(SettingsError, match=r"photographs/clear/001\.png: not named in the table of eyes; add a row"):
        split_by_eye(sides, groups, 0.05, 0)


@pytest.mark.parametrize("name", ["001.png", "blurry/001.png", "photographs/blurry/001.png"])
def test_the_table_may_name_a_file_by_its_last_parts(name: str) -> None:
    assert group_of(Path("/photographs/blurry/001.png"), {name: "eye"}) == "eye"


def test_the_table_may_name_a_file_by_its_whole_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert group_of(tmp_path / "001.png", {f"{tmp_path}/001.png": "eye"}) == "eye"
    monkeypatch.chdir(tmp_path)
    assert group_of(Path("001.png"), {f"{tmp_path}/001.png": "eye"}) == "eye"


def test_the_longer_name_wins() -> None:
    groups = {"001.png": "another eye", "blurry/001.png": "this eye"}
    assert group_of(Path("/photographs/blurry/001.png"), groups) == "this eye"


def test_a_part_of_a_name_is_no_name() -> None:
    with pytest.raises(SettingsError, match="not named"):
        group_of(Path("/photographs/blurry/1001.png"), {"001.png": "eye"})


def test_a_link_is_found_by_its_own_name_and_by_its_targets(tmp_path: Path) -> None:
    (tmp_path / "target.png").touch()
    link = tmp_path / "link.png"
    link.symlink_to(tmp_path / "target.png")
    assert group_of(link, {"link.png": "eye"}) == "eye"
    assert group_of(link, {"target.png": "eye"}) == "eye"


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])  # spreadsheets save a byte order mark
def test_a_table_is_read(mark: bytes, tmp_path: Path) -> None:
    path = tmp_path / "eyes.csv"
    path.write_bytes(mark + b"file,laterality,eye_group\nclear/1.png,left,e1\nclear/2.png,right,e2\n")
    assert read_groups(path) == {"clear/1.png": "e1", "clear/2.png": "e2"}


UNREADABLE = "cannot be read .*; expected a CSV file with columns file and eye_group"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, UNREADABLE),
        (b"\xff\xfe\x00", UNREADABLE),
        (b'file,eye_group\n"' + b"x" * 200_000, UNREADABLE),
        (b"name,eye_group\n1.png,e1\n", r"found columns \['name', 'eye_group'\], expected \['file', 'eye_group'\]"),
        (b"file;eye_group\n1.png;e1\n", r"found columns \['file;eye_group'\], .* parted by commas"),
        (b"\n\n1.png,e1\n2.png,e2\n", r"found columns \[\]"),
        (b"", r"found columns \[\]"),
        (b"file,eye_group\n1.png,e1\n2.png,e2\n1.png,e3\n", "found eyes e1 and e3 for 1.png; name each file by more"),
    ],
)
def test_a_missing_or_unfit_table_is_refused(content: bytes | None, message: str, tmp_path: Path) -> None:
    path = tmp_path / "eyes.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SettingsError, match=rf"eyes\.csv: {message}"):
        read_groups(path)


def test_a_table_may_say_the_same_twice(tmp_path: Path) -> None:
    path = tmp_path / "eyes.csv"
    path.write_text("file,eye_group\n1.png,\n1.png,e1\n1.png,e1\n,e2\n,e3\n")
    assert read_groups(path) == {"1.png": "e1"}


def test_a_photograph_on_both_sides_is_refused(tmp_path: Path) -> None:
    (tmp_path / "eye.png").touch()
    (tmp_path / "link.png").symlink_to(tmp_path / "eye.png")
    eye, link, other = (tmp_path / f"{name}.png" for name in ("eye", "link", "other"))
    refuse_shared_files({"blurry": [eye], "clear": [other]})
    with pytest.raises(SettingsError, match=r"link\.png, of the clear .*eye\.png among the blurry ones"):
        refuse_shared_files({"blurry": [eye], "clear": [link]})
    with pytest.raises(SettingsError, match=r"link\.png, of the blurry .*eye\.png among the blurry ones"):
        refuse_shared_files({"blurry": [eye, link], "clear": [other]})
