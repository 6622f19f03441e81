import re
import subprocess
import sys
from dataclasses import replace
from math import inf, nan
from xml.etree import ElementTree

import numpy as np
import pytest

from clearfundus.evaluation.figures import INK, MEAN, POINT, Figure, draw_measure
from clearfundus.evaluation.results import Interval, Row, Summary
from clearfundus.evaluation.table import summarise
from evaluation.made_evaluation import make_rows

PHOTOGRAPHS = tuple("abcde")


def rows_and_summaries(methods: tuple[str, ...] = ("input", "clahe", "gan")) -> tuple[list[Row], tuple[Summary, ...]]:
    rows = [row for row in make_rows("pairs", PHOTOGRAPHS, methods) if row.metric == "psnr"]
    return rows, summarise(rows, {"psnr": "higher"}, 0)


def draw(rows: list[Row], summaries: tuple[Summary, ...], prefix: str = "plot1") -> Figure:
    return draw_measure(rows, summaries, better="higher is better", prefix=prefix)


def texts(svg: str) -> list[str]:
    return [one.text or "" for one in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]


def marks(svg: str, colour: str) -> list[tuple[float, float]]:
    """Return where marks of a colour were set."""
    found = re.findall(rf'<use [^>]*x="([-\d.]+)" y="([-\d.]+)" style="[^"]*{colour}[^"]*"', svg)
    return [(float(x), float(y)) for x, y in found]


def test_every_photograph_is_a_point_in_each_row_and_in_each_difference() -> None:
    svg = draw(*rows_and_summaries()).svg
    assert len(marks(svg, POINT)) == 5 * 3 + 5 * 2
    assert len(marks(svg, MEAN)) == 3 + 2


def test_points_stand_in_the_order_of_their_values() -> None:
    rows, summaries = rows_and_summaries(("input",))
    placed = marks(draw(rows, summaries).svg, POINT)
    values = [row.value for row in rows]
    assert np.argsort([x for x, _ in placed]).tolist() == np.argsort(values).tolist()
    assert np.corrcoef([x for x, _ in placed], values)[0, 1] == pytest.approx(1, abs=1e-6)


def test_a_photograph_stands_at_the_same_height_in_every_row() -> None:
    rows, summaries = rows_and_summaries()
    heights = np.reshape([y for _, y in marks(draw(rows, summaries).svg, POINT)][:15], (3, 5))
    np.testing.assert_allclose(np.diff(heights, axis=1), np.diff(heights, axis=1)[[0, 0, 0]], atol=1e-3)
    assert np.diff(heights, axis=1).min() > 0


def test_methods_and_measure_are_named_as_they_are() -> None:
    svg = draw(*rows_and_summaries(("input", "a<b>&c", "$x$_{y}"))).svg
    assert {"input", "a<b>&c", "$x$_{y}", "psnr (higher is better)"} <= set(texts(svg))


def test_values_that_are_not_finite_are_left_out_and_counted() -> None:
    rows, _ = rows_and_summaries()
    rows[3] = replace(rows[3], value=inf)  # the input's, so its two differences are left out, too
    rows[4] = replace(rows[4], value=nan)
    assert rows[3].method == "input"
    figure = draw(rows, summarise(rows, {"psnr": "higher"}, 0))
    assert figure.left_out == 2
    assert len(marks(figure.svg, POINT)) == 13 + 8
    assert not re.search(r"\b(nan|inf)\b", figure.svg)


def test_a_figure_without_any_finite_value_is_drawn_empty() -> None:
    rows, summaries = rows_and_summaries()
    none = Interval(mean=nan, low=nan, high=nan)
    rows = [replace(row, value=nan) for row in rows]
    summaries = tuple(replace(one, value=none, to_input=None) for one in summaries)
    assert draw(rows, summaries).left_out == 15


def test_one_photograph_gives_a_point_and_a_mean_without_a_bar() -> None:
    rows = [row for row in rows_and_summaries()[0] if row.photograph == "a"]
    assert len(marks(draw(rows, summarise(rows, {"psnr": "higher"}, 0)).svg, POINT)) == 3 + 2


def test_the_ink_is_the_pages_own() -> None:
    svg = draw(*rows_and_summaries()).svg
    assert INK not in svg
    assert "currentColor" in svg
    assert "<style" not in svg  # it would hold for the whole page


def test_plots_of_one_page_share_no_identifier_and_refer_to_their_own() -> None:
    first, second = (draw(*rows_and_summaries(), prefix=name).svg for name in ("plot1", "plot2"))
    names = [set(re.findall(r'\bid="([^"]+)"', svg)) for svg in (first, second)]
    assert not names[0] & names[1]
    used = re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', first)
    assert used
    assert {one or other for one, other in used} <= names[0]


def test_the_same_values_give_the_same_plot() -> None:
    assert draw(*rows_and_summaries()) == draw(*rows_and_summaries())


def test_the_settings_of_matplotlib_are_left_as_they_were() -> None:
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    draw(*rows_and_summaries())
    assert dict(mpl.rcParams) == before


def test_matplotlib_and_jinja2_are_not_imported_before_they_are_needed() -> None:
    code = (
        "import sys, clearfundus.evaluation.report\n"
        "sys.exit(', '.join({'matplotlib', 'jinja2', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ""
