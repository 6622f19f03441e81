"""docs/vessels.md: its tables say what the code says, and its Python runs."""

import re
import runpy
from pathlib import Path

import pytest

import clearfundus as cf
from clearfundus.fundus.phantom import draw_phantom
from clearfundus.interfaces import segment, track
from clearfundus.vessels.measure import MEASURES
from clearfundus.vessels.segment import DEFAULT, SEGMENTERS
from test_docs import in_code, read, rows

DOCUMENT = "docs/vessels.md"


def test_the_table_of_segmenters_has_each_and_names_the_default() -> None:
    table = {in_code(cells[0])[0]: cells for cells in rows(read(DOCUMENT), "Segmenters")}
    assert list(table) == list(SEGMENTERS)
    assert [name for name, cells in table.items() if "(default)" in cells[0]] == [DEFAULT]
    assert [name for name, cells in table.items() if cells[2] == "no"] == ["gabor"]


def test_the_table_of_measures_has_each_with_its_unit() -> None:
    found = {in_code(cells[0])[0]: cells[1] for cells in rows(read(DOCUMENT), "Measures")}
    assert found == {name: measure.unit for name, measure in MEASURES.items()}


def test_the_table_of_files_names_every_file() -> None:
    named = [name for cells in rows(read(DOCUMENT), "Files") for name in in_code(cells[0])]
    first, *others = track.TRACK_ENDINGS
    expected = ["NAME" + ending for ending in (*segment.ENDINGS, *track.TREE_ENDINGS, first)]
    assert named == expected + [ending.removeprefix("_track") for ending in others]


def test_its_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = re.findall(r"^```python\n(.*?)^```", read(DOCUMENT), re.MULTILINE | re.DOTALL)
    cf.write_photo(draw_phantom(100, 1).photo, tmp_path / "eye.jpg")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "block.py").write_text(block, encoding="utf-8")
    runpy.run_path(str(tmp_path / "block.py"))
    assert "VesselMeasures(density=" in capsys.readouterr().out
