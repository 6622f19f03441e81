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

    Nothing is written before the first event, for until then the folder may belong to another run. What a killed
    run drew after its last checkpoint is taken back, as it is in the log.

    Args:
        run: The run folder.

    Raises:
        SettingsError: If TensorBoard is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise SettingsError("--tensorboard needs TensorBoard: pip install 'clearfundus[tensorboard]'") from error

    writer: SummaryWriter | None = None
    done = 0

    def draw(event: "Event") -> None:
        nonlocal writer, done
        if event.kind == "resumed":
            done = event.step
        for name, value in event.values.items():
            writer = writer or SummaryWriter(str(run / FOLDER), purge_step=done + 1)
            if math.isfinite(value):
                writer.add_scalar(f"{event.kind}/{name}", value, event.step)

    try:
        yield draw
    finally:
        if writer is not None:
            writer.close()
