"""Gather the vessel data sets' eyes for training: `python scripts/link_training_eyes.py VESSELS -o FOLDER`.

VESSELS holds the folders `chase_db1`, `hrf` and `les_av`. FOLDER gets a link to each photograph that
`configs/vessels_split.json` names for training, called by its data set and its own name, for `clearfundus train
--extra FOLDER`. No photograph for validation or test is linked.
"""

import argparse
import json
from pathlib import Path

from train_segmenter import LAYOUTS, SPLIT


def main() -> None:
    """Make the folder and the links; one that is there stays."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("vessels", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    count = 0
    for collection, eyes in json.loads(SPLIT.read_text(encoding="utf-8"))["train"].items():
        photograph, _ = LAYOUTS[collection]
        for eye in eyes:
            (path,) = (arguments.vessels / collection).glob(photograph.format(eye))
            link = arguments.output / f"{collection.replace('_', '')}_{path.name}"
            if not link.is_symlink():
                link.symlink_to(path.resolve())
            count += 1
    print(f"{count} photographs linked in {arguments.output}")


if __name__ == "__main__":
    main()
