"""Train the vessel segmenters that ship: `python scripts/train_segmenter.py VESSELS -o RUN`.

VESSELS holds the folders `chase_db1`, `hrf` and `les_av` with their labels. Which eyes train, which choose the
threshold and which are kept for the test stands in `configs/vessels_split.json`; no test photograph is opened here.

Two files come out: `wnet`, trained on clear photographs, and `wnet-robust`, which went on with degraded ones. A stage
that is done is kept in RUN and not repeated.
"""

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from clearfundus.fundus.degradations import DEGRADATIONS
from clearfundus.fundus.field import Field, find_field
from clearfundus.networks.segmenter import Segmenter, SegmenterSettings, run_segmenter
from clearfundus.networks.segmenter_weights import load_segmenter, save_segmenter
from clearfundus.photo import Mask, Photo, read_photo
from clearfundus.training.segmenter_data import Augmentation, Labelled, Pool
from clearfundus.training.segmenter_run import Stage, train_stage
from clearfundus.version import __version__
from clearfundus.vessels.scale import DIAMETER, scale_to_vessels

SPLIT = Path(__file__).parents[1] / "configs" / "vessels_split.json"
LAYOUTS = {
    "chase_db1": ("{}.jpg", "{}_1stHO.png"),
    "hrf": ("images/{}.*", "av_manual/{}_AVmanual.png"),
    "les_av": ("images/{}.png", "vessel-segmentations/{}.png"),
}
"""Data set -> where its photographs and masks lie; in a mask every colour but black is vessel."""
SEED = 1
DEGRADED_VERSIONS = 8
"""Of each photograph, for the robust segmenter."""
SEVERITIES = (0.1, 0.9)
STAGES = {
    "clear": Stage(name="clear", steps=2400, seed=SEED),
    "wnet": Stage(name="wnet", steps=1500, rate=0.004, dice=0.5, centreline=0.5, seed=SEED + 1),
    "wnet-robust": Stage(
        name="wnet-robust",
        steps=1000,
        rate=0.004,
        dice=0.5,
        augmentation=Augmentation(degraded_share=0.5),
        seed=SEED + 2,
    ),
}
PARENTS = {"wnet": "clear", "wnet-robust": "clear"}
THRESHOLDS = np.arange(0.2, 0.8, 0.01)


def main() -> None:
    """Read, train stage by stage, choose the thresholds, save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("vessels", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--stages", default=",".join(STAGES), help="which of them to run now")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    wanted = arguments.stages.split(",")
    split = json.loads(SPLIT.read_text(encoding="utf-8"))
    random = np.random.default_rng(SEED)
    versions = DEGRADED_VERSIONS if "wnet-robust" in wanted else 0
    training = [degraded(one, versions, random) for one in read_labelled(arguments.vessels, split["train"])]
    held_out = list(read_labelled(arguments.vessels, split["validation"]))
    print(f"{len(training)} photographs to train on, {len(held_out)} held out", flush=True)
    pool = Pool.of(training)
    for name in wanted:
        path = arguments.output / f"{name}.safetensors"
        if not path.exists():
            run_stage(STAGES[name], pool, held_out, path)


def run_stage(stage: Stage, pool: Pool, held_out: list[Labelled], path: Path) -> None:
    """Train one stage, from the weights of its parent if it has one, and save it with its threshold."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        network = Segmenter(SegmenterSettings())
    parent = PARENTS.get(stage.name)
    if parent:
        network = load_segmenter(path.with_name(f"{parent}.safetensors")).network
    network.to(memory_format=torch.channels_last)
    started, losses = time.perf_counter(), []
    for step, loss in train_stage(network, pool, stage):
        losses.append(loss)
        if step % 100 == 0:
            seconds = (time.perf_counter() - started) / step
            print(
                f"{stage.name} {step}/{stage.steps}: loss {np.mean(losses[-100:]):.4f}, {seconds:.2f} s a step",
                flush=True,
            )
    minutes = (time.perf_counter() - started) / 60
    threshold, best = choose_threshold(network.eval(), held_out)
    print(
        f"{stage.name}: threshold {threshold:.2f}, F1 on held-out photographs {best:.4f}, {minutes:.0f} min", flush=True
    )
    card = {
        "steps": str(stage.steps + (STAGES[parent].steps if parent else 0)),
        "seed": str(SEED),
        "validation_f1": f"{best:.4f}",
        "minutes_of_last_stage": f"{minutes:.0f}",
        "trained_on": "CHASE_DB1, HRF and LES-AV; eyes of configs/vessels_split.json",
        "command": "python scripts/train_segmenter.py VESSELS -o RUN",
        "version": __version__,
    }
    save_segmenter(network, path, name=stage.name, diameter=DIAMETER, threshold=threshold, card=card)


def choose_threshold(network: Segmenter, held_out: list[Labelled]) -> tuple[float, float]:
    """Return the threshold of the best F1 over all pixels of the held-out photographs, and that F1."""
    found = [run_segmenter(network, one.pixels, one.inside, flips=True)[one.inside] for one in held_out]
    true = np.concatenate([one.target[one.inside] >= 0.5 for one in held_out])
    probability = np.concatenate(found)
    scores = []
    for threshold in THRESHOLDS:
        positive = probability >= threshold
        scores.append(2 * (positive & true).sum() / (positive.sum() + true.sum()))
    best = int(np.argmax(scores))
    return float(round(THRESHOLDS[best], 2)), float(scores[best])


def read_labelled(folder: Path, names: dict[str, list[str]]) -> Iterator[Labelled]:
    """Yield the photographs with their vessels, at the scale of vessels."""
    for source, chosen in names.items():
        for name in chosen:
            places = [next((folder / source).glob(pattern.format(name))) for pattern in LAYOUTS[source]]
            photo = read_photo(places[0])
            scaled = scale_to_vessels(photo, find_field(photo))
            target = scaled.plane_of_photo(read_mask(places[1])) * scaled.field.mask
            yield Labelled(pixels=scaled.pixels, inside=scaled.field.mask, target=target, source=source)


def read_mask(path: Path) -> Mask:
    """Read a drawn mask: whatever is not black."""
    pixels = np.asarray(Image.open(path).convert("RGB"))
    mask: Mask = pixels.max(axis=2) > 0
    return mask


def degraded(one: Labelled, versions: int, random: np.random.Generator) -> Labelled:
    """Return the photograph with degraded versions beside it: model and severity are drawn at random for each."""
    made = []
    for _ in range(versions):
        model = DEGRADATIONS[str(random.choice(list(DEGRADATIONS)))].draw(random, float(random.uniform(*SEVERITIES)))
        made.append(model.apply(Photo(pixels=one.pixels), Field(mask=one.inside)).pixels)
    return replace(one, degraded=tuple(made))


if __name__ == "__main__":
    main()
