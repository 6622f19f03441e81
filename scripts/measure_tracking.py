"""What tracking is worth on clear photographs: `python scripts/measure_tracking.py VESSELS` prints a table.

Measured are the eyes whose arteries and veins were told apart (HRF and LES-AV), of one part of the split in
`configs/vessels_split.json`. Each tracker gets the drawn vessels, which is the most it can be given, and what each
segmenter finds.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from clearfundus.evaluation.bootstrap import mean_intervals
from clearfundus.evaluation.labelled import find_labelled
from clearfundus.evaluation.results import Interval
from clearfundus.evaluation.vessel_eyes import Truth, open_eye
from clearfundus.evaluation.vessel_scores import score_tracking, trace
from clearfundus.vessels.scale import Scaled, scale_to_vessels
from clearfundus.vessels.score_links import link_accuracy
from clearfundus.vessels.segment import SEGMENTERS, Segmentation, prepare_segmenter

SPLIT = Path(__file__).parents[1] / "configs" / "vessels_split.json"
SETS = ("hrf", "les_av")
DRAWN = "drawn vessels"
SEED = 0
COLUMNS = {
    "parent_share": "links to parents of one kind",
    "crossing_share": "links across crossings of one kind",
    "av_purity": "A/V purity",
    "av_recall": "A/V-consistent recall",
    "track_correct": "followed right",
    "track_wrong": "tracks that go wrong",
    "path_success": "paths found",
}


def main() -> None:
    """Measure, print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("vessels", type=Path)
    parser.add_argument("--part", default="test", choices=("train", "validation", "test"))
    arguments = parser.parse_args()
    split = json.loads(SPLIT.read_text(encoding="utf-8"))[arguments.part]
    wanted = {f"{name}/{eye}" for name in SETS for eye in split[name]}
    cases = [one for one in find_labelled(arguments.vessels) if one.photograph in wanted]
    found: dict[str, list[Mapping[str, float]]] = {}
    for case in cases:
        print(case.photograph, file=sys.stderr, flush=True)
        eye = open_eye(case)
        if eye.truth is None or eye.truth.trees is None:
            raise SystemExit(f"{case.photograph}: no disc was found on the drawn vessels; nothing to measure")
        for name, segmentation in _segmentations(scale_to_vessels(eye.photo, eye.field), eye.truth):
            found.setdefault(name, []).append(_scores(segmentation, eye.truth))
    print(f"\n## Tracking, {len(cases)} photographs of HRF and LES-AV\n")
    print(f"| on | {' | '.join(COLUMNS.values())} |")
    print("|---|" + "---|" * len(COLUMNS))
    for name, rows in found.items():
        values = np.array([[row[column] for column in COLUMNS] for row in rows])
        print(f"| {name} | {' | '.join(map(_cell, mean_intervals(values, SEED)))} |")


def _segmentations(scaled: Scaled, truth: Truth) -> Iterator[tuple[str, Segmentation]]:
    """Yield what the trackers get: the drawn vessels first, then what each segmenter finds."""
    drawn = truth.labels.vessels
    yield (
        DRAWN,
        Segmentation(
            scaled=scaled,
            probability=drawn.astype(np.float32),
            mask=drawn,
            threshold=0.5,
            segmenter="drawn",
            weights="",
        ),
    )
    for name in SEGMENTERS:
        yield name, prepare_segmenter(name).on(scaled)


def _scores(segmentation: Segmentation, truth: Truth) -> dict[str, float]:
    links = link_accuracy(trace(segmentation, truth.disc), truth.labels)
    return {
        **score_tracking(segmentation, truth),
        "parent_share": links.parent_share,
        "crossing_share": links.crossing_share,
    }


def _cell(interval: Interval) -> str:
    return f"{interval.mean:.3f} ({interval.low:.3f} to {interval.high:.3f})"


if __name__ == "__main__":
    main()
