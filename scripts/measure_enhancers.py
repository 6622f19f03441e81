"""What enhancers do to held-out photographs: `python scripts/measure_enhancers.py WEIGHTS... --blurry DIR --clear DIR`.

To choose between the snapshots of a run, and between runs. The photographs are those that the run itself held out, so
none of them was trained on, and none belongs to the test set. Everything is measured inside the field: scores and
vessels after rounding to 8 bits, as a saved file would be; changes of levels before it, on the scale [0, 1]. With
`--labelled`, vessels of the validation photographs of `configs/vessels_split.json` are sought on degraded copies,
before and after.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from enhancer_tables import INPUT, SEGMENTER, SEVERITY, SIDE, Values, as_csv, describe, header, summarise

from clearfundus.errors import PhotoError, QualityError, SettingsError
from clearfundus.evaluation.cases import OpenCase, Simulation, read_plain, rounded, simulate
from clearfundus.evaluation.labelled import find_labelled
from clearfundus.evaluation.protocol import Judge, Rules, choose_metrics
from clearfundus.evaluation.vessel_eyes import inputs_of, open_eye
from clearfundus.evaluation.vessel_run import SIMULATIONS, results_of
from clearfundus.evaluation.vessel_scores import score_vessels
from clearfundus.files import write_whole
from clearfundus.fundus.colour import rgb_to_lab
from clearfundus.fundus.degradations import DEGRADATIONS
from clearfundus.fundus.field import find_field
from clearfundus.fundus.frame import Frame, crop_to_field, put_back
from clearfundus.methods import Method
from clearfundus.methods.gan import gan
from clearfundus.networks.weights import load_weights
from clearfundus.photo import Photo, Pixels
from clearfundus.pipeline import prepare_method
from clearfundus.training.config import DataSettings
from clearfundus.training.data import list_photographs
from clearfundus.training.schedule import random_at
from clearfundus.training.split import read_groups, split_by_eye
from clearfundus.training.validation import answer, rim_change, sharpness
from clearfundus.vessels.segment import prepare_segmenter

SPLIT = Path(__file__).parents[1] / "configs" / "vessels_split.json"
METRICS = ("fniqe", "psnr", "ssim", "psnr_fitted", "ssim_fitted")


@dataclass(frozen=True, kw_only=True)
class Enhancer:
    """What is measured: an enhancer, a classical method or the input itself.

    Attributes:
        label: How it is called in tables.
        method: From a cropped, filled photograph to a better one.
        blurrer: The way back, if there is one.
    """

    label: str
    method: Method
    blurrer: Method | None = None


def main() -> None:
    """Measure everything, write the CSV file, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", nargs="*", help="weights files, or names of shipped weights")
    parser.add_argument("--run", type=Path, help="a run folder: all its snapshots, and its own split")
    parser.add_argument("--methods", default="", help="classical methods, such as clahe,mitra2018")
    parser.add_argument("--blurry", type=Path, required=True)
    parser.add_argument("--clear", type=Path, required=True)
    parser.add_argument("--groups", type=Path)
    parser.add_argument("--labelled", type=Path, help="folder with chase_db1, hrf and les_av")
    parser.add_argument("--most", type=int, help="so many photographs of each side at most")
    parser.add_argument("--models", default=",".join(DEGRADATIONS), help="degradations of clear photographs")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()
    snapshots = sorted((arguments.run / "snapshots").glob("*/enhancer.safetensors")) if arguments.run else []
    enhancers = [
        *prepare_enhancers([*arguments.weights, *snapshots], arguments.device),
        *(Enhancer(label=name, method=prepare_method(name)) for name in filter(None, arguments.methods.split(","))),
    ]
    sides = {"blurry": arguments.blurry, "clear": arguments.clear}
    held_out = find_held_out(sides, arguments.groups, arguments.run, arguments.most)
    values = measure_all(enhancers, held_out, arguments.models.split(","))
    if arguments.labelled:
        merge(values, measure_vessels(enhancers, arguments.labelled))
    rows = summarise(values)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    write_whole(arguments.output, "".join(f"{line}\n" for line in [header(), *map(as_csv, rows)]).encode())
    print(describe(rows))


