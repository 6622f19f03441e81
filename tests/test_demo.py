import importlib.util
import math
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from clearfundus import Photo, find_field, read_photo, read_provenance
from clearfundus.fundus.degrade import DegradeSettings
from clearfundus.interfaces.cli import main

REPOSITORY = Path(__file__).parents[1]
DIAMETER = 256


@pytest.fixture(scope="module")
def demo() -> ModuleType:
    """The script, imported; it is no part of the package."""
    spec = importlib.util.spec_from_file_location("demo", REPOSITORY / "scripts" / "demo.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def made(demo: ModuleType, tiny_weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a demonstration with untrained weights, run as `make demo` runs it."""
    folder = tmp_path_factory.mktemp("made") / "demo"
    words = ["--output", str(folder), "--diameter", str(DIAMETER), "--weights", str(tiny_weights)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["demo.py", *words])
        demo.main()
    return folder


def test_make_demo_runs_the_script() -> None:
    lines = (REPOSITORY / "Makefile").read_text(encoding="utf-8").splitlines()
    start = next(index for index, line in enumerate(lines) if line.startswith("demo:"))
    assert lines[start + 1].strip() == "$(RUN) scripts/demo.py"


def test_the_demonstration_writes_its_pictures_and_leaves_nothing_else(demo: ModuleType, made: Path) -> None:
    assert sorted(path.name for path in made.iterdir()) == ["after.png", "before.png", "demo.png", "truth.png"]
    assert read_photo(made / "demo.png").pixels.shape == (demo.SHEET_HEIGHT, demo.SHEET_WIDTH, 3)
    shapes = {read_photo(made / f"{name}.png").pixels.shape for name in ("before", "after", "truth")}
    assert len(shapes) == 1


def test_the_photograph_is_reduced_to_the_diameter_asked_for(demo: ModuleType) -> None:
    assert find_field(demo.sample_photograph(DIAMETER)).diameter == pytest.approx(DIAMETER, rel=0.02)
    assert demo.sample_photograph(5000).pixels.shape == (1411, 1411, 3)  # never enlarged


def test_the_haze_lies_on_the_field_and_nowhere_else(made: Path) -> None:
    before, truth = read_photo(made / "before.png"), read_photo(made / "truth.png")
    mask = find_field(truth).mask
    assert np.array_equal(before.pixels[~mask], truth.pixels[~mask])
    assert np.abs(before.pixels[mask] - truth.pixels[mask]).mean() > 5 / 255
    # the veil takes contrast away: the spread of green shrinks at least as far as the greatest transmission, 0.73,
    # and the light (up to 15 %) gives back no more than that
    assert before.pixels[mask][:, 1].std() < 0.73 * 1.15 * truth.pixels[mask][:, 1].std()


def test_the_haze_is_the_mean_of_what_is_drawn_by_default(demo: ModuleType) -> None:
    ranges = DegradeSettings()
    low, high = ranges.transmission
    # the smaller and the greater of two uniform draws have their means at one and two thirds of the range
    assert demo.HAZE.transmission_low == pytest.approx(low + (high - low) / 3, abs=0.01)
    assert demo.HAZE.transmission_high == pytest.approx(low + (high - low) * 2 / 3, abs=0.01)
    assert demo.HAZE.veil == pytest.approx(sum(ranges.veil) / 2)
    assert demo.HAZE.blur == pytest.approx(sum(ranges.blur) / 2)
    assert (demo.HAZE.light, demo.HAZE.noise) == pytest.approx((ranges.light / 2, ranges.noise / 2))


def test_the_figures_are_those_of_the_files(demo: ModuleType, tiny_weights: Path, tmp_path: Path) -> None:
    figures = demo.run_demo(tmp_path, diameter=128, weights=tiny_weights).figures
    before, after, truth = (read_photo(tmp_path / f"{name}.png") for name in ("before", "after", "truth"))
    mask = find_field(truth).mask
    levels = [np.rint(photo.pixels[mask] * 255) for photo in (before, after, truth)]
    assert figures.error_before == pytest.approx(np.abs(levels[0] - levels[2]).mean(), abs=0.01)
    assert figures.error_after == pytest.approx(np.abs(levels[1] - levels[2]).mean(), abs=0.5)  # rounded to 8 bits
    assert figures.seconds > 0
    assert 0 < figures.sharpness_before < 1
    assert math.isfinite(figures.sharpness_after)


def test_the_command_line_makes_the_same_of_the_clouded_photograph(
    made: Path, tiny_weights: Path, tmp_path: Path
) -> None:
    words = ["enhance", str(made / "before.png"), "-o", str(tmp_path / "after.png"), "--weights", str(tiny_weights)]
    assert main([*words, "--precision", "fp32"]) == 0  # as in Python, where the result depends on no machine
    assert np.array_equal(read_photo(tmp_path / "after.png").pixels, read_photo(made / "after.png").pixels)
    note = read_provenance(tmp_path / "after.png")
    assert note.pop("input")  # which file it was made from: known to the command line only
    assert note == read_provenance(made / "after.png")


def test_a_second_run_gives_the_same_files(demo: ModuleType, made: Path, tiny_weights: Path) -> None:
    first = {path.name: path.read_bytes() for path in made.iterdir()}
    demo.run_demo(made, diameter=DIAMETER, weights=tiny_weights)
    assert {path.name: path.read_bytes() for path in made.iterdir()} == first


def test_the_picture_says_which_weights_made_it(made: Path) -> None:
    assert read_provenance(made / "demo.png")["weights"] == "tiny"


def test_the_path_three_figures_and_the_safety_note_are_printed(
    demo: ModuleType, tiny_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch
) -> None:
    words = ["--output", str(tmp_path), "--diameter", "128", "--weights", str(tiny_weights)]
    monkeypatch.setattr(sys, "argv", ["demo.py", *words, "--picture", str(tmp_path / "images" / "demo.jpg")])
    demo.main()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(str(tmp_path / "demo.png"))
    assert [line.split()[0] for line in lines[1:6]] == ["haze", "weights", "error", "sharp", "time"]
    for line in lines[3:5]:
        before, _, after = line.split()[1:4]
        assert math.isfinite(float(before))
        assert math.isfinite(float(after))
    assert "Not a medical device" in lines[6]
    assert read_photo(tmp_path / "images" / "demo.jpg").pixels.shape[1] == 1200
    assert read_provenance(tmp_path / "images" / "demo.jpg")["weights"] == "tiny"


def test_the_mean_error_of_a_shift_is_the_shift(demo: ModuleType, drawn: Photo) -> None:
    darker = replace(drawn, pixels=drawn.pixels * np.float32(0.5))
    shifted = darker.with_pixels(darker.pixels + np.float32(0.1))
    mask = find_field(drawn).mask
    assert demo.mean_error(shifted, darker, mask) == pytest.approx(0.1, abs=1e-6)


def test_gradient_energy_falls_with_the_square_of_the_contrast(demo: ModuleType, drawn: Photo) -> None:
    field = find_field(drawn)
    paler = drawn.with_pixels(0.5 * drawn.pixels + np.float32(0.25))
    assert demo.gradient_energy(paler, field) == pytest.approx(demo.gradient_energy(drawn, field) / 4, rel=1e-4)


def test_the_shipped_weights_bring_the_photograph_nearer_to_the_truth(demo: ModuleType, tmp_path: Path) -> None:
    figures = demo.run_demo(tmp_path, diameter=512).figures
    assert figures.error_after < figures.error_before
    assert figures.sharpness_after > figures.sharpness_before
