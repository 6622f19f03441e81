"""The initial weights of every network here."""

from torch import nn

WEIGHT_DEVIATION = 0.02  # N(0, 0.02), the customary choice for CycleGAN-type networks


def draw_weights(network: nn.Module) -> None:
    """Draw every convolution's weights from N(0, 0.02) and set its biases to 0, in place.

    Uses torch's current generator: seed it first (`torch.random.fork_rng` keeps the caller's state).
    """
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(layer.weight, 0.0, WEIGHT_DEVIATION)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
