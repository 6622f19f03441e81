import numpy as np
import pytest
import torch

from clearfundus import WeightsError
from clearfundus.engines import onnx_runtime, openvino_runtime
from clearfundus.engines.exported import Exported
from clearfundus.engines.graph import build_graph
from clearfundus.networks.generator import Generator, GeneratorSettings
from clearfundus.pretrained.reading import Arrays

TOLERANCE = 1e-4
"""In [-1, 1]; 2e-5 is met here with instance norm, and a hundred times as much would be one step of 8 bit."""
SHAPES = [
    GeneratorSettings(width=4, blocks=1),
    GeneratorSettings(width=6, blocks=2, upsample="resize"),
    GeneratorSettings(width=4, blocks=2, skip=True),
    GeneratorSettings(width=4, blocks=1, norm="none", upsample="resize"),
    GeneratorSettings(width=4, blocks=3, skip=True, gain=True, norm="none"),
    GeneratorSettings(width=8, blocks=1, skip=True, gain=True, upsample="resize"),
    GeneratorSettings(width=4, blocks=2, skip=True, gain=True, norm="none", upsample="resize", leak=0.1),
]


def network_of(settings: GeneratorSettings, dtype: torch.dtype = torch.float16) -> tuple[Generator, Arrays]:
    """Return a generator with biases and a head that show, and its weights as a file keeps them."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        network = Generator(settings).eval()
        for name, parameter in network.named_parameters():
            if name.endswith("bias") or name.startswith("head"):
                torch.nn.init.normal_(parameter, std=0.1)
    arrays = {name: value.detach().to(dtype).numpy() for name, value in network.state_dict().items()}
    network.load_state_dict({name: torch.from_numpy(array).float() for name, array in arrays.items()})
    return network, arrays


def as_exported(settings: GeneratorSettings, arrays: Arrays) -> Exported:
    return Exported(format="onnx", model=build_graph(settings, arrays).SerializeToString(), description={})


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(5).uniform(-1, 1, (1, 3, height, width)).astype(np.float32)


@pytest.mark.parametrize("settings", SHAPES, ids=str)
def test_the_graph_computes_what_torch_does(settings: GeneratorSettings) -> None:
    network, arrays = network_of(settings)
    run = onnx_runtime.start(as_exported(settings, arrays))
    for height, width in ((32, 48), (52, 8)):
        picture = noise(height, width)
        with torch.inference_mode():
            expected = network(torch.from_numpy(picture)).numpy()
        assert expected.std() > 0.1  # else anything would do
        assert np.abs(run(picture) - expected).max() < TOLERANCE


@pytest.mark.parametrize("settings", [SHAPES[0], SHAPES[5], SHAPES[6]], ids=str)
def test_openvino_computes_what_torch_does(settings: GeneratorSettings) -> None:
    network, arrays = network_of(settings)
    exported = as_exported(settings, arrays)
    picture = noise(36, 20)
    with torch.inference_mode():
        expected = network(torch.from_numpy(picture)).numpy()
    assert np.abs(openvino_runtime.start(exported)(picture) - expected).max() < TOLERANCE
    own = openvino_runtime.export_openvino(exported)
    assert np.abs(openvino_runtime.start(own)(picture) - expected).max() < TOLERANCE


def test_weights_in_fp32_stay_in_fp32() -> None:
    network, arrays = network_of(SHAPES[2], torch.float32)
    picture = noise(16, 16)
    with torch.inference_mode():
        expected = network(torch.from_numpy(picture)).numpy()
    assert np.abs(onnx_runtime.start(as_exported(SHAPES[2], arrays))(picture) - expected).max() < TOLERANCE


def test_the_graph_is_valid_onnx_with_dynamic_height_and_width() -> None:
    import onnx

    model = build_graph(SHAPES[4], network_of(SHAPES[4])[1])
    onnx.checker.check_model(model, full_check=True)
    for value in (model.graph.input[0], model.graph.output[0]):
        sides = value.type.tensor_type.shape.dim
        assert [side.dim_param or side.dim_value for side in sides] == ["batch", 3, "height", "width"]


def test_the_same_weights_make_the_same_bytes() -> None:
    arrays = network_of(SHAPES[4])[1]
    first, second = (build_graph(SHAPES[4], arrays).SerializeToString() for _ in range(2))
    assert first == second


def test_weights_of_another_shape_are_refused() -> None:
    arrays = network_of(SHAPES[4])[1]
    head = np.zeros((3, 4, 7, 7), np.float16)
    with pytest.raises(WeightsError, match=r"head.weight: found one of shape \(3, 4, 7, 7\), expected shape \(6, 4"):
        build_graph(SHAPES[4], {**arrays, "head.weight": head})
    with pytest.raises(WeightsError, match=r"it has no extra.weight"):
        build_graph(SHAPES[4], {**arrays, "extra.weight": head})
    del arrays["down.0.bias"]
    with pytest.raises(WeightsError, match=r"down.0.bias: found none, expected shape \(8,\)"):
        build_graph(SHAPES[4], arrays)


def test_openvino_in_bf16_adds_no_bands_to_a_smooth_picture() -> None:
    settings = GeneratorSettings(width=4, blocks=1, skip=True, gain=True, norm="none")
    arrays = network_of(settings)[1]
    arrays["head.weight"] = arrays["head.weight"] * np.float16(0.1)
    exported = as_exported(settings, arrays)
    smooth = np.linspace(-0.6, 0.6, 64 * 64, dtype=np.float32).reshape(1, 1, 64, 64).repeat(3, axis=1)
    full, reduced = (openvino_runtime.start(exported, bf16=bf16)(smooth) for bf16 in (False, True))
    levels = [len(np.unique(np.rint(127.5 * output))) for output in (full, reduced)]
    assert levels[0] > 100
    assert abs(levels[0] - levels[1]) <= 3  # a picture summed in bf16 has steps of one to two levels above 0.25
    assert len(np.unique(reduced)) > 0.9 * len(np.unique(full))  # in bf16 there would be but a few hundred values