def prepare_enhancers(sources: Sequence[str | Path], device: str = "cpu") -> list[Enhancer]:
    """Load enhancers, each with the blurrer that lies beside its file, if one does."""
    found = []
    for source in sources:
        path = Path(source)
        beside = path.with_name("blurrer.safetensors")
        blurrer = None
        if path.suffix == ".safetensors" and beside.exists() and beside != path:
            blurrer = _as_method(beside)
        label = (
            "/".join(path.parts[:-1][-3:]).replace("snapshots/", "") if path.name == "enhancer.safetensors" else path
        )
        method = prepare_method("gan", weights=source, device=device, size="change")
        found.append(Enhancer(label=str(label), method=method, blurrer=blurrer))
    return found


def _as_method(path: Path) -> Method:
    blurrer = load_weights(path, role="blurrer")
    return lambda photo, field: gan(photo, field, model=blurrer)


def find_held_out(
    sides: Mapping[str, Path], groups: Path | None, run: Path | None, most: int | None = None
) -> dict[str, list[Path]]:
    """Return the photographs of each side that a run held out; without a run, those of the default split.

    Raises:
        SettingsError: If the split is not the one that the run's own `settings.json` names.
    """
    recorded = json.loads((run / "settings.json").read_text(encoding="utf-8")) if run else None
    data = recorded["settings"]["data"] if recorded else {}
    # a run from before there was `data.split_seed` split by its own seed
    seed = data.get("split_seed", recorded["settings"]["seed"]) if recorded else DataSettings().split_seed
    share = data.get("validation", DataSettings().validation)
    files = {side: list_photographs(folder) for side, folder in sides.items()}
    split = split_by_eye(files, read_groups(groups) if groups else None, share, seed)
    if recorded:
        for side, (_, held) in split.items():
            if [path.name for path in held] != recorded["photographs"][side]["held out"]:
                raise SettingsError(f"{run}: its {side} held-out photographs are others; give its folders and groups")
    return {side: spread(held, most) for side, (_, held) in split.items()}


