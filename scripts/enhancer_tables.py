"""The tables of `measure_enhancers.py` and `ablate.py`: what was measured, as rows, as CSV and as Markdown."""

from collections.abc import Mapping, Sequence
from math import nan

import numpy as np

from clearfundus.evaluation.bootstrap import CONVENTION, mean_intervals
from clearfundus.evaluation.paired import paired_difference, recovered_share

SIDE = 512
SEVERITY = 0.6
INPUT = "input"
SEGMENTER = "wnet"
COLUMNS = (
    *("weights", "measure", "mean", "low", "high", "photographs", "input"),
    *("difference", "difference low", "difference high", "p"),
)
MEASURES: Mapping[str, str] = {
    "fniqe": f"F-NIQE of blurry photographs at {SIDE} pixels; lower is nearer to clear photographs",
    "answer": "share of the change of blurry photographs that no gain and offset for each channel explains",
    "sharpness": "gradient energy of green on blurry photographs, over that of the input",
    "cycle error": "mean absolute error of G_b(G_e(x)) to x",
    "cycle error 8 bit": "the same when G_e(x) is rounded to 8 bits and given noise of 1/255 on the way",
    "clear ssim": "SSIM of G_e(y) to y of clear photographs: 1 where nothing is done",
    "clear shift": "greatest change of a channel's mean on clear photographs",
    "clear colour": "distance between the mean colours of G_e(y) and y in the a*, b* plane of CIELAB",
    "clear rim": "mean absolute change in the outermost 3 % of the field's radius, less that in the middle",
    "clear middle": "mean absolute change deeper than half the field's radius",
    "MODEL psnr": f"PSNR to the clear photograph of its copy degraded by MODEL at severity {SEVERITY:g}; "
    "`psnr_fitted` after a gain and an offset for each channel",
    "MODEL ssim": "SSIM of the same; `ssim_fitted` after a gain and an offset",
    "MODEL f1": f"F1 of the vessels that `{SEGMENTER}` finds on degraded labelled photographs",
    "MODEL recovered": "share of the F1 lost by degradation that came back, a ratio of means",
}

Values = dict[tuple[str, str], dict[str, float]]
"""Label and measure -> photograph -> value."""
Row = dict[str, str | float]
"""Column -> its cell; what is not known is left out."""


def summarise(values: Values) -> list[Row]:
    """Return a row for each label and measure: mean, interval, and the difference to the input on the same eyes."""
    rows: list[Row] = []
    for (label, measure), own in values.items():
        given = values.get((INPUT, measure), {})
        (mean,) = mean_intervals(np.array(list(own.values()))[:, None], 0)
        row: Row = {"weights": label, "measure": measure, "mean": mean.mean}
        row |= {"low": mean.low, "high": mean.high, "photographs": len(own)}
        both = [name for name in own if name in given]
        if label != INPUT and both:
            found, others = (np.array([one[name] for name in both]) for one in (own, given))
            paired = paired_difference(found, others, 0)
            row |= {"input": float(others.mean()), "difference": paired.difference.mean, "p": paired.p}
            row |= {"difference low": paired.difference.low, "difference high": paired.difference.high}
        rows.append(row)
    return rows + recovered_rows(values)


def recovered_rows(values: Values) -> list[Row]:
    """Return a row for each label and degradation: the share of the vessels' F1 that came back."""
    clear = values.get((INPUT, "clear f1"), {})
    rows: list[Row] = []
    for (label, measure), own in values.items():
        if label == INPUT or not measure.endswith(" f1") or measure == "clear f1":
            continue
        columns = (own, values[INPUT, measure], clear)
        share = recovered_share(*(np.array([one[name] for name in own]) for one in columns), seed=0).share
        if share is not None:
            row: Row = {"weights": label, "measure": measure.replace(" f1", " recovered")}
            rows.append(row | {"mean": share.mean, "low": share.low, "high": share.high, "photographs": len(own)})
    return rows


def as_csv(row: Mapping[str, str | float]) -> str:
    """Return one line of the CSV file; what is not known stays empty."""
    cells = [row.get(column, nan) for column in COLUMNS]
    return ",".join(f'"{one}"' if isinstance(one, str) else "" if one != one else f"{one:.6g}" for one in cells)


def describe(rows: Sequence[Mapping[str, str | float]]) -> str:
    """Return a Markdown table, a row for each measure, a column for each label; and what the measures are."""
    labels = list(dict.fromkeys(str(row["weights"]) for row in rows))
    cells = {
        (row["weights"], row["measure"]): f"{row['mean']:.4g} [{row['low']:.4g}, {row['high']:.4g}]" for row in rows
    }
    lines = [f"| measure | {' | '.join(labels)} |", "|---|" + "---|" * len(labels)]
    for measure in dict.fromkeys(str(row["measure"]) for row in rows):
        lines.append(f"| {measure} | {' | '.join(cells.get((label, measure), '') for label in labels)} |")
    return "\n".join([*lines, "", CONVENTION, "", *(f"- **{name}**: {words}." for name, words in MEASURES.items())])


def header() -> str:
    """Return the first line of the CSV file."""
    return ",".join(COLUMNS)
