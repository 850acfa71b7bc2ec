"""Noise levels: the shifted flow schedule of training and the few steps of generation."""
import torch


def shifted(share, shift):
    """Noise level in [0, 1] of a share of the way (1: pure noise). Timestep = 1000 · level."""
    return shift * share / (1.0 + (shift - 1.0) * share)


def draw_levels(shape, shift, generator=None):
    """Levels of a training batch, uniform on the shifted grid."""
    return shifted(torch.rand(shape, generator=generator), shift)


def few_steps(nominal, shift):
    """Levels of nominal steps out of 1000: 1000, 750, 500, 250 → 1, 0.9375, 0.8333, 0.625 at shift 5."""
    return [shifted(step / 1000.0, shift) for step in nominal]


def add_noise(clean, noise, level):
    return (1.0 - level) * clean + level * noise
