"""Put the weights of a finished run into the package: `python scripts/ship_weights.py RUN "one line" [--default]`.

Copies both generators into `src/clearfundus/pretrained/` and writes their hashes into `index.json`; the model card
beside them is written by hand.
"""

import argparse
import hashlib
import json
from pathlib import Path

from clearfundus.files import write_whole
from clearfundus.networks.weights import read_weights_file
from clearfundus.pretrained import FOLDER, INDEX

ROLES = ("enhancer", "blurrer")


def main() -> None:
    """Copy, hash, and list."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="run folder with enhancer.safetensors and blurrer.safetensors")
    parser.add_argument("summary", help="one line about these weights")
    parser.add_argument("--default", action="store_true", help="use them when no weights are named")
    arguments = parser.parse_args()

    entry: dict[str, object] = {"summary": arguments.summary, "default": arguments.default}
    files, hashes = {}, {}
    for role in ROLES:
        loaded = read_weights_file(arguments.run / f"{role}.safetensors", role)
        content = (arguments.run / f"{role}.safetensors").read_bytes()
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


if __name__ == "__main__":
    main()
