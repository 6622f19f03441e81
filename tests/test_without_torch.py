"""An install without torch: the package imports, enhances on ONNX Runtime and OpenVINO, and says what is missing."""

import os
import subprocess
import sys
import venv
from pathlib import Path

import numpy as np
import pytest

import clearfundus as cf
from drawn import draw_fundus

PACKAGES = Path(np.__file__).parents[1]
LEFT_OUT = "torch", "functorch", "nvidia", "triton"
SOURCE = Path(cf.__file__).parents[1]


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a virtual environment that has all that this one has, but torch."""
    folder = tmp_path_factory.mktemp("without") / "venv"
    venv.create(folder, symlinks=True)
    packages = next(folder.glob("lib/python*/site-packages"))
    for entry in PACKAGES.iterdir():
        if not entry.name.startswith((*LEFT_OUT, "__pycache__")) and not (packages / entry.name).exists():
            (packages / entry.name).symlink_to(entry)
    return folder / "bin" / "python"


def run(python: Path, *words: object) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "PYTHONPATH": str(SOURCE), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run([python, *map(str, words)], capture_output=True, text=True, env=environment, check=False)


@pytest.fixture(scope="module")
def eye(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photograph") / "eye.png"
    cf.write_photo(draw_fundus(96), path)
    return path


def test_the_environment_has_no_torch(python: Path) -> None:
    assert "No module named 'torch'" in run(python, "-c", "import torch").stderr


@pytest.mark.parametrize("engine", ["auto", "openvino"])
def test_a_photograph_is_enhanced_as_with_torch(
    engine: str, python: Path, eye: Path, tiny_weights: Path, tmp_path: Path
) -> None:
    words = (
        "enhance",
        eye,
        "-o",
        tmp_path / "clear.png",
        "--weights",
        tiny_weights,
        "--engine",
        engine,
        "--precision",
        "fp32",
    )
    done = run(python, "-m", "clearfundus", *words)
    assert done.returncode == 0, done.stderr
    expected = cf.enhance(cf.read_photo(eye), weights=tiny_weights, device="cpu").pixels
    assert abs(cf.read_photo(tmp_path / "clear.png").pixels - expected).max() <= 1.01 / 255
    used = cf.read_provenance(tmp_path / "clear.png")["engine"]
    assert used == ("onnxruntime" if engine == "auto" else engine)


def test_an_exported_file_is_made_and_used(python: Path, eye: Path, tmp_path: Path) -> None:
    exported = tmp_path / "network.onnx"
    done = run(python, "-m", "clearfundus", "export", "-o", exported)
    assert done.returncode == 0, done.stderr
    assert "not compared with torch, which is not installed" in done.stdout
    words = "--engine", "onnxruntime", "--weights", exported, "--size", "64"
    done = run(python, "-m", "clearfundus", "enhance", eye, "-o", tmp_path / "clear.png", *words)
    assert done.returncode == 0, done.stderr
    assert cf.read_provenance(tmp_path / "clear.png")["sha256"] == cf.load_weights().sha256[:12]


def test_info_is_told_and_a_named_engine_is_not_replaced(python: Path, eye: Path, tmp_path: Path) -> None:
    done = run(python, "-m", "clearfundus", "info")
    assert done.returncode == 0, done.stderr
    assert "torch not installed" in done.stdout
    done = run(python, "-m", "clearfundus", "enhance", eye, "-o", tmp_path / "clear.png", "--engine", "torch")
    assert done.returncode == 2
    assert "engine 'torch' needs torch, which is not installed" in done.stderr


def test_no_classical_method_and_no_import_of_the_package_asks_for_torch(
    python: Path, eye: Path, tmp_path: Path
) -> None:
    done = run(
        python, "-c", "import clearfundus as cf; [getattr(cf, name) for name in cf.__all__ if name != 'load_weights']"
    )
    assert done.returncode == 0, done.stderr
    done = run(python, "-m", "clearfundus", "enhance", eye, "-o", tmp_path / "clear.png", "--method", "clahe")
    assert done.returncode == 0, done.stderr


def test_the_test_runs_another_interpreter(python: Path) -> None:
    assert run(python, "-c", "import sys; print(sys.prefix)").stdout.strip() != sys.prefix
