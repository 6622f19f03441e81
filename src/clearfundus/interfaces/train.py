"""`clearfundus train`: two folders of photographs in, weights out."""

import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

if TYPE_CHECKING:
    from clearfundus.training.run import Event

READING_LINES = 10  # lines about reading the photographs in a plain log; more would bury the rest

NO_GROUPS = "no --groups: each file is taken for an eye of its own, and both sides of the split may show one eye"

Show = Callable[["Event"], None]


def train(  # noqa: PLR0913 - one argument an option; this is the command line itself
    *,
    config: Annotated[Path, Parameter(name="--config")],
    blurry: Path,
    clear: Path,
    output: Annotated[Path, Parameter(name=["--output", "-o"])],
    groups: Path | None = None,
    extra: Path | None = None,
    device: str = "auto",
    tensorboard: Annotated[bool, Parameter(negative="")] = False,
    json_: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """Train the networks on two folders of your own, one blurry and one clear.

    A run that was stopped is resumed exactly by the same command. Started by torchrun, each process takes a part
    of every batch: the batch is the configured one times the number of processes, the rates stay as configured.

    Args:
        config: TOML file with the settings of the run; see configs/.
        blurry: Folder of blurry photographs.
        clear: Folder of clear photographs, of other eyes.
        output: Run folder: log.jsonl, samples, checkpoints, and at the end enhancer.safetensors and
            blurrer.safetensors.
        groups: CSV file with columns file and eye_group. Without it each file is taken for an eye of its own, and
            two photographs of one eye may stand on both sides of the split.
        extra: Folder of further clear photographs, of eyes that no other folder shows, such as those of another
            camera. All are trained on and none is held out; see data.extra_times.
        device: auto, cpu, cuda or cuda:N.
        tensorboard: Write the figures for TensorBoard too, to tensorboard/ in the run folder.
        json_: Write one JSON object to standard output at the end.
    """
    from clearfundus.training.reading import read_settings
    from clearfundus.training.run import Sources, train

    started = time.perf_counter()
    settings = read_settings(config)
    events = train(settings, Sources(blurry=blurry, clear=clear, groups=groups, extra=extra), output, device)
    if _rank() > 0:
        # The first process speaks for all; and torchrun would end the others if this one returned a failure.
        for _ in events:
            pass
        return 0
    if groups is None:
        sys.stderr.write(f"warning: {NO_GROUPS}\n")
    summary = {"name": settings.name, **_follow(events, output, tensorboard)}
    summary["seconds"] = round(time.perf_counter() - started, 3)
    sys.stdout.write(json.dumps(summary, indent=2) + "\n" if json_ else f"done: {summary['weights']}\n")
    return 1 if summary["left_out"] else 0


def _rank() -> int:
    """Return the number of this process among those that torchrun started."""
    return int(os.environ.get("RANK", "0"))


def _follow(events: Iterable["Event"], output: Path, tensorboard: bool) -> dict[str, Any]:
    """Let the training happen, show it, and return what the summary tells of it."""
    from clearfundus.interfaces.curves import draw_curves

    validation: dict[str, float] = {}
    left_out: list[str] = []
    step = 0
    with _show_events() as show, draw_curves(output) if tensorboard else nullcontext(_ignore) as draw:
        for event in events:
            show(event)
            draw(event)
            step = event.step
            if event.kind == "validation":
                validation = dict(event.values)
            elif event.kind == "left out":
                left_out.append(event.message)
    return {
        "steps": step,
        "weights": {role: str(output / f"{role}.safetensors") for role in ("enhancer", "blurrer")},
        "validation": validation,
        "left_out": left_out,
    }


def _ignore(event: "Event") -> None:
    pass


@contextmanager
def _show_events() -> Iterator[Show]:
    """Show what happens on standard error: a bar on a terminal, plain lines elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda event: _write_line(event)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("reading")

        def show(event: "Event") -> None:
            stage = "reading" if event.kind in ("reading", "left out") else "training"
            progress.update(task, completed=event.step, total=event.total, description=stage)
            if event.kind != "reading":
                progress.console.print(describe(event), markup=False, emoji=False, highlight=False, soft_wrap=True)

        yield show


def _write_line(event: "Event") -> None:
    if event.kind != "reading" or event.step % max(1, event.total // READING_LINES) == 0:
        sys.stderr.write(describe(event) + "\n")


def describe(event: "Event") -> str:
    """Say in one line what happened; for training with speed, and the time left if it stays so.

    A later stage of the run may be slower or faster.
    """
    parts = [f"[{event.step}/{event.total}] {event.kind}"]
    if event.message:
        parts.append(event.message)
    parts += [f"{name} {value:.4g}" for name, value in event.values.items() if name != "seconds"]
    if "seconds" in event.values:
        seconds = event.values["seconds"]
        left = time.strftime("%H:%M:%S", time.gmtime(seconds * (event.total - event.step)))
        days = int(seconds * (event.total - event.step) // 86400)
        parts.append(f"{seconds:.3f} s an iteration, {f'{days} d ' if days else ''}{left} left at this speed")
    return "  ".join(parts)
