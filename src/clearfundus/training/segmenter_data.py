"""Crops for the vessel segmenter: cut, turned and recoloured at random from labelled photographs.

Photographs are held at the scale of vessels, standardised, each with versions of it that are degraded in known ways;
labels are shares of a pixel, so that vessels thinner than one are not lost.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
import torch
from torch import Tensor

from clearfundus.networks.segmenter import standardise
from clearfundus.photo import Gray, Mask, Pixels


@dataclass(frozen=True, kw_only=True, eq=False)
class Labelled:
    """One labelled photograph at the scale of vessels.

    Attributes:
        pixels: RGB, (h, w, 3) in [0, 1].
        inside: (h, w), true on the retina.
        target: (h, w) in [0, 1], the share of each pixel that is vessel; 0 outside the field.
        source: The data set, for balanced sampling.
        degraded: Versions of `pixels`, in which the vessels are the same.
    """

    pixels: Pixels
    inside: Mask
    target: Gray
    source: str
    degraded: tuple[Pixels, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """Ranges that crops are changed within; each value is drawn uniformly.

    Attributes:
        side: Of a crop, in pixels.
        turn: Greatest rotation to either side, in degrees.
        scale: Least and greatest enlargement.
        gain: Least and greatest factor on the standardised values.
        shift: Greatest change of all channels together, in standard deviations.
        tint: Greatest change of one channel beside that.
        degraded_share: Share of crops that are taken from a degraded version.
    """

    side: int = 192
    turn: float = 45.0
    scale: tuple[float, float] = (0.85, 1.15)
    gain: tuple[float, float] = (0.7, 1.4)
    shift: float = 0.4
    tint: float = 0.15
    degraded_share: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Crops:
    """A batch, each (N, channels, side, side).

    Attributes:
        pictures: Three channels, standardised, 0 outside the field.
        targets: One channel in [0, 1].
        inside: One channel, 1 inside the field and 0 outside.
    """

    pictures: Tensor
    targets: Tensor
    inside: Tensor


@dataclass(frozen=True, kw_only=True, eq=False)
class Pool:
    """Labelled photographs, ready for crops: standardised once.

    Attributes:
        versions: Of each photograph, the standardised pictures; the clear one first.
        targets: Of each photograph, (h, w).
        inside: Of each photograph, (h, w).
        by_source: Data set -> indices of its photographs.
    """

    versions: tuple[tuple[Pixels, ...], ...]
    targets: tuple[Gray, ...]
    inside: tuple[Gray, ...]
    by_source: Mapping[str, Sequence[int]] = field(default_factory=dict)

    @classmethod
    def of(cls, photographs: Sequence[Labelled]) -> "Pool":
        """Standardise photographs."""
        sources = sorted({one.source for one in photographs})
        return cls(
            versions=tuple(
                tuple(standardise(pixels, one.inside) for pixels in (one.pixels, *one.degraded)) for one in photographs
            ),
            targets=tuple(one.target for one in photographs),
            inside=tuple(one.inside.astype(np.float32) for one in photographs),
            by_source={
                source: [index for index, one in enumerate(photographs) if one.source == source] for source in sources
            },
        )

    def draw(self, count: int, ranges: Augmentation, random: np.random.Generator) -> Crops:
        """Draw a batch; every data set is as likely as its photographs' number's square root says.

        Args:
            count: Crops in the batch.
            ranges: How they are changed.
            random: Where chance comes from.
        """
        crops = [self._draw_one(ranges, random) for _ in range(count)]
        pictures, targets, inside = (np.stack(planes) for planes in zip(*crops, strict=True))
        return Crops(
            pictures=torch.from_numpy(pictures).permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last),
            targets=torch.from_numpy(targets)[:, None],
            inside=torch.from_numpy(inside)[:, None],
        )

    def _draw_one(self, ranges: Augmentation, random: np.random.Generator) -> tuple[Pixels, Gray, Gray]:
        weights = np.sqrt([len(indices) for indices in self.by_source.values()])
        source = random.choice(list(self.by_source), p=weights / weights.sum())
        index = int(random.choice(self.by_source[source]))
        versions = self.versions[index]
        bad = len(versions) > 1 and random.random() < ranges.degraded_share
        picture = versions[int(random.integers(1, len(versions)))] if bad else versions[0]
        place = _draw_place(self.inside[index], ranges, random)
        size = (ranges.side, ranges.side)
        # one warp cuts, turns, scales and mirrors; outside the picture is outside the field
        inside = cv2.warpAffine(self.inside[index], place, size, flags=cv2.INTER_NEAREST)
        target = cv2.warpAffine(self.targets[index], place, size, flags=cv2.INTER_LINEAR) * inside
        changed = cv2.warpAffine(picture, place, size, flags=cv2.INTER_LINEAR) * random.uniform(*ranges.gain)
        changed += random.uniform(-ranges.shift, ranges.shift) + random.uniform(-ranges.tint, ranges.tint, 3)
        planes = (changed * inside[..., None], target, inside)
        picture, target, inside = (np.asarray(plane, np.float32) for plane in planes)
        return picture, target, inside


def _draw_place(inside: Gray, ranges: Augmentation, random: np.random.Generator) -> Pixels:
    """Return the affine map, (2, 3), from a photograph to a crop around one of its inside pixels."""
    rows, columns = np.nonzero(inside)
    chosen = int(random.integers(len(rows)))
    turn, scale = np.deg2rad(random.uniform(-ranges.turn, ranges.turn)), random.uniform(*ranges.scale)
    mirror = np.diag([float(random.choice([-1, 1])), float(random.choice([-1, 1]))])
    matrix = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) @ mirror
    centre = np.array([columns[chosen], rows[chosen]])
    middle = (ranges.side - 1) / 2
    moved: Pixels = np.column_stack([matrix, middle - matrix @ centre]).astype(np.float32)
    return moved
