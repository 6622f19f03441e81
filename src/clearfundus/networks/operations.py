"""How much arithmetic a generator does for one picture, by its shape alone; a speed in FLOP/s is made of it."""

from clearfundus.pretrained.shape import SIDE_MULTIPLE, GeneratorSettings

PICTURE_CHANNELS = 3
MULTIPLY_ADD = 2
"""Operations of one multiplication and the addition of its product."""


def generator_operations(settings: GeneratorSettings, height: int, width: int) -> int:
    """Return the floating-point operations of the convolutions of one picture in one pass.

    Norms, activations and the sum with the picture are left out: they are some per cent, and bound by memory.

    Args:
        settings: The generator's.
        height: Rows of the picture; padded to a multiple of 4, as the network does.
        width: Columns of the picture, likewise.
    """
    full = (height + -height % SIDE_MULTIPLE) * (width + -width % SIDE_MULTIPLE)
    half, quarter = full // 4, full // 16
    channels = settings.width
    # A transposed convolution works on each pixel it is given, "resize" on each it makes.
    up = (quarter, half) if settings.upsample == "transposed" else (half, full)
    products = [
        full * 7 * 7 * PICTURE_CHANNELS * channels,  # stem
        half * 3 * 3 * channels * 2 * channels,  # the ways down
        quarter * 3 * 3 * 2 * channels * 4 * channels,
        settings.blocks * 2 * quarter * 3 * 3 * (4 * channels) ** 2,
        up[0] * 3 * 3 * 4 * channels * 2 * channels,
        up[1] * 3 * 3 * 2 * channels * channels,
        full * 7 * 7 * channels * (2 if settings.gain else 1) * PICTURE_CHANNELS,  # head
    ]
    return MULTIPLY_ADD * sum(products)
