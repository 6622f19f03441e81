"""Photographs whose vessels an expert has drawn: found by how the public collections lay them out, and read.

Known are CHASE_DB1, HRF with arteries and veins, LES-AV, and a plain layout: NAME.jpg beside NAME_vessels.png or
NAME_av.png. The fact to know: on a picture of arteries and veins red is artery, blue is vein, and every other colour is
vessel without a kind: a crossing, or uncertain.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from types import MappingProxyType

import cv2
import numpy as np

from clearfundus.errors import PhotoReadError, SettingsError
from clearfundus.evaluation.cases import Case, pictures_by_stem, readable
from clearfundus.photo import Mask, read_photo
from clearfundus.vessels.labels import Labels

VESSELS, KINDS = "vessels", "kinds"
"""Roles of files: a mask of all vessels, and a picture of arteries and veins."""
LAYOUTS: tuple[tuple[str, str, str], ...] = (
    (VESSELS, "", "_1stHO"),
    (VESSELS, "", "_vessels"),
    (VESSELS, "vessel-segmentations", ""),
    (VESSELS, "manual1", ""),
    (KINDS, "", "_av"),
    (KINDS, "av_manual", "_AVmanual"),
    (KINDS, "arteries-and-veins", ""),
)
"""Role, folder beside that of the photograph (empty: the same), and ending of the name. The first that is there counts:
CHASE_DB1, plain, LES-AV, HRF as published; then plain, HRF, LES-AV."""
IMAGES = "images"
"""The folder of the photographs where labels have one of their own; it is no part of a photograph's name."""
NO_PHOTOGRAPH = ("_2ndHO", "_mask")
"""Endings of what may lie beside a photograph and is neither it nor a label."""
ON = 0.5
"""Of a channel, from which on it counts."""


def find_labelled(folder: Path, only: Path | None = None) -> tuple[Case, ...]:
    """Find the photographs with labels below a folder.

    Args:
        folder: One collection, or a folder of several.
        only: A text file with the photographs to take, one a line, as "chase_db1/Image_11L" or "Image_11L"; None for
            all.

    Raises:
        SettingsError: If there is no such folder or no labelled photograph in it, or a name is not found.
    """
    if not folder.is_dir():
        raise SettingsError(f"labelled: found no folder {folder}; check the name")
    cases = tuple(_cases(pictures_by_stem(folder)))
    if not cases:
        raise SettingsError(
            f"labelled: found no photograph with labels in {folder}, expected NAME.jpg beside NAME_vessels.png or "
            "NAME_av.png, or the layout of CHASE_DB1, HRF or LES-AV"
        )
    return cases if only is None else _chosen(cases, only)


def read_labels(case: Case, size: tuple[int, int], whole: tuple[int, int]) -> Labels:
    """Read what the experts drew.

    Args:
        case: A labelled photograph.
        size: Height and width that the masks are to have; a pixel is vessel if half its area is.
        whole: Height and width of the photograph's own file.

    Raises:
        PhotoReadError: If a file is unreadable, or not of the photograph's size, or shows no vessel.
    """
    kinds = _read(case.files[KINDS], whole) if KINDS in case.files else None
    drawn = _read(case.files[VESSELS], whole) if VESSELS in case.files else kinds
    if drawn is None or not drawn.any():
        raise PhotoReadError(f"{case.name}: found no vessel in its labels; check the files")
    vessels = _resized(np.logical_or.reduce(drawn, axis=2), size)
    if kinds is None:
        return Labels(vessels=vessels)
    red, green, blue = (kinds[..., channel] for channel in range(3))
    planes = (red & ~green & ~blue, blue & ~red & ~green, green)
    arteries, veins, crossings = (_resized(plane, size) for plane in planes)
    return Labels(vessels=vessels, arteries=arteries, veins=veins, crossings=crossings)


def _cases(pictures: Mapping[str, Path]) -> Iterator[Case]:
    """Yield every picture that has a label and is none itself."""
    named: dict[str, Path] = {}
    for key, file in pictures.items():
        place = PurePosixPath(key)
        if _is_label(place):
            continue
        files: dict[str, Path] = {}
        for role, beside, ending in LAYOUTS:
            home = place.parent.parent / beside if beside else place.parent
            label = pictures.get((home / f"{place.name}{ending}").as_posix())
            if label is not None:
                files.setdefault(role, label)
        if files:
            home = place.parent.parent if place.parent.name == IMAGES else place.parent
            name = (home / place.name).as_posix()
            if named.setdefault(name, file) != file:
                both = " and ".join(readable(str(one)) for one in (named[name], file))
                raise SettingsError(f"{both} would both be {name!r}; rename or remove one")
            yield Case(set="labelled", photograph=name, files=MappingProxyType({"photo": file, **files}))


def _is_label(place: PurePosixPath) -> bool:
    endings = [*NO_PHOTOGRAPH, *(ending for _, _, ending in LAYOUTS if ending)]
    folders = {beside for _, beside, _ in LAYOUTS if beside}
    return place.parent.name in folders or place.name.endswith(tuple(endings))


def _chosen(cases: tuple[Case, ...], only: Path) -> tuple[Case, ...]:
    """Return the cases that a file names, in its order."""
    try:
        names = [line.strip() for line in only.read_text(encoding="utf-8-sig").splitlines()]
    except (OSError, ValueError) as error:
        raise SettingsError(f"only: {only} cannot be read ({error}); expected a text file of names") from error
    chosen: dict[str, Case] = {}
    for name in filter(None, names):
        found = [one for one in cases if name in (one.photograph, PurePosixPath(one.photograph).name)]
        if len(found) != 1:
            raise SettingsError(
                f"only: found {len(found)} labelled photographs named {name!r}, expected one; check {only.name}"
            )
        chosen[found[0].photograph] = found[0]
    if not chosen:
        raise SettingsError(f"only: found no name in {only}, expected one a line")
    return tuple(chosen.values())


def _read(file: Path, whole: tuple[int, int]) -> Mask:
    """Return where each channel of a picture is on, (H, W, 3)."""
    pixels = read_photo(file).pixels
    if pixels.shape[:2] != whole:
        raise PhotoReadError(
            f"{file.name}: found {pixels.shape[1]} x {pixels.shape[0]} pixels, expected the photograph's {whole[1]} x "
            f"{whole[0]}"
        )
    return np.asarray(pixels > ON, dtype=np.bool_)


def _resized(mask: Mask, size: tuple[int, int]) -> Mask:
    if mask.shape == size:
        return mask
    shares = cv2.resize(mask.astype(np.float32), (size[1], size[0]), interpolation=cv2.INTER_AREA)
    return np.asarray(shares >= ON, dtype=np.bool_)
