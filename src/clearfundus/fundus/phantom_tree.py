"""The vessel trees of a drawn eye, grown from the disc: arteries and veins that share the retina and feed all of it.

A vessel grows step by step. It follows its course if it is one of the large ones, wanders a little, bends away from
vessels of its own kind, crosses those of the other kind if it meets them steeply, and keeps clear of the fovea. Where
it forks, the radii obey Murray's law, r0^3 = r1^3 + r2^3, and the angles follow from them. The thickest shoot grows
first. Trees are trees: two vessels of one kind meet nowhere but where one begins.
"""

import heapq

import numpy as np

from clearfundus.fundus.phantom_eye import Eye, Points
from clearfundus.fundus.phantom_guides import guides
from clearfundus.fundus.phantom_shoot import Shoot, Thicket

STEP = 0.006
SMALLEST_RADIUS = 0.0015
"""A vessel this thin forks no more. From a picture of 512 pixels on, it is 3/4 of a pixel."""
ARTERY_RADIUS, VEIN_RADIUS = 0.0054, 0.0070
"""Of the upper and lower vessels where they leave the disc's centre."""
AVASCULAR_RADIUS = 0.048
"""No vessel comes nearer to the fovea."""
SIGHT = 0.035
"""How far a growing tip feels the vessels around it."""
PROBE = 0.018
"""Both branches of a fork must find this much room straight on, which they take at once, or there is no fork."""
EVASIONS = (0.0, 0.25, -0.25)
"""Turns in radians that a blocked tip tries before it ends."""
SHARPEST_TURN = 0.15
"""Radians a step."""


def grow_trees(eye: Eye, rng: np.random.Generator) -> list[Shoot]:
    """Grow the arteries and the veins of an eye.

    Args:
        eye: Where disc and fovea lie.
        rng: Draws the courses, the forks and the wander.

    Returns:
        The vessels between forks, parents before their children; a child's first point is its parent's last.
    """
    return _Grower(eye, rng).grow()


