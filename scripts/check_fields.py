"""Find the field of every photograph under a folder, and show where it may have gone wrong.

    python scripts/check_fields.py DATA OUT

Writes OUT/fields.csv, OUT/sheet_*.png with every field outlined, and OUT/suspicious_*.png with those that an
automatic criterion doubts. The criteria doubt too much rather than too little: look at the sheets and judge.
"""

import argparse
import csv
import re
import time
from dataclasses import dataclass, field, fields
from itertools import groupby
from pathlib import Path

import cv2
import numpy as np
from scipy.optimize import least_squares

from clearfundus.errors import PhotoError
from clearfundus.fundus.field import Field, find_field
from clearfundus.photo import Mask, Photo, Pixels, read_photo

SUFFIXES = {".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".ppm"}
NO_PHOTOGRAPHS = re.compile(r"(vessel-segmentations|arteries-and-veins|av_manual|_1stHO|_2ndHO|_mask\.)")
"""Label and mask files that lie beside the photographs."""
THUMBNAIL = 200
COLUMNS, ROWS = 8, 6
FONT = cv2.FONT_HERSHEY_SIMPLEX


@dataclass
class Finding:
    """What was found in one photograph."""

    file: str
    height: int = 0
    width: int = 0
    diameter: float = 0.0
    share: float = 0.0
    solidity: float = 0.0
    whole_frame: bool = False
    circle_residual: float = float("nan")
    outside_p99: float = float("nan")
    rim_p10: float = float("nan")
    seconds: float = 0.0
    doubts: str = ""
    thumbnail: Pixels | None = field(default=None, repr=False)


def circle_residual(mask: Mask) -> float:
    """Return the 95th percentile of the edge's distance from the best circle, in its diameters.

    Edge points along the bounding box are left out, for a field cut off at the top is straight there, and the fit
    is robust, for fields are notched.
    """
    outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    points = max(outlines, key=len)[:, 0].astype(np.float64)
    inner = ((points > points.min(0) + 2) & (points < points.max(0) - 2)).all(1)
    points = points[inner][:: max(1, inner.sum() // 400)]
    if len(points) < 20:
        return float("nan")
    start = [*points.mean(0), 0.5 * np.hypot(*np.ptp(points, axis=0)) / np.sqrt(2)]

    def distance(circle: np.ndarray) -> np.ndarray:
        return np.hypot(*(points - circle[:2]).T) - circle[2]

    fit = least_squares(distance, start, loss="soft_l1", f_scale=1.0).x
    return float(np.percentile(np.abs(distance(fit)), 95) / (2 * fit[2]))


def outlined(photo: Photo, mask: Mask | None) -> Pixels:
    """Return a thumbnail, brightened so that a dark rim shows, with the field's outline in green."""
    scale = THUMBNAIL / max(photo.pixels.shape[:2])
    small = cv2.resize(photo.pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) ** 0.6
    canvas = np.zeros((THUMBNAIL, THUMBNAIL, 3), dtype=np.uint8)
    canvas[: small.shape[0], : small.shape[1]] = np.round(small * 255)
    if mask is not None:
        reduced = cv2.resize(mask.astype(np.float32), small.shape[1::-1], interpolation=cv2.INTER_AREA) > 0.5
        outlines, _ = cv2.findContours(reduced.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(canvas, outlines, -1, (0, 255, 0), 1)
    return canvas


def measure(finding: Finding, photo: Photo, found: Field) -> None:
    """Fill in what the field looks like, and what makes it doubtful."""
    mask = found.mask
    scale = min(1.0, 512 / max(mask.shape))
    small = cv2.resize(mask.astype(np.float32), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) > 0.5
    value = cv2.resize(photo.pixels, small.shape[::-1], interpolation=cv2.INTER_AREA).max(2)
    finding.diameter, finding.share = round(found.diameter, 1), round(float(mask.mean()), 4)
    finding.whole_frame = bool(mask.all())
    outlines, _ = cv2.findContours(small.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    outline = max(outlines, key=cv2.contourArea)
    finding.solidity = round(cv2.contourArea(outline) / cv2.contourArea(cv2.convexHull(outline)), 4)
    finding.circle_residual = round(circle_residual(small), 4)
    wide = cv2.dilate(small.astype(np.uint8), np.ones((3, 3), np.uint8), iterations=10) > 0
    near = cv2.erode(small.astype(np.uint8), np.ones((3, 3), np.uint8), iterations=4, borderType=cv2.BORDER_REPLICATE)
    finding.rim_p10 = round(float(np.percentile(value[small & (near == 0)], 10)) * 255, 1) if not mask.all() else np.nan
    if not wide.all():
        finding.outside_p99 = round(float(np.percentile(value[~wide], 99)) * 255, 1)
    doubts = {
        "small": finding.share < 0.35,
        "whole frame": finding.whole_frame,
        "no circle": finding.circle_residual > 0.01,
        "hollow": finding.solidity < 0.97,
        "light outside": finding.outside_p99 > 40,
        "dark rim": finding.rim_p10 < 12,
    }
    finding.doubts = "; ".join(name for name, doubtful in doubts.items() if doubtful)


def examine(path: Path, name: str) -> Finding:
    """Read one photograph, find its field and measure it."""
    finding = Finding(file=name)
    try:
        photo = read_photo(path)
    except PhotoError as error:
        finding.doubts = f"not read: {error}"
        return finding
    finding.height, finding.width = photo.pixels.shape[:2]
    start = time.perf_counter()
    try:
        found = find_field(photo)
    except PhotoError as error:
        finding.doubts = f"refused: {error}"
        finding.thumbnail = outlined(photo, None)
        return finding
    finding.seconds = round(time.perf_counter() - start, 4)
    measure(finding, photo, found)
    finding.thumbnail = outlined(photo, found.mask)
    return finding


def write_sheets(findings: list[Finding], stem: Path) -> None:
    """Write contact sheets with the file's name, diameter and doubts under each thumbnail."""
    for page, start in enumerate(range(0, len(findings), COLUMNS * ROWS)):
        sheet = np.zeros((ROWS * (THUMBNAIL + 26), COLUMNS * THUMBNAIL, 3), dtype=np.uint8)
        for place, finding in enumerate(findings[start : start + COLUMNS * ROWS]):
            top, left = place // COLUMNS * (THUMBNAIL + 26), place % COLUMNS * THUMBNAIL
            if finding.thumbnail is not None:
                sheet[top : top + THUMBNAIL, left : left + THUMBNAIL] = finding.thumbnail
            name = Path(finding.file).stem[:24]
            cv2.putText(sheet, name, (left + 2, top + THUMBNAIL + 10), FONT, 0.38, (255, 255, 255), 1)
            words = finding.doubts[:32]
            cv2.putText(sheet, words, (left + 2, top + THUMBNAIL + 22), FONT, 0.34, (255, 200, 0), 1)
        cv2.imwrite(f"{stem}_{page:02d}.png", sheet[..., ::-1])


def source(finding: Finding) -> str:
    """Return the folder and the name's first word, which tells the source."""
    path = Path(finding.file)
    return "_".join([*path.parts[:-1], re.split(r"[_\d]", path.stem)[0]])


def main() -> None:
    """Run over the folder named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    arguments.out.mkdir(parents=True, exist_ok=True)
    paths = sorted(path for path in arguments.data.rglob("*") if path.suffix.lower() in SUFFIXES)
    paths = [path for path in paths if not NO_PHOTOGRAPHS.search(path.as_posix())]
    findings = [examine(path, path.relative_to(arguments.data).as_posix()) for path in paths]
    columns = [column.name for column in fields(Finding) if column.name != "thumbnail"]
    with (arguments.out / "fields.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows({name: getattr(finding, name) for name in columns} for finding in findings)
    for name, group in groupby(findings, key=source):
        write_sheets(list(group), arguments.out / f"sheet_{name}")
    doubtful = [finding for finding in findings if finding.doubts]
    write_sheets(doubtful, arguments.out / "suspicious")
    print(f"{len(findings)} photographs, {len(doubtful)} doubtful; see {arguments.out}")
    for finding in doubtful:
        print(f"{finding.file}: {finding.doubts}")


if __name__ == "__main__":
    main()
