import dataclasses
import json
import pickle
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from clearfundus import WeightsError
from clearfundus.networks.generator import Generator, GeneratorSettings
from clearfundus.networks.weights import load_weights, save_weights
from clearfundus.networks.weights_file import hash_tensors
from clearfundus.pretrained.reading import hash_description

Metadata = dict[str, str]
Tensors = dict[str, torch.Tensor]


def seeded(**settings: object) -> Generator:
    with torch.random.fork_rng():
        torch.manual_seed(7)
        return Generator(GeneratorSettings(**{"width": 4, "blocks": 1, **settings}))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "enhancer.safetensors"
    save_weights(seeded(skip=True), path, name="tried", diameter=96, card={"steps": "5"})
    return path


def opened(path: Path) -> tuple[Metadata, Tensors]:
    with safe_open(path, framework="pt") as content:
        return content.metadata(), {name: content.get_tensor(name) for name in content.keys()}  # noqa: SIM118


def rewrite(path: Path, change: Callable[[Metadata, Tensors], object], rehash: bool = True) -> None:
    """Change a weights file; with `rehash` the hashes inside are set right again, as who forges a file would."""
    metadata, tensors = opened(path)
    change(metadata, tensors)
    if rehash:
        metadata["sha256"] = hash_tensors(tensors)
        metadata["description_sha256"] = hash_description(metadata)
    save_file(tensors, path, metadata)


def test_what_was_saved_is_loaded_in_fp16(file: Path) -> None:
    saved, loaded = seeded(skip=True), load_weights(file)
    for name, value in saved.state_dict().items():
        found = loaded.network.state_dict()[name]
        assert found.dtype == torch.float32
        assert torch.equal(found, value.half().float())
        assert (found - value).abs().max() <= 2**-11 * value.abs().max()  # fp16 rounds to 11 significant bits
    assert (loaded.name, loaded.role, loaded.diameter, loaded.surround) == ("tried", "enhancer", 96, "fill")
    assert loaded.card == {"surround": "fill", "steps": "5"}
    assert "not a medical device" in loaded.terms
    assert loaded.network.settings == GeneratorSettings(width=4, blocks=1, skip=True)
    assert not loaded.network.training


def test_the_card_says_by_what_the_uneven_part_of_a_change_is_damped(file: Path) -> None:
    assert load_weights(file).uneven_error == 0  # nothing, where it does not say
    save_weights(seeded(skip=True), file, name="tried", card={"uneven_error": "0.015"})
    assert load_weights(file).uneven_error == 0.015


def test_the_default_weights_ask_for_it() -> None:
    assert load_weights().uneven_error == 0.02  # docs/decisions/0019


@pytest.mark.parametrize("said", ["-0.1", "1.5", "nan", "much"])
def test_no_other_damping_than_a_number_from_0_to_1_is_taken(said: str, file: Path) -> None:
    save_weights(seeded(skip=True), file, name="tried", card={"uneven_error": said})
    with pytest.raises(WeightsError, match=f"description is incomplete or damaged .*{said}"):
        load_weights(file)


def test_the_file_is_fp16_and_hardly_larger_than_its_numbers(file: Path) -> None:
    count = sum(value.numel() for value in seeded().state_dict().values())
    assert 2 * count < file.stat().st_size < 2 * count + 4096


