import base64
import io
import re
from collections.abc import Mapping
from dataclasses import replace
from html import escape, unescape
from html.parser import HTMLParser
from math import inf, nan
from pathlib import Path

import pytest
from PIL import Image

from clearfundus.evaluation import report, report_pictures
from clearfundus.evaluation.figures import Figure
from clearfundus.evaluation.picks import pick_cases
from clearfundus.evaluation.report import write_report
from clearfundus.evaluation.report_tables import direction_of, format_number, input_table, rival_table, value_table
from clearfundus.evaluation.results import Evaluation, Interval, Summary
from clearfundus.interfaces import SAFETY
from clearfundus.quality.fniqe import shipped_model
from evaluation.made_evaluation import DIRECTIONS, METHODS, METRICS_OF_SET, make_evaluation

ODD = "a<b>&\"c'"
"""A file may be called that."""
VOID = {"meta", "img", "br"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    return make_evaluation(tmp_path_factory.mktemp("pictures"), names=(ODD,))


@pytest.fixture(scope="module")
def page(made: Evaluation, tmp_path_factory: pytest.TempPathFactory) -> str:
    return written(made, tmp_path_factory.mktemp("report"))


@pytest.fixture
def unplotted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the plots out, which take most of the time."""
    monkeypatch.setattr(report, "draw_measure", lambda *_, **__: Figure(svg="", left_out=0))


def written(evaluation: Evaluation, folder: Path) -> str:
    write_report(evaluation, folder / "report.html")
    return (folder / "report.html").read_text(encoding="utf-8")


class Elements(HTMLParser):
    """Reads a page: every element with its attributes, all text, and whether each element is closed in its turn."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(page)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] not in ("style", "script"):
            self.text += data + " "


def words(page: str) -> str:
    return " ".join(Elements(page).text.split())


def summary(method: str, metric: str, mean: float, low: float = nan, high: float = nan, **changes: object) -> Summary:
    value = Interval(mean=mean, low=low, high=high)
    one = Summary(
        set="pairs",
        method=method,
        metric=metric,
        protocol="fov",
        side=768,
        fit="live",
        count=5,
        deviation=0.125,
        blocks=40.5,
        flat_share=0.25,
        value=value,
        to_input=None if method == "input" else value,
        best_other="",
        to_best_other=None,
        rank=None,
    )
    return replace(one, **changes)


def test_the_page_needs_no_other_file(page: str) -> None:
    for tag, attributes in Elements(page).found:
        assert tag not in {"script", "link", "iframe", "object", "embed", "base"}
        for name in ("src", "href", "xlink:href", "srcset", "poster", "action", "data"):
            target = attributes.get(name)
            assert target is None or target.startswith(("#", "data:image/jpeg;base64,", "https://doi.org/")), target
        if str(attributes.get("href")).startswith("https"):
            assert tag == "a"
    assert "@import" not in page
    assert not re.search(r"url\((?!#)", page)


def test_every_element_is_closed_and_every_identifier_is_the_only_one(page: str) -> None:
    identifiers = [attributes["id"] for _, attributes in Elements(page).found if "id" in attributes]
    assert len(identifiers) == len(set(identifiers))
    assert page.startswith("<!DOCTYPE html>")
    targets = {str(one["href"])[1:] for _, one in Elements(page).found if str(one.get("href")).startswith("#")}
    assert targets <= set(identifiers)


def test_every_method_measure_and_photograph_is_named(page: str, made: Evaluation) -> None:
    shown = words(page)
    for name in {*METHODS, *DIRECTIONS, *METRICS_OF_SET, *(row.photograph for row in made.rows)}:
        assert name in shown


@pytest.mark.usefixtures("unplotted")
def test_what_was_left_out_is_named_with_its_reason(page: str, made: Evaluation, tmp_path: Path) -> None:
    assert "pairs/eye_lost : found 4 inliers, expected 20" in words(page)
    assert "No photograph was left out" in words(written(replace(made, failures=()), tmp_path))


@pytest.mark.usefixtures("unplotted")
def test_names_are_escaped(page: str, made: Evaluation, tmp_path: Path) -> None:
    assert "a<b>" not in page
    assert escape(ODD, quote=False) in page.replace("&#34;", '"').replace("&#39;", "'")
    evil = "<script>alert(1)</script>"
    bad = replace(made, failures=((evil, evil),), run={**made.run, evil: evil})
    assert evil not in written(bad, tmp_path)


def test_a_mean_stands_with_its_deviation_and_what_it_rests_on() -> None:
    table = value_table([summary("gan", "niqe", 6.0, 5.0, 7.0)], {"niqe": "lower"})
    ((_, (cell,)),) = table.lines
    assert cell.note == "SD 0.125; blocks 40; flat 25%"


@pytest.mark.usefixtures("unplotted")
def test_on_what_the_shipped_fit_was_chosen_is_said_where_it_is_used(made: Evaluation, tmp_path: Path) -> None:
    name = shipped_model().name
    rows = tuple(replace(row, fit=name) if row.metric == "fniqe" else row for row in made.rows)
    sentence = f"The shipped fit of F-NIQE, {name}, was chosen among others by how it does on photographs"
    assert sentence in words(written(replace(made, rows=rows), tmp_path))
    assert "The shipped fit of F-NIQE" not in words(written(made, tmp_path))


def test_it_is_said_to_be_no_medical_device(page: str) -> None:
    for sentence in SAFETY.removesuffix(".").split(": "):
        assert sentence in words(page)


def test_it_is_said_what_may_not_be_compared_with_the_paper(page: str) -> None:
    shown = words(page)
    assert "Not with the printed table" in shown
    assert "10.1007/978-3-030-32239-7_9" in shown
    assert "Compare methods with each other" in shown


def test_the_head_names_date_version_and_hashes(page: str) -> None:
    shown = words(page).partition("What these numbers can say")[0]
    for one in ("2026-01-02 03:04 UTC", "0.1.0", "weights compact; sha256 0123abcd", "clip_limit 2.0"):
        assert one in shown


@pytest.mark.usefixtures("unplotted")
def test_the_conventions_are_those_of_the_run_else_those_of_the_measure(
    page: str, made: Evaluation, tmp_path: Path
) -> None:
    assert "How ssim_fitted is taken." in words(page)
    shown = words(written(replace(made, run={}), tmp_path))
    assert "LIVE release of 2013" in shown


@pytest.mark.usefixtures("unplotted")
def test_small_sets_are_called_small_and_others_are_not(page: str, made: Evaluation, tmp_path: Path) -> None:
    assert "Small samples: blurry 3, pairs 3, simulated 3 photographs" in words(page)
    rows = tuple(replace(made.rows[0], photograph=f"eye {number}") for number in range(30))
    assert "Small samples" not in words(written(replace(made, rows=rows, summaries=()), tmp_path))


def test_measures_without_direction_are_told_and_never_marked(page: str) -> None:
    assert "tenengrad: no better or worse" in words(page).replace(" :", ":")
    for table in (value_table, input_table, rival_table):
        found = table(
            [summary("input", "m", 1), summary("gan", "m", 2, 1, 3, to_best_other=None, rank=1.0)], {"m": "none"}
        )
        assert {cell.mark for _, line in found.lines for cell in line} <= {""}


@pytest.mark.parametrize(("direction", "best"), [("higher", "gan"), ("lower", "clahe")])
def test_the_best_of_a_column_follows_its_direction(direction: str, best: str) -> None:
    ones = [
        summary("input", "m", 2.0),
        summary("clahe", "m", -1.0),
        summary("gan", "m", 3.0),
        summary("he2011", "m", nan),
    ]
    found = value_table(ones, {"m": direction})
    assert [method for method, line in found.lines if line[0].mark == "best"] == [best]


def test_the_input_may_be_the_best_and_ties_are_all_best() -> None:
    found = value_table(
        [summary("input", "m", 3.0), summary("gan", "m", 3.0), summary("clahe", "m", 1.0)], {"m": "higher"}
    )
    assert [line[0].mark for _, line in found.lines] == ["best", "best", ""]


@pytest.mark.parametrize(
    ("direction", "low", "high", "mark"),
    [
        ("higher", 0.1, 0.3, "better"),
        ("higher", -0.3, -0.1, "worse"),
        ("lower", 0.1, 0.3, "worse"),
        ("lower", -0.3, -0.1, "better"),
        ("higher", -0.1, 0.3, ""),
        ("lower", 0.0, 0.3, ""),
        ("higher", nan, nan, ""),
        ("none", 0.1, 0.3, ""),
    ],
)
def test_a_difference_is_marked_where_its_interval_leaves_out_zero(
    direction: str, low: float, high: float, mark: str
) -> None:
    found = input_table([summary("gan", "m", 0.2, low, high)], {"m": direction})
    assert found.lines[0][1][0].mark == mark


def test_the_best_on_the_page_is_the_best_mean(page: str, made: Evaluation) -> None:
    # the first table is that of the blurry set in the field
    table = page[page.index("<tbody>", page.index('id="set1"')) : page.index("</tbody>", page.index('id="set1"'))]
    lines = {
        unescape(name): re.findall(r"<td(.*?)</td>", line, re.DOTALL)
        for name, line in re.findall(r'<th scope="row">(.*?)</th>(.*?)</tr>', table, re.DOTALL)
    }
    for column, metric in enumerate(METRICS_OF_SET["blurry"]):
        means = {
            one.method: one.value.mean
            for one in made.summaries
            if (one.set, one.metric, one.protocol) == ("blurry", metric, "fov")
        }
        marked = [name for name, cells in lines.items() if 'class="best"' in cells[column]]
        expected = [] if DIRECTIONS[metric] == "none" else [min(means, key=means.__getitem__)]
        assert marked == expected


def test_a_method_without_a_value_leaves_its_cell_empty_and_counts_are_told() -> None:
    ones = [summary("input", "m", 1), summary("gan", "m", 2, count=4), summary("input", "n", 1)]
    found = value_table(ones, {"m": "higher", "n": "higher"})
    assert found.lines[1][1][1].mean == "\N{EN DASH}"
    assert [column.count for column in found.columns] == ["", "n = 5"]
    assert [line[0].note.split("; ")[-1] for _, line in found.lines] == ["n = 5", "n = 4"]


def test_the_best_other_method_and_the_rank_are_told() -> None:
    rival = Interval(mean=-1.5, low=-2, high=-1)
    found = rival_table([summary("gan", "m", 10.0, best_other="clahe", to_best_other=rival, rank=2.25)], {"m": "lower"})
    cell = found.lines[0][1][0]
    assert (cell.mark, cell.note) == ("better", "to clahe; mean rank 2.2")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.234, "1.23"),
        (-1.234, "\N{MINUS SIGN}1.23"),
        (-0.001, "0.00"),
        (nan, "NaN"),
        (inf, "inf"),
        (-inf, "\N{MINUS SIGN}inf"),
    ],
)
def test_numbers_are_written_as_they_are(value: float, text: str) -> None:
    assert format_number(value, 2) == text


