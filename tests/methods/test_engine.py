import importlib.util
from pathlib import Path

import pytest

from clearfundus import DeviceError, MissingExtraError, SettingsError, enhance, prepare_method
from clearfundus.engines.openvino_runtime import has_bf16
from clearfundus.engines.weights import EngineWeights
from clearfundus.methods.engine import choose_engine, load_model
from clearfundus.networks.weights import LoadedWeights
from clearfundus.pretrained import shipped_weights
from drawn import draw_fundus


@pytest.fixture
def lacking(monkeypatch: pytest.MonkeyPatch):
    """Make packages look as if they were not installed."""
    find = importlib.util.find_spec

    def lack(*packages: str) -> None:
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in packages else find(name))

    return lack


@pytest.mark.parametrize(
    ("weights", "without", "expected"),
    [
        (None, (), "torch"),
        ("paper-skip", (), "torch"),
        ("mine.safetensors", ("torch",), "onnxruntime"),
        (None, ("torch", "onnxruntime"), "openvino"),
        ("mine.onnx", (), "onnxruntime"),
        (Path("mine.ONNX"), ("onnxruntime",), "openvino"),
        ("mine.xml", (), "openvino"),
    ],
)
def test_auto_takes_the_first_engine_that_is_there_and_reads_the_file(weights, without, expected, lacking) -> None:
    lacking(*without)
    assert choose_engine("auto", weights) == expected


@pytest.mark.parametrize(
    ("name", "weights", "without", "message"),
    [
        ("torch", None, ("torch",), "engine 'torch' needs torch, which is not installed; install it with: pip install"),
        ("onnxruntime", None, ("onnxruntime",), r"needs onnxruntime, .*pip install 'clearfundus\[onnx\]'"),
        ("openvino", None, ("openvino", "onnx"), r"needs onnx and openvino, .*pip install 'clearfundus\[openvino\]'"),
        ("auto", "mine.xml", ("openvino",), r"'clearfundus\[openvino\]'"),
        ("auto", None, ("torch", "onnx"), "pip install torch, or use --engine onnxruntime"),
    ],
)
def test_an_engine_that_is_not_installed_is_named_with_what_brings_it(name, weights, without, message, lacking) -> None:
    lacking(*without)
    with pytest.raises(MissingExtraError, match=message):
        choose_engine(name, weights)


@pytest.mark.parametrize(
    ("name", "weights", "message"),
    [
        ("tensorrt", None, "engine: found 'tensorrt', expected one of: auto, torch, onnxruntime, openvino"),
        ("torch", "mine.onnx", "engine 'torch' does not read mine.onnx; use --engine onnxruntime or openvino"),
        ("onnxruntime", "mine.xml", "does not read mine.xml; use --engine openvino"),
    ],
)
def test_a_choice_that_makes_no_sense_is_refused(name: str, weights: str | None, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        choose_engine(name, weights)


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_a_named_device_is_never_replaced(engine: str) -> None:
    with pytest.raises(DeviceError, match=f"engine '{engine}' runs on the CPU; found device 'cuda'"):
        choose_engine(engine, None, "cuda")
    assert choose_engine(engine, None, "cpu") == engine


def test_a_model_is_loaded_onto_the_engine_that_was_asked_for(tiny_weights: Path) -> None:
    assert isinstance(load_model(tiny_weights), LoadedWeights)
    loaded = load_model(tiny_weights, engine="onnxruntime")
    assert isinstance(loaded, EngineWeights)
    assert loaded.engine == "onnxruntime"


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("size", [None, "native"])
def test_a_photograph_is_enhanced_alike_on_every_engine(engine: str, size, tiny_weights: Path) -> None:
    photo = draw_fundus(101)
    expected = enhance(photo, weights=tiny_weights, device="cpu", size=size)
    method = prepare_method("gan", weights=tiny_weights, engine=engine, size=size)
    found = enhance(photo, method)
    assert abs(found.pixels - expected.pixels).max() <= 1 / 255
    assert found.provenance == {**expected.provenance, "engine": engine}
    assert method.provenance.items() <= found.provenance.items()


def test_a_method_without_a_network_takes_no_engine() -> None:
    with pytest.raises(SettingsError, match="method 'clahe' takes no engine; it has no network"):
        prepare_method("clahe", engine="onnxruntime")
    assert prepare_method("clahe", engine="auto").name == "clahe"


def test_bf16_is_noted_and_hardly_changes_the_shipped_weights_result(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clearfundus.networks.device.has_bf16", lambda device: True)  # torch computes it anywhere
    photo = draw_fundus(96)
    method = prepare_method("gan", device="cpu", precision="bf16", size=96)
    found, expected = enhance(photo, method), enhance(photo, device="cpu", size=96)
    assert method.weights.precision == "bf16"
    assert found.provenance == {**expected.provenance, "precision": "bf16"}
    assert 0 < abs(found.pixels - expected.pixels).max() < 1.5 / 255


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"engine": "onnxruntime", "precision": "bf16"}, "engine 'onnxruntime' does not compute in bf16; use --engine"),
        ({"precision": "fp16"}, "precision: found 'fp16', expected one of: auto, fp32, bf16"),
    ],
)
def test_a_precision_that_is_not_there_is_refused(settings: dict, message: str, tiny_weights: Path) -> None:
    with pytest.raises(SettingsError, match=message):
        load_model(tiny_weights, device="cpu", **settings)