class _Grower:
    """The state of the growth: what has grown, and the shoots that wait, the thickest first."""

    def __init__(self, eye: Eye, rng: np.random.Generator) -> None:
        self.eye, self.rng = eye, rng
        self.thicket = Thicket()
        self.shoots: list[Shoot] = []
        self.waiting: list[tuple[float, int]] = []

    def grow(self) -> list[Shoot]:
        """Grow until nothing waits."""
        switches = np.stack([self.rng.uniform(0.26, 0.46, 2), self.rng.choice([-1, 1], 2)], axis=1)
        for artery in (False, True):
            self._plant(guides(self.eye, self.rng, artery=artery, switches=switches), artery)
        while self.waiting:
            self._continue(heapq.heappop(self.waiting)[1])
        return self.shoots

    def _plant(self, courses: dict[tuple[int, bool], Points], artery: bool) -> None:
        """Start a tree: two stems from one root, each forking at once into a temporal and a nasal vessel."""
        root = self.eye.disc + ([0.003, -0.026] if artery else [-0.002, -0.012])
        for down in (-1, 1):
            stem = Shoot(
                number=len(self.shoots),
                parent=-1,
                artery=artery,
                radius=(ARTERY_RADIUS if artery else VEIN_RADIUS) * self.rng.uniform(0.92, 1.08),
                points=[(float(root[0]), float(root[1]))],
                heading=down * (np.pi / 2 + self.rng.uniform(0.0, 0.25)),
                course=courses[down, True],
                left=self.rng.uniform(0.030, 0.045) if artery else self.rng.uniform(0.045, 0.06),
            )
            self.shoots.append(stem)
            index = len(self.shoots) - 1
            while stem.left > 0:
                self._place(stem, self._bend(stem))
            major, minor = _forked(stem.radius, self.rng.uniform(0.55, 0.7))
            self._branch(index, major, 0.1 * down * -1, courses[down, True])
            self._branch(index, minor, 0.7 * down, courses[down, False])

    def _branch(self, parent: int, radius: float, turn: float, course: Points | None) -> None:
        """Add a child at the tip of a shoot, let it take its first steps and wait."""
        stem = self.shoots[parent]
        child = Shoot(
            number=len(self.shoots),
            parent=parent,
            artery=stem.artery,
            radius=radius,
            points=[stem.points[-1]],
            heading=stem.heading + turn,
            course=course,
            left=self._length(radius, course is not None),
            side=stem.side,
        )
        for _ in range(round(PROBE / STEP)):
            self._place(child, child.heading)
        self.shoots.append(child)
        heapq.heappush(self.waiting, (-radius, len(self.shoots) - 1))

    def _length(self, radius: float, large: bool) -> float:
        """Draw how far a vessel grows to its next fork, or to its end if it is too thin to fork."""
        if large:
            return float(self.rng.uniform(0.035, 0.105))
        if radius**3 < 2 * SMALLEST_RADIUS**3:
            return float(self.rng.uniform(0.10, 0.30))
        return float(self.rng.uniform(0.04, 0.11))

    def _continue(self, index: int) -> None:
        """Grow a shoot to its next fork and fork it there, or to its end."""
        shoot = self.shoots[index]
        while shoot.left > 0:
            heading = self._bend(shoot)
            if np.hypot(*_ahead(shoot.points[-1], heading)) >= 0.5:
                shoot.points.append(_at_edge(shoot.points[-1], heading))
                return
            for turn in EVASIONS:
                if not self._blocked(shoot, _ahead(shoot.points[-1], heading + turn), shoot.points[0]):
                    self._place(shoot, heading + turn)
                    break
            else:
                return
        if shoot.radius**3 >= 2 * SMALLEST_RADIUS**3:
            self._fork(index)

    def _fork(self, index: int) -> None:
        """Fork if there is room for a branch on either side, else go on."""
        shoot = self.shoots[index]
        large = shoot.course is not None
        ratio = self.rng.uniform(0.40, 0.82) if large else self.rng.uniform(0.55, 1.0)
        major, minor = _forked(shoot.radius, ratio)
        turns = _angles(shoot.radius, major, minor) * self.rng.uniform(0.75, 1.0)
        if large:
            turns[0] /= 2
        for side in (-shoot.side, shoot.side):
            if self._has_room(shoot, minor, side * turns[1]) and self._has_room(shoot, major, -side * turns[0]):
                shoot.side = side
                self._branch(index, major, -side * turns[0], shoot.course)
                self._branch(index, minor, side * turns[1], None)
                return
        shoot.left = self._length(shoot.radius, large) / 2
        heapq.heappush(self.waiting, (-shoot.radius, index))

    def _has_room(self, stem: Shoot, radius: float, turn: float) -> bool:
        """Tell whether a branch could grow straight on for a little."""
        point, heading = stem.points[-1], stem.heading + turn
        child = Shoot(number=-1, parent=stem.number, artery=stem.artery, radius=radius, points=[point], heading=heading)
        for _ in range(round(PROBE / STEP)):
            point = _ahead(point, heading)
            if self._blocked(child, point, stem.points[-1]):
                return False
        return True

    def _place(self, shoot: Shoot, heading: float) -> None:
        """Take one step."""
        shoot.heading = heading
        shoot.points.append(_ahead(shoot.points[-1], heading))
        shoot.left -= STEP
        self.thicket.add(shoot.points[-1], shoot)

    def _bend(self, shoot: Shoot) -> float:
        """Return the heading of a shoot's next step."""
        large = shoot.course is not None
        shoot.turn = 0.88 * shoot.turn + float(self.rng.normal(0, 0.022 if large else 0.030))
        bend = shoot.turn + self._pull(shoot) + (0.0 if large else self._push(shoot))
        return shoot.heading + float(np.clip(bend, -SHARPEST_TURN, SHARPEST_TURN))

    def _pull(self, shoot: Shoot) -> float:
        """Return the turn towards where a shoot wants to go: along its course, or outwards, or to the macula."""
        tip = np.array(shoot.points[-1])
        if shoot.course is not None:
            nearest = int(np.argmin(((shoot.course - tip) ** 2).sum(1)))
            wanted = shoot.course[min(nearest + 12, len(shoot.course) - 1)] - tip
            return 0.22 * float(np.sin(np.arctan2(*wanted) - shoot.heading))
        wanted = tip - self.eye.disc
        wanted /= np.hypot(*wanted) + 1e-9
        to_fovea = self.eye.fovea - tip
        distance = float(np.hypot(*to_fovea))
        # beyond the fovea vessels meet along the horizontal and do not turn back
        to_fovea[1] = max(to_fovea[1], 0.0)
        wanted += 1.6 * to_fovea / (distance + 1e-9) * float(np.exp(-((distance / 0.34) ** 2)))
        return 0.06 * float(np.sin(np.arctan2(*wanted) - shoot.heading))

    def _push(self, shoot: Shoot) -> float:
        """Return the turn away from vessels near the tip: those of its kind, and others that run alongside."""
        tip, heading = shoot.points[-1], shoot.heading
        rows = self.thicket.near(tip, SIGHT)
        if not len(rows):
            return 0.0
        beside = rows[:, :2] - tip
        distance = np.hypot(*beside.T)
        forward, across = np.sin(heading), np.cos(heading)
        lateral = beside[:, 0] * across - beside[:, 1] * forward
        in_front = beside[:, 0] * forward + beside[:, 1] * across > -0.3 * distance
        own = _apart(rows, shoot.points[0]) > 0.018
        alike = rows[:, 5] == shoot.artery
        parallel = (rows[:, 2] * forward + rows[:, 3] * across) ** 2
        weight = np.where(alike, 1.0, 1.0 * parallel**2) * (own & in_front) * np.clip(1 - distance / SIGHT, 0, 1)
        return -0.025 * float(np.sum(weight * lateral / (distance + 0.004)))

    def _blocked(self, shoot: Shoot, point: tuple[float, float], start: tuple[float, float]) -> bool:
        """Tell whether a shoot must end before a point: field's edge, fovea, disc, or a vessel of its kind."""
        if np.hypot(*point) > 0.5:
            return True
        if shoot.course is None and np.hypot(*(self.eye.fovea - point)) < AVASCULAR_RADIUS:
            return True
        rows = self.thicket.near(point, 0.02)
        rows = rows[rows[:, 5] == shoot.artery]
        if not len(rows):
            return False
        # the parent and the sibling are near where a shoot begins, as is its own last part everywhere
        recent = shoot.points[-5:] if len(shoot.points) > 1 else shoot.points
        family = (rows[:, 6] == shoot.parent) | (rows[:, 7] == shoot.parent)
        foreign = ~family | (_apart(rows, start) > 0.008 + 2.8 * (rows[:, 4] + shoot.radius) / 2)
        for mine in recent:
            foreign &= _apart(rows, mine) > STEP / 4
        return bool(np.any(_apart(rows[foreign], point) < rows[foreign, 4] + shoot.radius + 0.005))