@pytest.mark.usefixtures("unplotted")
def test_nan_and_infinity_are_shown_as_such(made: Evaluation, tmp_path: Path) -> None:
    odd = {"psnr": Interval(mean=inf, low=nan, high=nan), "ssim": Interval(mean=nan, low=nan, high=nan)}
    summaries = tuple(replace(one, value=odd.get(one.metric, one.value)) for one in made.summaries)
    shown = words(written(replace(made, summaries=summaries), tmp_path))
    assert "inf best no interval" in shown
    assert "NaN no interval" in shown


@pytest.mark.parametrize(
    ("metric", "run", "direction"),
    [
        ("niqe", {}, "lower"),
        ("ssim_fitted", {}, "higher"),
        ("tenengrad", {}, "none"),
        ("unheard", {}, "none"),
        ("unheard", {"metrics": {"unheard": {"direction": "lower"}}}, "lower"),
        ("niqe", {"metrics": {"niqe": "words"}}, "lower"),
    ],
)
def test_the_direction_is_that_of_the_run_else_that_of_the_measure(
    metric: str, run: Mapping[str, object], direction: str
) -> None:
    assert direction_of(metric, run) == direction


def test_the_picked_cases_are_shown_with_input_result_and_reference(page: str, made: Evaluation) -> None:
    shown = [str(one.get("alt")) for tag, one in Elements(page).found if tag == "img"]
    for of_set in METRICS_OF_SET:
        for method in METHODS[1:]:
            for pick in pick_cases(made.rows, of_set=of_set, method=method):
                for name in ("input", method):
                    assert f"{name}, {pick.photograph}" in shown
                    assert f"{name}, {pick.photograph}, enlarged part" in shown
    assert any(one.startswith("reference, ") for one in shown)
    # of three cases, two views each: input and result everywhere, the reference in two sets
    assert len(shown) == 3 * 2 * 3 * (2 + 3 + 3)
    assert "fniqe minus that of the input (lower is better), protocol fov" in words(page)


