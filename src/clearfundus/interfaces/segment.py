"""`clearfundus segment`: photographs in, their vessels out, with measures."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

if TYPE_CHECKING:
    from clearfundus.interfaces.vessel_files import Found, Note
    from clearfundus.photo import Photo
    from clearfundus.vessels.segment import Segmenter

SegmenterName = Literal["wnet", "wnet-robust", "gabor"]
SEGMENTER_HELP = (
    "wnet: a small W-Net, trained on clear photographs. wnet-robust: the same, trained further on degraded ones. "
    "gabor: a bank of Gabor filters, no training."
)
ENDINGS = ("_vessels.png", "_probability.png", "_overlay.png", "_measures.json")
SCHEMA = 1
"""Of the measures' JSON."""
PROBABILITY_STEPS = 65535
"""The value of a 16-bit file that means a probability of 1."""


def segment(
    inputs: list[Path],
    /,
    *,
    output: Annotated[Path, Parameter(name=["--output", "-o"])],
    segmenter: Annotated[SegmenterName, Parameter(help=SEGMENTER_HELP)] = "wnet",
    device: str = "auto",
    overwrite: Annotated[bool, Parameter(negative="")] = False,
    json_: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """Find the vessels of photographs, and measure them.

    For each photograph NAME: NAME_vessels.png, white on vessels, at the photograph's size; NAME_probability.png, 16
    bit, 65535 for a probability of 1; NAME_overlay.png, the vessels over the photograph; and NAME_measures.json, with
    unit and convention of each measure. A photograph that shows no vessels gives a black mask and the reason.

    Args:
        inputs: Photographs, and folders to search for them, with all folders below.
        output: Folder for the results, which keep the tree of an input folder.
        segmenter: What finds the vessels.
        device: auto, cpu, cuda or cuda:N, for a network. A named device is never replaced by another.
        overwrite: Make results anew that are there already. An input is never overwritten.
        json_: Write one JSON object to standard output.
    """
    from clearfundus.interfaces.vessel_files import Task, note_of, plan, run_task
    from clearfundus.vessels.segment import prepare_segmenter

    planned = plan(inputs, output, ENDINGS)
    prepared = prepare_segmenter(segmenter, device=device)
    task = Task(
        note=note_of("segment", prepared),
        endings=ENDINGS,
        find=partial(find_vessels, segmenter=prepared),
        settings={"segmenter": prepared.name, "weights": prepared.weights, "threshold": prepared.threshold},
    )
    return run_task(planned, task, overwrite=overwrite, json_=json_)


def find_vessels(photo: "Photo", note: "Note", *, segmenter: "Segmenter") -> "Found":
    """Return what `clearfundus segment` writes for one photograph: mask, probability, overlay and measures.

    Args:
        photo: The photograph.
        note: How the results come to be.
        segmenter: What finds the vessels.
    """
    import numpy as np

    from clearfundus.interfaces.vessel_files import Found, drawing, provenance_of, to_text
    from clearfundus.vessels.measure import measure_vessels
    from clearfundus.vessels.overlay import draw_mask
    from clearfundus.vessels.segment import segment as segment_photo
    from clearfundus.vessels.track import trace_segmented

    found = segment_photo(photo, segmenter)
    tracking = trace_segmented(found)
    mask = found.mask_in_photo
    measures = describe_measures(measure_vessels(found, tracking))
    described: dict[str, Any] = {
        "schema": SCHEMA,
        "provenance": provenance_of(photo, note),
        "shape": list(mask.shape),
        "field_diameter": tracking.diameter,
        "threshold": found.threshold,
        "reason": found.reason,
        "reason_of_trees": tracking.reason,
        "measures": measures,
    }
    probability = np.rint(found.probability_in_photo * PROBABILITY_STEPS).astype(np.uint16)
    overlay = drawing(photo, draw_mask(photo.pixels, mask), note)
    return Found(
        contents=(mask.astype(np.uint8) * np.uint8(255), probability, overlay, to_text(described, indent=2)),
        reason=found.reason,
        told={"measures": {name: measure["value"] for name, measure in measures.items()}},
    )


def describe_measures(measures: Any) -> dict[str, dict[str, Any]]:
    """Return measures as plain data, each with its value, unit and convention."""
    from clearfundus.vessels.measure import MEASURES

    return {
        name: {"value": getattr(measures, name), "unit": one.unit, "convention": one.convention}
        for name, one in MEASURES.items()
    }
