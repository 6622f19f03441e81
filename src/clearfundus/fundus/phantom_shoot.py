"""A vessel of a drawn eye while it grows, and all that has grown around it.

Lengths are field diameters; points are (row, column) from the field's centre, with the disc on the left.
"""

from dataclasses import dataclass, field

import numpy as np

from clearfundus.fundus.phantom_eye import Points


@dataclass(kw_only=True, eq=False)
class Shoot:
    """A vessel between two forks, while it grows and after.

    Attributes:
        number: Its index among the shoots.
        parent: Index of the shoot it comes from; -1 at the disc.
        artery: Of which tree.
        radius: In field diameters, the same all along.
        points: The centreline, (row, column) in field diameters, disc on the left.
        heading: Direction of the tip in radians; 0 is along columns, positive is down.
        course: The curve it follows, if it is a large vessel.
        left: Length still to grow before it forks or ends.
        turn: The wander: radians a step, which drifts.
        side: The side of its last branch, 1 or -1.
    """

    number: int
    parent: int
    artery: bool
    radius: float
    points: list[tuple[float, float]]
    heading: float
    course: Points | None = None
    left: float = 0.0
    turn: float = 0.0
    side: int = 1


@dataclass(eq=False)
class Thicket:
    """All that has grown: points with their vessel's direction, radius, kind, number and parent, in columns."""

    count: int = 0
    table: Points = field(default_factory=lambda: np.zeros((8, 8192)))

    def add(self, point: tuple[float, float], shoot: Shoot) -> None:
        """Note one step of a vessel."""
        if self.count == self.table.shape[1]:
            self.table = np.concatenate([self.table, np.zeros_like(self.table)], axis=1)
        direction = (np.sin(shoot.heading), np.cos(shoot.heading))
        self.table[:, self.count] = (*point, *direction, shoot.radius, shoot.artery, shoot.number, shoot.parent)
        self.count += 1

    def near(self, point: tuple[float, float], reach: float) -> Points:
        """Return the table's columns within a square of half side `reach`, as rows."""
        rows = np.flatnonzero(np.abs(self.table[0, : self.count] - point[0]) < reach)
        rows = rows[np.abs(self.table[1, rows] - point[1]) < reach]
        return self.table[:, rows].T
