"""Tensors only: the paper's generator and discriminator, their weights files, and the device they run on."""