def test_the_pictures_are_jpegs_of_modest_size(page: str) -> None:
    codes = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', page)
    pictures = [Image.open(io.BytesIO(base64.b64decode(code, validate=True))) for code in codes]
    assert {(one.format, one.size) for one in pictures} == {("JPEG", (report_pictures.SIDE,) * 2)}


@pytest.mark.usefixtures("unplotted")
def test_many_pictures_are_compressed_more_to_keep_to_the_limit(
    made: Evaluation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    def size(text: str) -> int:
        return sum(map(len, re.findall(r'src="([^"]+)"', text)))

    monkeypatch.setattr(report_pictures, "LIMIT", size(page) // 2)
    assert size(written(made, tmp_path)) <= size(page) // 2 + 100 * page.count("<img")


@pytest.mark.usefixtures("unplotted")
def test_a_picture_that_is_missing_or_broken_is_told(made: Evaluation, tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"nothing")
    pictures = {key: broken if key[2] == "gan" else path for key, path in made.pictures.items() if key[2] != "clahe"}
    shown = words(written(replace(made, pictures=pictures), tmp_path))
    assert "this picture was not saved" in shown
    assert "broken.png" in shown
    shown = words(written(replace(made, pictures={}, references={}), tmp_path))
    assert "this picture was not saved" in shown


@pytest.mark.usefixtures("unplotted")
def test_a_set_without_its_measure_shows_no_case_and_says_so(made: Evaluation, tmp_path: Path) -> None:
    rows = tuple(row for row in made.rows if row.metric != "fniqe")
    assert "None shown: the measure" in words(written(replace(made, rows=rows), tmp_path))


@pytest.mark.usefixtures("unplotted")
def test_an_evaluation_in_which_all_failed_still_has_a_report(made: Evaluation, tmp_path: Path) -> None:
    empty = replace(made, rows=(), summaries=(), pictures={}, references={})
    assert "pairs/eye_lost" in words(written(empty, tmp_path))


@pytest.mark.usefixtures("unplotted")
def test_one_photograph_is_enough_for_a_report(tmp_path: Path) -> None:
    shown = words(written(make_evaluation(tmp_path, count=1, methods=("input", "gan")), tmp_path))
    assert "only : eye_0" in shown
    assert "no interval" in shown


@pytest.mark.usefixtures("unplotted")
def test_the_page_is_there_whole_or_not_at_all(
    made: Evaluation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "report.html"
    path.write_text("the last one")
    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", _no_room)
        with pytest.raises(OSError, match="full"):
            write_report(made, path)
    assert path.read_text() == "the last one"
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(OSError, match="nowhere"):
        write_report(made, tmp_path / "nowhere" / "report.html")


def _no_room(descriptor: int) -> None:
    raise OSError("the disk is full")
