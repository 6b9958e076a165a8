"""A breath of motion of the head, so that it does not stand as still as a photo.

It is a shift and a turn around the neck, whole within the head and fading to nothing around it.
"""

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from app.lipsync.warp.grid import Field, Grid, smooth_step
from app.lipsync.warp.shape import MouthShape

SHIFT = 0.0045
"""In heights of the face, across and along."""
TURN = 0.006
"""Radians."""
INNER, OUTER = 0.6, 0.9
"""Radii around the middle of the face, in its heights: within, the motion is whole; beyond, there is none."""
SLOW_HZ = (0.09, 0.16), (0.21, 0.33)
"""Ranges of the two waves that each part of the motion is the sum of."""


class Motion:
    """The motion on a grid.

    Args:
        shape: the mouth, by which the head is known.
        grid: where the displacements are wanted.
    """

    def __init__(self, shape: MouthShape, grid: Grid) -> None:
        x, y = grid.nodes()
        u, v = shape.along(x, y)
        middle = shape.chin - 0.5 * shape.height
        radius = np.hypot(u, v - middle) / shape.height
        weight = 1 - smooth_step((radius - INNER) / (OUTER - INNER))
        pivot = shape.origin + (shape.chin + 0.3 * shape.height) * shape.axes[1]
        zero = np.zeros_like(weight)
        turning = [-(y - np.float32(pivot[1])) * weight, (x - np.float32(pivot[0])) * weight]
        self._basis = np.stack(
            [np.stack([weight, zero], -1), np.stack([zero, weight], -1), np.stack(turning, -1)]
        ).astype(np.float32)

    def back(self, sway: NDArray[np.float32]) -> Field:
        """Return where each node comes from, for a shift (x, y, pixels) and a turn (radians)."""
        return -np.tensordot(sway, self._basis, axes=1)


class Sway:
    """How a head is held over time, the same for the same seed.

    Args:
        height: of the face, in pixels.
        seed: any number.
    """

    def __init__(self, height: float, seed: int) -> None:
        random = np.random.default_rng((seed, 1))
        self._waves = [list(_waves(random)) for _ in range(3)]
        self._sizes = SHIFT * height, SHIFT * height, TURN

    def at(self, time: float) -> NDArray[np.float32]:
        """Return shift and turn at a time in seconds: nothing at 0."""
        return np.array(
            [
                size * sum(share * math.sin(2 * math.pi * hz * time) for share, hz in waves)
                for size, waves in zip(self._sizes, self._waves, strict=True)
            ],
            np.float32,
        )


def _waves(random: np.random.Generator) -> Iterator[tuple[float, float]]:
    for share, (low, high) in zip((0.65, 0.35), SLOW_HZ, strict=True):
        yield share * float(random.choice([-1, 1])), float(random.uniform(low, high))


def head_outline(shape: MouthShape) -> NDArray[np.float64]:
    """Return points around everything that moves with the head."""
    angles = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    middle = shape.origin + (shape.chin - 0.5 * shape.height) * shape.axes[1]
    outline = middle + OUTER * shape.height * np.column_stack([np.cos(angles), np.sin(angles)])
    return np.asarray(outline)
