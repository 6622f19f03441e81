"""The measures of quality: each judges the view of a photograph, some beside the view of a reference.

`METRICS` is the table by name. A score is compared only with one of the same metric, protocol, side and fit, and no
measure alone says which photograph is better: each line of the table says what fools it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf
from types import MappingProxyType
from typing import Literal

from clearfundus.errors import QualityError
from clearfundus.fundus.field import Field
from clearfundus.photo import Photo
from clearfundus.quality import contrast, entropy, piqe, psnr, ssim
from clearfundus.quality.brisque import measure_brisque
from clearfundus.quality.fniqe import measure_fniqe
from clearfundus.quality.measured import Measured
from clearfundus.quality.niqe import measure_niqe
from clearfundus.quality.view import DEFAULT_SIDE, Protocol, View, make_view

Direction = Literal["higher", "lower", "none"]


@dataclass(frozen=True, kw_only=True)
class Score:
    """One value, with all that must be the same in a value it is compared with.

    Attributes:
        metric: Name of the metric.
        value: The value; `float(score)` gives it, too.
        protocol: "fov" or "whole".
        side: Longer side of the view in pixels.
        blocks: Number of blocks it rests on, or None.
        flat_share: Share in [0, 1] of the windows without structure, or None.
        fit: Name of the model it was measured against; empty where there is none.
        enlarged: Whether the photograph, or its reference, had to be enlarged to the side.
    """

    metric: str
    value: float
    protocol: Protocol
    side: int
    blocks: int | None
    flat_share: float | None
    fit: str
    enlarged: bool

    def __float__(self) -> float:
        """Return the value."""
        return self.value


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A measure of quality.

    Attributes:
        name: Its name in `METRICS`.
        function: From a view, and the reference's view or None, to what was measured.
        needs_reference: Whether it compares with a reference.
        direction: Which values are better; "none" where neither is.
        range: Least and greatest value possible.
        conventions: What the value rests on, and what fools it.
    """

    name: str
    function: Callable[[View, View | None], Measured]
    needs_reference: bool
    direction: Direction
    range: tuple[float, float]
    conventions: str

    def __call__(
        self,
        photo: Photo,
        field: Field,
        reference: Photo | None = None,
        *,
        protocol: Protocol = "fov",
        side: int = DEFAULT_SIDE,
    ) -> Score:
        """Measure a photograph.

        Args:
            photo: The photograph to judge.
            field: The field of the case, found once on its input or reference.
            reference: What it should look like, on the same pixels; not looked at by a metric that needs none.
            protocol: "fov" judges inside the field, "whole" the frame with its black surround.
            side: Longer side in pixels at which it is judged.

        Raises:
            QualityError: If it cannot be judged: a reference is missing or of another size, the field is too small,
                there is nothing to see.
        """
        view = make_view(photo, field, protocol, side)
        if reference is None or not self.needs_reference:
            return self.on_view(view)
        return self.on_view(view, make_view(reference, field, protocol, side))

    def on_view(self, view: View, reference_view: View | None = None) -> Score:
        """Measure a view; for several metrics of one photograph, whose view is then made once.

        Args:
            view: The view to judge.
            reference_view: The reference's, made with the same field, protocol and side.

        Raises:
            QualityError: As above.
        """
        if self.needs_reference:
            _check_reference(self.name, view, reference_view)
        measured = self.function(view, reference_view)
        return Score(
            metric=self.name,
            value=measured.value,
            protocol=view.protocol,
            side=view.side,
            blocks=measured.blocks,
            flat_share=measured.flat_share,
            fit=measured.fit,
            enlarged=view.enlarged or (self.needs_reference and reference_view is not None and reference_view.enlarged),
        )


