"""The shape of a generator, as weights files name it; known without torch, to every engine alike."""

from dataclasses import dataclass
from typing import Literal

from clearfundus.errors import SettingsError

SIDE_MULTIPLE = 4  # two stride-2 layers; other sides come back one to three pixels larger


@dataclass(frozen=True, kw_only=True)
class GeneratorSettings:
    """Shape of a generator.

    Attributes:
        width: Channels after the stem; 64 in the paper.
        blocks: Residual blocks at quarter scale; 9 in the paper.
        upsample: "transposed" (paper) or "resize": nearest x2 and a 3x3 convolution, without checkerboards.
        skip: Whether the output is `x + f(x)`. The paper has none.
        gain: Whether, with the skip, the output is `x + x g(x) + f(x)`: haze is undone by an affine map of each pixel
            whose coefficients are smooth (`clear = (x - veil (1 - t)) / t`), so the photograph's own detail is
            amplified where it would have to be drawn anew. The paper has none.
        norm: "instance" (paper) or "none". Instance norm takes the contrast and the level of a picture away, which
            are what haze changes; without it the network sees them, and treats every part of a picture alike.
        leak: Slope of the activations below 0; 0 is the ReLU of the paper. Without norm a channel of a ReLU may fall
            below 0 for good, and the network with it.
    """

    width: int = 64
    blocks: int = 9
    upsample: Literal["transposed", "resize"] = "transposed"
    skip: bool = False
    gain: bool = False
    norm: Literal["instance", "none"] = "instance"
    leak: float = 0.0

    def __post_init__(self) -> None:
        """Refuse a gain without the skip.

        Raises:
            SettingsError: If `gain` is set and `skip` is not.
        """
        if self.gain and not self.skip:
            raise SettingsError("generator: found gain without skip; set skip = true, for the gain is part of it")
