"""Instance norm without affine terms, with a gradient that is right in every memory layout.

`torch.nn.functional.instance_norm` (2.13, CPU) returns a wrong gradient, without a word, for a batch of one picture if
the gradient it is handed is in channels_last layout, as it is behind every channels_last convolution. The test of this
module compares each layout with arithmetic.
"""

from torch import Tensor, nn

NORM_EPSILON = 1e-5


def instance_norm(features: Tensor) -> Tensor:
    """Give each channel of each picture mean 0 and variance 1.

    Args:
        features: (N, C, H, W), more than one pixel.

    Returns:
        The same shape.
    """
    normal = nn.functional.instance_norm(features, eps=NORM_EPSILON)
    if normal.requires_grad:
        normal.register_hook(_contiguous)
    return normal


def _contiguous(gradient: Tensor) -> Tensor:
    return gradient.contiguous()


class InstanceNorm(nn.Module):
    """`instance_norm` as a layer; it has no weights."""

    def forward(self, features: Tensor) -> Tensor:
        """Normalise (N, C, H, W)."""
        return instance_norm(features)
