import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import clearfundus as cf
from clearfundus import pipeline
from clearfundus.errors import MissingExtraError
from clearfundus.interfaces import compare as verb
from clearfundus.interfaces import comparison
from clearfundus.interfaces.cli import main
from clearfundus.interfaces.comparison import compare_photo, prepare_contestants
from clearfundus.interfaces.methods import SHORT_SOURCES
from clearfundus.methods import METHODS
from clearfundus.photo.sheet import GAP, MARGIN, SIDE, Tile
from drawn import blur_fundus, draw_fundus

Run = Callable[..., tuple[int, str, str]]

EXTRA = {"clahe": ("curvelet", ("no_such_package",))}


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run `clearfundus compare`: exit code, standard output, standard error."""

    def call(*words: object) -> tuple[int, str, str]:
        code = main(["compare", *map(str, words)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture
def eye(tmp_path: Path) -> Path:
    """A blurry photograph."""
    cf.write_photo(blur_fundus(draw_fundus(96)), tmp_path / "eye.png")
    return tmp_path / "eye.png"


@pytest.fixture
def tiles(monkeypatch: pytest.MonkeyPatch) -> list[Tile]:
    """Every tile that is drawn while the test runs."""
    drawn: list[Tile] = []
    real = comparison.draw_sheet

    def draw(tiles: list[Tile], **options: object) -> np.ndarray:
        drawn.extend(tiles)
        return real(tiles, **options)

    monkeypatch.setattr(comparison, "draw_sheet", draw)
    return drawn


def test_a_photograph_gets_one_sheet_of_all_methods_the_input_first(
    run: Run, eye: Path, tmp_path: Path, tiny_weights: Path, tiles: list[Tile]
) -> None:
    code, out, err = run(eye, "-o", tmp_path / "sheet.png", "--weights", tiny_weights, "--device", "cpu")
    assert code == 0, err
    assert "1 done, 0 skipped, 0 failed" in out
    assert [tile.heading for tile in tiles] == ["input", *(name for name in METHODS if name != "identity")]
    assert all(len(tile.views) == 2 or "pip install" in tile.message for tile in tiles)
    sheet = cf.read_photo(tmp_path / "sheet.png")
    assert sheet.pixels.shape[1] >= 2 * MARGIN + 3 * (SIDE + GAP) - GAP


def test_the_labels_tell_source_weights_and_seconds(
    run: Run, eye: Path, tmp_path: Path, tiny_weights: Path, tiles: list[Tile]
) -> None:
    assert run(eye, "-o", tmp_path / "sheet.png", "--weights", tiny_weights, "--methods", "gan,clahe")[0] == 0
    first, gan, clahe = tiles
    assert first.lines[0] == "96 x 96 pixels"
    assert gan.lines[0] == "Zhao et al. 2019"
    assert gan.lines[1].startswith(f"tiny {cf.load_weights(tiny_weights).sha256[:12]}, ")
    assert clahe.lines[0] == "Zuiderveld 1994"
    for tile in (gan, clahe):
        assert 0 <= float(tile.lines[1].split()[-2]) < 60
        assert tile.lines[1].endswith(" s")


def test_one_method_stands_beside_itself_with_other_weights(
    run: Run, eye: Path, tmp_path: Path, tiny_weights: Path, tiles: list[Tile]
) -> None:
    assert run(eye, "-o", tmp_path / "sheet.png", "--methods", f"gan:{tiny_weights},gan:paper-skip")[0] == 0
    assert [tile.heading for tile in tiles] == ["input", "gan:tiny", "gan:paper-skip"]
    assert [tile.lines[1].split()[0] for tile in tiles[1:]] == ["tiny", "paper-skip"]
    assert not np.array_equal(tiles[1].views[0], tiles[2].views[0])


def test_weights_that_share_a_name_are_not_shown_as_two(
    run: Run, eye: Path, tmp_path: Path, tiny_weights: Path
) -> None:
    copy = tmp_path / "other.safetensors"
    copy.write_bytes(tiny_weights.read_bytes())
    code, _, err = run(eye, "-o", tmp_path / "sheet.png", "--methods", f"gan:{tiny_weights},gan:{copy}")
    assert code == 2
    assert "found two that are called gan:tiny" in err


def test_a_tile_shows_what_enhance_makes_and_the_same_part_in_every_tile(tiles: list[Tile]) -> None:
    photo = blur_fundus(draw_fundus(128))
    made = compare_photo(photo, prepare_contestants(["clahe"]))
    top, left, side = made.part
    expected = cf.enhance(photo, "clahe").pixels
    for tile, pixels in zip(tiles, (photo.pixels, expected), strict=True):
        shown = np.asarray(tile.views[1], np.float32) / 255
        # the part is enlarged: its mean over the view is that over the square, up to the interpolation
        assert np.allclose(
            shown.mean(axis=(0, 1)), pixels[top : top + side, left : left + side].mean((0, 1)), atol=0.01
        )
    assert not np.array_equal(tiles[0].views[1], tiles[1].views[1])


def test_the_enlarged_part_is_a_quarter_of_the_field_across_and_within_it() -> None:
    photo = draw_fundus(128)
    top, left, side = compare_photo(photo, {}).part
    box = cf.find_field(photo).box
    assert side == max(box[2] - box[0], box[3] - box[1]) // 4
    assert box[0] <= top <= box[2] - side
    assert box[1] <= left <= box[3] - side


def test_the_note_in_the_file_names_the_methods_and_the_input(run: Run, eye: Path, tmp_path: Path) -> None:
    assert run(eye, "-o", tmp_path / "sheet.png", "--methods", "clahe")[0] == 0
    note = cf.read_provenance(tmp_path / "sheet.png")
    assert note["method"] == "comparison"
    assert note["methods"] == "clahe (clip_limit=2.0, tiles=8)"
    assert len(note["input"]) == 12
    assert note["version"] == cf.__version__


def test_every_sheet_says_that_this_is_no_medical_device(monkeypatch: pytest.MonkeyPatch) -> None:
    footers: list[str] = []
    monkeypatch.setattr(
        comparison, "draw_sheet", lambda tiles, *, title, footer: footers.extend(footer) or np.zeros((9, 9, 3), "f4")
    )
    compare_photo(draw_fundus(64), {})
    told = " ".join(footers)
    assert "Not a medical device" in told
    assert cf.__version__ in told


def test_identity_is_the_input_s_own_tile(run: Run, eye: Path, tmp_path: Path, tiles: list[Tile]) -> None:
    assert run(eye, "-o", tmp_path / "sheet.png", "--methods", "clahe, identity")[0] == 0
    assert [tile.heading for tile in tiles] == ["input", "clahe"]


def test_several_photographs_get_a_sheet_each_and_a_bad_one_does_not_stop_the_others(run: Run, tmp_path: Path) -> None:
    photos = tmp_path / "in"
    (photos / "left").mkdir(parents=True)
    for name in ("a.jpg", "b.tif", "left/a.png"):
        cf.write_photo(draw_fundus(64), photos / name)
    (photos / "bad.jpg").write_bytes(b"not a picture")
    (photos / "notes.txt").touch()
    code, out, err = run(photos, "-o", tmp_path / "out", "--methods", "clahe", "--json")
    report = json.loads(out)
    assert code == 1
    assert sorted(str(file.relative_to(tmp_path / "out")) for file in (tmp_path / "out").rglob("*.*")) == [
        "a.png",
        "b.png",  # a sheet is for the eye: PNG, which every viewer shows
        "left/a.png",
    ]
    assert f"failed {photos / 'bad.jpg'}: " in err
    assert [one["input"] for one in report["failed"]] == [str(photos / "bad.jpg")]
    assert report["ignored"] == 1
    assert report["methods"] == {"clahe": {"method": "clahe", "clip_limit": "2.0", "tiles": "8"}}
    assert report["missing"] == {}
    assert report["weights"] is None
    first = report["done"][0]
    assert first["input"] == str(photos / "a.jpg")
    assert first["part"].keys() == {"top", "left", "side"}
    assert first["method_seconds"].keys() == {"clahe"}
    assert first["method_errors"] == {}


def test_two_photographs_that_would_share_a_sheet_are_refused(run: Run, tmp_path: Path) -> None:
    for name in ("a.tif", "a.png"):
        cf.write_photo(draw_fundus(64), tmp_path / name)
    code, _, err = run(tmp_path / "a.tif", tmp_path / "a.png", "-o", tmp_path / "out", "--methods", "clahe")
    assert code == 2
    assert "would both become" in err


def test_a_photograph_without_a_field_is_named_and_gets_no_sheet(run: Run, eye: Path, tmp_path: Path) -> None:
    black = tmp_path / "black.png"
    cf.write_photo(cf.Photo(pixels=np.zeros((96, 96, 3), np.float32)), black)
    code, _, err = run(black, eye, "-o", tmp_path / "out", "--methods", "clahe")
    assert code == 1
    assert f"failed {black}: found " in err
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["eye.png"]


def test_a_sheet_is_made_once_and_replaced_only_if_asked(run: Run, eye: Path, tmp_path: Path) -> None:
    target = tmp_path / "sheet.png"
    assert run(eye, "-o", target, "--methods", "clahe")[0] == 0
    before = target.read_bytes()
    code, out, _ = run(eye, "-o", target, "--methods", "clahe")
    assert code == 0
    assert "0 done, 1 skipped (made before with the same settings)" in out
    code, _, err = run(eye, "-o", target, "--methods", "identity")
    assert code == 1
    assert "use --overwrite to replace it" in err
    assert target.read_bytes() == before
    assert run(eye, "-o", target, "--methods", "identity", "--overwrite")[0] == 0
    assert cf.read_provenance(target)["methods"] == ""


def test_an_input_is_never_overwritten(run: Run, eye: Path) -> None:
    before = eye.read_bytes()
    code, _, err = run(eye, "-o", eye, "--methods", "clahe", "--overwrite")
    assert code == 2
    assert "never overwritten" in err
    assert eye.read_bytes() == before


def test_a_missing_extra_gets_a_tile_that_says_how_to_install_it(
    run: Run, eye: Path, tmp_path: Path, tiles: list[Tile], monkeypatch: pytest.MonkeyPatch, tiny_weights: Path
) -> None:
    monkeypatch.setattr(pipeline, "EXTRAS", EXTRA)
    code, out, _ = run(eye, "-o", tmp_path / "sheet.png", "--weights", tiny_weights, "--json")
    assert code == 0
    found = {tile.heading: tile for tile in tiles}
    assert found["clahe"].views == ()
    assert "pip install 'clearfundus[curvelet]'" in found["clahe"].message
    assert len(found["gan"].views) == 2
    report = json.loads(out)
    assert "no_such_package" in report["missing"]["clahe"]
    assert "clahe" not in report["methods"]
    assert report["weights"]["name"] == "tiny"
    assert run(eye, "-o", tmp_path / "sheet.png", "--weights", tiny_weights)[1].startswith("0 done, 1 skipped")


def test_a_missing_extra_is_wrong_usage_if_the_method_is_asked_for(
    run: Run, eye: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "EXTRAS", EXTRA)
    code, _, err = run(eye, "-o", tmp_path / "sheet.png", "--methods", "clahe")
    assert code == 2
    assert "pip install 'clearfundus[curvelet]'" in err
    assert not (tmp_path / "sheet.png").exists()
    with pytest.raises(MissingExtraError):
        prepare_contestants(["clahe"])


def test_a_method_that_fails_is_told_of_and_the_others_are_shown(
    run: Run, eye: Path, tmp_path: Path, tiles: list[Tile], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(photo: cf.Photo, field: cf.Field) -> cf.Photo:
        raise ZeroDivisionError("a fault")

    table = {"broken": broken, **METHODS}
    monkeypatch.setattr(pipeline, "METHODS", table)
    monkeypatch.setattr(comparison, "METHODS", table)
    monkeypatch.setattr(comparison, "SHORT_SOURCES", {"broken": "none", **SHORT_SOURCES})
    code, out, err = run(eye, "-o", tmp_path / "sheet.png", "--methods", "broken,clahe", "--json")
    assert code == 1
    assert [tile.message for tile in tiles] == ["", "failed: ZeroDivisionError: a fault", ""]
    assert len(tiles[2].views) == 2
    assert "broken failed: ZeroDivisionError: a fault" in err
    done = json.loads(out)["done"][0]
    assert done["method_errors"] == {"broken": "ZeroDivisionError: a fault"}
    assert done["method_seconds"].keys() == {"clahe"}
    assert "broken" not in cf.read_provenance(tmp_path / "sheet.png")["methods"]
    # what was left out is not taken for done
    assert run(eye, "-o", tmp_path / "sheet.png", "--methods", "broken,clahe")[0] == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--methods", "clahe"], "--output"),
        (["-o", "OUT", "--methods", "clahe,sharpen"], "unknown method 'sharpen'; known: gan, "),
        (["-o", "OUT", "--methods", "clahe,clahe"], "clahe comes twice"),
        (["-o", "OUT", "--methods", ","], "found no name"),
        (["-o", "OUT", "--methods", "clahe", "--weights", "paper-skip"], "takes no weights"),
        (["-o", "OUT", "--methods", "clahe", "--device", "cuda"], "runs on the CPU"),
        (["-o", "OUT", "--methods", "identity", "--weights", "nonsense"], "takes no weights"),
        (["-o", "OUT", "--methods", "identity", "--device", "cuda"], "runs on the CPU"),
        (["-o", "OUT", "--weights", "sharpest"], "no such weights"),
        (["-o", "OUT", "--device", "tpu"], "'tpu' is unknown"),
    ],
)
def test_wrong_usage_is_named_and_nothing_is_written(
    words: list[str], message: str, run: Run, eye: Path, tmp_path: Path
) -> None:
    code, out, err = run(eye, *(str(tmp_path / "out") if word == "OUT" else word for word in words))
    assert code == 2
    assert out == ""
    assert message in err
    assert [file.name for file in tmp_path.iterdir()] == ["eye.png"]


def test_the_sheet_keeps_the_photograph_s_colour_profile(tmp_path: Path, run: Run) -> None:
    import dataclasses

    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    cf.write_photo(dataclasses.replace(draw_fundus(64), icc_profile=profile, bits=16), tmp_path / "eye.png")
    assert run(tmp_path / "eye.png", "-o", tmp_path / "sheet.png", "--methods", "clahe")[0] == 0
    sheet = cf.read_photo(tmp_path / "sheet.png")
    assert sheet.icc_profile == profile
    assert sheet.bits == 8


def test_names_are_read_with_commas_between() -> None:
    assert verb.parse_names(None) is None
    assert verb.parse_names(" gan, clahe,") == ["gan", "clahe"]


def test_every_method_has_a_short_source_and_reconstructions_say_so() -> None:
    assert list(SHORT_SOURCES) == list(METHODS)
    for name in {"mitra2018", "xiong2017"} & set(METHODS):
        assert "reconstruction" in SHORT_SOURCES[name]
    for name, source in SHORT_SOURCES.items():
        year = name[-4:]
        assert not year.isdigit() or source.split(",")[0].endswith(year)


@pytest.mark.data
def test_real_photographs_get_sheets(run: Run, data_folder: Path, tmp_path: Path) -> None:
    sources = sorted((data_folder / "test" / "blurry").iterdir())[::12]
    code, out, _ = run(*sources, "-o", tmp_path, "--methods", "clahe", "--json")
    assert code == 0
    assert len(json.loads(out)["done"]) == len(sources)