def test_a_method_without_a_network_takes_no_bf16() -> None:
    with pytest.raises(SettingsError, match="method 'clahe' takes no bf16; it has no network"):
        prepare_method("clahe", precision="bf16")
    assert prepare_method("clahe", precision="auto").name == "clahe"


@pytest.fixture
def openvino_with_bf16(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let OpenVINO find bf16, and no CUDA device."""
    monkeypatch.setattr("clearfundus.engines.openvino_runtime.has_bf16", lambda: True)
    monkeypatch.setattr("clearfundus.methods.engine.DRIVER", Path("/no/such/driver"))
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setattr("clearfundus.networks.device.has_bf16", lambda device: False)
    monkeypatch.setattr("clearfundus.methods.engine.TRIAL_SIDE", 70)


@pytest.mark.usefixtures("openvino_with_bf16")
@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, ("openvino", "bf16")),
        ({"size": "guided", "device": "cpu"}, ("openvino", "bf16")),
        ({"engine": "openvino", "size": "native"}, ("openvino", "bf16")),
        ({"size": "native"}, ("torch", "fp32")),
        ({"size": 1024}, ("openvino", "bf16")),
        ({"size": 1025}, ("torch", "fp32")),
        ({"memory_limit": 2**40}, ("torch", "fp32")),
        ({"precision": "fp32"}, ("torch", "fp32")),
        ({"engine": "torch"}, ("torch", "fp32")),
    ],
)
def test_auto_takes_openvino_in_bf16_for_small_pictures_only(settings: dict, expected, tiny_weights: Path) -> None:
    prepared = prepare_method("gan", weights=tiny_weights, **{"precision": "auto", **settings})
    assert (getattr(prepared.weights, "engine", "torch"), prepared.weights.precision) == expected
    assert prepared.provenance.get("engine", "torch") == expected[0]
    assert prepared.provenance.get("precision", "fp32") == expected[1]


@pytest.mark.usefixtures("openvino_with_bf16")
def test_openvino_is_left_where_a_cuda_device_may_be(tiny_weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: "/usr/bin/nvidia-smi")
    assert isinstance(prepare_method("gan", weights=tiny_weights, precision="auto").weights, LoadedWeights)


@pytest.mark.usefixtures("openvino_with_bf16")
def test_weights_that_bear_bf16_with_torch_alone_go_there_and_with_neither_stay_in_fp32(
    tiny_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clearfundus.methods.engine.MOST_DIFFERENCE", 0)
    found = prepare_method("gan", weights=tiny_weights, precision="auto").weights
    assert isinstance(found, EngineWeights)
    assert (found.engine, found.precision) == ("openvino", "fp32")
    monkeypatch.setattr("clearfundus.networks.device.has_bf16", lambda device: True)
    found = prepare_method("gan", weights=tiny_weights, precision="auto").weights
    assert isinstance(found, LoadedWeights)
    assert found.precision == "bf16"
    with pytest.raises(SettingsError, match="precision bf16: with these weights found a difference of"):
        load_model(tiny_weights, engine="openvino", precision="bf16")


SHIPPED_ENHANCERS = [name for name, weights in shipped_weights().items() if "enhancer" in weights.files]


@pytest.mark.parametrize("name", SHIPPED_ENHANCERS)
def test_every_shipped_enhancer_bears_bf16_with_openvino(name: str) -> None:
    pytest.importorskip("openvino")
    if not has_bf16():
        pytest.skip("OpenVINO finds no bf16 in this processor")
    assert load_model(name, engine="openvino", precision="bf16").precision == "bf16"  # or it is refused


def test_named_bf16_is_refused_where_openvino_finds_none(tiny_weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clearfundus.engines.openvino_runtime.has_bf16", lambda: False)
    with pytest.raises(DeviceError, match="OpenVINO finds no bf16"):
        load_model(tiny_weights, engine="openvino", precision="bf16")