def spread(paths: Sequence[Path], most: int | None) -> list[Path]:
    """Return so many at most, spread over all of them: names are sorted, and begin with the source."""
    if most is None or len(paths) <= most:
        return list(paths)
    return [paths[index * len(paths) // most] for index in range(most)]


def measure_all(
    enhancers: Sequence[Enhancer], held_out: Mapping[str, Sequence[Path]], models: Sequence[str] = tuple(DEGRADATIONS)
) -> Values:
    """Measure every enhancer, and the input, on held-out photographs; one that cannot be judged is left out of all.

    Raises:
        SettingsError: If two enhancers have the same label, or one has the input's.
    """
    values: Values = {}
    everyone = [Enhancer(label=INPUT, method=prepare_method("identity")), *enhancers]
    labels = [one.label for one in everyone]
    twice = sorted({label for label in labels if labels.count(label) > 1})
    if twice:
        raise SettingsError(f"found several called {', '.join(twice)}; rename folders of weights, name methods once")
    rules = Rules(metrics=choose_metrics(METRICS), side=SIDE)
    total, done = sum(len(paths) for paths in held_out.values()), 0
    for side, measure in (("blurry", on_blurry), ("clear", partial(on_clear, models=models))):
        for path in held_out[side]:
            done += 1
            try:
                merge(values, _named(str(path), measure(path, everyone, rules)))
                print(f"[{done}/{total}] {path.name}", file=sys.stderr, flush=True)
            except (PhotoError, QualityError) as error:
                print(f"[{done}/{total}] {path.name} left out: {error}", file=sys.stderr, flush=True)
    return values


def _named(photograph: str, found: Iterator[tuple[str, str, float]]) -> Values:
    return {(label, measure): {photograph: value} for label, measure, value in found}


def merge(values: Values, more: Values) -> None:
    """Add values of further photographs and measures."""
    for key, own in more.items():
        values.setdefault(key, {}).update(own)


def on_blurry(path: Path, enhancers: Sequence[Enhancer], rules: Rules) -> Iterator[tuple[str, str, float]]:
    """Yield label, measure and value for one blurry photograph."""
    frame = open_frame(path)
    judge = Judge(as_case(frame, None), "blurry", rules)
    before, inside = frame.photo.pixels, frame.field.mask
    noise = random_at(0, f"noise of {path.name}").standard_normal(before.shape, dtype=np.float32)
    for one in enhancers:
        made = one.method(frame.photo, frame.field)
        for _, score in judge.scores(_whole(frame, made)):
            yield one.label, "fniqe", score.value
        yield one.label, "answer", answer(made.pixels, before, inside)
        yield one.label, "sharpness", sharpness(made.pixels, inside) / sharpness(before, inside)
        if one.blurrer is not None:
            noisy = np.clip((np.rint(made.pixels * 255) + noise) / np.float32(255), 0, 1, dtype=np.float32)
            for name, pixels in (("cycle error", made.pixels), ("cycle error 8 bit", noisy)):
                back = one.blurrer(Photo(pixels=pixels), frame.field).pixels
                yield one.label, name, float(np.abs(back - before)[inside].mean())


def on_clear(
    path: Path, enhancers: Sequence[Enhancer], rules: Rules, models: Sequence[str]
) -> Iterator[tuple[str, str, float]]:
    """Yield label, measure and value for one clear photograph: as it is, and degraded by each model."""
    frame = open_frame(path)
    clear, field = frame.original, frame.original_field
    judge = Judge(as_case(frame, clear), "simulated", rules)
    for one in enhancers:
        made = one.method(frame.photo, frame.field)
        scores = {name: score.value for name, score in judge.scores(_whole(frame, made))}
        yield one.label, "clear ssim", scores["ssim"]
        for name, value in changes(made.pixels, frame):
            yield one.label, name, value
    for model in models:
        degraded, _ = simulate(clear, field, path, Simulation(model=model, severity=SEVERITY))
        frame = crop_to_field(degraded, field)
        judge = Judge(as_case(frame, clear), "pairs", rules)
        for one in enhancers:
            for name, score in judge.scores(_whole(frame, one.method(frame.photo, frame.field))):
                yield one.label, f"{model} {name}", score.value


def changes(made: Pixels, frame: Frame) -> Iterator[tuple[str, float]]:
    """Yield how a clear photograph was changed, before its seam hides the rim."""
    before, inside = frame.photo.pixels, frame.field.mask
    yield "clear shift", float(np.abs((made - before)[inside].mean(axis=0)).max())
    colours = rgb_to_lab(made)[inside].mean(axis=0) - rgb_to_lab(before)[inside].mean(axis=0)
    yield "clear colour", float(np.hypot(*colours[1:]))
    rim, middle = rim_change(made, before, inside)
    if not np.isnan(rim):  # a photograph that was cropped inside its field has no rim
        yield "clear rim", rim - middle
        yield "clear middle", middle


def _whole(frame: Frame, made: Photo) -> Photo:
    return rounded(put_back(frame, made))


def open_frame(path: Path) -> Frame:
    """Read a photograph, find its field and crop it."""
    photo = rounded(read_plain(path))
    return crop_to_field(photo, find_field(photo))


def as_case(frame: Frame, reference: Photo | None) -> OpenCase:
    """Return what a judge needs to know of a photograph."""
    field = frame.original_field
    return OpenCase(photo=frame.original, field=field, judged=field, reference=reference, notes={})


def measure_vessels(enhancers: Sequence[Enhancer], folder: Path) -> Values:
    """Segment degraded validation photographs before and after each enhancer; the F1 of the clear one stands beside."""
    chosen = json.loads(SPLIT.read_text(encoding="utf-8"))["validation"]
    cases = [case for name in chosen for case in find_labelled(folder / name) if case.photograph in chosen[name]]
    if len(cases) != sum(map(len, chosen.values())):
        raise SettingsError(f"{folder}: holds {len(cases)} of the validation photographs that {SPLIT.name} names")
    segmenter = prepare_segmenter(SEGMENTER, device="cpu")
    methods = {one.label: one.method for one in enhancers}
    values: Values = {}
    for index, case in enumerate(cases, 1):
        eye = open_eye(case)
        if eye.truth is None:
            raise PhotoError(f"{case.name}: has no labels")
        for given in inputs_of(eye, SIMULATIONS):
            for label, result, _ in results_of(eye, given, methods):
                f1 = score_vessels(segmenter(result, eye.field), eye.truth)["f1"]
                merge(values, {(label, f"{given.name} f1"): {case.photograph: f1}})
        print(f"[{index}/{len(cases)}] vessels of {case.photograph}", file=sys.stderr, flush=True)
    return values


if __name__ == "__main__":
    main()
