import json
import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import pytest
import torch

from clearfundus import load_weights, read_photo
from clearfundus.errors import NonFiniteLossError, RunMismatchError, SettingsError, TrainingError
from clearfundus.training import run
from clearfundus.training.batches import Batches, Photographs
from clearfundus.training.checkpoint import list_checkpoints, load_checkpoint
from clearfundus.training.distributed import Ranks
from clearfundus.training.run import Event, Sources, train
from clearfundus.training.state import new_state
from tiny_run import draw_sources, tiny_settings

CPU = torch.device("cpu")
BOTH_STAGES = {"simulated": {"steps": 4, "blurrer_every": 2}, "unpaired": {"steps": 4}, "loss": {"simulated": 1}}


def finish(settings: Any, sources: Sources, folder: Path) -> list[Event]:
    return list(train(settings, sources, folder, "cpu"))


def of_kind(events: list[Event], kind: str) -> list[Event]:
    return [event for event in events if event.kind == kind]


def read_log(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def finished(sources: Sources, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Event]]:
    folder = tmp_path_factory.mktemp("runs") / "run"
    settings = tiny_settings(**BOTH_STAGES, every={"log": 2, "sample": 4, "validate": 5, "checkpoint": 3})
    return folder, finish(settings, sources, folder)


def test_a_run_tells_what_happens_and_when(finished: tuple[Path, list[Event]]) -> None:
    _, events = finished
    assert [event.step for event in of_kind(events, "reading")] == list(range(1, 11))
    assert {event.total for event in of_kind(events, "reading")} == {10}
    assert [event.step for event in of_kind(events, "training")] == [2, 4, 6, 8]
    assert [event.message for event in of_kind(events, "training")] == ["simulated"] * 2 + ["unpaired"] * 2
    assert [event.step for event in of_kind(events, "validation")] == [5, 8]
    assert [event.step for event in of_kind(events, "sample")] == [4, 8]
    assert [event.step for event in of_kind(events, "checkpoint")] == [3, 6, 8]
    assert events[-1].kind == "done"
    assert {event.total for event in events if event.kind != "reading"} == {8}


def test_training_events_hold_every_loss_term_and_the_speed(finished: tuple[Path, list[Event]]) -> None:
    first, *_, last = of_kind(finished[1], "training")
    assert set(first.values) == {"simulated", "seconds"}  # at iteration 1, counted from 0, the blurrer rests
    names = {"adversarial", "feature", "feature_norm", "image", "identity", "simulated", "judge_clear", "judge_blurry"}
    assert set(last.values) == names | {"seconds"}
    assert all(math.isfinite(value) for value in last.values.values())
    assert last.values["seconds"] > 0


def test_the_log_has_one_json_object_a_line(finished: tuple[Path, list[Event]]) -> None:
    folder, events = finished
    logged = [(line["kind"], line["step"]) for line in read_log(folder)]
    assert logged == [(event.kind, event.step) for event in events if event.kind in ("training", "validation")]
    assert read_log(folder)[0]["stage"] == "simulated"


def test_the_samples_are_sheets_of_six_tiles_a_row(finished: tuple[Path, list[Event]]) -> None:
    for event in of_kind(finished[1], "sample"):
        assert read_photo(event.message).pixels.shape == (256, 6 * 256, 3)  # one photograph of each side is held out


def test_two_checkpoints_remain(finished: tuple[Path, list[Event]]) -> None:
    assert [path.name for path in list_checkpoints(finished[0])] == ["00000006", "00000008"]


@pytest.mark.parametrize("role", ["enhancer", "blurrer"])
def test_the_weights_are_the_averaged_generators(role: Any, finished: tuple[Path, list[Event]]) -> None:
    folder, _ = finished
    loaded = load_weights(folder / f"{role}.safetensors", role=role)
    settings = tiny_settings(**BOTH_STAGES)
    state = new_state(settings, CPU)
    load_checkpoint(state, list_checkpoints(folder)[-1], Ranks())
    wanted = getattr(state.average, role).state_dict()
    assert all(torch.equal(value, wanted[name].half().float()) for name, value in loaded.network.state_dict().items())
    assert (loaded.name, loaded.diameter, loaded.surround) == ("tiny", 96, "fill")
    assert loaded.card["steps"] == "8"
    assert json.loads(loaded.card["settings"])["loss"]["simulated"] == 1


