"""What each segmenter is worth: `python scripts/measure_segmenters.py VESSELS` prints tables.

They are the first part of docs/vessels_measured.md; `measure_tracking.py` and `make figure3` gave the others.

VESSELS holds the folders `chase_db1`, `hrf` and `les_av` with their labels; which eyes are measured stands in
`configs/vessels_split.json`. Pixels are scored at the photographs' own size, centrelines and topology at the scale of
vessels, all inside the field; the second observer of CHASE_DB1 is held to the first, as the segmenters are.
"""

import argparse
import csv
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isnan
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clearfundus.evaluation.bootstrap import CONVENTION, mean_intervals
from clearfundus.evaluation.cases import Case
from clearfundus.evaluation.labelled import find_labelled, read_labels
from clearfundus.evaluation.results import Interval
from clearfundus.fundus.field import find_field
from clearfundus.photo import Gray, Mask, read_photo
from clearfundus.version import __version__
from clearfundus.vessels.scale import DIAMETER, Scaled, scale_to_vessels
from clearfundus.vessels.score import CONVENTIONS, TOLERANCE, area_under_curve, score_masks
from clearfundus.vessels.segment import SEGMENTERS, prepare_segmenter

SPLIT = Path(__file__).parents[1] / "configs" / "vessels_split.json"
OBSERVER = "second observer"
OBSERVER_FILE = ("_1stHO", "_2ndHO")
SETS = {"chase_db1": "CHASE_DB1", "hrf": "HRF", "les_av": "LES-AV"}
PIXELS = {
    "auc": "AUC",
    "f1": "F1",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "precision": "precision",
    "accuracy": "accuracy",
}
LINES = {
    "cldice": "clDice",
    "centreline_precision": "centreline precision",
    "centreline_recall": "centreline recall",
    "centreline_f": "centreline F",
    "betti0_error": "error of parts (b0)",
    "betti1_error": "error of holes (b1)",
}
"""Score -> its column; at the photographs' own size, and at the scale of vessels."""
POOLED = "AUC, pooled"
LEVELS = 65535
"""Steps of probability that pooled values are kept in."""
SEED = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class Labelled:
    """A photograph and its drawn vessels, at its own size and at the scale of vessels."""

    set: str
    case: Case
    scaled: Scaled
    inside: Mask
    truth: Mask
    truth_scaled: Mask


@dataclass(frozen=True, kw_only=True, eq=False)
class Judged:
    """One segmenter on one photograph: scores, and for pooling its probabilities and the truth, in the field."""

    set: str
    photograph: str
    segmenter: str
    scores: Mapping[str, float]
    levels: NDArray[np.uint16] | None
    truth: Mask


def main() -> None:
    """Segment, score, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("vessels", type=Path)
    parser.add_argument("--part", choices=["train", "validation", "test"], default="test")
    parser.add_argument("--segmenters", default=",".join(SEGMENTERS))
    parser.add_argument("--values", type=Path, help="write every value to this CSV file, too")
    arguments = parser.parse_args()
    names = json.loads(SPLIT.read_text(encoding="utf-8"))[arguments.part]
    segmenters = [prepare_segmenter(name) for name in arguments.segmenters.split(",")]
    lines = [*introduction(arguments.part), *(f"- `{one.name}`: {SEGMENTERS[one.name]}." for one in segmenters), ""]
    kept: list[Judged] = []
    for folder, photographs in names.items():
        found: list[Judged] = []
        for photo in read_set(arguments.vessels, folder, photographs):
            for segmenter in segmenters:
                result = segmenter.on(photo.scaled)
                planes = (result.probability_in_photo, result.mask_in_photo, result.probability, result.mask)
                found.append(judge(photo, segmenter.name, *planes))
            found += judge_observer(photo)
            print(photo.case.photograph, file=sys.stderr, flush=True)
        lines += section(SETS[folder], found)
        kept += [replace(one, levels=None, truth=np.zeros(0, np.bool_)) for one in found]
    print("\n".join([*lines, *conventions()]))
    if arguments.values:
        write_values(kept, arguments.values)


def read_set(folder: Path, name: str, photographs: Sequence[str]) -> Iterator[Labelled]:
    """Yield the named photographs of one data set."""
    for case in find_labelled(folder / name):
        if Path(case.photograph).name not in photographs:
            continue
        photo = read_photo(case.files["photo"])
        field = find_field(photo)
        size = photo.pixels.shape[:2]
        labels = read_labels(case, size, size)
        scaled = scale_to_vessels(photo, field)
        yield Labelled(
            set=name,
            case=case,
            scaled=scaled,
            inside=field.mask,
            truth=labels.vessels,
            truth_scaled=labels.scaled_to(scaled).vessels,
        )


def judge(
    photo: Labelled, segmenter: str, probability: Gray | None, mask: Mask, small: Gray | None, small_mask: Mask
) -> Judged:
    """Score one result, at both sizes."""
    whole = score_masks(probability, mask, photo.truth, photo.inside).as_dict()
    lines = score_masks(small, small_mask, photo.truth_scaled, photo.scaled.field.mask).as_dict()
    return Judged(
        set=photo.set,
        photograph=photo.case.photograph,
        segmenter=segmenter,
        scores={name: whole[name] for name in PIXELS} | {name: lines[name] for name in LINES},
        levels=None if probability is None else np.rint(probability[photo.inside] * LEVELS).astype(np.uint16),
        truth=photo.truth[photo.inside],
    )


def judge_observer(photo: Labelled) -> list[Judged]:
    """Score the second observer's mask, where there is one."""
    drawn = photo.case.files["vessels"] if "vessels" in photo.case.files else photo.case.files["kinds"]
    path = drawn.with_name(drawn.name.replace(*OBSERVER_FILE))
    if path == drawn or not path.exists():
        return []
    mask = np.asarray(read_photo(path).pixels.max(axis=2) > 0.5, np.bool_)
    small = (photo.scaled.plane_of_photo(mask) >= 0.5) & photo.scaled.field.mask
    return [judge(photo, OBSERVER, None, mask, None, small)]


