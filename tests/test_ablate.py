import importlib
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from clearfundus.training.config import RunSettings
from clearfundus.training.differences import differences
from conftest import REPOSITORY
from drawn import blur_fundus
from tiny_run import write_photographs

SCRIPTS = REPOSITORY / "scripts"
VARIANTS = sorted(path.stem for path in (REPOSITORY / "configs" / "ablation").glob("*.toml") if path.stem != "base")


@pytest.fixture(scope="module")
def ablate() -> ModuleType:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(SCRIPTS))
        return importlib.import_module("ablate")


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_is_named_and_changes_the_base(ablate: ModuleType, name: str) -> None:
    base, variant = (ablate.read_variant(one, seed=3, steps=700) for one in ("feature", name))
    assert isinstance(variant, RunSettings)
    assert (variant.name, variant.seed, variant.unpaired.steps) == (f"ablation-{name}", 3, 700)
    assert variant.data.split_seed == 3  # each seed has held-out photographs of its own
    changed = [line for line in differences(vars(base), vars(variant), "") if not line.startswith("name")]
    assert bool(changed) == (name != "feature")  # the paper's choice is the base itself


def test_seeds_are_what_counts_and_not_photographs(ablate: ModuleType) -> None:
    own = {"1/a": 1.0, "1/b": 3.0, "2/a": 5.0}
    assert ablate.seed_means(own) == {"1": 2.0, "2": 5.0}


def test_the_interval_is_students(ablate: ModuleType) -> None:
    # mean 2, deviation 1, three values: 2 -+ 4.302653 / sqrt(3), the factor from a table of the t distribution
    assert ablate.t_interval([1.0, 2.0, 3.0]) == pytest.approx((2 - 2.484, 2 + 2.484), abs=1e-3)
    assert all(bound != bound for bound in ablate.t_interval([1.0]))


def test_a_difference_is_taken_seed_by_seed(ablate: ModuleType) -> None:
    values = {
        ("feature", "fniqe"): {"1/a": 10.0, "2/a": 20.0, "3/a": 30.0},
        ("image", "fniqe"): {"1/a": 11.0, "2/a": 22.0, "3/a": 33.0},
    }
    row = ablate.compare(values, ["feature", "image"]).splitlines()[-1]
    assert row == "| fniqe | image | 11 22 33 | +2 | -0.4841 to +4.484 |"


@pytest.mark.slow
def test_two_variants_are_trained_and_compared_and_not_trained_again(tmp_path: Path) -> None:
    write_photographs(tmp_path / "blurry", 3, blur=blur_fundus)
    write_photographs(tmp_path / "clear", 3)
    command = [sys.executable, str(SCRIPTS / "ablate.py"), "--variants", "feature,image", "--seeds", "1"]
    command += ["--steps", "1", "--models", "focus", "--most", "1", "--device", "cpu"]
    command += ["--blurry", str(tmp_path / "blurry"), "--clear", str(tmp_path / "clear"), "-o", str(tmp_path / "out")]
    first = subprocess.run(command, check=True, timeout=240, capture_output=True, text=True)
    table = (tmp_path / "out" / "ablation.md").read_text()
    assert "| measure | input | feature | image |" in table
    assert "| fniqe | image |" in table
    assert "feature-1: done 1/1" in first.stderr
    again = subprocess.run(command, check=True, timeout=240, capture_output=True, text=True)
    assert "done 1/1" not in again.stderr
    assert (tmp_path / "out" / "ablation.md").read_text() == table
