"""The report of an evaluation by vessels: one page that needs no other file and no network, whole or not at all.

It says before anything else what the numbers cannot say. Figures are chosen by rule (`vessel_picks.py`).
"""

import base64
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from PIL import Image

from clearfundus.evaluation.report import flat, render_page
from clearfundus.evaluation.report_tables import WORDS, Table
from clearfundus.evaluation.results import INPUT
from clearfundus.evaluation.vessel_picks import FigurePick
from clearfundus.evaluation.vessel_results import CLEAR, TAKEN, VesselEvaluation, VesselSummary
from clearfundus.evaluation.vessel_tables import (
    CENTRELINES,
    FOLLOWING,
    HEADLINES,
    MASKS,
    TREES,
    vessel_gain_table,
    vessel_value_table,
)
from clearfundus.files import write_whole
from clearfundus.version import __version__

TEMPLATE = "vessel_report.html"
FEW = 30
"""Below so many photographs a set is called small."""
QUALITY = 82
"""Of a figure's JPEG in the page."""
ELSEWHERE = ("scores", "methods", "photographs", "directions")
"""What of the run has a place of its own."""
FIRST = ("date", "version", "weights", "device", "absent", "seconds_of_this_call")
GROUPS = (
    ("Masks", MASKS),
    ("Centrelines and topology", CENTRELINES),
    ("Following vessels", FOLLOWING),
    ("Trees", TREES),
)
INPUT_WORDS = {
    CLEAR: "The clear photographs themselves: what a method costs where nothing is amiss (do no harm)",
    TAKEN: "Photographs without labels, as taken. Nothing here says that a vessel is right: more vessels can be noise",
    "focus": "Out of focus: a Gaussian blur of 2 pixels at a field diameter of 540, and noise of 0.01",
    "arcnet": "Cataract as ArcNet simulates it, with the published ranges: haze that grows outwards, little blur",
    "peli": "Scatter after Peli and Peli, medium: 40 % of the light passes, a blur of 1.5 pixels, and noise",
}


@dataclass(frozen=True, kw_only=True)
class Section:
    """What the report says on one input.

    Attributes:
        name: The input.
        words: What it is.
        figure: Base64 of its figure as JPEG; empty where there is none.
        caption: What the figure shows.
        tables: Title, means, and differences to the input.
    """

    name: str
    words: str
    figure: str
    caption: str
    tables: Sequence[tuple[str, Table, Table]]


def write_vessel_report(evaluation: VesselEvaluation, figures: Sequence[tuple[FigurePick, Path]], path: Path) -> None:
    """Write the report as one HTML file; an existing file is replaced.

    Args:
        evaluation: What was found.
        figures: Each with what it shows.
        path: Where; its folder must exist.

    Raises:
        OSError: If a figure cannot be read, or the report not be written.
    """
    run, summaries = evaluation.run, evaluation.summaries
    photographs = dict.fromkeys((row.set, row.photograph) for row in evaluation.rows)
    page = render_page(
        TEMPLATE,
        sections=list(_sections(evaluation, figures)),
        overview=list(_overview(evaluation)),
        photographs=[(f"{set_}/{name}", _line(run["photographs"], f"{set_}/{name}")) for set_, name in photographs],
        labelled=sum(set_ == "labelled" for set_, _ in photographs),
        methods=[(name, _line(run["methods"], name)) for name in dict.fromkeys(one.method for one in summaries)],
        scores=[
            (name, WORDS[run["directions"][name]], run["scores"][name])
            for name in dict.fromkeys(one.metric for one in summaries)
        ],
        head=list(flat({key: run[key] for key in FIRST if key in run})),
        run=list(flat({key: value for key, value in run.items() if key not in ELSEWHERE})),
        failures=evaluation.failures,
        few=FEW,
        version=__version__,
        today=datetime.now(UTC).date().isoformat(),
    )
    write_whole(path, page.encode("utf-8"))


def headline_tables(evaluation: VesselEvaluation) -> Iterator[tuple[str, Table]]:
    """Yield for each input its name and a table of the scores that tell most, by the segmenter tracked on."""
    directions = evaluation.run["directions"]
    tracker = evaluation.run["tracked_on"]
    for name in dict.fromkeys(one.input for one in evaluation.summaries):
        wanted = HEADLINES if name != TAKEN else tuple(dict.fromkeys(one.metric for one in evaluation.summaries))
        held = [one for one in _of(evaluation.summaries, name, tracker) if one.metric in wanted]
        if held:
            yield name, vessel_value_table(held, directions)


def _overview(evaluation: VesselEvaluation) -> Iterator[tuple[str, Table]]:
    return headline_tables(evaluation)


def _sections(evaluation: VesselEvaluation, figures: Sequence[tuple[FigurePick, Path]]) -> Iterator[Section]:
    """Yield the inputs in the order in which they come."""
    shown = {pick.input: (pick, path) for pick, path in figures}
    for name in dict.fromkeys(one.input for one in evaluation.summaries):
        pick, path = shown.get(name, (None, None))
        yield Section(
            name=name,
            words=INPUT_WORDS.get(name, name),
            figure=_jpeg(path) if path else "",
            caption=f"{pick.photograph}, with the median gain of {pick.methods[0]} in {pick.metric}." if pick else "",
            tables=list(_tables(evaluation, name)),
        )


def _tables(evaluation: VesselEvaluation, input_: str) -> Iterator[tuple[str, Table, Table]]:
    """Yield title, means and differences of each segmenter and group of scores."""
    directions = evaluation.run["directions"]
    for segmenter in dict.fromkeys(one.segmenter for one in evaluation.summaries):
        groups = GROUPS if input_ != TAKEN else (("Counts without labels", tuple(directions)),)
        for title, metrics in groups:
            held = [one for one in _of(evaluation.summaries, input_, segmenter) if one.metric in metrics]
            if held:
                own = [one for one in held if one.input == input_]
                means = vessel_value_table(held, directions)
                yield f"{title}, {segmenter}", means, vessel_gain_table(own, directions)


def _of(summaries: Sequence[VesselSummary], input_: str, segmenter: str) -> list[VesselSummary]:
    """Return the means of one input and, beside a degraded one, those of the untouched clear photograph."""
    return [
        one
        for one in summaries
        if one.segmenter == segmenter
        and (one.input == input_ or (one.input == CLEAR and one.method == INPUT and input_ != TAKEN))
    ]


def _line(notes: Mapping[str, Mapping[str, object]], name: str) -> str:
    """Return all that is noted of something, on one line."""
    return "; ".join(f"{key} {value}" for key, value in flat(notes.get(name, {})))


def _jpeg(path: Path) -> str:
    content = io.BytesIO()
    with Image.open(path) as picture:
        picture.convert("RGB").save(content, format="JPEG", quality=QUALITY, optimize=True)
    return base64.b64encode(content.getvalue()).decode("ascii")
