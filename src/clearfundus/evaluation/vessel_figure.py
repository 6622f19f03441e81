"""Figure 3 of the paper for one photograph: what is found on it degraded, enhanced and clear, side by side.

Rows: the photograph; the mask, with what is missed and what is false; the trees; tracks with their wrong parts in red.
The fact to know: everything is drawn from the same functions that the tables come from, for a photograph that a rule
picked (`vessel_picks.py`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np

from clearfundus.evaluation.cases import Case
from clearfundus.evaluation.results import INPUT
from clearfundus.evaluation.vessel_eyes import Eye, Truth, inputs_of, open_eye
from clearfundus.evaluation.vessel_picks import FigurePick
from clearfundus.evaluation.vessel_results import CLEAR, VesselRow
from clearfundus.evaluation.vessel_run import VesselPlan, results_of
from clearfundus.evaluation.vessel_scores import find_disc_of, follow, trace
from clearfundus.evaluation.vessel_tables import label_of
from clearfundus.photo import Mask, Photo, Pixels, write_photo
from clearfundus.photo.sheet import Tile, draw_sheet, square_around, view
from clearfundus.version import __version__
from clearfundus.vessels.overlay import draw_mask, draw_tracks, draw_trees
from clearfundus.vessels.score_tracks import wrong_parts
from clearfundus.vessels.segment import Segmentation
from clearfundus.vessels.trees import Disc

SIDE = 480
"""Height and width of a view in pixels."""
TRUE, FALSE, MISSED = (0.92, 0.92, 0.92), (1.0, 0.25, 0.2), (0.3, 0.55, 1.0)
"""Colours of vessels that are found rightly, found where none is drawn, and not found."""
DIMMED = 0.45
"""Share of the photograph's brightness below trees and tracks, so that their colours stand out."""
FOOTER = (
    "Rows: photograph; vessels (white: found and drawn by the expert, red: found only, blue: drawn only); trees from "
    "the optic disc, each in a colour, pieces that hang on none in gray, white rings where vessels cross; tracks from "
    "seeds on true vessels, green where they keep to the seed's tree, red where they are wrong."
)
FOOTER_WITHOUT = (
    "Rows: photograph; vessels found; trees from the optic disc, each in a colour, pieces that hang on none in gray. "
    "Nothing is drawn by an expert here, so nothing says which of them are right."
)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Scene:
    """What all columns of a figure share."""

    plan: VesselPlan
    eye: Eye
    pick: FigurePick
    rows: Sequence[VesselRow]
    disc: Disc | None


def draw_vessel_figure(plan: VesselPlan, case: Case, pick: FigurePick, rows: Sequence[VesselRow], path: Path) -> None:
    """Draw a figure and write it as PNG; an existing file is replaced.

    Args:
        plan: How vessels were found.
        case: The photograph.
        pick: What to show.
        rows: Its values, for the captions.
        path: Where.

    Raises:
        PhotoError: If the photograph cannot be read, or a method fails on it.
        OSError: If it cannot be written.
    """
    eye = open_eye(case)
    columns = list(_columns(plan, eye, pick))
    first = plan.segmenters[plan.tracker](columns[0][2], eye.field)
    disc = eye.truth.disc if eye.truth is not None else find_disc_of(first)
    scene = _Scene(plan=plan, eye=eye, pick=pick, rows=rows, disc=disc)
    tiles = [_tile(scene, *column) for column in columns]
    footer = (FOOTER if eye.truth is not None else FOOTER_WITHOUT, _told(plan, pick))
    title = f"{pick.photograph}, {pick.input}" if eye.truth is not None else pick.photograph
    pixels = draw_sheet(tiles, title=title, footer=footer, across=len(tiles))
    path.parent.mkdir(parents=True, exist_ok=True)
    note = {"method": "figure", "methods": ", ".join(pick.methods), "version": __version__}
    write_photo(Photo(pixels=pixels, provenance=MappingProxyType(note)), path, overwrite=True)


def _columns(plan: VesselPlan, eye: Eye, pick: FigurePick) -> Iterator[tuple[str, str, Photo]]:
    """Yield input, method and picture from left to right: the input, what methods make of it, and the clear one."""
    given = {one.name: one for one in inputs_of(eye, plan.simulations)}
    methods = {name: plan.methods[name] for name in pick.methods}
    for name, result, _ in results_of(eye, given[pick.input], methods):
        yield pick.input, name, result
    if CLEAR in given:
        yield CLEAR, INPUT, given[CLEAR].photo


def _tile(scene: _Scene, input_: str, method: str, photo: Photo) -> Tile:
    """Return a column of the figure."""
    plan, truth, pick = scene.plan, scene.eye.truth, scene.pick
    segmentation = plan.segmenters[plan.tracker](photo, scene.eye.field)
    square = square_around(segmentation.scaled.field.box)
    views = tuple(view(one, square, SIDE) for one in _pictures(segmentation, truth, scene.disc))
    values = {
        row.metric: row.value
        for row in scene.rows
        if (row.photograph, row.input, row.method, row.segmenter) == (pick.photograph, input_, method, plan.tracker)
    }
    shown = ("f1", "cldice", "track_correct", "track_wrong") if truth is not None else tuple(values)
    told = ", ".join(f"{name} {values[name]:.2f}" for name in shown if name in values)
    return Tile(heading=label_of(method, input_), lines=(told,), views=views)


def _pictures(segmentation: Segmentation, truth: Truth | None, disc: Disc | None) -> Iterator[Pixels]:
    """Yield the rows of one column, at the scale of vessels."""
    pixels = segmentation.scaled.pixels * segmentation.scaled.field.mask[..., None]
    yield pixels
    black, dimmed = np.zeros_like(pixels), pixels * np.float32(DIMMED)
    if truth is None:
        yield draw_mask(black, segmentation.mask, TRUE, 1.0)
        yield draw_trees(dimmed, trace(segmentation, disc))
        return
    drawn = truth.labels.vessels
    yield _compared(black, segmentation.mask & segmentation.scaled.field.mask, drawn)
    found = follow(segmentation, truth)
    yield draw_trees(dimmed, found.tracking)
    if truth.trees is not None:
        pairs = zip(found.tracks, truth.seeds, strict=True)
        wrong = [wrong_parts(track, truth.trees.trees[seed.tree]) for track, seed in pairs]
        yield draw_tracks(dimmed, found.tracks, wrong)


def _compared(ground: Pixels, mask: Mask, drawn: Mask) -> Pixels:
    for part, colour in ((mask & drawn, TRUE), (mask & ~drawn, FALSE), (drawn & ~mask, MISSED)):
        ground = draw_mask(ground, part, colour, 1.0)
    return ground


def _told(plan: VesselPlan, pick: FigurePick) -> str:
    beside = ""
    if len(pick.methods) > 1:
        beside = f"; beside it, of the other methods the one with the highest mean of {pick.metric}"
    return (
        f"Vessels by {plan.tracker}, the same for all columns. The photograph is the one with the median gain of "
        f"{pick.methods[0]} in {pick.metric}{beside}. clearfundus {__version__}. For research; not a medical device."
    )
