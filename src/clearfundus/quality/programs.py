"""A user's TorchScript file: loaded, and run on views.

Its `forward` gets pictures as float32, (1, 3, H, W), RGB in [0, 1], black outside the field, at the view's size.
The fact to know: a TorchScript file is a program. Load only files you trust.
"""

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from clearfundus.errors import QualityError
from clearfundus.quality.checks import Plane
from clearfundus.quality.view import View

Program = Callable[..., Any]
"""From pictures to a tensor."""


def load_program(file: Path) -> Program:
    """Load a TorchScript file onto the CPU.

    Raises:
        QualityError: If the file is missing or no TorchScript file.
    """
    import torch

    try:
        with warnings.catch_warnings():
            # TorchScript still is the one file format for a network that needs no code beside it
            warnings.filterwarnings("ignore", "`torch.jit.load` is deprecated", DeprecationWarning)
            program = torch.jit.load(str(file), map_location="cpu")
    except (OSError, ValueError, RuntimeError) as error:
        reason = str(error).partition("\n")[0]
        raise QualityError(f"{file}: no TorchScript file: {reason}; save one with torch.jit.save") from error
    program.eval()
    return program  # type: ignore[no-any-return]


def run_program(program: Program, name: str, views: Sequence[View]) -> Plane:
    """Return what a program says of pictures, float64, of the shape it has.

    Args:
        program: As `load_program` returned it.
        name: Its name, for messages.
        views: As many as its `forward` takes.

    Raises:
        QualityError: If it fails on them, or returns no tensor or one that is not finite.
    """
    import torch

    pictures = [torch.from_numpy(view.pixels.copy()).permute(2, 0, 1)[None].float() / 255 for view in views]
    try:
        with torch.inference_mode():
            found = program(*pictures)
    except (RuntimeError, TypeError) as error:
        reason = str(error).strip().rpartition("\n")[2]
        raise QualityError(f"{name}: failed on a picture of shape {tuple(pictures[0].shape)}: {reason}") from error
    if not isinstance(found, torch.Tensor):
        raise QualityError(f"{name}: found a {type(found).__name__}, expected a tensor; return one from its forward")
    values: Plane = found.detach().double().numpy()
    if not np.isfinite(values).all():
        raise QualityError(f"{name}: found a result that is not finite")
    return values
