"""A small evaluation made by hand: drawn photographs, values that are drawn, and everything a report must bear."""

from pathlib import Path
from types import MappingProxyType

import numpy as np

from clearfundus.evaluation.results import INPUT, Evaluation, Row
from clearfundus.evaluation.table import summarise
from clearfundus.photo import Photo, write_photo
from drawn import blur_fundus, draw_fundus

DIRECTIONS = {
    "psnr": "higher",
    "ssim": "higher",
    "psnr_fitted": "higher",
    "ssim_fitted": "higher",
    "fniqe": "lower",
    "niqe": "lower",
    "tenengrad": "none",
}
LEVELS = {"psnr": 20.0, "ssim": 0.8, "psnr_fitted": 24.0, "ssim_fitted": 0.85}
METRICS_OF_SET = {
    "blurry": ("fniqe", "niqe", "tenengrad"),
    "pairs": ("psnr", "ssim", "psnr_fitted", "ssim_fitted"),
    "simulated": ("psnr", "ssim", "psnr_fitted", "ssim_fitted"),
}
METHODS = (INPUT, "clahe", "gan", "zhou2018")


def make_rows(
    of_set: str, photographs: tuple[str, ...], methods: tuple[str, ...] = METHODS, protocol: str = "fov", seed: int = 0
) -> list[Row]:
    """Return drawn values of a set."""
    rng = np.random.default_rng(seed)
    return [
        Row(
            set=of_set,
            photograph=photograph,
            method=method,
            metric=metric,
            value=float(LEVELS.get(metric, 6.0) * rng.normal(1 + 0.02 * methods.index(method), 0.05)),
            protocol=protocol,
            side=768,
            blocks=None,
            flat_share=None,
            fit="clear-1" if metric == "fniqe" else "",
        )
        for metric in METRICS_OF_SET[of_set]
        for photograph in photographs
        for method in methods
    ]


def make_evaluation(
    folder: Path, count: int = 3, size: int = 128, methods: tuple[str, ...] = METHODS, names: tuple[str, ...] = ()
) -> Evaluation:
    """Make an evaluation of all three sets and write its pictures below a folder.

    Args:
        folder: Where the pictures go.
        count: Photographs in each set.
        size: Their height and width.
        methods: Names of the methods, the input first.
        names: What the first photographs are called.
    """
    photographs = (*names, *(f"eye_{number}" for number in range(len(names), count)))
    rows: list[Row] = []
    pictures: dict[tuple[str, str, str], Path] = {}
    references: dict[tuple[str, str], Path] = {}
    for number, of_set in enumerate(METRICS_OF_SET):
        rows += make_rows(of_set, photographs, methods, seed=number)
        rows += make_rows(of_set, photographs, methods, "whole", seed=number + 10)
        for index, photograph in enumerate(photographs):
            clear = draw_fundus(size, np.random.default_rng(index))
            place = folder / f"{of_set}_{index}"
            place.mkdir()
            for at, method in enumerate(methods):
                haze = 0.6 * (1 - at / len(methods))
                pictures[of_set, photograph, method] = _saved(blur_fundus(clear, haze=haze), place / f"{at}.png")
            if of_set != "blurry":
                references[of_set, photograph] = _saved(clear, place / "reference.png")
    return Evaluation(
        rows=tuple(rows),
        summaries=summarise(rows, DIRECTIONS, 0),
        failures=(("pairs/eye_lost", "found 4 inliers, expected 20"),),
        run=MappingProxyType(
            {
                "version": "0.1.0",
                "date": "2026-01-02 03:04 UTC",
                "methods": {
                    "clahe": {"method": "clahe", "clip_limit": "2.0"},
                    "gan": {"method": "gan", "weights": "compact", "sha256": "0123abcd"},
                },
                "metrics": {
                    name: {"direction": one, "conventions": f"How {name} is taken."} for name, one in DIRECTIONS.items()
                },
                "photographs": {"blurry/eye_0": {"width": size, "enlarged": True}},
                "seed": 7,
                "packages": {"numpy": "2.0"},
            }
        ),
        pictures=pictures,
        references=references,
    )


def with_value(rows: list[Row], photograph: str, method: str, metric: str, value: float) -> list[Row]:
    """Return the rows with another value in one place."""
    from dataclasses import replace

    place = (photograph, method, metric)
    return [replace(row, value=value) if (row.photograph, row.method, row.metric) == place else row for row in rows]


def _saved(photo: Photo, path: Path) -> Path:
    write_photo(photo, path)
    return path
