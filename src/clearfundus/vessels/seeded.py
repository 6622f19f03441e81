"""Follow one vessel from a point, step by step along its direction, until it is lost.

The fact to know: the tracker looks ahead in a fan of directions and leans to going on straight, so it passes over
crossings; where the vessel forks it takes one branch and says nothing of the other.

Source: the exploratory class of vessel trackers (as Yin et al., 2013); this one is our own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

import cv2
import numpy as np
from numpy.typing import NDArray

from clearfundus.errors import SettingsError
from clearfundus.photo import Gray, Mask
from clearfundus.vessels.scale import Points
from clearfundus.vessels.trees import Stop, Track

FAN = 13
"""Directions looked at in each step."""
FARTHEST_WEIGHT = 0.6
"""Of the farthest sample ahead, the nearest having 1."""
TURN_COST = 0.25
"""Of the greatest turn, as a probability, at straightness 1."""
ACROSS = 2.0
"""How far beside its path the tracker looks for the vessel's middle, in pixels."""
SMOOTHING = 1.5
"""Deviation of the Gaussian, in samples 0.5 pixels apart, over the profile across the vessel."""
PULL = 0.4
"""Share of the way to the middle that it goes in each step."""
DIRECTIONS = 36
"""Directions looked at where no heading is given."""
WIDEST_BACK = np.deg2rad(60.0)
"""How far the way back from a seed may turn from the opposite of the way forth."""
SAME = 1e-5
"""What differs by less is as probable; rounding makes such differences."""
SNAP = 4.0
"""In pixels: from so far a seed without heading moves to the most probable vessel."""
_PROFILE = np.linspace(-ACROSS, ACROSS, 9)
_KERNEL = np.exp(-0.5 * (np.arange(-4, 5) / SMOOTHING) ** 2)[None]


@dataclass(frozen=True, kw_only=True)
class TrackerSettings:
    """How a vessel is followed; lengths in pixels at a field diameter of 540.

    Attributes:
        reach: How far ahead is looked.
        straightness: How much a turn costs, against probability ahead.
        threshold: Below this probability a step is off the vessel; chosen on training and validation eyes.
        patience: So many such steps in a row end the track; they are dropped.
        step: Length of a step.
        widest: The fan's half angle in degrees.
        inertia: Share of the old direction in the new.
        longest: At this length a track ends.
    """

    reach: int = 14
    straightness: float = 1.5
    threshold: float = 0.15
    patience: int = 3
    step: float = 2.0
    widest: float = 50.0
    inertia: float = 0.5
    longest: float = 600.0


DEFAULTS = TrackerSettings()


def follow_vessel(
    probability: Gray,
    field_mask: Mask,
    seed: Points,
    heading: Points | None = None,
    *,
    settings: TrackerSettings = DEFAULTS,
) -> Track:
    """Follow a vessel from a point forward.

    Args:
        probability: Of a vessel, (H, W) in [0, 1], at a field diameter of 540 pixels.
        field_mask: (H, W), true on the retina.
        seed: Row and column, (2,).
        heading: Which way, (2,), rows and columns, of any length; None: the best of all directions, from the most
            probable vessel within 4 pixels of the seed.
        settings: How.

    Returns:
        The track; empty, stop "lost", if there is no vessel.

    Raises:
        SettingsError: If the seed lies outside the field, or the heading has no direction.
    """
    if heading is None:
        _refuse_outside(np.atleast_2d(seed), field_mask)
        seed, heading = _best_start(_ground(probability, field_mask), seed, settings)
    return follow_vessels(probability, field_mask, seed[None], heading[None], settings=settings)[0]


def follow_both_ways(
    probability: Gray, field_mask: Mask, seed: Points, *, settings: TrackerSettings = DEFAULTS
) -> tuple[Track, Track]:
    """Follow a vessel from a point both ways; as `follow_vessel` without a heading.

    Returns:
        The track along the best of all directions, and that along the best of those within 60 degrees of its opposite.
    """
    _refuse_outside(np.atleast_2d(seed), field_mask)
    ground = _ground(probability, field_mask)
    place, forth = _best_start(ground, seed, settings)
    back = _best_direction(ground, place, -forth, WIDEST_BACK, settings)
    one, other = follow_vessels(
        probability, field_mask, np.stack([place, place]), np.stack([forth, back]), settings=settings
    )
    return one, other