def test_no_process_leaves_before_the_weights_are_written(
    sources: Sources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # torchrun closes every process as soon as one fails, and one that left early can fail while the first still writes
    there: list[bool] = []
    weights = [tmp_path / "run" / f"{role}.safetensors" for role in ("enhancer", "blurrer")]
    monkeypatch.setattr(run, "wait_for_peers", lambda _: there.append(all(path.exists() for path in weights)))
    finish(tiny_settings(unpaired={"steps": 1}), sources, tmp_path / "run")
    assert there == [False, True]  # before the photographs are read, and at the end


def test_a_finished_run_started_again_changes_nothing(finished: tuple[Path, list[Event]], sources: Sources) -> None:
    folder, _ = finished
    before = load_weights(folder / "enhancer.safetensors").sha256, read_log(folder)
    settings = tiny_settings(**BOTH_STAGES, every={"log": 2, "sample": 4, "validate": 5, "checkpoint": 3})
    events = finish(settings, sources, folder)
    assert {event.kind for event in events} == {"reading", "resumed", "done"}
    assert (load_weights(folder / "enhancer.safetensors").sha256, read_log(folder)) == before


def test_the_same_run_in_another_folder_gives_the_same_weights(
    finished: tuple[Path, list[Event]], sources: Sources, tmp_path: Path
) -> None:
    settings = tiny_settings(**BOTH_STAGES, every={"validate": 7})  # watching changes nothing
    finish(settings, sources, tmp_path / "again")
    for role in ("enhancer", "blurrer"):
        one, other = (
            load_weights(folder / f"{role}.safetensors", role=role) for folder in (finished[0], tmp_path / "again")
        )
        assert one.sha256 == other.sha256


def test_the_stage_of_pairs_ends_in_the_same_weights_whatever_follows(sources: Sources, tmp_path: Path) -> None:
    # configs/strong.toml and decision 0012 rest on it
    pairs, every = {"steps": 3, "blurrer_every": 2}, {"validate": 3}
    finish(tiny_settings(simulated=pairs, unpaired={"steps": 0}, every=every), sources, tmp_path / "alone")
    finish(tiny_settings(simulated=pairs, unpaired={"steps": 2}, every=every), sources, tmp_path / "both")
    files = tmp_path / "alone" / "enhancer.safetensors", tmp_path / "both" / "snapshots/00000003/enhancer.safetensors"
    alone, snapshot, end = (load_weights(file).sha256 for file in (*files, tmp_path / "both" / "enhancer.safetensors"))
    assert alone == snapshot != end


def test_a_run_folder_of_other_settings_is_refused_with_the_difference(
    finished: tuple[Path, list[Event]], sources: Sources
) -> None:
    settings = tiny_settings(
        **{**BOTH_STAGES, "loss": {"simulated": 2}}, every={"log": 2, "sample": 4, "checkpoint": 3}
    )
    with pytest.raises(RunMismatchError) as caught:
        finish(settings, sources, finished[0])
    message = str(caught.value)
    assert "settings.loss.simulated: 1.0 -> 2.0" in message
    assert "settings.every.validate: 5 -> 1000" in message
    assert "loss.feature" not in message  # only what differs
    assert "name another folder" in message


def test_a_run_folder_of_other_photographs_is_refused(
    finished: tuple[Path, list[Event]], sources: Sources, tmp_path: Path
) -> None:
    shutil.copytree(sources.blurry, tmp_path / "blurry")
    shutil.copy(tmp_path / "blurry" / "00.png", tmp_path / "blurry" / "one_more.png")
    settings = tiny_settings(**BOTH_STAGES, every={"log": 2, "sample": 4, "validate": 5, "checkpoint": 3})
    with pytest.raises(RunMismatchError, match=r"\(photographs\.blurry: 1 added \('one_more\.png'\)\); resume"):
        finish(settings, Sources(blurry=tmp_path / "blurry", clear=sources.clear), finished[0])


def test_among_300_photographs_the_one_that_is_new_is_told(tmp_path: Path) -> None:
    for side in ("blurry", "clear"):
        (tmp_path / side).mkdir()
        for number in range(300):
            (tmp_path / side / f"{number:03d}.png").touch()
    sources = Sources(blurry=tmp_path / "blurry", clear=tmp_path / "clear")
    settings = tiny_settings()
    next(train(settings, sources, tmp_path / "run", "cpu"))  # far enough to claim the folder
    (tmp_path / "clear" / "new.png").touch()
    with pytest.raises(RunMismatchError, match=r"\(photographs\.clear: 1 added \('new\.png'\)\); resume"):
        finish(settings, sources, tmp_path / "run")


def test_a_run_folder_of_the_same_photographs_split_otherwise_is_refused(tmp_path: Path) -> None:
    sources = draw_sources(tmp_path, count=4)
    table = tmp_path / "eyes.csv"
    rows = [f"{side}/0{number}.png,{side} {number // 2}" for side in ("blurry", "clear") for number in range(4)]
    table.write_text("\n".join(["file,eye_group", *rows]))
    next(train(tiny_settings(), sources, tmp_path / "run", "cpu"))
    by_eye = Sources(blurry=sources.blurry, clear=sources.clear, groups=table)
    with pytest.raises(RunMismatchError, match=r"photographs\.clear\.held out: [12] added .*clear\.training: "):
        finish(tiny_settings(), by_eye, tmp_path / "run")


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"settings": {}, "photographs": {"blurry": {}}}'])
def test_a_run_folder_whose_settings_cannot_be_read_is_refused(content: str, sources: Sources, tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text(content)
    with pytest.raises(RunMismatchError, match=r"settings\.json: cannot be read"):
        finish(tiny_settings(), sources, tmp_path)


def test_a_run_from_before_there_were_some_settings_is_resumed_as_it_was(sources: Sources, tmp_path: Path) -> None:
    settings = tiny_settings(seed=7, unpaired={"steps": 2}, data={"split_seed": 7})
    finish(settings, sources, tmp_path)
    recorded = json.loads((tmp_path / "settings.json").read_text())
    del recorded["settings"]["data"]["split_seed"], recorded["settings"]["simulated"]["squares"]
    (tmp_path / "settings.json").write_text(json.dumps(recorded))
    events = finish(settings, sources, tmp_path)
    assert [event.kind for event in events if event.kind in ("resumed", "done")] == ["resumed", "done"]
    with pytest.raises(RunMismatchError, match=r"\(settings\.data\.split_seed: 7 -> 1[;)]"):
        finish(tiny_settings(seed=7, unpaired={"steps": 2}), sources, tmp_path)


def test_a_run_folder_among_the_photographs_is_refused(sources: Sources) -> None:
    with pytest.raises(SettingsError, match=r"run: lies within .*clear, whose photographs are trained on"):
        finish(tiny_settings(), sources, sources.clear / "run")
    assert not (sources.clear / "run").exists()


def test_samples_that_a_link_makes_photographs_are_refused(sources: Sources, tmp_path: Path) -> None:
    finish(tiny_settings(unpaired={"steps": 1}), sources, tmp_path / "run")
    linked = shutil.copytree(sources.clear, tmp_path / "linked")
    (linked / "link").symlink_to(tmp_path / "run")
    with pytest.raises(SettingsError, match=r"samples/00000001\.png, of the clear photographs: lies in the run folder"):
        finish(tiny_settings(unpaired={"steps": 1}), replace(sources, clear=linked), tmp_path / "run")


def test_a_file_in_place_of_the_run_folder_is_refused(sources: Sources, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TrainingError, match=r"file: cannot be made the run folder .*; name another one"):
        finish(tiny_settings(), sources, tmp_path / "file")


def test_photographs_that_cannot_be_used_are_left_out_and_the_rest_still_trains(tmp_path: Path) -> None:
    sources = draw_sources(tmp_path, count=5)
    (sources.blurry / "broken.png").write_bytes((sources.blurry / "00.png").read_bytes()[:500])
    (sources.clear / "text.jpg").write_text("not a picture")
    events = finish(tiny_settings(unpaired={"steps": 1}), sources, tmp_path / "run")
    left_out = of_kind(events, "left out")
    assert ["broken.png" in event.message or "text.jpg" in event.message for event in left_out] == [True, True]
    assert len(of_kind(events, "reading")) == 10
    assert events[-1].kind == "done"
    load_weights(tmp_path / "run" / "enhancer.safetensors")


def test_the_enhancer_says_by_what_its_uneven_change_is_damped(sources: Sources, tmp_path: Path) -> None:
    finish(tiny_settings(unpaired={"steps": 1}, uneven_error=0.02), sources, tmp_path / "run")
    assert load_weights(tmp_path / "run" / "enhancer.safetensors").uneven_error == 0.02
    assert load_weights(tmp_path / "run" / "blurrer.safetensors", role="blurrer").uneven_error == 0


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> tuple[list[Photographs], list[Photographs]]:
    """What a run trains on, and what it validates with."""
    seen: list[Photographs] = []

    class Watched(Batches):
        def __init__(self, photographs: Photographs, *rest: Any) -> None:
            seen.append(photographs)
            super().__init__(photographs, *rest)

    held: list[Photographs] = []
    monkeypatch.setattr(run, "Batches", Watched)
    monkeypatch.setattr(run, "validate", lambda _, held_out, __: held.append(held_out) or {})
    return seen, held


def test_of_the_clear_photographs_the_finest_are_trained_on(
    tmp_path: Path, watched: tuple[list[Photographs], list[Photographs]]
) -> None:
    sources = draw_sources(tmp_path, count=8)
    soft = {"01.png", "03.png"}
    for name in soft:
        cv2.imwrite(str(sources.clear / name), cv2.GaussianBlur(cv2.imread(str(sources.clear / name)), (0, 0), 2))
    seen, held = watched
    settings = tiny_settings(unpaired={"steps": 1}, data={"finest": 0.5, "validation": 0.25})
    finish(settings, sources, tmp_path / "run")
    names = json.loads((tmp_path / "run" / "settings.json").read_text())["photographs"]
    assert [one.name for one in seen[0].blurry] == names["blurry"]["training"]
    kept = [one.name for one in seen[0].clear]
    assert len(kept) == math.ceil(len(names["clear"]["training"]) / 2)
    assert set(kept) <= set(names["clear"]["training"]) - soft
    assert [one.name for one in held[0].clear] == names["clear"]["held out"]
    assert len(held[0].clear) == 2


def test_extra_photographs_are_all_trained_on_and_leave_the_held_out_ones_as_they_were(
    tmp_path: Path, watched: tuple[list[Photographs], list[Photographs]]
) -> None:
    sources = draw_sources(tmp_path, count=8)
    extra = tmp_path / "extra"
    extra.mkdir()
    for name in ("00.png", "01.png"):
        soft = cv2.GaussianBlur(cv2.imread(str(sources.clear / name)), (0, 0), 2)
        cv2.imwrite(str(extra / f"other_{name}"), soft)  # too soft to be among the finest
    seen, held = watched
    settings = tiny_settings(
        unpaired={"steps": 1}, data={"finest": 0.5, "validation": 0.25, "extra_times": 2, "extra_diameter": 120}
    )
    without = tiny_settings(unpaired={"steps": 1}, data={"finest": 0.5, "validation": 0.25})
    finish(without, sources, tmp_path / "without")
    with_extra = replace(sources, extra=extra)
    finish(settings, with_extra, tmp_path / "with")
    names = [[one.name for one in photographs.clear] for photographs in seen]
    assert names[1] == names[0] + ["other_00.png", "other_01.png"] * 2
    diameters = [round(2 * math.sqrt(one.mask.sum() / math.pi)) for one in seen[1].clear]
    assert diameters == pytest.approx([96] * len(names[0]) + [120] * 4, abs=2)
    assert [one.name for one in seen[1].blurry] == [one.name for one in seen[0].blurry]
    assert [one.name for one in held[1].clear] == [one.name for one in held[0].clear]
    finish(settings, with_extra, tmp_path / "with")
    (extra / "other_00.png").unlink()
    with pytest.raises(RunMismatchError, match="extra"):
        finish(settings, with_extra, tmp_path / "with")


def test_an_extra_photograph_that_another_folder_holds_is_refused(tmp_path: Path) -> None:
    sources = draw_sources(tmp_path, count=3)
    extra = tmp_path / "extra"
    extra.mkdir()
    (extra / "eye.png").symlink_to(sources.clear / "01.png")
    with pytest.raises(SettingsError, match=r"eye\.png: its eye is found among the blurry or clear photographs"):
        finish(tiny_settings(), replace(sources, extra=extra), tmp_path / "run")


def test_another_photograph_of_an_eye_is_no_extra_one(tmp_path: Path) -> None:
    sources = draw_sources(tmp_path, count=3)
    (tmp_path / "extra").mkdir()
    shutil.copy(sources.clear / "01.png", tmp_path / "extra" / "other.png")
    table = tmp_path / "eyes.csv"
    rows = [f"{side}/0{number}.png,{side} {number}" for side in ("blurry", "clear") for number in range(3)]
    table.write_text("\n".join(["file,eye_group", *rows, "extra/other.png,clear 1"]))
    with pytest.raises(SettingsError, match=r"other\.png: its eye is found"):
        finish(tiny_settings(), replace(sources, groups=table, extra=tmp_path / "extra"), tmp_path / "run")


def test_extra_photographs_that_are_asked_for_and_missing_are_missed(tmp_path: Path) -> None:
    sources = draw_sources(tmp_path, count=3)
    with pytest.raises(SettingsError, match=r"data\.extra_times: found 2 without extra photographs"):
        finish(tiny_settings(data={"extra_times": 2}), sources, tmp_path / "run")
    (tmp_path / "extra").mkdir()
    (tmp_path / "extra" / "empty.png").touch()
    with pytest.raises(TrainingError, match="of the extra photographs none is usable"):
        finish(tiny_settings(), replace(sources, extra=tmp_path / "extra"), tmp_path / "run")


def test_too_few_usable_photographs_are_refused_with_their_number(tmp_path: Path) -> None:
    sources = draw_sources(tmp_path, count=2)
    (sources.clear / "00.png").write_bytes(b"")
    with pytest.raises(TrainingError, match=r"the clear side has [01] usable photographs to train on and [01] "):
        finish(tiny_settings(), sources, tmp_path / "run")


def test_a_table_of_eyes_decides_what_is_held_out(tmp_path: Path) -> None:
    sources = draw_sources(tmp_path, count=4)
    table = tmp_path / "eyes.csv"
    rows = [f"{side}/0{number}.png,{side} {number // 2}" for side in ("blurry", "clear") for number in range(4)]
    table.write_text("\n".join(["file,eye_group", *rows]))
    finish(
        tiny_settings(unpaired={"steps": 1}),
        Sources(blurry=sources.blurry, clear=sources.clear, groups=table),
        tmp_path / "run",
    )
    photographs = json.loads((tmp_path / "run" / "settings.json").read_text())["photographs"]
    assert all(len(photographs[side]["held out"]) == 2 for side in ("blurry", "clear"))
    assert all(photographs[side]["held out"] in (["00.png", "01.png"], ["02.png", "03.png"]) for side in photographs)


def test_a_file_missing_in_the_table_of_eyes_stops_the_run_before_it_starts(sources: Sources, tmp_path: Path) -> None:
    table = tmp_path / "eyes.csv"
    table.write_text("file,eye_group\nblurry/00.png,e1\n")
    with pytest.raises(SettingsError, match="not named in the table of eyes"):
        finish(tiny_settings(), Sources(blurry=sources.blurry, clear=sources.clear, groups=table), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def all_finite(folder: Path) -> bool:
    state = new_state(tiny_settings(**BOTH_STAGES), CPU)
    load_checkpoint(state, list_checkpoints(folder)[-1], Ranks())
    tensors = [value for network in state.networks.values() for value in network.state_dict().values()]
    tensors += [
        value
        for one in state.optimizers.values()
        for entry in one.state_dict()["state"].values()
        for value in entry.values()
    ]
    return all(bool(torch.isfinite(value).all()) for value in (*tensors, *state.clear_pool, *state.blurry_pool))


def test_what_is_held_out_hangs_on_the_seed_of_the_split_and_not_on_the_runs(sources: Sources, tmp_path: Path) -> None:
    held = []
    for seed, split_seed in ((1, 1), (2, 1), (1, 3)):
        settings = tiny_settings(seed=seed, unpaired={"steps": 1}, data={"split_seed": split_seed})
        folder = tmp_path / f"{seed}_{split_seed}"
        finish(settings, sources, folder)
        photographs = json.loads((folder / "settings.json").read_text())["photographs"]
        held.append({side: parts["held out"] for side, parts in photographs.items()})
    assert held[0] == held[1]
    assert held[0] != held[2]


@pytest.mark.parametrize(
    "over",
    [
        {"simulated": {"steps": 8, "learning_rate": 1e37, "blurrer_every": 2}},
        {"simulated": {"steps": 0}, "unpaired": {"steps": 8, "learning_rate": 1e37}},
        {"simulated": {"steps": 0}, "unpaired": {"steps": 8, "discriminator_rate": 1e30}},
    ],
)
def test_a_rate_that_makes_losses_overflow_stops_the_run_at_a_finite_checkpoint(
    over: dict[str, Any], sources: Sources, tmp_path: Path
) -> None:
    settings = tiny_settings(**{**BOTH_STAGES, **over})
    with pytest.raises(
        NonFiniteLossError, match=r"iteration \d+: a (loss|gradient) is not finite .*lower the learning rate"
    ):
        finish(settings, sources, tmp_path / "run")
    (checkpoint,) = list_checkpoints(tmp_path / "run")
    state = new_state(settings, CPU)
    load_checkpoint(state, checkpoint, Ranks())
    assert int(checkpoint.name) == state.step < 8
    assert all_finite(tmp_path / "run")
    assert not (tmp_path / "run" / "enhancer.safetensors").exists()


@pytest.mark.parametrize("bad_step", [2, 6])
def test_the_first_loss_that_is_not_finite_leaves_the_state_before_it(
    bad_step: int, sources: Sources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = run.Batches.at

    def at(self: run.Batches, step: int) -> Any:
        batch = make(self, step)
        if step == bad_step:
            for pictures in (batch.truth, batch.clear):
                pictures[:] = float("inf")
        return batch

    settings = tiny_settings(**BOTH_STAGES)
    with monkeypatch.context() as patched:
        patched.setattr(run.Batches, "at", at)
        with pytest.raises(NonFiniteLossError, match=f"iteration {bad_step}: a loss is not finite"):
            finish(settings, sources, tmp_path / "run")
    assert [path.name for path in list_checkpoints(tmp_path / "run")] == [f"{bad_step:08d}"]
    assert all_finite(tmp_path / "run")
    # and that checkpoint is as good as any: once the cause is gone, the run ends as if nothing had happened
    finish(settings, sources, tmp_path / "run")
    finish(settings, sources, tmp_path / "straight")
    one, other = (load_weights(tmp_path / name / "enhancer.safetensors").sha256 for name in ("run", "straight"))
    assert one == other


def test_who_stops_listening_stops_the_run_and_it_can_be_resumed(sources: Sources, tmp_path: Path) -> None:
    settings = tiny_settings(**BOTH_STAGES, every={"checkpoint": 2})
    events = train(settings, sources, tmp_path / "run", "cpu")
    for event in events:
        if event.kind == "training" and event.step == 5:
            break
    events.close()
    assert [path.name for path in list_checkpoints(tmp_path / "run")] == ["00000002", "00000004"]
    resumed = finish(settings, sources, tmp_path / "run")
    assert of_kind(resumed, "resumed")[0].step == 4
    assert [line["step"] for line in read_log(tmp_path / "run") if line["kind"] == "training"] == list(range(1, 9))


def test_a_line_of_the_log_that_the_kill_cut_off_is_taken_out(sources: Sources, tmp_path: Path) -> None:
    settings = tiny_settings(**BOTH_STAGES, every={"checkpoint": 2})
    events = train(settings, sources, tmp_path / "run", "cpu")
    next(event for event in events if event.kind == "training" and event.step == 3)
    events.close()
    with (tmp_path / "run" / "log.jsonl").open("a") as file:
        file.write('{"kind": "trai')
    finish(settings, sources, tmp_path / "run")
    assert [line["step"] for line in read_log(tmp_path / "run") if line["kind"] == "training"] == list(range(1, 9))


def test_a_resumed_run_skips_a_damaged_checkpoint_only_when_told(sources: Sources, tmp_path: Path) -> None:
    settings = tiny_settings(**BOTH_STAGES, every={"checkpoint": 2})
    events = train(settings, sources, tmp_path / "run", "cpu")
    next(event for event in events if event.kind == "checkpoint" and event.step == 4)
    events.close()
    newest = list_checkpoints(tmp_path / "run")[-1]
    (newest / "state.safetensors").write_bytes(b"")
    with pytest.raises(TrainingError, match=f"{newest.name}: damaged checkpoint"):
        finish(settings, sources, tmp_path / "run")
    shutil.rmtree(newest)
    assert of_kind(finish(settings, sources, tmp_path / "run"), "resumed")[0].step == 2


def test_importing_the_run_changes_no_random_state(sources: Sources, tmp_path: Path) -> None:
    before = torch.random.get_rng_state()
    finish(tiny_settings(unpaired={"steps": 1}), sources, tmp_path / "run")
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize(
    "spoil", [lambda path: cv2.imwrite(str(path), 0 * cv2.imread(str(path))), lambda path: path.write_bytes(b"")]
)
def test_no_usable_photograph_at_all_is_refused(spoil: Callable[[Path], object], tmp_path: Path) -> None:
    sources = draw_sources(tmp_path, count=2)
    for path in sources.blurry.iterdir():
        spoil(path)
    with pytest.raises(TrainingError, match="the blurry side has 0 usable photographs to train on and 0 held out"):
        finish(tiny_settings(), sources, tmp_path / "run")
