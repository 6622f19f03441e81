"""Processes that run a generator in turn, so that what else the machine does meets all alike: for engines.py."""

import json
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SCRIPT = Path(__file__).with_name("engine_ways.py")
REPEATS = 5
SLOW_SECONDS, SLOW_REPEATS = 10.0, 3
"""A run that takes so long is repeated less often."""
MOST_SECONDS = 60.0
"""A first run that takes so long is counted, and is the only one; else it only warms up."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """When a row has been measured often enough.

    Attributes:
        repeats: Runs that count, at most.
        seconds: After so many, the first run included, no further run is begun; but one at least counts.
    """

    repeats: int = REPEATS
    seconds: float = MOST_SECONDS

    def are_met(self, runs: Sequence[float]) -> bool:
        """Say whether these runs, in seconds, are enough."""
        if not runs:
            return False
        repeats = min(self.repeats, SLOW_REPEATS) if statistics.median(runs) > SLOW_SECONDS else self.repeats
        if len(runs) > repeats or runs[0] > MOST_SECONDS:
            return True
        return len(runs) > 1 and sum(runs) > self.seconds


class Runner:
    """One way in a process of its own, which runs it when told to.

    Attributes:
        way: A name of `engine_ways.WAYS`.
        runs: Seconds of each run, the first included.
        most_bytes: The greatest memory of the process.
        failed: Whether the process has died, as it does where memory does not suffice; it has said why.
    """

    def __init__(self, way: str, weights: str | None, side: int, script: Path = SCRIPT) -> None:
        """Start the process; it makes itself ready meanwhile."""
        self.way = way
        self.runs: list[float] = []
        self.most_bytes = 0
        self.failed = False
        row = json.dumps({"way": way, "weights": weights, "side": side})
        command = [sys.executable, str(script), "--row", row]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def wait(self) -> None:
        """Wait until the process is ready."""
        self._read()

    def run(self) -> None:
        """Let the way run once."""
        try:
            self._process.stdin.write("\n")  # type: ignore[union-attr]
            self._process.stdin.flush()  # type: ignore[union-attr]
        except BrokenPipeError:
            self.failed = True
            return
        found = self._read()
        if found is not None:
            self.runs.append(found["seconds"])
            self.most_bytes = found["bytes"]

    def end(self) -> None:
        """Let the process end, and wait for that."""
        self._process.communicate()

    def _read(self) -> Any:
        line = self._process.stdout.readline()  # type: ignore[union-attr]
        self.failed = self.failed or not line
        return json.loads(line) if line else None

    @property
    def counted(self) -> list[float]:
        """Seconds of the runs that count: all but the first, unless there is no other."""
        return self.runs[1:] or self.runs


def run_in_turn(runners: Sequence[Runner], limits: Limits) -> None:
    """Let each way run once, then each once more, until all have run often enough; then end their processes."""
    for runner in runners:
        runner.wait()
    while left := [runner for runner in runners if not runner.failed and not limits.are_met(runner.runs)]:
        for runner in left:
            runner.run()
    for runner in runners:
        runner.end()