def _ahead(point: tuple[float, float], heading: float) -> tuple[float, float]:
    return point[0] + STEP * float(np.sin(heading)), point[1] + STEP * float(np.cos(heading))


def _at_edge(point: tuple[float, float], heading: float) -> tuple[float, float]:
    """Return where a straight way from a point inside the field meets its edge."""
    ahead = np.array([np.sin(heading), np.cos(heading)])
    forward = float(ahead @ point)
    way = -forward + float(np.sqrt(forward**2 + 0.25 - point[0] ** 2 - point[1] ** 2))
    return point[0] + way * float(ahead[0]), point[1] + way * float(ahead[1])


def _apart(rows: Points, point: tuple[float, float]) -> Points:
    return np.hypot(rows[:, 0] - point[0], rows[:, 1] - point[1])


def _forked(radius: float, ratio: float) -> tuple[float, float]:
    """Return the radii of two branches by Murray's law, the thinner `ratio` of the thicker if that is thick enough."""
    major = radius / (1 + ratio**3) ** (1 / 3)
    minor = max(ratio * major, SMALLEST_RADIUS)
    return float((radius**3 - minor**3) ** (1 / 3)), float(minor)


def _angles(radius: float, major: float, minor: float) -> Points:
    """Return the angles in radians by which two branches leave the parent's direction with the least work (Murray)."""
    cosines = [
        (radius**4 + one**4 - other**4) / (2 * radius**2 * one**2) for one, other in ((major, minor), (minor, major))
    ]
    angles: Points = np.arccos(np.clip(cosines, -1, 1))
    return angles
