"""`clearfundus track`: photographs in, their vessels as trees out; or one vessel from a point."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from clearfundus.errors import SettingsError
from clearfundus.interfaces.segment import SEGMENTER_HELP, SegmenterName

if TYPE_CHECKING:
    from clearfundus.interfaces.vessel_files import Found, Note
    from clearfundus.photo import Photo
    from clearfundus.vessels.segment import Segmenter

TREE_ENDINGS = ("_trees.png", "_trees.json", "_trees.geojson")
TRACK_ENDINGS = ("_track.png", "_track.json", "_track.geojson")

Place = tuple[float, float]
"""Row and column."""


def track(  # noqa: PLR0913 - one argument an option; this is the command line itself
    inputs: list[Path],
    /,
    *,
    output: Annotated[Path, Parameter(name=["--output", "-o"])],
    from_: Annotated[str | None, Parameter(name="--from")] = None,
    to: str | None = None,
    segmenter: Annotated[SegmenterName, Parameter(help=SEGMENTER_HELP)] = "wnet",
    device: str = "auto",
    overwrite: Annotated[bool, Parameter(negative="")] = False,
    json_: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """Follow the vessels of photographs.

    For each photograph NAME its vessel trees, from the optic disc outwards: NAME_trees.png, a colour a tree;
    NAME_trees.json, all of it; NAME_trees.geojson, lines and points for other programs. With --from, NAME_track.png,
    .json and .geojson: the one vessel at that point, followed both ways; with --to besides, the path between the two
    points that keeps to vessels. A photograph without visible vessels gives empty results and the reason; one without
    a visible disc gives trees without roots.

    Args:
        inputs: Photographs, and folders to search for them, with all folders below.
        output: Folder for the results, which keep the tree of an input folder.
        from_: A point as ROW,COLUMN in pixels of the photograph, counted from 0 at the top left; for one photograph.
        to: A second point, likewise.
        segmenter: What finds the vessels.
        device: auto, cpu, cuda or cuda:N, for a network. A named device is never replaced by another.
        overwrite: Make results anew that are there already. An input is never overwritten.
        json_: Write one JSON object to standard output.
    """
    from clearfundus.interfaces.vessel_files import Task, note_of, plan, run_task
    from clearfundus.vessels.segment import prepare_segmenter

    start, end = parse_place("--from", from_), parse_place("--to", to)
    if start is None and end is not None:
        raise SettingsError("--to needs --from, where the path begins")
    endings = TREE_ENDINGS if start is None else TRACK_ENDINGS
    planned = plan(inputs, output, endings)
    if start is not None and len(planned.jobs) != 1:
        raise SettingsError(f"--from is a point of one photograph; found {len(planned.jobs)} photographs, give one")
    prepared = prepare_segmenter(segmenter, device=device)
    places = {name: f"{at[0]:g},{at[1]:g}" for name, at in (("from", start), ("to", end)) if at is not None}
    find = partial(find_trees if start is None else partial(find_track, start=start, end=end), segmenter=prepared)
    task = Task(
        note=note_of("track", prepared, **places),
        endings=endings,
        find=find,
        settings={"segmenter": prepared.name, "weights": prepared.weights, **places},
    )
    return run_task(planned, task, overwrite=overwrite, json_=json_)


def parse_place(option: str, words: str | None) -> Place | None:
    """Read ROW,COLUMN.

    Raises:
        SettingsError: If it is not two finite numbers.
    """
    import math

    if words is None:
        return None
    try:
        row, column = (float(word) for word in words.split(","))
    except ValueError:
        row = column = math.nan
    if not (math.isfinite(row) and math.isfinite(column)):
        raise SettingsError(f"{option} {words}: expected ROW,COLUMN in pixels, as in {option} 512,300")
    return row, column


def find_trees(photo: "Photo", note: "Note", *, segmenter: "Segmenter") -> "Found":
    """Return what `clearfundus track` writes for one photograph: a drawing, JSON and GeoJSON.

    Args:
        photo: The photograph.
        note: How the results come to be.
        segmenter: What finds the vessels.
    """
    from clearfundus.interfaces.vessel_files import Found, drawing, provenance_of, to_text
    from clearfundus.vessels.export import tracking_to_geojson, tracking_to_json
    from clearfundus.vessels.overlay import draw_trees
    from clearfundus.vessels.track import track as track_photo

    tracking = track_photo(photo, segmenter)
    provenance = provenance_of(photo, note)
    return Found(
        contents=(
            drawing(photo, draw_trees(photo.pixels, tracking), note),
            to_text(tracking_to_json(tracking, provenance)),
            to_text(tracking_to_geojson(tracking, provenance)),
        ),
        reason=tracking.reason,
        told={
            "trees": sum(tree.rooted for tree in tracking.trees),
            "fragments": sum(not tree.rooted for tree in tracking.trees),
            "segments": len(tracking.segments),
        },
    )


def find_track(photo: "Photo", note: "Note", *, segmenter: "Segmenter", start: Place, end: Place | None) -> "Found":
    """Return what `clearfundus track --from` writes for one photograph: a drawing, JSON and GeoJSON.

    Args:
        photo: The photograph.
        note: How the results come to be.
        segmenter: What finds the vessels.
        start: Row and column in pixels of the photograph.
        end: Likewise, for the path to it; None to follow the vessel both ways.

    Raises:
        SettingsError: If a point lies outside the field.
    """
    from clearfundus.interfaces.vessel_files import Found, drawing, provenance_of, to_text
    from clearfundus.vessels.export import tracks_to_geojson, tracks_to_json
    from clearfundus.vessels.overlay import draw_tracks
    from clearfundus.vessels.segment import segment as segment_photo
    from clearfundus.vessels.track import track_between, track_from

    found = segment_photo(photo, segmenter)
    tracks = track_from(found, start) if end is None else (track_between(found, start, end),)
    shape, provenance = photo.pixels.shape[:2], provenance_of(photo, note)
    length = sum(one.length for one in tracks)
    reason = "" if length else "no vessel at that point"
    return Found(
        contents=(
            drawing(photo, draw_tracks(photo.pixels, tracks), note),
            to_text(tracks_to_json(tracks, shape, provenance, reason)),
            to_text(tracks_to_geojson(tracks, shape, provenance, reason)),
        ),
        reason=reason,
        told={"length": length, "stops": [one.stop for one in tracks]},
    )
