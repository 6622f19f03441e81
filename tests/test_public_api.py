"""The public names, exactly; a change here is a change for every user."""

import subprocess
import sys
from pathlib import Path

import clearfundus

NAMES = [
    "METHODS",
    "METRICS",
    "AlignmentError",
    "ClearfundusError",
    "DeviceError",
    "Field",
    "FieldNotFoundError",
    "MissingExtraError",
    "Photo",
    "PhotoError",
    "PhotoMemoryError",
    "PhotoReadError",
    "PhotoWriteError",
    "QualityError",
    "SettingsError",
    "TrainingError",
    "WeightsError",
    "__version__",
    "enhance",
    "enhance_with_each",
    "find_field",
    "load_weights",
    "prepare_method",
    "read_photo",
    "read_provenance",
    "segment",
    "shipped_weights",
    "track",
    "write_photo",
]

HEAVY = "torch", "numpy", "cv2", "PIL", "scipy", "rich", "cyclopts"


def test_the_public_names_are_these() -> None:
    assert clearfundus.__all__ == NAMES
    assert set(NAMES) <= set(dir(clearfundus))


def test_each_public_name_can_be_fetched_and_is_kept() -> None:
    for name in NAMES:
        assert getattr(clearfundus, name) is getattr(clearfundus, name)
        assert name in vars(clearfundus)


def test_an_unknown_name_is_an_attribute_error() -> None:
    assert not hasattr(clearfundus, "enhence")


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = f"import sys, clearfundus; print([name for name in {HEAVY} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert found.stdout.strip() == "[]"


def test_type_checkers_are_told_that_the_package_is_typed() -> None:
    assert (Path(clearfundus.__file__).parent / "py.typed").is_file()
