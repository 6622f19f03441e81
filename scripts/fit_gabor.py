"""Fit the numbers of the Gabor segmenter: `python scripts/fit_gabor.py VESSELS` prints SLOPE, MIDDLE and THRESHOLD.

The logistic curve is fitted to the training eyes of `configs/vessels_split.json`, the threshold gives the best F1 on
the validation eyes. No test photograph is opened.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit
from train_segmenter import SPLIT, THRESHOLDS, read_labelled

from clearfundus.fundus.field import Field
from clearfundus.vessels.gabor import find_ridges

Values = NDArray[np.float64]


def main() -> None:
    """Read, fit, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("vessels", type=Path)
    folder = parser.parse_args().vessels
    split = json.loads(SPLIT.read_text(encoding="utf-8"))
    ridges, shares = read_values(folder, split["train"])

    def surprise(numbers: Values) -> float:
        logits = numbers[0] * (ridges - numbers[1])
        return float(np.mean(np.logaddexp(0, logits) - shares * logits))

    slope, middle = minimize(surprise, [1.0, 3.0], method="Nelder-Mead").x
    held_out, truth = read_values(folder, split["validation"])
    probability, true = expit(slope * (held_out - middle)), truth >= 0.5
    scores = [2 * (found & true).sum() / (found.sum() + true.sum()) for found in (probability >= t for t in THRESHOLDS)]
    best = int(np.argmax(scores))
    print(f"SLOPE {slope:.3f}, MIDDLE {middle:.2f}, THRESHOLD {THRESHOLDS[best]:.2f} (F1 {scores[best]:.4f})")


def read_values(folder: Path, names: dict[str, list[str]]) -> tuple[Values, Values]:
    """Return the ridges and the vessels' shares of all pixels inside the fields."""
    photographs = list(read_labelled(folder, names))
    ridges = [find_ridges(one.pixels, Field(mask=one.inside))[one.inside] for one in photographs]
    shares = [one.target[one.inside] for one in photographs]
    return np.concatenate(ridges).astype(np.float64), np.concatenate(shares).astype(np.float64)


if __name__ == "__main__":
    main()