def follow_vessels(
    probability: Gray,
    field_mask: Mask,
    seeds: Points,
    headings: Points,
    *,
    settings: TrackerSettings = DEFAULTS,
) -> tuple[Track, ...]:
    """Follow many vessels at once, each from its seed along its heading; the same tracks as one by one, sooner.

    Args:
        probability: Of a vessel, (H, W) in [0, 1], at a field diameter of 540 pixels.
        field_mask: (H, W), true on the retina.
        seeds: (K, 2).
        headings: (K, 2), of any length.
        settings: How.

    Returns:
        A track for each seed.

    Raises:
        SettingsError: If a seed lies outside the field, or a heading has no direction.
    """
    _refuse_outside(seeds, field_mask)
    lengths = np.hypot(*headings.T)[:, None]
    if len(seeds) != len(headings) or not np.all(lengths > 0):
        raise SettingsError("headings: found none or one of length 0, expected a direction for each seed")
    walk = _Walk(seeds, headings / lengths)
    ground = _ground(probability, field_mask)
    for _ in range(int(settings.longest / settings.step)):
        if not walk.going.size:
            break
        _take_step(walk, ground, field_mask, settings)
    return tuple(walk.track(index, settings) for index in range(len(seeds)))


class _Walk:
    """Where all tracks of one call are."""

    def __init__(self, seeds: Points, directions: Points) -> None:
        self.points = seeds.astype(np.float64)
        self.directions = directions
        self.going = np.arange(len(seeds))
        self.misses = np.zeros(len(seeds), np.int64)
        self.stops: list[Stop] = ["longest"] * len(seeds)
        self.trails: list[list[Points]] = [[] for _ in seeds]
        self.values: list[list[float]] = [[] for _ in seeds]

    def note(self, values: Points, patience: int, threshold: float) -> None:
        """Write down where the tracks are, and end those that were off the vessel too long."""
        for index, value in zip(self.going, values, strict=True):
            self.trails[index].append(self.points[index].copy())
            self.values[index].append(float(value))
        low = values < threshold
        self.misses[self.going] = np.where(low, self.misses[self.going] + 1, 0)
        self.end(self.misses[self.going] >= patience, "lost")

    def end(self, which: Mask, stop: Stop) -> None:
        """End some of the tracks that are going."""
        for index in self.going[which]:
            self.stops[index] = stop
        self.going = self.going[~which]

    def track(self, index: int, settings: TrackerSettings) -> Track:
        """Return a finished track without the steps at its end that are off the vessel."""
        on = np.flatnonzero(np.array(self.values[index]) >= settings.threshold)
        trail = self.trails[index][: on[-1] + 1] if on.size else []
        polyline = np.array(trail, np.float64).reshape(-1, 2)
        return Track(polyline=polyline, stop=self.stops[index] if len(polyline) else "lost")


def _take_step(walk: _Walk, ground: Gray, field_mask: Mask, settings: TrackerSettings) -> None:
    """Let all tracks note where they are, turn, and go on."""
    walk.note(_sample(ground, walk.points[walk.going]), settings.patience, settings.threshold)
    going = walk.going
    if not going.size:
        return
    ahead = _turned(ground, walk.points[going], walk.directions[going], settings)
    moved = walk.points[going] + settings.step * ahead
    moved += PULL * _to_middle(ground, moved, ahead)
    walk.points[going], walk.directions[going] = moved, ahead
    walk.end(~_is_inside(moved, field_mask), "edge")


def _turned(ground: Gray, points: Points, directions: Points, settings: TrackerSettings) -> Points:
    """Return the new directions, (K, 2): half old, half the best of the fan."""
    turns = np.deg2rad(np.linspace(-settings.widest, settings.widest, FAN))
    fans = _rotated(directions, turns)
    scores = _look(ground, points, fans, settings.reach)
    scores -= TURN_COST * settings.straightness * (turns / np.deg2rad(settings.widest)) ** 2
    best = fans[np.arange(len(points)), scores.argmax(axis=1)]
    mixed = settings.inertia * directions + (1 - settings.inertia) * best
    turned: Points = mixed / np.hypot(*mixed.T)[:, None]
    return turned


