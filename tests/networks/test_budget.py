import mmap
from pathlib import Path

import pytest
import torch

from clearfundus.networks import budget
from clearfundus.networks.budget import available_bytes, held_bytes

CPU = torch.device("cpu")
MACHINE = "MemTotal:       24000000 kB\nMemFree:         1000000 kB\nMemAvailable:    9000000 kB\n"


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder that stands for the system's own files."""
    monkeypatch.setattr(budget, "MACHINE", tmp_path / "meminfo")
    monkeypatch.setattr(budget, "GROUP", tmp_path)
    monkeypatch.setattr(budget, "PROCESS", tmp_path / "statm")
    return tmp_path


def test_what_the_process_holds_grows_with_what_it_takes() -> None:
    before = held_bytes(CPU)
    with mmap.mmap(-1, 64 * 2**20) as taken:  # new pages; an array may be given what was freed before
        taken.write(b"\1" * len(taken))
        assert 60 * 2**20 < held_bytes(CPU) - before < 200 * 2**20


def test_linux_says_what_is_available_in_kib(system: Path) -> None:
    (system / "meminfo").write_text(MACHINE)
    assert available_bytes(CPU) == 9_000_000 * 1024


def test_a_container_may_leave_less_and_its_cached_files_are_not_counted(system: Path) -> None:
    (system / "meminfo").write_text(MACHINE)
    (system / "memory.max").write_text("1000000000\n")
    (system / "memory.current").write_text("700000000\n")
    (system / "memory.stat").write_text("anon 500000000\nfile 200000000\n")
    assert available_bytes(CPU) == 500_000_000
    (system / "memory.max").write_text("max\n")
    assert available_bytes(CPU) == 9_000_000 * 1024
    (system / "memory.max").write_text("400000000\n")
    assert available_bytes(CPU) == 0


def test_elsewhere_all_of_the_machine_counts_and_nothing_as_held(system: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget.os, "sysconf", {"SC_PAGE_SIZE": 16384, "SC_PHYS_PAGES": 1000}.__getitem__)
    assert available_bytes(CPU) == 16384 * 1000
    assert held_bytes(CPU) == 0


def test_a_system_that_tells_nothing_is_left_open(system: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(budget.os, "sysconf")
    assert available_bytes(CPU) is None
    assert held_bytes(CPU) == 0
