"""How far a long run has come: a bar on a terminal, plain lines in a log; always on standard error."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)


class Report(Protocol):
    """What the work tells its onlooker."""

    def __call__(self, line: str, *, notable: bool = False) -> None:
        """Say that one more item is through; on a terminal only notable lines stay on the screen."""


@contextmanager
def show_progress(total: int, *, console: Console | None = None) -> Iterator[Report]:
    """Show the progress of `total` items.

    Args:
        total: Number of items.
        console: Where to; standard error if None.
    """
    console = console or Console(stderr=True)
    if not console.is_terminal:
        yield _log_lines(total, console)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("enhancing", total=total)

        def advance(line: str, *, notable: bool = False) -> None:
            if notable:
                _write(console, line)
            progress.advance(task)

        yield advance


def _log_lines(total: int, console: Console) -> Report:
    count = 0

    def write(line: str, *, notable: bool = False) -> None:
        nonlocal count
        count += 1
        _write(console, f"[{count}/{total}] {line}")

    return write


def _write(console: Console, line: str) -> None:
    # A file name may hold what rich takes for markup or an emoji, and a log line must not be broken at 80 columns.
    console.print(line, markup=False, emoji=False, highlight=False, soft_wrap=True)
