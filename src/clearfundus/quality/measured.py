"""What a measure found: its value, and what a reader must know to compare it with another."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Measured:
    """The value of one measure on one picture.

    Attributes:
        value: The value, in the measure's own unit.
        blocks: Number of blocks it rests on, or None for a measure without blocks.
        flat_share: Share in [0, 1] of the windows without structure, or None for a measure without windows.
        fit: Name of the model it was measured against; empty where there is none.
    """

    value: float
    blocks: int | None = None
    flat_share: float | None = None
    fit: str = ""