def _check_reference(name: str, view: View, reference: View | None) -> None:
    """Refuse to compare with nothing, or with a view made otherwise."""
    if reference is None:
        raise QualityError(f"{name}: found no reference, expected one; give the photograph it should look like")
    if reference.pixels.shape != view.pixels.shape or reference.protocol != view.protocol:
        raise QualityError(
            f"{name}: found a reference of shape {reference.pixels.shape} in protocol {reference.protocol!r}, expected "
            f"{view.pixels.shape} and {view.protocol!r}; make both views with one field, protocol and side"
        )


_ALL = (
    # with a reference
    Metric(
        name="psnr",
        function=psnr.measure_psnr,
        needs_reference=True,
        direction="higher",
        range=(0, inf),
        conventions=psnr.CONVENTIONS,
    ),
    Metric(
        name="ssim",
        function=ssim.measure_ssim,
        needs_reference=True,
        direction="higher",
        range=(-1, 1),
        conventions=ssim.CONVENTIONS,
    ),
    Metric(
        name="ssim_rgb",
        function=ssim.measure_ssim_rgb,
        needs_reference=True,
        direction="higher",
        range=(-1, 1),
        conventions=ssim.CONVENTIONS_RGB,
    ),
    # of one picture, in the paper
    Metric(
        name="entropy",
        function=entropy.measure_entropy,
        needs_reference=False,
        direction="higher",
        range=(0, 8),
        conventions=entropy.CONVENTIONS,
    ),
    Metric(
        name="entropy_rgb",
        function=entropy.measure_entropy_rgb,
        needs_reference=False,
        direction="higher",
        range=(0, 8),
        conventions=entropy.CONVENTIONS_RGB,
    ),
    Metric(
        name="brisque",
        function=measure_brisque,
        needs_reference=False,
        direction="lower",
        range=(-inf, inf),
        conventions=(
            "LIVE release of 2012, not clipped, so negative values and values above 100 are legal. Protocol fov: on "
            "the largest square inside the field. Windows with a deviation below 0.001 levels count as flat. Noise "
            "and CLAHE improve it on blurred photographs."
        ),
    ),
    Metric(
        name="niqe",
        function=measure_niqe,
        needs_reference=False,
        direction="lower",
        range=(0, inf),
        conventions=(
            "LIVE release of 2013, 96 x 96 blocks. Protocol fov: blocks inside the field, 12 pixels off its edge, at "
            "the best of 36 offsets of the grid; whole: from the top left, the rest at bottom and right is not judged. "
            "The model is of photographs of the world, so all fundus photographs lie far off; CLAHE improves it."
        ),
    ),
    # of one picture, beside the paper
    Metric(
        name="fniqe",
        function=measure_fniqe,
        needs_reference=False,
        direction="lower",
        range=(0, inf),
        conventions=(
            "NIQE with mean and covariance of clear fundus photographs; always with the name of the fit, and compared "
            "only within one fit. Photographs smaller than the side are enlarged, which it takes for blur. CLAHE "
            "improves it on hazy photographs, and noise may where they are enlarged."
        ),
    ),
    Metric(
        name="piqe",
        function=piqe.measure_piqe,
        needs_reference=False,
        direction="lower",
        range=(0, 100),
        conventions=piqe.CONVENTIONS,
    ),
    Metric(
        name="rms_contrast",
        function=contrast.measure_rms_contrast,
        needs_reference=False,
        direction="none",
        range=(0, inf),
        conventions=contrast.CONVENTIONS_RMS,
    ),
    Metric(
        name="vessel_contrast",
        function=contrast.measure_vessel_contrast,
        needs_reference=False,
        direction="none",
        range=(0, 1),
        conventions=contrast.CONVENTIONS_VESSELS,
    ),
    Metric(
        name="tenengrad",
        function=contrast.measure_tenengrad,
        needs_reference=False,
        direction="none",
        range=(0, inf),
        conventions=contrast.CONVENTIONS_TENENGRAD,
    ),
)

METRICS: Mapping[str, Metric] = MappingProxyType({metric.name: metric for metric in _ALL})
"""All measures by name."""

__all__ = ["METRICS", "Measured", "Metric", "Protocol", "Score", "View", "make_view"]
