from clearfundus.evaluation.vessel_picks import pick_figures
from clearfundus.evaluation.vessel_results import VesselRow
from clearfundus.evaluation.vessel_table import summarise_vessels

GAINS = {"gan": (0.1, 0.3, 0.2, 0.0), "clahe": (0.0, 0.05, 0.0, 0.0), "zhou2018": (0.1, 0.1, 0.1, 0.1)}


def rows(metric: str, *, set_: str = "labelled", inputs: tuple[str, ...] = ("clear", "peli")) -> list[VesselRow]:
    return [
        VesselRow(
            set=set_,
            photograph=name,
            input=input_,
            method=method,
            segmenter="wnet",
            metric=metric,
            value=0.5 + gains[at],
        )
        for input_ in inputs
        for method, gains in {"input": (0.0,) * 4, **GAINS}.items()
        for at, name in enumerate("abcd")
    ]


def test_the_photograph_has_the_median_gain_of_the_default_method_and_the_best_other_stands_beside_it() -> None:
    held = rows("track_correct")
    (pick,) = pick_figures(held, summarise_vessels(held, 0), "wnet")
    assert (pick.input, pick.set, pick.metric) == ("peli", "labelled", "track_correct")
    assert pick.methods == ("gan", "zhou2018")
    assert pick.photograph == "a"  # gains 0, 0.1, 0.2, 0.3: the lower of the two in the middle


def test_masks_decide_where_nothing_was_tracked_and_tracks_where_both_are_there() -> None:
    held = rows("f1")
    assert pick_figures(held, summarise_vessels(held, 0), "wnet")[0].metric == "f1"
    held += rows("track_correct")
    assert pick_figures(held, summarise_vessels(held, 0), "wnet")[0].metric == "track_correct"


def test_photographs_without_labels_get_a_figure_of_their_own() -> None:
    held = rows("f1") + rows("vessel_length", set_="blurry", inputs=("taken",))
    picks = pick_figures(held, summarise_vessels(held, 0), "wnet")
    assert [(one.input, one.set, one.metric) for one in picks] == [
        ("peli", "labelled", "f1"),
        ("taken", "blurry", "vessel_length"),
    ]


def test_values_of_another_segmenter_decide_nothing() -> None:
    held = rows("f1")
    assert pick_figures(held, summarise_vessels(held, 0), "gabor") == ()