def test_the_loaded_network_gives_the_saved_ones_picture(file: Path) -> None:
    picture = torch.rand((1, 3, 16, 16), generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.no_grad():
        change = load_weights(file).network(picture) - seeded(skip=True)(picture)
    assert change.abs().max() < 2e-3  # what rounding to fp16 leaves


def test_loading_leaves_the_callers_random_state_alone(file: Path) -> None:
    before = torch.random.get_rng_state()
    load_weights(file)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_the_hash_is_of_the_weights_and_not_of_the_file(tmp_path: Path) -> None:
    paths = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    digests = [
        save_weights(seeded(), paths[0], name="short"),
        save_weights(seeded(), paths[1], name="another name", diameter=100, card={"much": "more"}),
    ]
    assert digests[0] == digests[1] == load_weights(paths[0]).sha256 == load_weights(paths[1]).sha256
    _, tensors = opened(paths[0])
    assert hash_tensors(dict(reversed(tensors.items()))) == digests[0]


def test_the_hash_sees_values_names_types_and_shapes() -> None:
    tensor = torch.arange(6, dtype=torch.float16)
    others = [
        {"a": tensor},
        {"b": tensor},
        {"a": tensor.view(2, 3)},
        {"a": tensor.view(torch.int16)},
        {"a": tensor + 1},
        {"a": tensor[:3], "b": tensor[3:]},
    ]
    assert len({hash_tensors(one) for one in others}) == len(others)


def test_an_old_file_is_replaced(file: Path) -> None:
    save_weights(seeded(skip=False), file, name="newer")
    assert load_weights(file).name == "newer"
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 70000.0])  # fp16 ends at 65504
def test_weights_that_fp16_cannot_hold_are_not_saved(value: float, tmp_path: Path) -> None:
    network = seeded()
    with torch.no_grad():
        network.head.weight[0, 0, 0, 0] = value
    with pytest.raises(WeightsError, match="not finite, as they would be stored; nothing was written"):
        save_weights(network, tmp_path / "bad.safetensors", name="bad")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_file_is_refused_and_shipped_names_are_told(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"absent\.safetensors: no such weights file, nor a shipped name; shipped: "):
        load_weights(tmp_path / "absent.safetensors")


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="found a folder, expected a weights file"):
        load_weights(tmp_path)


def test_the_other_role_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "blurrer.safetensors"
    save_weights(seeded(), path, name="tried", role="blurrer")
    assert load_weights(path, role="blurrer").role == "blurrer"
    with pytest.raises(WeightsError, match="holds a 'blurrer', expected a 'enhancer'"):
        load_weights(path)


@pytest.mark.parametrize("kept", [0, 4, 100, 5000, -1])
def test_a_truncated_file_is_refused(kept: int, file: Path) -> None:
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(WeightsError, match=r"no readable safetensors file .*get it again"):
        load_weights(file)


