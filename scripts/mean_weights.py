"""The mean of runs that began with the same weights: `python scripts/mean_weights.py RUN RUN... --name NAME -o FOLDER`.

Runs that set out from one place may have a mean that is better than each; measure it (docs/decisions/0020). FOLDER gets
`enhancer.safetensors` and `blurrer.safetensors`; what their cards say of the training is the first run's, and `mean_of`
has the hashes of all.
"""

import argparse
import json
from pathlib import Path

import torch
from ship_weights import GENERATORS

from clearfundus.networks.weights import LoadedWeights, read_weights_file, save_weights


def main() -> None:
    """Read, take the mean, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--name", required=True, help="of the new weights")
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()
    if arguments.output.resolve() in {run.resolve() for run in arguments.runs}:
        parser.error(f"{arguments.output} is one of the runs, which are never overwritten; name another folder")
    arguments.output.mkdir(parents=True, exist_ok=True)
    for role in GENERATORS:
        loaded = [
            read_weights_file(run / f"{role}.safetensors", "blurrer" if role == "blurrer" else "enhancer")
            for run in arguments.runs
        ]
        path = arguments.output / f"{role}.safetensors"
        print(f"{role}: {save_mean(loaded, path, role, arguments.name)}")


def save_mean(loaded: list[LoadedWeights], path: Path, role: str, name: str) -> str:
    """Write the mean of weights of one architecture, and return the hash of its tensors."""
    first = loaded[0]
    for one in loaded[1:]:
        if shape(one) != shape(first):
            raise SystemExit(f"{one.name} is {shape(one)}, {first.name} {shape(first)}; expected runs of one shape")
    states = [one.network.state_dict() for one in loaded]
    first.network.load_state_dict(
        {key: torch.stack([state[key].double() for state in states]).mean(0) for key in states[0]}
    )
    settings = {**json.loads(first.card["settings"]), "name": name}
    card = {
        **first.card,
        "settings": json.dumps(settings),
        "mean_of": ", ".join(f"{one.name} {one.sha256}" for one in loaded),
    }
    return save_weights(
        first.network,
        path,
        name=name,
        role="blurrer" if role == "blurrer" else "enhancer",
        diameter=first.diameter,
        card=card,
    )


def shape(loaded: LoadedWeights) -> tuple[object, ...]:
    """Return what weights must have in common for their mean to mean anything."""
    return loaded.network.settings, loaded.diameter, loaded.surround, loaded.uneven_error


if __name__ == "__main__":
    main()
