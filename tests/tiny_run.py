"""Training runs small enough for tests: settings, random batches, folders of drawn photographs."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from clearfundus import Photo, write_photo
from clearfundus.training.config import RunSettings
from clearfundus.training.reading import settings_from
from clearfundus.training.run import Sources
from clearfundus.training.step import Batch
from drawn import blur_fundus, draw_fundus

Blur = Callable[[Photo], Photo]

TINY: dict[str, Any] = {
    "name": "tiny",
    "precision": "fp32",
    "data": {"diameter": 96, "crop": 64, "validation": 0.2},
    "generator": {"width": 4, "blocks": 1},
    "discriminator": {"width": 4},
    "unpaired": {"steps": 4, "pool": 2},
    "every": {"log": 1, "sample": 1000, "validate": 1000, "checkpoint": 1000},
}


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Lay one nested table over another."""
    result = dict(base)
    for key, value in over.items():
        result[key] = merged(base.get(key, {}), value) if isinstance(value, Mapping) else value
    return result


def tiny_table(**over: Any) -> dict[str, Any]:
    """Return the settings of a tiny run as nested tables, with some laid over."""
    return merged(TINY, over)


def tiny_settings(**over: Any) -> RunSettings:
    """Return the settings of a tiny run."""
    return settings_from(tiny_table(**over), "tiny")


def write_config(path: Path, **over: Any) -> Path:
    """Write a tiny run's settings as TOML; a JSON value is a TOML value for all that stands in there."""

    def lines(table: Mapping[str, Any], section: str) -> list[str]:
        plain = [f"{key} = {json.dumps(one)}" for key, one in table.items() if not isinstance(one, Mapping)]
        inner = [
            line
            for key, one in table.items()
            if isinstance(one, Mapping)
            for line in (f"[{section}{key}]", *lines(one, f"{section}{key}."))
        ]
        return plain + inner

    path.write_text("\n".join(lines(tiny_table(**over), "")))
    return path


def random_pictures(count: int, seed: int, side: int = 64) -> Tensor:
    """Draw pictures, (count, 3, side, side) in [-1, 1]."""
    generator = torch.Generator().manual_seed(seed)
    return torch.rand((count, 3, side, side), generator=generator) * 2 - 1


def random_batch(count: int = 1, pairs: int = 0, seed: int = 0, noise: bool = False) -> Batch:
    """Draw a batch of `count` pictures a side and `pairs` simulated pairs."""
    return Batch(
        blurry=random_pictures(count, seed),
        clear=random_pictures(count, seed + 1),
        degraded=random_pictures(pairs, seed + 2),
        truth=random_pictures(pairs, seed + 3),
        noise=random_pictures(2 * count, seed + 4) / 100 if noise else None,
    )


def write_photographs(folder: Path, count: int, *, size: int = 112, blur: Blur | None = None) -> None:
    """Draw photographs of different eyes, blur them if asked, and write them as PNG files."""
    folder.mkdir(parents=True)
    for number in range(count):
        photo = draw_fundus(size, np.random.default_rng([number, blur is None]))
        write_photo(photo if blur is None else blur(photo), folder / f"{number:02d}.png")


def draw_sources(folder: Path, count: int = 5, *, size: int = 112, blur: Blur = blur_fundus) -> Sources:
    """Draw both sides."""
    write_photographs(folder / "blurry", count, size=size, blur=blur)
    write_photographs(folder / "clear", count, size=size)
    return Sources(blurry=folder / "blurry", clear=folder / "clear")
