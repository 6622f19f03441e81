"""Pictures of a training run for the documents: `python scripts/training_pictures.py RUN -o docs/images/training/NAME`.

Writes NAME_curves.png, the losses and the validation figures by iteration, and NAME_samples.jpg: what the weights kept
at each validation make of `skimage.data.retina()` (CC0), clouded as in the demonstration. No photograph of the training
is shown, for none may be passed on.
"""

import argparse
import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
from demo import HAZE
from matplotlib.figure import Figure
from PIL import Image, ImageDraw, ImageFont
from skimage.data import retina

from clearfundus import Photo, enhance, find_field, prepare_method
from clearfundus.fundus.degrade import degrade
from clearfundus.photo import Pixels

NOT_CURVES = ("kind", "step", "stage", "time", "seconds")
COLUMNS, PANEL = 4, (3.2, 2.1)  # of the curves, at most; width and height of one in inches
SMOOTHED = 10  # lines of the log that are averaged, for one batch says little
TILE, GAP, LABEL, MOST_TILES = 300, 8, 26, 10
DETAIL = (0.36, 0.36, 0.28)
"""Top, left and side of the magnified part, in sides of the photograph."""
Curves = Mapping[str, list[tuple[int, float]]]


def main() -> None:
    """Read a run, and draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="folder of a run, finished or not")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder and first part of the files' names")
    arguments = parser.parse_args()
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    training, validation = (read_curves(arguments.run / "log.jsonl", kind) for kind in ("training", "validation"))
    draw_curves(training, validation).savefig(f"{arguments.output}_curves.png", dpi=110)
    sheet = draw_samples(sorted((arguments.run / "snapshots").iterdir()))
    Image.fromarray(sheet).save(f"{arguments.output}_samples.jpg", quality=88)
    print(f"{arguments.output}_curves.png\n{arguments.output}_samples.jpg")


def read_curves(log: Path, kind: str) -> Curves:
    """Return each figure of the log's lines of one kind, as iterations and values."""
    curves: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for line in map(json.loads, log.read_text(encoding="utf-8").splitlines()):
        if line["kind"] == kind:
            for name in line.keys() - set(NOT_CURVES):
                curves[name].append((line["step"], line[name]))
    return dict(sorted(curves.items()))


def draw_curves(training: Curves, validation: Curves) -> Figure:
    """Draw every figure in a panel of its own: the training's averaged over some lines, the validation's as points.

    A figure that was validated once is no curve and is left out.
    """
    panels = [(name, curve, False) for name, curve in training.items()]
    panels += [(f"{name} (held out)", curve, True) for name, curve in validation.items() if len(curve) > 1]
    columns = min(COLUMNS, len(panels))
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(columns * PANEL[0], rows * PANEL[1]), layout="constrained")
    for place, (name, curve, points) in enumerate(panels):
        steps, values = (np.array(column, dtype=float) for column in zip(*curve, strict=True))
        axes = figure.add_subplot(rows, columns, place + 1)
        if points:
            axes.plot(steps, values, "o-", markersize=3, color="#d9651f")
        else:
            axes.plot(steps, values, linewidth=0.5, color="#b8c2d0")
            axes.plot(steps, averaged(values), color="#30507a")
        axes.set_title(name, fontsize=9)
        axes.tick_params(labelsize=7)
        axes.locator_params(axis="x", nbins=4)
        if values.min() >= 0:  # a change at the rim may be below it
            axes.set_ylim(bottom=0, top=1.05 * max(values) or None)  # None where all are 0
    return figure


def averaged(values: np.ndarray) -> np.ndarray:
    """Return the mean of each value and of those before it, `SMOOTHED` in all."""
    sums = np.cumsum(np.concatenate([[0], values]))
    last = np.arange(1, len(values) + 1)
    first = np.maximum(last - SMOOTHED, 0)
    return np.asarray((sums[last] - sums[first]) / (last - first))


def draw_samples(snapshots: list[Path]) -> np.ndarray:
    """Draw a column for the clouded photograph, one for some of the snapshots each, and one for the truth."""
    if not snapshots:
        raise SystemExit("found no snapshots in the run; they are kept at each validation")
    truth = Photo(pixels=retina().astype(np.float32) / np.float32(255), name="retina")
    field = find_field(truth)
    clouded = degrade(truth, field, HAZE)
    shown = [snapshots[i] for i in np.unique(np.linspace(0, len(snapshots) - 1, MOST_TILES).round().astype(int))]
    columns = [column("clouded", clouded.pixels)]
    for folder in shown:
        method = prepare_method("gan", weights=folder / "enhancer.safetensors", device="cpu")
        columns.append(column(f"iteration {int(folder.name):,}", enhance(clouded, method).pixels))
    return np.concatenate([*columns, column("truth", truth.pixels)], axis=1)


def column(name: str, pixels: Pixels) -> np.ndarray:
    """Return a label, the whole photograph and its magnified part, one below the other."""
    height = len(pixels)
    top, left, side = (round(part * height) for part in DETAIL)
    views = [pixels, pixels[top : top + side, left : left + side]]
    tiles = [cv2.resize(view, (TILE, TILE), interpolation=cv2.INTER_AREA) for view in views]
    sheet = Image.new("RGB", (TILE + GAP, LABEL + 2 * (TILE + GAP)), (14, 14, 16))
    ImageDraw.Draw(sheet).text((GAP, 3), name, fill=(240, 240, 240), font=ImageFont.load_default(16))
    for place, tile in enumerate(tiles):
        eight_bit = np.rint(np.clip(tile, 0, 1) * 255).astype(np.uint8)
        sheet.paste(Image.fromarray(eight_bit), (0, LABEL + place * (TILE + GAP)))
    return np.asarray(sheet)


if __name__ == "__main__":
    main()
