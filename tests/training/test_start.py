from pathlib import Path

import pytest
import torch

from clearfundus import SettingsError, WeightsError, load_weights
from clearfundus.training.run import Sources, train
from clearfundus.training.state import new_state
from drawn import blur_fundus
from tiny_run import tiny_settings, write_photographs

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Sources:
    folder = tmp_path_factory.mktemp("photographs")
    write_photographs(folder / "blurry", 2, blur=blur_fundus)
    write_photographs(folder / "clear", 2)
    return Sources(blurry=folder / "blurry", clear=folder / "clear")


@pytest.fixture(scope="module")
def finished(sources: Sources, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "first"
    list(train(tiny_settings(unpaired={"steps": 1}), sources, folder, "cpu"))
    return folder


@pytest.mark.parametrize("role", ["enhancer", "blurrer"])
def test_a_run_begins_with_the_generators_of_another(finished: Path, role: str) -> None:
    state = new_state(tiny_settings(start=str(finished)), CPU)
    saved = load_weights(finished / f"{role}.safetensors", role=role).network.state_dict()
    for network in (state.translator, state.average):
        found = getattr(network, role).state_dict()
        assert all(torch.equal(found[key], value) for key, value in saved.items())


def test_without_a_start_the_weights_are_those_of_the_seed(finished: Path) -> None:
    plain, begun = (new_state(tiny_settings(start=start), CPU) for start in ("", str(finished)))
    differ = [
        not torch.equal(*both)
        for both in zip(plain.translator.parameters(), begun.translator.parameters(), strict=True)
    ]
    assert any(differ)
    same = zip(plain.judges.parameters(), begun.judges.parameters(), strict=True)
    assert all(torch.equal(*both) for both in same)  # the discriminators begin anew, from the same seed


def test_the_weights_say_what_they_began_with(finished: Path, sources: Sources, tmp_path: Path) -> None:
    list(train(tiny_settings(start=str(finished), unpaired={"steps": 1}), sources, tmp_path / "second", "cpu"))
    card = load_weights(tmp_path / "second" / "enhancer.safetensors").card
    assert card["start"] == f"tiny {load_weights(finished / 'enhancer.safetensors').sha256}"
    assert "start" not in load_weights(finished / "enhancer.safetensors").card


@pytest.mark.parametrize(
    ("over", "message"),
    [
        ({"generator": {"blocks": 2}}, r"enhancer: found generator .*blocks=1.*, expected the run's .*blocks=2"),
        ({"data": {"diameter": 100}}, r"enhancer: found diameter 96, expected the run's 100"),
        ({"data": {"surround": "black"}}, r"enhancer: found surround fill, expected the run's black"),
    ],
)
def test_weights_of_another_kind_are_refused(finished: Path, over: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        new_state(tiny_settings(start=str(finished), **over), CPU)


def test_weights_that_are_not_there_are_refused() -> None:
    with pytest.raises(WeightsError, match="no-such"):
        new_state(tiny_settings(start="no-such"), CPU)
