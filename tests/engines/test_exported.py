import dataclasses
import json
from pathlib import Path

import numpy as np
import onnx
import pytest

from clearfundus import WeightsError, load_weights
from clearfundus.engines.exported import (
    CARRIED,
    Exported,
    export_onnx,
    read_exported,
    write_exported,
)
from clearfundus.engines.openvino_runtime import export_openvino
from clearfundus.engines.picture import translate
from clearfundus.engines.weights import EngineName, load_engine_weights, start
from clearfundus.networks.generator import Generator, GeneratorSettings
from clearfundus.networks.inference import run_generator
from clearfundus.networks.weights import save_weights
from clearfundus.pretrained.reading import hash_description, locate, read_arrays


@pytest.fixture(scope="module")
def onnx_file(tiny_weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("exported") / "tiny.onnx"
    write_exported(export_onnx(tiny_weights), path)
    return path


@pytest.fixture(scope="module")
def xml_file(tiny_weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("exported") / "tiny.xml"
    write_exported(export_openvino(export_onnx(tiny_weights)), path)
    return path


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).random((height, width, 3), dtype=np.float32)


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("sides", [(64, 64), (9, 14), (121, 70)])
def test_the_shipped_weights_give_the_same_picture_on_every_engine(engine: EngineName, sides: tuple[int, int]) -> None:
    pixels = noise(*sides)
    expected = run_generator(load_weights().network, pixels)
    found = translate(load_engine_weights(None, engine).run, pixels)
    assert found.dtype == np.float32
    assert np.abs(found - expected).max() <= 1 / 255
    assert np.abs(found - expected).max() < 1e-5  # what is found here; the line above is what is promised


@pytest.mark.parametrize(("suffix", "engine"), [("onnx", "onnxruntime"), ("onnx", "openvino"), ("xml", "openvino")])
def test_a_file_gives_the_same_picture_and_says_what_its_weights_file_says(
    suffix: str, engine: EngineName, onnx_file: Path, xml_file: Path, tiny_weights: Path
) -> None:
    model = load_weights(tiny_weights)
    loaded = load_engine_weights(onnx_file if suffix == "onnx" else xml_file, engine)
    assert np.abs(translate(loaded.run, noise(40, 33)) - run_generator(model.network, noise(40, 33))).max() < 1e-5
    for name in ("name", "role", "sha256", "diameter", "surround", "uneven_error", "card", "terms"):
        assert getattr(loaded, name) == getattr(model, name)
    assert (loaded.engine, loaded.precision) == (engine, "fp32")


def test_the_description_can_be_read_by_others(onnx_file: Path, tiny_weights: Path) -> None:
    found = {one.key: one.value for one in onnx.load(onnx_file).metadata_props}
    metadata = read_arrays(tiny_weights, "enhancer")[0]
    assert {key: found[key] for key in CARRIED} == {key: metadata[key] for key in CARRIED}
    assert "not a medical device" in found["terms"]


def test_the_same_weights_make_the_same_file(onnx_file: Path, tiny_weights: Path) -> None:
    assert export_onnx(tiny_weights).model == onnx_file.read_bytes()


@pytest.mark.parametrize("place", [0.01, 0.3, 0.6, 0.9, 0.999])
@pytest.mark.parametrize("suffix", [".onnx", ".xml", ".bin"])
def test_a_file_with_one_bit_altered_is_refused(
    suffix: str, place: float, onnx_file: Path, xml_file: Path, tmp_path: Path
) -> None:
    for source in (onnx_file, xml_file, xml_file.with_suffix(".bin")):
        content = bytearray(source.read_bytes())
        if source.suffix == suffix:
            content[int(place * len(content))] ^= 1
        (tmp_path / source.name).write_bytes(content)
    with pytest.raises(WeightsError, match=r"tiny\.(onnx|xml): (does not match the hash inside|holds no seal)"):
        read_exported(tmp_path / ("tiny.onnx" if suffix == ".onnx" else "tiny.xml"))


@pytest.mark.parametrize(("old", "new"), [(b"enhancer", b"enhancex"), (b"medical", b"magical"), (b'"64"', b'"99"')])
def test_a_description_that_was_edited_is_refused(old: bytes, new: bytes, xml_file: Path, tmp_path: Path) -> None:
    content = xml_file.read_bytes()
    assert old in content
    (tmp_path / "tiny.xml").write_bytes(content.replace(old, new))
    (tmp_path / "tiny.bin").write_bytes(xml_file.with_suffix(".bin").read_bytes())
    with pytest.raises(WeightsError, match="altered"):
        read_exported(tmp_path / "tiny.xml")


def test_what_is_appended_to_a_file_is_seen(onnx_file: Path, tmp_path: Path) -> None:
    props = onnx.ModelProto()
    props.metadata_props.add(key="terms", value="Do as you like.")  # protobuf would take the two for one message
    (tmp_path / "new.onnx").write_bytes(onnx_file.read_bytes() + props.SerializeToString())
    with pytest.raises(WeightsError, match="altered"):
        read_exported(tmp_path / "new.onnx")


@pytest.mark.parametrize("content", [b"", b"not a network", b"<net/>"])
@pytest.mark.parametrize("name", ["other.onnx", "other.xml"])
def test_a_file_of_another_origin_is_refused(content: bytes, name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    (tmp_path / "other.bin").touch()
    with pytest.raises(WeightsError, match="holds no seal of clearfundus; give a file that `clearfundus export` made"):
        read_exported(tmp_path / name)


def test_a_missing_file_is_named(xml_file: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"gone\.onnx: cannot be read \(No such file"):
        read_exported(tmp_path / "gone.onnx")
    (tmp_path / "tiny.xml").write_bytes(xml_file.read_bytes())
    with pytest.raises(WeightsError, match=r"tiny\.bin: cannot be read"):
        read_exported(tmp_path / "tiny.xml")


def test_a_blurrer_is_exported_but_not_run_as_an_enhancer(tmp_path: Path) -> None:
    save_weights(Generator(GeneratorSettings(width=4, blocks=1)), tmp_path / "b.safetensors", name="b", role="blurrer")
    write_exported(export_onnx(tmp_path / "b.safetensors", role="blurrer"), tmp_path / "b.onnx")
    with pytest.raises(WeightsError, match="holds a 'blurrer', expected an 'enhancer'"):
        read_exported(tmp_path / "b.onnx")


@pytest.mark.parametrize("settings", ['{"width": 4, "colour": 1}', '{"width": 5}', '{"width": "4"}', "{", "[]"])
def test_weights_whose_settings_do_not_fit_are_refused(settings: str, tiny_weights: Path, tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    metadata, arrays = read_arrays(locate(tiny_weights, "enhancer"), "enhancer")
    metadata["generator"] = settings
    metadata["description_sha256"] = hash_description(metadata)
    save_file(arrays, tmp_path / "odd.safetensors", metadata)
    with pytest.raises(WeightsError, match=r"odd\.safetensors: "):
        export_onnx(tmp_path / "odd.safetensors")


def test_an_engine_that_refuses_a_network_is_a_named_error(tiny_weights: Path) -> None:
    exported = export_onnx(tiny_weights)
    broken = dataclasses.replace(exported, model=b"nothing of the kind")
    with pytest.raises(WeightsError, match="ONNX Runtime refuses the network"):
        start(broken, "onnxruntime")
    with pytest.raises(WeightsError, match="OpenVINO refuses the network"):
        start(broken, "openvino")
    own = Exported(format="openvino", model=b"", description={})
    with pytest.raises(WeightsError, match=r"reads \.onnx files"):
        start(own, "onnxruntime")


@pytest.mark.parametrize("card", [{}, {"surround": "fill", "uneven_error": "2"}])
def test_a_description_without_its_surround_or_with_a_damaged_card_is_refused(
    card: dict[str, str], tiny_weights: Path
) -> None:
    exported = export_onnx(tiny_weights)
    odd = dataclasses.replace(exported, description={**exported.description, "card": json.dumps(card)})
    with pytest.raises(WeightsError, match="incomplete"):
        start(odd, "onnxruntime")


def test_what_an_engine_loads_says_by_what_the_uneven_part_is_damped(tiny_weights: Path, tmp_path: Path) -> None:
    assert load_engine_weights(tiny_weights, "onnxruntime").uneven_error == 0
    path = tmp_path / "damped.safetensors"
    save_weights(load_weights(tiny_weights).network, path, name="damped", card={"uneven_error": "0.015"})
    assert load_engine_weights(path, "onnxruntime").uneven_error == 0.015
