import importlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clearfundus.training.run import Sources, train
from conftest import REPOSITORY
from drawn import blur_fundus
from tiny_run import tiny_settings, write_photographs

STEPS = 4


def test_a_run_is_drawn_with_every_figure_and_every_kept_snapshot(tmp_path: Path) -> None:
    write_photographs(tmp_path / "blurry", 3, blur=blur_fundus)
    write_photographs(tmp_path / "clear", 3)
    settings = tiny_settings(every={"validate": 2}, unpaired={"steps": STEPS})
    sources = Sources(blurry=tmp_path / "blurry", clear=tmp_path / "clear")
    list(train(settings, sources, tmp_path / "run", "cpu"))
    snapshots = sorted(path.name for path in (tmp_path / "run" / "snapshots").iterdir())
    assert snapshots == ["00000002", "00000004"]

    output = tmp_path / "pictures" / "tiny"
    script = REPOSITORY / "scripts" / "training_pictures.py"
    command = [sys.executable, str(script), str(tmp_path / "run"), "-o", str(output)]
    subprocess.run(command, check=True, timeout=120, capture_output=True)
    sheet = np.asarray(Image.open(f"{output}_samples.jpg"))
    columns = np.split(sheet, 2 + len(snapshots), axis=1)  # clouded, one for each snapshot, truth
    assert all(column.std() > 20 for column in columns)
    curves = np.asarray(Image.open(f"{output}_curves.png"))
    names = {name for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines() for name in json.loads(line)}
    rows = -(-len(names - {"kind", "step", "stage", "time", "seconds"}) // 4)
    assert curves.shape[0] == round(rows * 2.1 * 110)  # a panel for each figure, four in a row


def test_a_change_below_nothing_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(REPOSITORY / "scripts"))
    pictures = importlib.import_module("training_pictures")
    figure = pictures.draw_curves({"loss": [(0, 3.0), (1, 2.0)]}, {"rim_change": [(0, 0.5), (1, -0.5)]})
    bottoms = [axes.get_ylim()[0] for axes in figure.axes]
    assert bottoms[0] == 0
    assert bottoms[1] < -0.5