def test_any_flipped_byte_of_the_tensors_is_found(file: Path) -> None:
    whole = file.read_bytes()
    header = 8 + int.from_bytes(whole[:8], "little")
    for place in {header, (header + len(whole)) // 2, len(whole) - 1}:
        changed = bytearray(whole)
        changed[place] ^= 1
        file.write_bytes(changed)
        with pytest.raises(WeightsError, match="its tensors do not match the hash inside: the file was altered"):
            load_weights(file)


def test_a_flipped_hash_is_found(file: Path) -> None:
    def flip(metadata: Metadata, _: Tensors) -> None:
        metadata["sha256"] = ("1" if metadata["sha256"][0] == "0" else "0") + metadata["sha256"][1:]

    rewrite(file, flip, rehash=False)
    with pytest.raises(WeightsError, match="do not match the hash inside"):
        load_weights(file)


@pytest.mark.parametrize(
    ("key", "old", "new"),
    [
        ("diameter", "96", "95"),
        ("name", "tried", "tries"),
        ("terms", "Research", "research"),
        # the tensors of both fit; only the picture would be wrong
        ("generator", '"skip": true', '"skip": false'),
        ("card", '"fill"', '"full"'),
    ],
)
def test_an_altered_description_is_found(key: str, old: str, new: str, file: Path) -> None:
    def alter(metadata: Metadata, _: Tensors) -> None:
        assert old in metadata[key]
        metadata[key] = metadata[key].replace(old, new)

    rewrite(file, alter, rehash=False)
    with pytest.raises(WeightsError, match="its description does not match the hash inside: the file was altered"):
        load_weights(file)


def test_no_flipped_byte_of_the_header_loads_as_something_else_or_escapes_as_another_error(file: Path) -> None:
    whole, good = file.read_bytes(), load_weights(file)
    expected = dataclasses.asdict(dataclasses.replace(good, network=None))
    length = int.from_bytes(whole[:8], "little")
    for place in range(0, 8 + length, 7):  # every seventh: enough to hit each part of the header
        changed = bytearray(whole)
        changed[place] ^= 1
        file.write_bytes(changed)
        try:
            loaded = load_weights(file)
        except WeightsError:
            continue
        # spaces that pad the header mean nothing
        assert dataclasses.asdict(dataclasses.replace(loaded, network=None)) == expected
        assert loaded.network.settings == good.network.settings


def test_a_file_without_the_hash_of_its_description_is_refused(file: Path) -> None:
    rewrite(file, lambda metadata, _: metadata.pop("description_sha256"), rehash=False)
    with pytest.raises(WeightsError, match="its description does not match the hash inside"):
        load_weights(file)


@pytest.mark.parametrize(
    "settings",
    [
        {"width": 8, "blocks": 1},
        {"width": 4, "blocks": 2},
        {"width": 4, "blocks": 1, "upsample": "resize"},
        {"width": 4, "blocks": 1, "depth": 3},
        {"width": 4, "blocks": 1, "gain": True},
        {"width": 4, "blocks": 1, "skip": True, "gain": True},
        {"width": "4", "blocks": 1},
        {"width": -4, "blocks": 1},
        [4, 1],
    ],
)
def test_another_architecture_than_the_tensors_is_refused(settings: object, file: Path) -> None:
    rewrite(file, lambda metadata, _: metadata.update(generator=json.dumps(settings)))
    with pytest.raises(WeightsError, match="its tensors do not fit the architecture it names"):
        load_weights(file)


def test_a_missing_and_a_superfluous_tensor_are_named(file: Path) -> None:
    def change(_: Metadata, tensors: Tensors) -> None:
        tensors["tail.bias"] = tensors.pop("head.bias")

    rewrite(file, change)
    with pytest.raises(WeightsError, match=re.compile(r"head\.bias.*tail\.bias", re.DOTALL)):
        load_weights(file)


@pytest.mark.parametrize("key", ["name", "diameter", "terms", "card"])
def test_a_description_that_lacks_something_is_refused(key: str, file: Path) -> None:
    rewrite(file, lambda metadata, _: metadata.pop(key))
    with pytest.raises(WeightsError, match=f"description is incomplete or damaged .*{key}"):
        load_weights(file)


@pytest.mark.parametrize(("key", "value"), [("diameter", "wide"), ("card", "{"), ("card", "[]"), ("card", "{}")])
def test_a_description_that_makes_no_sense_is_refused(key: str, value: str, file: Path) -> None:
    rewrite(file, lambda metadata, _: metadata.update({key: value}))
    with pytest.raises(WeightsError, match="description is incomplete or damaged"):
        load_weights(file)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(value: float, file: Path) -> None:
    rewrite(file, lambda _, tensors: tensors["head.bias"].fill_(value))
    with pytest.raises(WeightsError, match="holds values that are not finite"):
        load_weights(file)


def test_another_safetensors_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    save_file({"weight": torch.zeros(3)}, path)
    with pytest.raises(WeightsError, match="found format None, expected 'clearfundus-weights-1': not a weights file"):
        load_weights(path)
    save_file({"weight": torch.zeros(3)}, path, {"format": "pt"})
    with pytest.raises(WeightsError, match="found format 'pt'"):
        load_weights(path)


class Trap:
    """Writes a file when a pickle of it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


def test_a_pickle_is_refused_and_never_run(tmp_path: Path) -> None:
    sprung = tmp_path / "sprung"
    path = tmp_path / "weights.pth"
    path.write_bytes(pickle.dumps(Trap(sprung)))
    with pytest.raises(WeightsError, match="no readable safetensors file"):
        load_weights(path)
    torch.save(seeded().state_dict(), path)
    with pytest.raises(WeightsError, match="no readable safetensors file"):
        load_weights(path)
    assert not sprung.exists()


def test_the_network_goes_to_the_asked_device(file: Path) -> None:
    assert next(load_weights(file, device=torch.device("cpu")).network.parameters()).device.type == "cpu"
