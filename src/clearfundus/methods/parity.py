"""How far an exported network is from the same weights in torch: measured on a drawn photograph, before it is written.

A file that does not do what its weights do is worse than none.
"""

import importlib.util
from pathlib import Path

import numpy as np

from clearfundus.engines.exported import Exported
from clearfundus.engines.picture import translate
from clearfundus.engines.weights import EngineName, start
from clearfundus.errors import WeightsError
from clearfundus.fundus.phantom import draw_phantom

PARITY = 1 / 255
"""Greatest difference allowed, in [0, 1]: one step of an 8-bit file."""
DRAWN_SIDE, ODD_SIDES = 128, (126, 117)
"""Of the drawn photograph, and of the part of it that is tried, in pixels; no multiples of 4, so that it is padded."""


def measure_parity(exported: Exported, weights: str | Path | None, engine: EngineName) -> float | None:
    """Return the greatest difference to torch, in [0, 1], or None where torch is not installed.

    Args:
        exported: The exported network.
        weights: What it was exported from.
        engine: What runs the exported network.

    Raises:
        WeightsError: If the difference is greater than `PARITY`.
    """
    pixels = draw_phantom(DRAWN_SIDE, 0).photo.pixels[: ODD_SIDES[0], : ODD_SIDES[1]]
    output = translate(start(exported, engine).run, pixels)
    if importlib.util.find_spec("torch") is None:
        return None
    from clearfundus.networks.inference import run_generator
    from clearfundus.networks.weights import load_weights

    difference = float(np.abs(output - run_generator(load_weights(weights).network, pixels)).max())
    if not difference <= PARITY:  # also if it is not a number
        raise WeightsError(
            f"{engine}: the exported network differs from torch's by {difference:.4f}, expected {PARITY:.4f} at most; "
            "nothing was written: another version of the engine may do better"
        )
    return difference
