"""Plots of one measure over one set, as SVG to stand in a page: every photograph a point, no point left out unsaid.

Ink is written as `currentColor` and the ground is clear, so that a plot is legible on light, dark and printed pages.
"""

import io
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clearfundus.evaluation.results import INPUT, Interval, Row, Summary

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK = "#010203"
"""Drawn with this colour and then named `currentColor`, which matplotlib has no word for."""
POINT, MEAN = "#7a8aa0", "#d9651f"  # both stand out from white and from near-black
WIDTH, ROW, FRAME = 8.6, 0.34, 0.95  # inches: of the figure, of one method, of titles and axes
SPREAD = 0.26  # of a method's row, up and down, that the photographs are spread over


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A plot.

    Attributes:
        svg: An `<svg>` element whose identifiers all begin with the prefix that was asked for.
        left_out: How many values could not be drawn, for they are not finite.
    """

    svg: str
    left_out: int


def draw_measure(rows: Sequence[Row], summaries: Sequence[Summary], *, better: str, prefix: str) -> Figure:
    """Draw the values of all methods, and their differences to the input, photograph by photograph.

    A photograph stands at the same height within every method's row.

    Args:
        rows: Of one set, metric and protocol; at least one.
        summaries: Of the same; their order is that of the methods, and those without rows are drawn empty.
        better: Words after the metric's name, as "higher is better".
        prefix: What the identifiers in the SVG begin with; another one for each plot of a page.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure as Canvas

    heights = _heights(rows)
    values = {one.method: {row.photograph: row.value for row in rows if row.method == one.method} for one in summaries}
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": prefix, "font.size": 9, "text.parse_math": False}):
        canvas = Canvas(figsize=(WIDTH, FRAME + ROW * len(summaries)), layout="constrained")
        left, right = canvas.subplots(1, 2, sharey=True)
        _draw_panel(left, values, {one.method: one.value for one in summaries}, heights)
        gains = {method: _differences(own, values.get(INPUT, {})) for method, own in values.items() if method != INPUT}
        _draw_panel(right, gains, {one.method: one.to_input for one in summaries}, heights)
        right.axvline(0, color=INK, linewidth=0.8)
        for axes, title in ((left, f"{rows[0].metric} ({better})"), (right, "minus that of the input")):
            axes.set_title(title, color=INK, fontsize=9, loc="left")
        right.tick_params(left=False)
        left.set_yticks(range(len(summaries)), [one.method for one in summaries])
        left.set_ylim(len(summaries) - 0.5, -0.5)
        text = io.StringIO()
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        canvas.savefig(text, format="svg", transparent=True, metadata=nothing)
    drawn = [row for row in rows if math.isfinite(row.value)]
    return Figure(svg=_for_a_page(text.getvalue(), prefix), left_out=len(rows) - len(drawn))


def _heights(rows: Sequence[Row]) -> Mapping[str, float]:
    """Return where within a method's row each photograph stands."""
    names = sorted({row.photograph for row in rows})
    step = 2 * SPREAD / max(len(names) - 1, 1)
    return {name: -SPREAD + index * step if len(names) > 1 else 0.0 for index, name in enumerate(names)}


def _differences(own: Mapping[str, float], others: Mapping[str, float]) -> dict[str, float]:
    return {name: value - others[name] for name, value in own.items() if name in others}


def _draw_panel(
    axes: "Axes",
    values: Mapping[str, Mapping[str, float]],
    intervals: Mapping[str, Interval | None],
    heights: Mapping[str, float],
) -> None:
    """Draw points, means and intervals; `intervals` has a method for every row, `values` those with points."""
    for row, (method, interval) in enumerate(intervals.items()):
        finite = {name: value for name, value in values.get(method, {}).items() if math.isfinite(value)}
        places = [row + heights[name] for name in finite]
        axes.plot(list(finite.values()), places, "o", color=POINT, markersize=3.4, alpha=0.75, markeredgewidth=0)
        if interval is None or not math.isfinite(interval.mean):
            continue
        if math.isfinite(interval.low) and math.isfinite(interval.high):
            axes.plot([interval.low, interval.high], [row, row], "-", color=MEAN, linewidth=2.4)
        axes.plot([interval.mean], [row], "D", color=MEAN, markersize=5, markeredgewidth=0)
    axes.tick_params(colors=INK, labelsize=8)
    axes.grid(axis="x", color=INK, alpha=0.15, linewidth=0.6)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(INK)


def _for_a_page(svg: str, prefix: str) -> str:
    """Return the `<svg>` element alone, in the page's own ink, with identifiers that no other plot has."""
    element = svg[svg.index("<svg") :].strip()
    element = re.sub(r"\bid=\"([^\"]+)\"", rf'id="{prefix}-\1"', element)
    element = re.sub(r"href=\"#([^\"]+)\"", rf'href="#{prefix}-\1"', element)
    element = re.sub(r"url\(#([^)]+)\)", rf"url(#{prefix}-\1)", element)
    # comments, and a style that would hold for the whole page
    element = re.sub(r"<!--.*?-->|<style.*?</style>", "", element, flags=re.DOTALL)
    return element.replace(INK, "currentColor").replace("<svg ", '<svg aria-hidden="true" ', 1)
