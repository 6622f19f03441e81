"""What experts drew: vessels, and which of them are arteries and veins, at the scale where vessels are sought."""

from dataclasses import dataclass

import numpy as np

from clearfundus.photo import Mask
from clearfundus.vessels.scale import Scaled


@dataclass(frozen=True, kw_only=True, eq=False)
class Labels:
    """Manual masks of one photograph, all (H, W), at its own size or, after `scaled_to`, at another.

    Attributes:
        vessels: True on every vessel.
        arteries: True on arteries; None where arteries and veins were not told apart.
        veins: True on veins; likewise.
        crossings: True where an artery and a vein cross; likewise. Arteries and veins do not hold these pixels.
    """

    vessels: Mask
    arteries: Mask | None = None
    veins: Mask | None = None
    crossings: Mask | None = None

    def scaled_to(self, scaled: Scaled) -> "Labels":
        """Return the masks at the scale of vessels: a pixel is vessel if half its area is; outside the field nothing.

        Each vessel pixel is then of the kind that most of its area is of.
        """
        vessels = (scaled.plane_of_photo(self.vessels) >= 0.5) & scaled.field.mask
        kinds = (self.arteries, self.veins, self.crossings)
        if self.arteries is None or self.veins is None or self.crossings is None:
            return Labels(vessels=vessels)
        shares = np.stack([scaled.plane_of_photo(one) for one in kinds if one is not None])
        most = shares.argmax(axis=0)
        known = vessels & (shares.max(axis=0) > 0)
        arteries, veins, crossings = (known & (most == index) for index in range(3))
        return Labels(vessels=vessels, arteries=arteries, veins=veins, crossings=crossings)
