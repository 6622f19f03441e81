"""Memory: every method passes a common camera's photograph in a process of its own that stays below a limit."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from clearfundus.methods import EXTRAS, METHODS

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "enhance.py"
LIMIT = 1.5 * 2**30  # bytes, of the whole process
AFRESH = '"$0" "$@"; exit $?'
"""For a shell. A process counts the memory of the one that started it into its own greatest: that shall be the small
shell's, not that of the tests."""


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_a_photograph_of_8_megapixels_passes_within_1_5_gib(method: str) -> None:
    for package in EXTRAS.get(method, ("", ()))[1]:
        pytest.importorskip(package)
    row = {"method": method, "size": None, "shape": [2336, 3504], "device": "cpu", "repeats": 0}
    command = ["sh", "-c", AFRESH, sys.executable, str(BENCHMARK), "--row", json.dumps(row)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert 0.3 * 2**30 < json.loads(done.stdout)["bytes"] < LIMIT  # the photograph alone takes 0.1, the libraries 0.1
