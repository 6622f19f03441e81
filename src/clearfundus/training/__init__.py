"""From two folders of photographs to weights: the paper's training, with simulated pairs before it if wished."""
