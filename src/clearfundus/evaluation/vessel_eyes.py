"""Photographs whose vessels are to be found, made ready: opened, reduced, degraded, and with their truth at one scale.

The fact to know: field, optic disc and true trees come from the clear photograph and its labels, once, so that every
input and every method is judged by the same; what is found on a degraded photograph decides nothing about the truth.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

import cv2
import numpy as np

from clearfundus.evaluation.cases import Case, Simulation, read_plain, rounded, simulate
from clearfundus.evaluation.labelled import read_labels
from clearfundus.evaluation.vessel_results import CLEAR, TAKEN
from clearfundus.fundus.field import Field, find_field
from clearfundus.photo import Photo
from clearfundus.vessels.disc import find_disc
from clearfundus.vessels.labels import Labels
from clearfundus.vessels.scale import scale_to_vessels
from clearfundus.vessels.trees import Disc
from clearfundus.vessels.truth import Seed, TrueTrees, true_trees

LARGEST_FIELD = 1080.0
"""Field diameter in pixels to which larger photographs are reduced: twice the scale at which vessels are sought."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Truth:
    """What is true of one photograph, at the scale of vessels.

    Attributes:
        labels: What the experts drew.
        disc: The optic disc, found on the clear photograph with the drawn vessels; None if it is not seen.
        trees: The true trees; None where arteries and veins were not told apart, or no disc is seen.
        seeds: Where tracks begin, on these trees.
    """

    labels: Labels
    disc: Disc | None
    trees: TrueTrees | None = None
    seeds: Sequence[Seed] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class Eye:
    """One photograph, read.

    Attributes:
        photo: Reduced if its field was wider than 1080 pixels.
        field: Its field, found once.
        file: Where it came from: chance is drawn from its name.
        truth: None where nothing was drawn.
        notes: How it was made ready, ready for JSON.
    """

    photo: Photo
    field: Field
    file: Path
    truth: Truth | None
    notes: Mapping[str, object]


@dataclass(frozen=True, kw_only=True, eq=False)
class EyeInput:
    """What every method gets: the photograph clear, degraded, or as it was taken.

    Attributes:
        name: "clear", the name of the degradation, or "taken".
        photo: With 8 bits a channel, as a file would hold it.
        notes: What was done to it, ready for JSON.
    """

    name: str
    photo: Photo
    notes: Mapping[str, object]


def open_eye(case: Case) -> Eye:
    """Read a photograph and, if it has labels, what they say.

    Args:
        case: A labelled photograph, or one of the set "blurry".

    Raises:
        PhotoError: If a file is unreadable, shows no field, or labels and photograph differ in size.
    """
    whole = read_plain(case.files["photo"])
    diameter = find_field(whole).diameter
    photo = _reduced(whole, LARGEST_FIELD / diameter) if diameter > LARGEST_FIELD else whole
    field = find_field(photo)
    notes: dict[str, object] = {
        "width": whole.pixels.shape[1],
        "height": whole.pixels.shape[0],
        "field_diameter": round(diameter, 1),
        "reduced_to": round(field.diameter, 1) if photo is not whole else None,
    }
    truth = None
    if case.set == "labelled":
        labels = read_labels(case, photo.pixels.shape[:2], whole.pixels.shape[:2])
        truth = find_truth(photo, field, labels)
        notes |= _told(truth)
    return Eye(photo=photo, field=field, file=case.files["photo"], truth=truth, notes=MappingProxyType(notes))


def find_truth(photo: Photo, field: Field, labels: Labels) -> Truth:
    """Bring labels to the scale of vessels, and find disc and true trees.

    Args:
        photo: The clear photograph.
        field: Its field.
        labels: Of the photograph's size.
    """
    scaled = scale_to_vessels(photo, field)
    small = labels.scaled_to(scaled)
    disc = find_disc(scaled.pixels, scaled.field, small.vessels.astype(np.float32))
    if small.arteries is None or disc is None:
        return Truth(labels=small, disc=disc)
    trees = true_trees(small, scaled.field.mask, disc)
    return Truth(labels=small, disc=disc, trees=trees, seeds=trees.seeds())


def inputs_of(eye: Eye, simulations: Sequence[Simulation]) -> Iterator[EyeInput]:
    """Yield what the methods get of a photograph: it as it is, and, if it has labels, each degradation of it.

    Args:
        eye: The photograph.
        simulations: The degradations.
    """
    name = TAKEN if eye.truth is None else CLEAR
    yield EyeInput(name=name, photo=rounded(eye.photo), notes=MappingProxyType({}))
    if eye.truth is not None:
        for simulation in simulations:
            photo, notes = simulate(eye.photo, eye.field, eye.file, simulation)
            yield EyeInput(name=simulation.model, photo=photo, notes=notes)


def _reduced(photo: Photo, factor: float) -> Photo:
    height, width = (round(length * factor) for length in photo.pixels.shape[:2])
    pixels = cv2.resize(photo.pixels, (width, height), interpolation=cv2.INTER_AREA)
    return replace(photo, pixels=np.clip(pixels, 0, 1))


def _told(truth: Truth) -> dict[str, object]:
    """Return what `run.json` tells of the truth."""
    return {
        "arteries_and_veins": truth.labels.arteries is not None,
        "disc": None if truth.disc is None else [round(float(one), 1) for one in truth.disc.centre],
        "true_trees": 0 if truth.trees is None else len(truth.trees.trees),
        "seeds": len(truth.seeds),
    }
