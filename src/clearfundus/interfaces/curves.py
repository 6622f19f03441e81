"""A training run's figures for TensorBoard, which the extra `tensorboard` brings."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from clearfundus.errors import SettingsError

if TYPE_CHECKING:
    from clearfundus.training.run import Event

FOLDER = "tensorboard"


@contextmanager
def draw_curves(run: Path) -> Iterator[Callable[["Event"], None]]:
    """Write each event's figures to `run`/tensorboard, to be shown by `tensorboard --logdir`.

    Args:
        run: The run folder.

    Raises:
        SettingsError: If TensorBoard is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise SettingsError("--tensorboard needs TensorBoard: pip install 'clearfundus[tensorboard]'") from error

    with SummaryWriter(str(run / FOLDER)) as writer:

        def draw(event: "Event") -> None:
            for name, value in event.values.items():
                if math.isfinite(value):
                    writer.add_scalar(f"{event.kind}/{name}", value, event.step)

        yield draw
