import pytest
import torch

from clearfundus import DeviceError
from clearfundus.networks import device as devices
from clearfundus.networks.device import choose_device, has_bf16, place, use_bf16

CPU = torch.device("cpu")


def pretend_cuda(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)


@pytest.mark.parametrize(
    ("name", "there", "expected"),
    [
        ("auto", 0, "cpu"),
        ("auto", 2, "cuda:0"),
        ("cpu", 2, "cpu"),  # a named device is never replaced by another
        ("cuda", 1, "cuda:0"),
        ("cuda:1", 2, "cuda:1"),
    ],
)
def test_a_name_becomes_a_device(name: str, there: int, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_cuda(monkeypatch, there)
    assert choose_device(name) == torch.device(expected)


@pytest.mark.parametrize(("name", "there"), [("cuda:99", 0), ("cuda:99", 2), ("cuda", 0), ("cuda:2", 2)])
def test_a_named_device_that_is_not_there_is_refused(name: str, there: int, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_cuda(monkeypatch, there)
    with pytest.raises(DeviceError, match=f"{name}' is not here: found {there} CUDA devices"):
        choose_device(name)


@pytest.mark.parametrize("name", ["gpu", "", "cuda:", "cuda:x", "cuda:-1", "CPU", "cuda:0:1", "mps"])
def test_an_unknown_device_is_refused(name: str) -> None:
    with pytest.raises(DeviceError, match=r"is unknown; expected auto, cpu, cuda or cuda:N"):
        choose_device(name)


@pytest.mark.parametrize(
    ("precision", "there", "expected"), [("fp32", True, False), ("auto", True, True), ("auto", False, False)]
)
def test_precision_follows_the_device_unless_named(
    precision: str, there: bool, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "has_bf16", lambda _: there)
    assert use_bf16(precision, CPU) is expected


def test_bf16_by_name_is_used_where_it_is_and_refused_where_it_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "has_bf16", lambda _: True)
    assert use_bf16("bf16", CPU)
    monkeypatch.setattr(devices, "has_bf16", lambda _: False)
    with pytest.raises(DeviceError, match='cpu has no bf16 arithmetic; set precision = "fp32" or "auto"'):
        use_bf16("bf16", CPU)


@pytest.mark.parametrize("kind", ["avx512_bf16", "amx_bf16"])
def test_a_cpu_has_bf16_if_it_says_so(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {kind: True})
    assert has_bf16(CPU)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {kind: False})
    assert not has_bf16(CPU)


def test_a_cuda_device_is_asked_for_bf16_in_hardware(monkeypatch: pytest.MonkeyPatch) -> None:
    # emulated bf16 is slower than fp32, so it does not count
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: including_emulation)
    assert not has_bf16(torch.device("cuda", 0))


def test_a_placed_network_is_in_channels_last_layout() -> None:
    network = place(torch.nn.Conv2d(8, 16, 3), CPU)
    assert network.weight.is_contiguous(memory_format=torch.channels_last)
