"""The sampler: pulls seeded noise, step by step, towards what the prompt asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Latent: TypeAlias = NDArray[np.float32]
OnStep: TypeAlias = Callable[[Latent, int, int], Latent]


def noise_schedule(steps: int) -> Iterator[float]:
    """Yield, for each step, how much fresh noise it leaves behind; the last one leaves none."""
    for step in range(steps):
        remaining = 1 - (step + 1) / steps
        yield 0.22 * remaining**1.5


def denoise_step(latent: Latent, target: Latent, step: int, steps: int) -> Latent:
    """One step: move the latent a part of the way to the target, more so towards the end.

    Args:
        latent: the picture so far, float32 of shape (height, width, 3).
        target: the picture that the prompt asks for, of the same shape.
        step: the number of this step, from 0.
        steps: how many steps there are.

    Returns:
        The next latent, a new array.

    """
    progress = (step + 1) / steps
    strength = np.float32(0.15 + 0.35 * progress)
    moved: Latent = latent + (target - latent) * strength
    return moved


def initial_noise(random: np.random.Generator, height: int, width: int) -> Latent:
    """Coloured clouds of several sizes with fine grain: where every picture begins."""
    noise = random.standard_normal((height, width, 3), dtype=np.float32) * np.float32(0.5)
    for size in (8, 32, 96):
        rows, columns = -(-height // size), -(-width // size)
        blobs = random.standard_normal((rows, columns, 3), dtype=np.float32)
        noise += np.float32(0.35) * _enlarge(blobs, height, width)
    latent: Latent = noise * np.float32(0.5) + np.float32(0.5)
    return latent


def sample(target: Latent, steps: int, seed: int, on_step: OnStep | None = None) -> Latent:
    """Run the whole schedule.

    Args:
        target: the picture that the prompt asks for, float32 of shape (height, width, 3).
        steps: how many steps to make; few steps leave grain.
        seed: decides the noise.
        on_step: called as ``on_step(latent, step, steps)`` after each step; answers the latent
            to go on with.

    Returns:
        The last latent.

    """
    random = np.random.default_rng(seed)
    latent = initial_noise(random, target.shape[0], target.shape[1])
    for step, sigma in enumerate(noise_schedule(steps)):
        latent = denoise_step(latent, target, step, steps)
        if sigma > 0:
            grain = random.standard_normal(target.shape, dtype=np.float32)
            latent = latent + np.float32(sigma) * grain
        if on_step is not None:
            latent = on_step(latent, step, steps)
    return latent


def _enlarge(small: Latent, height: int, width: int) -> Latent:
    """Linear interpolation of a small array to (height, width)."""
    rows, row_part = _positions(small.shape[0], height)
    columns, column_part = _positions(small.shape[1], width)
    below = np.minimum(rows + 1, small.shape[0] - 1)
    right = np.minimum(columns + 1, small.shape[1] - 1)
    vertical = row_part[:, None, None]
    lines = small[rows] * (1 - vertical) + small[below] * vertical
    across = column_part[None, :, None]
    return np.asarray(lines[:, columns] * (1 - across) + lines[:, right] * across, np.float32)


def _positions(size: int, length: int) -> tuple[NDArray[np.intp], Latent]:
    where = np.linspace(0, size - 1, length, dtype=np.float32)
    whole = np.floor(where).astype(np.intp)
    return whole, where - whole