def section(name: str, found: Sequence[Judged]) -> list[str]:
    """Return the two tables of one data set."""
    count = len({one.photograph for one in found})
    rows: dict[str, list[Judged]] = {}
    for one in found:
        rows.setdefault(one.segmenter, []).append(one)
    lines = [f"## {name}, {count} photograph{'' if count == 1 else 's'}", ""]
    for columns in (PIXELS, LINES):
        pooled = [POOLED] if columns is PIXELS else []
        lines += [f"| | {' | '.join([*pooled, *columns.values()])} |", "|---|" + "---|" * (len(pooled) + len(columns))]
        for segmenter, own in rows.items():
            values = np.array([[one.scores[column] for column in columns] for one in own])
            cells = [pool(own)] if pooled else []
            cells += [
                show(one, 1 if column.startswith("betti") else 3)
                for column, one in zip(columns, mean_intervals(values, SEED), strict=True)
            ]
            lines.append(f"| {segmenter} | {' | '.join(cells)} |")
        lines.append("")
    return lines


def pool(found: Sequence[Judged]) -> str:
    """Return the area under the curve over the pixels of all photographs."""
    levels = [one.levels for one in found if one.levels is not None]
    if not levels:
        return ""
    area = area_under_curve(np.concatenate(levels) / np.float32(LEVELS), np.concatenate([one.truth for one in found]))
    return f"{area:.4f}"


def show(interval: Interval, digits: int) -> str:
    """Return a mean with its interval."""
    if isnan(interval.mean):
        return ""
    mean = f"{interval.mean:.{digits}f}"
    return mean if isnan(interval.low) else f"{mean} ({interval.low:.{digits}f} to {interval.high:.{digits}f})"


def introduction(part: str) -> list[str]:
    """Return what was measured and how."""
    return [
        "# What each segmenter is worth",
        "",
        f"On the {part} eyes of `configs/vessels_split.json`, by `scripts/measure_segmenters.py` of clearfundus "
        f"{__version__}. All is counted inside the field: pixels at the photographs' own size, centrelines and "
        f"topology at a field diameter of {DIAMETER} pixels with a tolerance of {TOLERANCE:g}. "
        f"Each cell: {CONVENTION}.",
        "",
    ]


def conventions() -> list[str]:
    """Return what the columns mean."""
    columns = PIXELS | LINES
    lines = [f"- **{columns[name]}**: {CONVENTIONS[name]}." for name in columns]
    return [*lines, f"- **{POOLED}**: the same over the pixels of all photographs at once, in {LEVELS + 1} levels."]


def write_values(found: Sequence[Judged], path: Path) -> None:
    """Write one row a photograph and segmenter."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["set", "photograph", "segmenter", *PIXELS, *LINES])
        for one in found:
            writer.writerow([one.set, one.photograph, one.segmenter, *map(repr, one.scores.values())])


if __name__ == "__main__":
    main()
