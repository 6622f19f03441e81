"""The script that lays photographs before and after side by side; it is no part of the package."""

import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

from clearfundus import read_photo, write_photo
from clearfundus.photo.sheet import GAP, MARGIN
from drawn import blur_fundus, draw_fundus

SCRIPT = Path(__file__).parents[1] / "scripts" / "contact_sheet.py"


def test_pairs_are_found_by_name_and_laid_side_by_side(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder in ("before", "after"):
        (tmp_path / folder).mkdir()
    for number in range(9):
        photo = draw_fundus(64, np.random.default_rng(number))
        write_photo(blur_fundus(photo), tmp_path / "before" / f"{number}.png")
        write_photo(photo, tmp_path / "after" / f"{number}.tif")
    write_photo(draw_fundus(64), tmp_path / "before" / "alone.png")
    words = [str(tmp_path / name) for name in ("before", "after", "out")]
    monkeypatch.setattr(sys, "argv", ["contact_sheet.py", *words])
    runpy.run_path(str(SCRIPT), run_name="__main__")
    sheets = [tmp_path / "out" / "sheet_1.png", tmp_path / "out" / "sheet_2.png"]
    assert capsys.readouterr().out.split() == [str(path) for path in sheets]
    full, rest = (read_photo(path).pixels for path in sheets)
    assert full.shape[1] == 2 * MARGIN + 8 * (300 + GAP) - GAP  # eight tiles, four pairs, in a row
    assert rest.shape[1] == 2 * MARGIN + 2 * (300 + GAP) - GAP
    assert full.shape[0] > 2 * (rest.shape[0] - 2 * MARGIN)
