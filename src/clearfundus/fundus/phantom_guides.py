"""The large vessels' courses in a drawn eye: four curves for the arteries and four for the veins, from the disc out.

The temporal curves arch round the macula, the nasal ones run off behind the disc. On its way along an arcade the
artery changes from one side of the vein to the other, so that they cross there.
"""

import numpy as np
from scipy.interpolate import CubicSpline

from clearfundus.fundus.phantom_eye import Eye, Points

TEMPORAL = np.array(
    [[0, 0], [-0.03, 0.22], [0.05, 0.48], [0.30, 0.80], [0.72, 1.0], [1.2, 1.01], [1.7, 0.90], [2.3, 0.72], [2.8, 0.6]]
)
NASAL = np.array([[0, 0], [-0.05, 0.18], [-0.20, 0.40], [-0.42, 0.74], [-0.7, 1.15]])
"""Courses as (towards the macula, away from the horizontal), in distances from disc to fovea."""
SAMPLES = 240
STAND_OFF = 0.020
"""Half the distance between an artery's and a vein's course, in field diameters."""
SWITCH_WIDTH = 0.04
"""Over how much of an arcade, of 1, the artery changes sides."""


def guides(eye: Eye, rng: np.random.Generator, *, artery: bool, switches: Points) -> dict[tuple[int, bool], Points]:
    """Return the courses of one kind of vessel.

    Args:
        eye: The eye, its disc on the left.
        rng: Draws how the courses differ from the pattern.
        artery: Whether the arteries' courses are wanted; the veins' lie on the other side.
        switches: (2, 2), for the upper and the lower half: where along the arcade artery and vein change sides
            (of 1), and which side the artery begins on (1 outside the arcade, -1 inside).

    Returns:
        For (up or down as -1 or 1, temporal or not) a curve of 240 points.
    """
    courses = {}
    for half, down in enumerate((-1, 1)):
        at, first = switches[half]
        for temporal in (True, False):
            pattern = (TEMPORAL if temporal else NASAL).copy()
            pattern[1:] += rng.normal(0, 0.018, pattern[1:].shape)
            pattern[:, 1] *= eye.arcade_heights[half]
            curve = _through(_placed(pattern, eye, down))
            along = np.linspace(0, 1, SAMPLES)
            swap = np.tanh((at - along) / SWITCH_WIDTH) if temporal else np.ones(SAMPLES)
            swap *= (first if artery else -first) * np.clip(0.5 + along / 0.2, 0, 1) * (1 + 1.3 * along)
            courses[down, temporal] = curve + (STAND_OFF * swap)[:, None] * _outward(curve, down)
    return courses


def _placed(pattern: Points, eye: Eye, down: int) -> Points:
    """Return a pattern's points in field diameters."""
    distance = float(np.hypot(*(eye.fovea - eye.disc)))
    tilt = (eye.fovea - eye.disc)[0] / distance
    row = eye.disc[0] + distance * (down * pattern[:, 1] + tilt * np.maximum(pattern[:, 0], 0) * 0.8)
    return np.stack([row, eye.disc[1] + distance * pattern[:, 0]], axis=1)


def _through(corners: Points) -> Points:
    """Return a smooth curve through points, evenly sampled."""
    along = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(corners, axis=0).T))])
    fine: Points = CubicSpline(along, corners)(np.linspace(0, along[-1], SAMPLES))
    return fine


def _outward(curve: Points, down: int) -> Points:
    """Return the unit normals of a curve, away from the macula."""
    ahead = np.gradient(curve, axis=0)
    ahead /= np.hypot(*ahead.T)[:, None]
    return down * np.stack([ahead[:, 1], -ahead[:, 0]], axis=1)
