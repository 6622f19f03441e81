"""One choice of the method at a time: `python scripts/ablate.py --variants feature,image --seeds 1,2,3 ... -o OUT`.

Trains a small network for every variant of `configs/ablation/` and every seed, one after the other, each in its own
run folder, then measures all of them on the photographs that their seed holds out. A finished run is skipped and a
stopped one resumed. Under one seed all variants see the same photographs in the same order, but for `balanced`.
"""

import argparse
import sys
import tomllib
from collections.abc import Mapping, Sequence
from math import nan, sqrt
from pathlib import Path
from typing import Any

import numpy as np
from enhancer_tables import Values, describe, summarise
from measure_enhancers import Enhancer, find_held_out, measure_all, prepare_enhancers
from scipy.stats import t

from clearfundus.training.config import RunSettings
from clearfundus.training.reading import settings_from
from clearfundus.training.run import Sources, train

CONFIGS = Path(__file__).parents[1] / "configs" / "ablation"
BASE = "base"
CONFIDENCE = 0.95


def main() -> None:
    """Train what is not trained yet, measure, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--variants", default="feature,image", help="names of files in configs/ablation")
    parser.add_argument("--seeds", default="1")
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--blurry", type=Path, required=True)
    parser.add_argument("--clear", type=Path, required=True)
    parser.add_argument("--groups", type=Path)
    parser.add_argument("--most", type=int, help="so many photographs of each side are measured at most")
    parser.add_argument("--models", default="cataract,focus", help="degradations of clear photographs")
    parser.add_argument("--device", default="auto")
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()
    sources = Sources(blurry=arguments.blurry, clear=arguments.clear, groups=arguments.groups)
    variants, values = arguments.variants.split(","), Values()
    for seed in map(int, arguments.seeds.split(",")):
        folders = [arguments.output / f"{variant}-{seed}" for variant in variants]
        for variant, folder in zip(variants, folders, strict=True):
            run(read_variant(variant, seed, arguments.steps), sources, folder, arguments.device)
        # every run of a seed holds the same photographs out
        sides = {"blurry": arguments.blurry, "clear": arguments.clear}
        held_out = find_held_out(sides, arguments.groups, folders[0], arguments.most)
        found = measure_all(_enhancers(folders), held_out, arguments.models.split(","))
        for (label, measure), own in found.items():
            values.setdefault((label, measure), {}).update({f"{seed}/{name}": one for name, one in own.items()})
    text = "\n\n".join([describe(summarise(values)), compare(values, variants)])
    (arguments.output / "ablation.md").write_text(text + "\n", encoding="utf-8")
    print(text)


def read_variant(name: str, seed: int, steps: int) -> RunSettings:
    """Return the base settings with what a variant changes."""
    base, changed = (tomllib.loads((CONFIGS / f"{one}.toml").read_text(encoding="utf-8")) for one in (BASE, name))
    own = {"name": f"ablation-{name}", "seed": seed, "data": {"split_seed": seed}}
    table = merged(merged(base, changed), {**own, "unpaired": {"steps": steps}})
    return settings_from(table, f"{name}.toml")


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Lay one nested table over another."""
    result = dict(base)
    for key, value in over.items():
        result[key] = merged(base.get(key, {}), value) if isinstance(value, Mapping) else value
    return result


def run(settings: RunSettings, sources: Sources, folder: Path, device: str) -> None:
    """Train, or go on, unless the weights are there already."""
    if (folder / "enhancer.safetensors").exists():
        return
    for event in train(settings, sources, folder, device):
        if event.kind in ("left out", "resumed", "checkpoint", "done"):
            print(
                f"{folder.name}: {event.kind} {event.step}/{event.total} {event.message}", file=sys.stderr, flush=True
            )


def _enhancers(folders: Sequence[Path]) -> list[Enhancer]:
    """Load the last weights of runs, each named by its variant."""
    found = prepare_enhancers([folder / "enhancer.safetensors" for folder in folders])
    return [
        Enhancer(label=folder.name.rpartition("-")[0], method=one.method, blurrer=one.blurrer)
        for folder, one in zip(folders, found, strict=True)
    ]


def compare(values: Values, variants: Sequence[str]) -> str:
    """Return a table of every variant against the first: seeds' means, their difference, and a t interval over seeds.

    Photographs of one run share its chance, so only seeds count as independent; the interval rests on as many.
    """
    first, *others = variants
    lines = [f"| measure | variant | means of its seeds | less those of `{first}` | {CONFIDENCE:.0%} interval |"]
    lines.append("|---|---|---|---|---|")
    for measure in dict.fromkeys(measure for label, measure in values if label == first):
        for other in others:
            if (other, measure) not in values:
                continue
            ours, theirs = (seed_means(values[label, measure]) for label in (first, other))
            gains = [theirs[seed] - ours[seed] for seed in ours if seed in theirs]
            low, high = t_interval(gains)
            means = " ".join(f"{one:.4g}" for one in theirs.values())
            lines.append(f"| {measure} | {other} | {means} | {np.mean(gains):+.4g} | {low:+.4g} to {high:+.4g} |")
    return "\n".join(lines)


def seed_means(own: Mapping[str, float]) -> dict[str, float]:
    """Return the mean over photographs for each seed; keys of `own` are "seed/photograph"."""
    seeds = dict.fromkeys(key.partition("/")[0] for key in own)
    return {seed: float(np.mean([one for key, one in own.items() if key.startswith(f"{seed}/")])) for seed in seeds}


def t_interval(values: Sequence[float]) -> tuple[float, float]:
    """Return Student's interval of the mean; NaN from one value."""
    if len(values) < 2:
        return nan, nan
    half = float(t.ppf((1 + CONFIDENCE) / 2, len(values) - 1)) * float(np.std(values, ddof=1)) / sqrt(len(values))
    mean = float(np.mean(values))
    return mean - half, mean + half


if __name__ == "__main__":
    main()
