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
    """Make the folder and the links; one that is there is made anew."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("vessels", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    count = 0
    for collection, eyes in json.loads(SPLIT.read_text(encoding="utf-8"))["train"].items():
        photograph, _ = LAYOUTS[collection]
        for eye in eyes:
            pattern = str(arguments.vessels / collection / photograph.format(eye))
            found = sorted((arguments.vessels / collection).glob(photograph.format(eye)))
            if len(found) != 1:
                parser.error(f"{pattern}: found {len(found)} photographs, expected one")
            link = arguments.output / f"{collection.replace('_', '')}_{found[0].name}"
            link.unlink(missing_ok=True)
            link.symlink_to(found[0].resolve())
            count += 1
    print(f"{count} photographs linked in {arguments.output}")


if __name__ == "__main__":
    main()
