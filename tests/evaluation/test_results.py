from math import inf, isnan, nan
from pathlib import Path

import pytest

from clearfundus.errors import SettingsError
from clearfundus.evaluation.results import (
    Evaluation,
    Interval,
    Row,
    Summary,
    load_evaluation,
    read_summaries,
    save_evaluation,
    write_summaries,
)

ROW = Row(
    set="pairs",
    photograph='left/a, "b"',
    method="input",
    metric="psnr",
    value=0.1 + 0.2,
    protocol="fov",
    side=768,
    blocks=None,
    flat_share=None,
    fit="",
)
SUMMARY = Summary(
    set="pairs",
    method="clahe",
    metric="psnr",
    protocol="fov",
    side=768,
    fit="live",
    count=3,
    deviation=0.125,
    blocks=40.5,
    flat_share=0.25,
    value=Interval(mean=1 / 3, low=-1.5, high=inf),
    to_input=None,
    best_other="gan",
    to_best_other=Interval(mean=1e-17, low=0.0, high=2.0),
    rank=1.5,
)


def evaluation(folder: Path) -> Evaluation:
    other = Row(**{**vars(ROW), "metric": "niqe", "value": inf, "blocks": 37, "flat_share": 0.25, "fit": "live"})
    return Evaluation(
        rows=(ROW, other),
        summaries=(
            SUMMARY,
            Summary(**{**vars(SUMMARY), "rank": None, "deviation": None, "best_other": "", "to_best_other": None}),
        ),
        failures=(("pairs/ö", "found no field"),),
        run={"version": "1", "metrics": {"psnr": "of two"}},
        pictures={("pairs", "left/a", "clahe"): folder / "pictures" / "pairs" / "left" / "a" / "clahe.png"},
        references={("pairs", "left/a"): folder / "pictures" / "reference.png"},
    )


def test_an_evaluation_is_read_back_as_it_was(tmp_path: Path) -> None:
    save_evaluation(evaluation(tmp_path), tmp_path)
    assert load_evaluation(tmp_path) == evaluation(tmp_path)


def test_a_folder_that_was_moved_is_read_with_the_pictures_in_their_new_place(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    save_evaluation(evaluation(tmp_path / "old"), tmp_path / "old")
    moved = (tmp_path / "old").rename(tmp_path / "new")
    assert load_evaluation(moved) == evaluation(moved)


def test_an_interval_that_cannot_be_given_stays_so() -> None:
    one = Summary(**{**vars(SUMMARY), "value": Interval(mean=2.0, low=nan, high=nan)})
    (found,) = read_summaries(write_summaries([one]))
    assert found.value.mean == 2.0
    assert isnan(found.value.low)
    assert isnan(found.value.high)


@pytest.mark.parametrize("name", ["run.json", "table.csv", "per_image.csv"])
@pytest.mark.parametrize("content", [None, "{}\n", "set,method\nblurry,x\n"])
def test_a_folder_that_holds_something_else_is_refused(name: str, content: str | None, tmp_path: Path) -> None:
    save_evaluation(evaluation(tmp_path), tmp_path)
    (tmp_path / name).unlink()
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(SettingsError, match="holds no finished evaluation"):
        load_evaluation(tmp_path)
