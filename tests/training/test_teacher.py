from pathlib import Path

import pytest
import torch

from clearfundus import SettingsError, WeightsError, load_weights
from clearfundus.networks.generator import Generator, GeneratorSettings
from clearfundus.networks.weights import save_weights
from clearfundus.training.batches import Batches, Photographs
from clearfundus.training.config import RunSettings
from clearfundus.training.data import Specimen, read_specimens
from clearfundus.training.distributed import Ranks
from clearfundus.training.losses import simulated_loss
from clearfundus.training.reading import settings_from
from clearfundus.training.run import Sources, train
from clearfundus.training.state import Trainer, new_state
from clearfundus.training.teacher import load_teacher
from drawn import blur_fundus
from tiny_run import draw_sources, random_batch, tiny_settings, tiny_table, write_photographs

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def teacher_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with torch.random.fork_rng():
        torch.manual_seed(8)
        network = Generator(GeneratorSettings(width=4, blocks=1))
    path = tmp_path_factory.mktemp("teacher") / "teacher.safetensors"
    save_weights(network, path, name="teacher", diameter=96)
    return path


def settings_with(teacher: Path, **simulated: object) -> RunSettings:
    return tiny_settings(simulated={"steps": 2, "teacher": str(teacher), **simulated})


def test_the_student_learns_what_the_teacher_does_and_not_the_truth(teacher_file: Path) -> None:
    settings = settings_with(teacher_file)
    trainer, batch = Trainer(new_state(settings, CPU), settings, CPU, Ranks()), random_batch(0, pairs=2)
    with torch.no_grad():
        wanted = load_weights(teacher_file).network(batch.degraded)
        made = trainer.state.translator.enhancer(batch.degraded)
    terms = trainer.advance(batch)
    assert float(terms["simulated"]) == pytest.approx(float(simulated_loss(made, wanted, 2.0, 1)), rel=1e-5)
    assert float(terms["simulated"]) != pytest.approx(float(simulated_loss(made, batch.truth, 2.0, 1)), rel=1e-3)


def test_a_teacher_that_is_not_there_is_refused_before_a_folder_is_claimed(tmp_path: Path) -> None:
    sources, folder = draw_sources(tmp_path, count=2), tmp_path / "run"
    with pytest.raises(WeightsError, match="no such weights file"):
        list(train(settings_with(tmp_path / "none.safetensors"), sources, folder, "cpu"))
    assert not folder.exists()


def test_the_teacher_itself_does_not_learn(teacher_file: Path) -> None:
    settings = settings_with(teacher_file)
    trainer = Trainer(new_state(settings, CPU), settings, CPU, Ranks())
    before = [value.clone() for value in trainer.teacher.network.parameters()]
    trainer.advance(random_batch(0, pairs=2))
    assert all(torch.equal(*both) for both in zip(before, trainer.teacher.network.parameters(), strict=True))


def test_blurry_photographs_stand_beside_the_pairs(teacher_file: Path, tmp_path: Path) -> None:
    write_photographs(tmp_path / "blurry", 1, blur=blur_fundus)
    write_photographs(tmp_path / "clear", 1)
    settings = settings_with(teacher_file, real=3)
    sides = [
        [one for one in read_specimens([tmp_path / side / "00.png"], settings.data) if isinstance(one, Specimen)]
        for side in ("blurry", "clear")
    ]
    batches = Batches(Photographs(blurry=sides[0], clear=sides[1]), settings, Ranks(), CPU)
    batch = batches.at(0)
    batches.close()
    assert len(batch.degraded) == settings.simulated.batch + 3
    assert torch.equal(batch.degraded[-3:], batch.truth[-3:])  # until the teacher says what it makes of them
    assert not torch.equal(batch.degraded[0], batch.truth[0])


def test_the_weights_say_who_taught_them(teacher_file: Path, tmp_path: Path) -> None:
    write_photographs(tmp_path / "blurry", 2, blur=blur_fundus)
    write_photographs(tmp_path / "clear", 2)
    settings = settings_from(
        tiny_table(simulated={"steps": 1, "teacher": str(teacher_file)}, unpaired={"steps": 0}), "t"
    )
    list(train(settings, Sources(blurry=tmp_path / "blurry", clear=tmp_path / "clear"), tmp_path / "run", "cpu"))
    card = load_weights(tmp_path / "run" / "enhancer.safetensors").card
    assert card["teacher"] == f"teacher {load_weights(teacher_file).sha256}"


def test_a_teacher_of_another_scale_is_refused(teacher_file: Path) -> None:
    with pytest.raises(SettingsError, match=r"teacher teacher: found diameter and surround \(96, 'fill'\)"):
        load_teacher(tiny_settings(data={"diameter": 128}, simulated={"teacher": str(teacher_file)}), CPU)


def test_blurry_photographs_without_a_teacher_are_refused() -> None:
    with pytest.raises(SettingsError, match="real: found 2 without teacher"):
        tiny_settings(simulated={"real": 2})
