"""Tracking on real, clear photographs whose arteries and veins experts told apart: the twelve test eyes.

The aims are 0.90 of the links to parents and 0.88 of those across crossings on the drawn vessels, and 0.83 of the true
paths followed right on what the W-Net finds, each the mean over photographs as in docs/vessels_measured.md.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from clearfundus.evaluation.labelled import find_labelled
from clearfundus.evaluation.vessel_eyes import Eye, open_eye
from clearfundus.vessels.scale import Scaled, scale_to_vessels
from clearfundus.vessels.score_links import link_accuracy
from clearfundus.vessels.score_tracks import follow_seeds, score_tracks
from clearfundus.vessels.segment import prepare_segmenter
from clearfundus.vessels.tracing import trace_trees

SPLIT = Path(__file__).parents[2] / "configs" / "vessels_split.json"

pytestmark = [pytest.mark.data, pytest.mark.slow]


@dataclass(frozen=True)
class Opened:
    eye: Eye
    scaled: Scaled


@pytest.fixture(scope="module")
def opened(data_folder: Path) -> list[Opened]:
    split = json.loads(SPLIT.read_text(encoding="utf-8"))["test"]
    wanted = {f"{name}/{eye}" for name in ("hrf", "les_av") for eye in split[name]}
    cases = [one for one in find_labelled(data_folder / "vessels") if one.photograph in wanted]
    eyes = [open_eye(one) for one in cases]
    return [Opened(eye, scale_to_vessels(eye.photo, eye.field)) for eye in eyes]


def test_links_on_drawn_vessels_join_one_kind(opened: list[Opened]) -> None:
    found = []
    for one in opened:
        truth = one.eye.truth
        assert truth is not None
        tracking = trace_trees(truth.labels.vessels, one.scaled.pixels, one.scaled.field, truth.disc)
        found.append(link_accuracy(tracking, truth.labels))
    assert len(found) == 12
    assert np.mean([one.parent_share for one in found]) >= 0.90
    assert np.mean([one.crossing_share for one in found]) >= 0.88


def test_most_of_the_true_paths_are_followed_right(opened: list[Opened]) -> None:
    segmenter = prepare_segmenter("wnet")
    fractions = []
    for one in opened:
        truth = one.eye.truth
        assert truth is not None
        assert truth.trees is not None
        probability = segmenter.on(one.scaled).probability_off_rim
        tracks = follow_seeds(probability, one.scaled.field.mask, truth.seeds)
        fractions.append(score_tracks(tracks, truth.seeds, truth.trees).correct_fraction)
    assert np.mean(fractions) >= 0.83
