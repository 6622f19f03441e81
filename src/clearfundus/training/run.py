"""A training run, readable from top to bottom: photographs, state, iterations, log, samples, validation, checkpoints.

The run is a generator of events; whoever iterates over it draws the progress.
"""

import json
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from clearfundus.errors import NonFiniteLossError, PhotoError, SettingsError, TrainingError
from clearfundus.files import write_whole
from clearfundus.networks.weights import Role, save_weights
from clearfundus.photo import write_photo
from clearfundus.training.batches import Batches, Photographs
from clearfundus.training.checkpoint import list_checkpoints, load_checkpoint, save_checkpoint
from clearfundus.training.claim import claim_folder
from clearfundus.training.config import DataSettings, RunSettings
from clearfundus.training.data import Specimen, list_photographs, read_specimens
from clearfundus.training.distributed import join_peers, wait_for_peers
from clearfundus.training.fineness import keep_finest
from clearfundus.training.schedule import stage_at
from clearfundus.training.split import read_groups, refuse_shared_eyes, refuse_shared_files, split_by_eye
from clearfundus.training.start import load_start
from clearfundus.training.state import State, Trainer, new_state
from clearfundus.training.validation import as_numbers, sample_sheet, validate
from clearfundus.version import __version__

LOG_FILE = "log.jsonl"
SNAPSHOTS = "snapshots"
"""Folder of the weights as they were at each validation, for a checkpoint to be chosen from."""


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened.

    Attributes:
        kind: "reading", "left out", "resumed", "training", "validation", "sample", "checkpoint" or "done".
        step: Iterations (for "reading": photographs) done.
        total: How many there will be.
        values: Figures, by name.
        message: What happened, in words.
    """

    kind: str
    step: int
    total: int
    values: Mapping[str, float]
    message: str = ""


@dataclass(frozen=True, kw_only=True)
class Sources:
    """Where the photographs are.

    Attributes:
        blurry: Folder of blurry photographs.
        clear: Folder of clear ones, of other eyes.
        groups: CSV file that says which eye each file shows, or None.
        extra: Folder of further clear ones, of eyes that no other folder shows, or None. All are trained on, and none
            is held out: what is held out is the same with them and without.
    """

    blurry: Path
    clear: Path
    groups: Path | None = None
    extra: Path | None = None


def train(settings: RunSettings, sources: Sources, folder: Path, device_name: str = "auto") -> Iterator[Event]:
    """Train, or resume, and yield what happens; the weights stand in `folder` at the end.

    Args:
        settings: What to do.
        sources: The photographs.
        folder: The run folder: log, samples, checkpoints, weights. A run found there is resumed exactly.
        device_name: "auto", "cpu", "cuda" or "cuda:N"; under torchrun each process takes a CUDA device of its own.

    Raises:
        RunMismatchError: If the folder holds a run with other settings or photographs.
        NonFiniteLossError: If a loss becomes NaN or infinite; a checkpoint of the state before it is saved.
        TrainingError: If there are too few photographs.
        SettingsError: If the weights to begin with are not there or of another kind.
        DeviceError: If the device or precision is not there.
    """
    with join_peers(device_name) as (ranks, device):
        files = _split_files(settings, sources, folder)
        checkpoints = list_checkpoints(folder)
        # before a folder is claimed in vain; a checkpoint holds all
        state = new_state(settings, device, {} if checkpoints else load_start(settings))
        trainer = Trainer(state, settings, device, ranks)
        if ranks.rank == 0:
            claim_folder(folder, settings, files)
        wait_for_peers(ranks)
        photographs, held_out = yield from _read_all(files, settings)
        if checkpoints:
            load_checkpoint(state, checkpoints[-1], ranks)
        if ranks.rank == 0:
            _rewind_log(folder, state.step)
        if checkpoints:
            yield _event("resumed", state, settings, message=str(checkpoints[-1]))
        batches = Batches(photographs, settings, ranks, device)
        try:
            yield from _iterate(trainer, batches, held_out, folder)
        finally:
            batches.close()
        if ranks.rank == 0:
            _save_generators(trainer, folder)
        wait_for_peers(ranks)  # torchrun ends all processes as soon as one of them fails to leave in order
        yield _event("done", state, settings, message=f"weights: {folder / 'enhancer.safetensors'}")


def _iterate(trainer: Trainer, batches: Batches, held_out: Photographs, folder: Path) -> Iterator[Event]:
    state, settings, ranks = trainer.state, trainer.settings, trainer.ranks
    every, first = settings.every, ranks.rank == 0
    began, since = time.perf_counter(), state.step
    while state.step < settings.steps:
        try:
            terms = trainer.advance(batches.at(state.step))
        except NonFiniteLossError:
            save_checkpoint(state, folder, ranks)
            raise
        last = state.step == settings.steps
        if first and (state.step % every.log == 0 or last):
            seconds = (time.perf_counter() - began) / (state.step - since)
            values = {**as_numbers(terms), "seconds": seconds}
            yield _log(_event("training", state, settings, values, stage_at(settings, state.step - 1)), folder)
            began, since = time.perf_counter(), state.step
        if first and (state.step % every.validate == 0 or last):
            yield _log(_event("validation", state, settings, validate(state.average, held_out, settings)), folder)
            _save_generators(trainer, folder / SNAPSHOTS / f"{state.step:08d}")
        if first and (state.step % every.sample == 0 or last):
            sheet = folder / "samples" / f"{state.step:08d}.png"
            write_photo(sample_sheet(state.average, held_out), sheet, overwrite=True)
            yield _event("sample", state, settings, message=str(sheet))
        if state.step % every.checkpoint == 0 or last:
            yield _event("checkpoint", state, settings, message=str(save_checkpoint(state, folder, ranks)))


def _split_files(settings: RunSettings, sources: Sources, folder: Path) -> dict[str, tuple[list[Path], list[Path]]]:
    groups = None if sources.groups is None else read_groups(sources.groups)
    for source in (sources.blurry, sources.clear, sources.extra):
        if source is not None and folder.resolve().is_relative_to(source.resolve()):
            raise SettingsError(f"{folder}: lies within {source}, whose photographs are trained on; name another")
    sides = {"blurry": list_photographs(sources.blurry), "clear": list_photographs(sources.clear)}
    _refuse_own_files(folder, sides)
    refuse_shared_files(sides)
    split = split_by_eye(sides, groups, settings.data.validation, settings.data.split_seed)
    if sources.extra is None:
        _refuse_settings_of_extra(settings)
        return split
    extra = list_photographs(sources.extra)
    _refuse_own_files(folder, {"extra": extra})
    refuse_shared_eyes(extra, [path for paths in sides.values() for path in paths], groups)
    return {**split, "extra": (extra, [])}


def _refuse_own_files(folder: Path, sides: Mapping[str, Sequence[Path]]) -> None:
    """Refuse photographs that lie in the run folder: its samples would be trained on."""
    own = folder.resolve()
    for side, paths in sides.items():
        for path in paths:
            if path.resolve().is_relative_to(own):
                raise SettingsError(
                    f"{path}, of the {side} photographs: lies in the run folder, {folder}; name another"
                )


def _refuse_settings_of_extra(settings: RunSettings) -> None:
    """Refuse settings of extra photographs where there are none: a forgotten folder would make other weights."""
    for name in ("extra_times", "extra_diameter"):
        value = getattr(settings.data, name)
        if value != getattr(DataSettings(), name):
            raise SettingsError(f"data.{name}: found {value} without extra photographs; name their folder, --extra DIR")


def _read_all(
    files: Mapping[str, tuple[list[Path], list[Path]]], settings: RunSettings
) -> Generator[Event, None, tuple[Photographs, Photographs]]:
    total = sum(len(kept) + len(held) for kept, held in files.values())
    read: dict[str, list[list[Specimen]]] = {side: [[], []] for side in files}
    done = 0
    extra_data = replace(settings.data, diameter=settings.data.extra_diameter or settings.data.diameter)
    for side, parts in files.items():
        for part, paths in enumerate(parts):
            for one in read_specimens(paths, extra_data if side == "extra" else settings.data):
                done += 1
                if isinstance(one, PhotoError):
                    yield Event(kind="left out", step=done, total=total, values={}, message=str(one))
                    continue
                read[side][part].append(one)
                yield Event(kind="reading", step=done, total=total, values={})
    extra = read.pop("extra", [[], []])[0] * settings.data.extra_times
    if "extra" in files and not extra:
        raise TrainingError("of the extra photographs none is usable; mend the folder or leave it out")
    for side, (kept, held) in read.items():
        if not kept or not held:
            raise TrainingError(
                f"the {side} side has {len(kept)} usable photographs to train on and {len(held)} held out; "
                "at least one of each is needed"
            )
    read["clear"][0] = keep_finest(read["clear"][0], settings.data.finest) + extra
    training, held_out = (Photographs(blurry=read["blurry"][part], clear=read["clear"][part]) for part in (0, 1))
    return training, held_out


def _event(
    kind: str,
    state: State,
    settings: RunSettings,
    values: Mapping[str, float] | None = None,
    message: str = "",
) -> Event:
    return Event(kind=kind, step=state.step, total=settings.steps, values=values or {}, message=message)


def _log(event: Event, folder: Path) -> Event:
    line = {
        "kind": event.kind,
        "step": event.step,
        "stage": event.message,
        "time": time.time(),
        **event.values,
    }
    with (folder / LOG_FILE).open("a", encoding="utf-8") as file:
        file.write(json.dumps({key: value for key, value in line.items() if value != ""}) + "\n")
    return event


def _rewind_log(folder: Path, step: int) -> None:
    """Take out what a killed run logged after its last checkpoint: it will be done, and logged, again."""
    path = folder / LOG_FILE
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []
    if lines:
        write_whole(path, "".join(line + "\n" for line in lines if _step_of(line) <= step).encode())


def _step_of(line: str) -> float:
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return float("inf")  # the kill came in the middle of the line


def _save_generators(trainer: Trainer, folder: Path) -> None:
    """Save the averaged generators as weights files."""
    state, settings = trainer.state, trainer.settings
    folder.mkdir(parents=True, exist_ok=True)
    roles: tuple[Role, ...] = ("enhancer", "blurrer")
    card = {
        "steps": str(state.step),
        "seed": str(settings.seed),
        "surround": settings.data.surround,
        "version": __version__,
        "settings": json.dumps(asdict(settings)),
        **({"teacher": f"{trainer.teacher.name} {trainer.teacher.sha256}"} if trainer.teacher else {}),
        **({"start": state.start} if state.start else {}),
    }
    for role in roles:
        save_weights(
            getattr(state.average, role),
            folder / f"{role}.safetensors",
            name=settings.name,
            role=role,
            diameter=settings.data.diameter,
            card=card if role == "blurrer" else {**card, "uneven_error": str(settings.uneven_error)},
        )