def _look(ground: Gray, points: Points, fans: Points, reach: int) -> Points:
    """Return the weighted mean probability ahead, (K, F), along each direction of fans (K, F, 2)."""
    away = np.arange(1, reach + 1)
    weights = np.linspace(1, FARTHEST_WEIGHT, reach)
    places = points[:, None, None] + fans[:, :, None] * away[:, None]
    seen: Points = _sample(ground, places) @ (weights / weights.sum())
    return seen


def _to_middle(ground: Gray, points: Points, directions: Points) -> Points:
    """Return the way to the most probable place across the vessel, (K, 2); to the middle of several as probable."""
    across = np.stack([-directions[:, 1], directions[:, 0]], axis=1)
    places = points[:, None] + across[:, None] * _PROFILE[:, None]
    profile = cv2.filter2D(_sample(ground, places).astype(np.float32), -1, _KERNEL, borderType=cv2.BORDER_REPLICATE)
    profile = np.asarray(profile)
    highest = profile >= profile.max(axis=1, keepdims=True) - SAME  # a wide vessel of a mask is as high all over
    moved: Points = across * (highest @ _PROFILE / highest.sum(axis=1))[:, None]
    return moved


def _best_start(ground: Gray, seed: Points, settings: TrackerSettings) -> tuple[Points, Points]:
    """Return the most probable place near a seed, the nearest of several as probable, and its best direction."""
    row, column = np.mgrid[: ground.shape[0], : ground.shape[1]]
    away = np.hypot(row - seed[0], column - seed[1])
    highest = ground >= np.max(ground[away <= SNAP], initial=0) - SAME
    place = np.array(np.unravel_index(int(np.where(highest, away, inf).argmin()), ground.shape), np.float64)
    return place, _best_direction(ground, place, np.array([1.0, 0.0]), np.pi, settings)


def _best_direction(ground: Gray, place: Points, middle: Points, widest: float, settings: TrackerSettings) -> Points:
    """Return the direction within an angle of another along which most vessel lies ahead."""
    count = 1 + max(2, round(DIRECTIONS * widest / np.pi))  # on a full circle the first is the last
    fans = _rotated(middle[None], np.linspace(-widest, widest, count))
    best: Points = fans[0, int(_look(ground, place[None], fans, settings.reach)[0].argmax())]
    return best


def _rotated(directions: Points, turns: NDArray[np.float64]) -> Points:
    """Return each of (K, 2) directions turned by each of (F,) angles, (K, F, 2)."""
    cosine, sine = np.cos(turns), np.sin(turns)
    row, column = directions[:, :1], directions[:, 1:]
    return np.stack([row * cosine - column * sine, row * sine + column * cosine], axis=-1)


def _sample(ground: Gray, points: Points) -> Points:
    """Return the plane at points (..., 2), (...,), by bilinear interpolation; 0 beyond it."""
    flat = points.reshape(len(points), -1, 2).astype(np.float32)
    rows, columns = np.ascontiguousarray(flat[..., 0]), np.ascontiguousarray(flat[..., 1])
    values = cv2.remap(ground, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
    sampled: Points = np.asarray(values, np.float64).reshape(points.shape[:-1])
    return sampled


def _ground(probability: Gray, field_mask: Mask) -> Gray:
    return np.where(field_mask, probability, 0).astype(np.float32)


def _is_inside(points: Points, field_mask: Mask) -> Mask:
    row, column = np.rint(points).astype(np.int64).T
    height, width = field_mask.shape
    within = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    return np.asarray(within & field_mask[row.clip(0, height - 1), column.clip(0, width - 1)], np.bool_)


def _refuse_outside(seeds: Points, field_mask: Mask) -> None:
    outside: Sequence[int] = np.flatnonzero(~_is_inside(seeds, field_mask)).tolist()
    if outside:
        row, column = seeds[outside[0]]
        raise SettingsError(
            f"seed: found row {row:g}, column {column:g}, expected a point inside the field of a picture of "
            f"{field_mask.shape[0]} rows and {field_mask.shape[1]} columns; give rows before columns"
        )
