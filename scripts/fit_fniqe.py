"""Fit the F-NIQE model that ships: `python scripts/fit_fniqe.py HRF CHASE_DB1 LES_AV [--out FILE]`.

Each argument is the folder of one set's photographs; other files, such as vessel masks, are passed over. The same
photographs give the same file, byte for byte. `parameters/FNIQE.md` beside the shipped file says where they are from.
"""

import argparse
import hashlib
from pathlib import Path

import cv2

from clearfundus.photo import READABLE_SUFFIXES, read_photo
from clearfundus.quality.fniqe import SHIPPED_FILE, fit, save_model

MASKS = ("_1stHO", "_2ndHO")
"""How the names of CHASE_DB1's masks end, which lie beside its photographs."""


def main() -> None:
    """Fit, write, and print what the note beside the file must say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", type=Path, nargs="+", help="folders of clear photographs")
    parser.add_argument("--out", type=Path, default=SHIPPED_FILE)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    files = [file for folder in arguments.folders for file in sorted(folder.iterdir())]
    files = [file for file in files if file.suffix.lower() in READABLE_SUFFIXES and not file.stem.endswith(MASKS)]
    model = fit((read_photo(file) for file in files), name=f"clear{len(files)}")
    save_model(model, arguments.out)
    digest = hashlib.sha256(arguments.out.read_bytes()).hexdigest()
    print(f"{arguments.out}: {len(files)} photographs, fit {model.name}, side {model.side}, SHA-256 {digest}")


if __name__ == "__main__":
    main()
