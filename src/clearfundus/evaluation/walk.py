"""Photograph by photograph: take up what was measured before, measure the others, save, and go on after a failure.

The fact to know: a fault of one photograph, or of a method on it, is the outcome of that photograph; a fault of the
settings, the weights, the device or the disk ends the walk.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Literal, TypeVar

from clearfundus.errors import ClearfundusError, DeviceError, PhotoError, PhotoWriteError, SettingsError, WeightsError
from clearfundus.evaluation.cases import Case, readable
from clearfundus.evaluation.parts import digest_files, key_of, open_folder
from clearfundus.fundus.frame import Frame, put_back
from clearfundus.methods import Method
from clearfundus.photo import Photo

Measured = TypeVar("Measured")
"""What is measured of one photograph."""


@dataclass(frozen=True, kw_only=True)
class Outcome(Generic[Measured]):
    """What became of one photograph.

    Attributes:
        case: The photograph.
        status: "done", "skipped" (measured before with the same settings), or "failed".
        part: What was measured; None if it failed.
        reason: Why it failed.
        seconds: Time spent on it.
    """

    case: Case
    status: Literal["done", "skipped", "failed"]
    part: Measured | None = None
    reason: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Work(Generic[Measured]):
    """What is done with a photograph.

    Attributes:
        load: Case and key -> what was measured before, or None.
        measure: Case and hashes of its files -> what is measured now.
        save: Keeps that, with case and key.
        discard: Removes what a photograph that failed has left.
    """

    load: Callable[[Case, str], Measured | None]
    measure: Callable[[Case, Mapping[str, str]], Measured]
    save: Callable[[Measured, Case, str], None]
    discard: Callable[[Case], None] = lambda _: None


def walk(
    work: Work[Measured], cases: Sequence[Case], folder: Path, settings: Mapping[str, object]
) -> Iterator[Outcome[Measured]]:
    """Do the work for one photograph after the other, yielding each outcome as it comes.

    Args:
        work: The work.
        cases: The photographs.
        folder: Where what is measured is kept.
        settings: What must be the same for all of it, ready for JSON.

    Raises:
        SettingsError: If the folder is unusable, or a method refuses its settings.
        RunMismatchError: If the folder was made with other settings.
        OSError: If something cannot be written.
    """
    open_folder(folder, settings)
    for case in cases:
        started = time.perf_counter()
        try:
            hashes = digest_files(case)
            key = key_of(case, hashes, settings)
            part = work.load(case, key)
            if part is not None:
                yield Outcome(case=case, status="skipped", part=part)
                continue
            part = work.measure(case, hashes)
        except (SettingsError, WeightsError, DeviceError, PhotoWriteError, OSError):
            raise  # of no photograph's making
        except Exception as error:  # noqa: BLE001 - a fault met in one photograph must not cost the user the others
            work.discard(case)
            known = isinstance(error, ClearfundusError)
            reason = str(error) if known else f"unexpected {type(error).__name__}: {error}"
            yield Outcome(case=case, status="failed", reason=_without_folders(case, reason), seconds=_since(started))
        else:
            work.save(part, case, key)
            yield Outcome(case=case, status="done", part=part, seconds=_since(started))


def apply_method(frame: Frame, name: str, method: Method) -> tuple[Photo, float]:
    """Return a method's result at full size and the seconds it took.

    Args:
        frame: The photograph, cropped and filled.
        name: The method's name, for the message.
        method: The method.

    Raises:
        PhotoError: If the method fails; the message names it.
    """
    started = time.perf_counter()
    try:
        result = put_back(frame, method(frame.photo, frame.field))
    except (SettingsError, WeightsError, DeviceError):
        raise
    except Exception as error:
        told = str(error) if isinstance(error, ClearfundusError) else f"{type(error).__name__}: {error}"
        raise PhotoError(f"{name} failed, so the photograph is left out of all methods: {told}") from error
    return result, _since(started)


def _without_folders(case: Case, reason: str) -> str:
    """Return a reason with the case's files named below the folder given: where that lies is nobody's business."""
    depth = len(Path(case.photograph).parts)
    for path in case.files.values():
        reason = reason.replace(str(path), str(Path(*path.parts[-depth:])))
    return readable(reason)


def _since(started: float) -> float:
    return round(time.perf_counter() - started, 3)
