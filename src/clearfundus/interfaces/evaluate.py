"""`clearfundus evaluate`: photographs and methods in, a table of means with intervals out, and a report.

This is the door alone: the tasks are in `evaluate_pictures.py` and `evaluate_vessels.py`.
"""

import inspect
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, TypeVar

from cyclopts import Parameter

from clearfundus.errors import SettingsError
from clearfundus.interfaces.methods import SHORT_SOURCES

Options = TypeVar("Options")

METHODS_HELP = (
    f"Names with commas between, of input, {', '.join(SHORT_SOURCES)}. Unset: all whose packages are installed. The "
    "input is always judged, too. gan:WEIGHTS is gan with other weights, by name or file; several may stand beside one "
    "another."
)
MODELS_HELP = "A file for a slot, as lpips=FILE; may be given again. Slots: brisque_matlab, niqe_matlab, lpips, fiqa."
SEGMENTERS_HELP = (
    "Names of segmenters with commas between, of wnet, wnet-robust, gabor. Unset: all. Vessels are followed on what "
    "the first one finds."
)
OF_ONE_TASK: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "pictures": ("pairs", "clear", "side", "protocol", "simulated", "severity", "metrics", "model"),
        "vessels": ("labelled", "only", "segmenters"),
    }
)
"""Task -> options that no other task takes."""


def evaluate(  # noqa: PLR0913 - one argument an option; this is the command line itself
    *,
    output: Annotated[Path, Parameter(name=["--output", "-o"])],
    blurry: Path | None = None,
    pairs: Path | None = None,
    clear: Path | None = None,
    methods: Annotated[str | None, Parameter(help=METHODS_HELP)] = None,
    weights: str | None = None,
    device: str = "auto",
    side: int = 768,
    protocol: Literal["fov", "whole", "both"] = "fov",
    seed: int = 0,
    simulated: Literal["cataract", "peli", "arcnet", "cofe", "focus"] = "cataract",
    severity: float = 0.6,
    metrics: str | None = None,
    model: Annotated[tuple[str, ...], Parameter(help=MODELS_HELP, negative="")] = (),
    task: Literal["pictures", "vessels"] = "pictures",
    labelled: Path | None = None,
    only: Path | None = None,
    segmenters: Annotated[str | None, Parameter(help=SEGMENTERS_HELP)] = None,
    json_: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """Compare methods on your photographs, as Table 1 and Figure 3 of Zhao et al. 2019 do.

    In the output folder: table.csv (means with 95 % intervals), per_image.csv (every value), run.json (how they came
    to be), report.html, pictures/. Run again, it goes on where it was stopped. A photograph on which one method or
    measure fails is left out of all of them.

    Args:
        output: Folder for the results; new, empty, or one of an evaluation with the same settings.
        blurry: Folder of blurry photographs, for the measures that need no reference.
        pairs: Folder of two photographs an eye, for PSNR and SSIM: NAME_blurry beside NAME_clear (registered) or
            NAME_clear_native (then registered here), and NAME_mask.png (white where both show retina) if you have it.
        clear: Folder of clear photographs, which are degraded here, for PSNR and SSIM with an exact truth.
        methods: Names of methods.
        weights: Name of shipped weights, or a weights file, for gan.
        device: auto, cpu, cuda or cuda:N, for gan. A named device is never replaced by another.
        side: Longer side in pixels at which all results are judged.
        protocol: fov judges inside the field of view, whole the frame with its black surround, both does both.
        seed: Chance of the degradations and of the intervals is drawn from it.
        simulated: How clear photographs are degraded; see clearfundus degrade.
        severity: How much, from 0 to 1.
        metrics: Names of measures with commas between. Unset: all there are.
        model: A file for a measure whose numbers cannot ship. Load only files you trust.
        task: pictures judges the pictures. vessels judges what fixed segmenters and trackers find on them: on
            photographs with drawn vessels, clear, degraded in three ways, and enhanced.
        labelled: For the task vessels, a folder of photographs with drawn vessels: NAME.jpg beside NAME_vessels.png or
            NAME_av.png (arteries red, veins blue), or the layout of CHASE_DB1, HRF or LES-AV.
        only: For the task vessels, a text file with the names of the labelled photographs to take, one a line.
        segmenters: For the task vessels.
        json_: Write one JSON object to standard output.
    """
    given = dict(locals())
    _refuse_options(task, given)
    if task == "vessels":
        from clearfundus.interfaces.evaluate_vessels import VesselOptions, evaluate_vessels

        return evaluate_vessels(_options(VesselOptions, given))
    from clearfundus.interfaces.evaluate_pictures import PictureOptions, evaluate_pictures

    return evaluate_pictures(_options(PictureOptions, given))


def _refuse_options(task: str, given: Mapping[str, Any]) -> None:
    """Refuse options of another task than the one that is asked for."""
    defaults = {name: one.default for name, one in inspect.signature(evaluate).parameters.items()}
    for other, names in OF_ONE_TASK.items():
        foreign = [name for name in names if given[name] != defaults[name]]
        if other != task and foreign:
            raise SettingsError(
                f"found {', '.join(f'--{name}' for name in foreign)} with --task {task}; that is for --task {other}"
            )


def _options(kind: type[Options], given: Mapping[str, Any]) -> Options:
    """Return a task's options, a dataclass, of all that are given."""
    return kind(**{one.name: given[one.name] for one in fields(kind)})  # type: ignore[arg-type] # it is a dataclass
