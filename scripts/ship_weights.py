"""Put weights into the package: `python scripts/ship_weights.py RUN "one line" [--default] [--enhancer-alone]`.

RUN is the folder of a finished run, whose two generators are copied into `src/clearfundus/pretrained/`, or the file of
a segmenter. Their hashes are written into `index.json`; the model card beside them is written by hand. An enhancer that
does not answer to the photograph is refused (decision 0008).
"""

import argparse
import hashlib
import json
from pathlib import Path

import numpy as np
import skimage.data

from clearfundus.files import write_whole
from clearfundus.networks.inference import run_generator
from clearfundus.networks.segmenter_weights import ROLE, LoadedSegmenter, load_segmenter
from clearfundus.networks.weights import LoadedWeights, read_weights_file
from clearfundus.pretrained import FOLDER, INDEX
from clearfundus.training.validation import answer

GENERATORS = ("enhancer", "blurrer")
LEAST_ANSWER = 0.1
"""Share of an enhancer's change that must be more than a gain and an offset for each channel."""


def main() -> None:
    """Copy, hash, and list."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="folder of a run, or the weights file of a segmenter")
    parser.add_argument("summary", help="one line about these weights")
    parser.add_argument("--default", action="store_true", help="use them when no weights are named")
    parser.add_argument("--enhancer-alone", action="store_true", help="leave the blurrer out: it is as large again")
    arguments = parser.parse_args()

    entry: dict[str, object] = {"summary": arguments.summary, "default": arguments.default}
    files, hashes = {}, {}
    for role, path in found(arguments.run, arguments.enhancer_alone).items():
        loaded = read(path, role)
        content = path.read_bytes()
        files[role] = f"{loaded.name}_{role}.safetensors"
        hashes[role] = hashlib.sha256(content).hexdigest()
        write_whole(FOLDER / files[role], content)
        entry |= {"name": loaded.name, "diameter": loaded.diameter, "terms": loaded.terms}
    entry |= {"files": files, "file_sha256": hashes}

    others = [one for one in json.loads(INDEX.read_text(encoding="utf-8")) if one["name"] != entry["name"]]
    if arguments.default:
        others = [{**one, "default": False} for one in others]
    write_whole(INDEX, (json.dumps([*others, entry], indent=2, sort_keys=True) + "\n").encode())
    print(json.dumps(entry, indent=2))


def read(path: Path, role: str) -> LoadedWeights | LoadedSegmenter:
    """Read a weights file, and refuse an enhancer that has gone dead."""
    if role == ROLE:
        return load_segmenter(path)
    loaded = read_weights_file(path, "blurrer" if role == "blurrer" else "enhancer")
    retina = skimage.data.retina()[300:812, 300:812].astype(np.float32) / 255
    measured = answer(run_generator(loaded.network, retina), retina, np.ones(retina.shape[:2], np.bool_))
    if role == "enhancer" and measured < LEAST_ANSWER:
        raise SystemExit(f"{path}: its answer is {measured:.3f}, less than {LEAST_ANSWER}: a fixed gain and offset")
    return loaded


def found(run: Path, enhancer_alone: bool) -> dict[str, Path]:
    """Return the weights files by role."""
    if run.is_file():
        return {ROLE: run}
    return {role: run / f"{role}.safetensors" for role in (GENERATORS[:1] if enhancer_alone else GENERATORS)}


if __name__ == "__main__":
    main()
