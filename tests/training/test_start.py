import shutil
from pathlib import Path

import pytest
import torch

from clearfundus import SettingsError, WeightsError, load_weights
from clearfundus.training.claim import SETTINGS_FILE
from clearfundus.training.config import RunSettings
from clearfundus.training.run import Sources, train
from clearfundus.training.start import load_start
from clearfundus.training.state import new_state
from clearfundus.training.step import Translator
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


def beginning(start: Path) -> RunSettings:
    return tiny_settings(start=str(start), unpaired={"steps": 2}, every={"checkpoint": 1})


@pytest.mark.parametrize("role", ["enhancer", "blurrer"])
def test_a_run_begins_with_the_generators_of_another(finished: Path, role: str) -> None:
    settings = beginning(finished)
    state = new_state(settings, CPU, load_start(settings))
    saved = load_weights(finished / f"{role}.safetensors", role=role).network.state_dict()
    for network in (state.translator, state.average):
        found = getattr(network, role).state_dict()
        assert all(torch.equal(found[key], value) for key, value in saved.items())


def test_without_a_start_the_weights_are_those_of_the_seed(finished: Path) -> None:
    settings = tiny_settings()
    with torch.random.fork_rng():
        torch.manual_seed(settings.seed)
        drawn = Translator(settings)
    plain, begun = (
        new_state(settings, CPU, load_start(settings)),
        new_state(settings, CPU, load_start(beginning(finished))),
    )
    assert all(torch.equal(*both) for both in zip(plain.translator.parameters(), drawn.parameters(), strict=True))
    # the discriminators begin anew, from the same seed
    assert all(torch.equal(*both) for both in zip(plain.judges.parameters(), begun.judges.parameters(), strict=True))


def test_the_weights_say_what_they_began_with(finished: Path, sources: Sources, tmp_path: Path) -> None:
    list(train(beginning(finished), sources, tmp_path / "second", "cpu"))
    card = load_weights(tmp_path / "second" / "enhancer.safetensors").card
    assert card["start"] == f"tiny {load_weights(finished / 'enhancer.safetensors').sha256}"
    assert "start" not in load_weights(finished / "enhancer.safetensors").card


def test_a_resumed_run_needs_its_start_no_more_and_still_names_it(
    finished: Path, sources: Sources, tmp_path: Path
) -> None:
    start = tmp_path / "start"
    shutil.copytree(finished, start)
    for event in train(beginning(start), sources, tmp_path / "run", "cpu"):
        if event.kind == "checkpoint":
            break
    shutil.rmtree(start)
    kinds = [event.kind for event in train(beginning(start), sources, tmp_path / "run", "cpu")]
    assert "resumed" in kinds
    card = load_weights(tmp_path / "run" / "enhancer.safetensors").card
    assert card["start"] == f"tiny {load_weights(finished / 'enhancer.safetensors').sha256}"


def test_a_shipped_name_goes_before_a_folder_called_the_same(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(finished, tmp_path / "paper-skip")
    monkeypatch.chdir(tmp_path)
    shipped = {"width": 32, "blocks": 6, "upsample": "resize", "skip": True}
    settings = tiny_settings(start="paper-skip", generator=shipped, data={"diameter": 512})
    assert {role: one.name for role, one in load_start(settings).items()} == {
        "enhancer": "paper-skip",
        "blurrer": "paper-skip",
    }


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
        load_start(tiny_settings(start=str(finished), **over))


@pytest.mark.parametrize("start", ["no-such", "wnet"])
def test_what_is_neither_a_run_nor_shipped_is_refused_before_a_folder_is_claimed(
    start: str, sources: Sources, tmp_path: Path
) -> None:
    with pytest.raises(
        SettingsError, match=f"start: found '{start}', expected the folder of a run or one of: .*paper-skip"
    ):
        list(train(tiny_settings(start=start), sources, tmp_path / "run", "cpu"))
    assert not (tmp_path / "run" / SETTINGS_FILE).exists()


def test_a_folder_without_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"enhancer\.safetensors"):
        load_start(tiny_settings(start=str(tmp_path)))
