import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import clearfundus as cf
from clearfundus import SettingsError
from clearfundus.engines.exported import export_onnx
from clearfundus.engines.openvino_runtime import export_openvino, read_model
from clearfundus.engines.quantisation import kept_in_full, measure_loss
from clearfundus.fundus.frame import crop_to_field
from clearfundus.interfaces.cli import main
from clearfundus.methods.calibration import read_calibration
from clearfundus.methods.gan import scaled
from clearfundus.networks.generator import Generator, GeneratorSettings
from clearfundus.networks.weights import save_weights
from drawn import draw_fundus


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    folder = tmp_path / "photographs"
    folder.mkdir()
    for index in range(4):
        cf.write_photo(draw_fundus(90 + 10 * index), folder / f"{index}.png")
    return folder


def test_openvino_is_imported_without_its_reports(tmp_path: Path) -> None:
    code = (
        "from clearfundus.engines.openvino_runtime import import_openvino; import_openvino(); "
        "import openvino.tools.ovc as ovc; print(type(ovc.telemetry).__module__)"
    )
    environment = {**os.environ, "HOME": str(tmp_path)}
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, env=environment)
    assert found.stdout.strip() == "openvino.tools.ovc.telemetry_stub"
    assert list(tmp_path.iterdir()) == []


def test_a_network_loses_nothing_against_itself_and_something_against_another(tiny_weights: Path) -> None:
    pixels = [np.random.default_rng(0).random((40, 40, 3), dtype=np.float32)]
    exported = export_onnx(tiny_weights)
    loss = measure_loss(exported, export_openvino(exported), pixels)
    assert max(loss.mean, loss.tail) < 1e-5
    loss = measure_loss(exported, export_onnx(), pixels)
    assert loss.tail > loss.mean > 1e-3


def test_photographs_to_calibrate_on_are_seen_at_the_diameter_of_the_weights(photographs: Path) -> None:
    found = read_calibration(photographs, 64, "fill")
    assert len(found) == 4
    for pixels in found:
        assert max(abs(side - 64) for side in pixels.shape[:2]) <= 14  # 8 pixels of margin on each side, scaled
        assert pixels.dtype == np.float32
        assert pixels.min() >= 0
        assert pixels.max() <= 1
    corner = read_calibration(photographs, 64, "black")[0][0, 0]
    assert np.array_equal(corner, [0, 0, 0])
    assert found[0][0, 0].max() > 0.05


def test_a_photograph_smaller_than_the_network_sees_it_is_enlarged_as_enhance_enlarges_it(photographs: Path) -> None:
    found = read_calibration(photographs, 200, "fill")[0]
    photo = cf.read_photo(photographs / "0.png")
    frame = crop_to_field(photo, cf.find_field(photo))
    assert min(found.shape[:2]) > 90
    assert np.array_equal(found, scaled(frame.photo.pixels, 200, frame.field.diameter))


@pytest.mark.parametrize(
    ("width", "upsample"),
    [(4, "transposed"), (4, "resize"), (24, "resize")],  # the last has a head from 24 channels to 4 pixels of 6
)
def test_only_the_convolutions_of_the_blocks_are_left_to_int8(width: int, upsample: Any, tmp_path: Path) -> None:
    network = Generator(GeneratorSettings(width=width, blocks=2, upsample=upsample, skip=True, gain=True))
    save_weights(network, tmp_path / "tiny.safetensors", name="tiny", diameter=64)
    model = read_model(export_openvino(export_onnx(tmp_path / "tiny.safetensors")))
    kept = set(kept_in_full(model))
    # behind the head: its bias, the photograph times the gain, and the sums of these
    behind = [one for one in model.get_ordered_ops() if one.get_type_name() in ("Split", "Tanh", "Multiply", "Add")]
    assert {one.get_friendly_name() for one in behind[-6:]} <= kept
    assert [one.get_type_name() for one in behind[-6:]].count("Add") == 3
    convolutions = [one for one in model.get_ordered_ops() if one.get_type_name().startswith("Convolution")]
    left = [one for one in convolutions if one.get_friendly_name() not in kept]
    assert len(convolutions) == 1 + 2 + 2 * 2 + 2 + 1  # stem, down, two in each block, up, head
    assert len(left) == 2 * 2
    assert all(list(one.input(1).get_partial_shape().to_shape()) == [4 * width, 4 * width, 3, 3] for one in left)


def test_too_few_photographs_are_refused(photographs: Path) -> None:
    (photographs / "0.png").unlink()
    with pytest.raises(SettingsError, match="found 3 photographs, expected 4 or more"):
        read_calibration(photographs, 64, "fill")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("-o", "a.xml", "--format", "openvino", "--precision", "int8"), "int8 with --calibration"),
        (("-o", "a.xml", "--format", "openvino", "--calibration", "."), "--calibration goes with int8"),
        (("-o", "a.onnx", "--precision", "int8", "--calibration", "."), "found --format onnx, expected openvino"),
    ],
)
def test_int8_needs_openvino_and_photographs(words, message, capsys, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["export", *words]) == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
