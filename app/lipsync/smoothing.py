"""Places that are measured in each frame of a video, without their trembling. Pure.

Upstream takes the mean of a place and the four after it, which makes a moving face run behind its box. Here it is the
mean of those around, so nothing is late.
"""

from collections import deque

import numpy as np
from numpy.typing import NDArray

WIDTH = 5
"""Frames."""


class Smoother:
    """The moving mean of arrays of one shape, as they arrive: `WIDTH // 2` of them later, and less at both ends.

    Args:
        width: frames of the mean; odd. 1 changes nothing.
    """

    def __init__(self, width: int = WIDTH) -> None:
        if width < 1 or width % 2 == 0:
            raise ValueError(f"width {width}: it must be odd")
        self._half = width // 2
        self._held: deque[NDArray[np.float32]] = deque()
        self._next = 0
        """Place among those held of the next one to come out."""

    def push(self, places: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Take the places in the next frame and return those that are ready, one or none."""
        self._held.append(places)
        return [self._take()] if len(self._held) > self._next + self._half else []

    def finish(self) -> list[NDArray[np.float32]]:
        """Return the last ones."""
        return [self._take() for _ in range(len(self._held) - self._next)]

    def _take(self) -> NDArray[np.float32]:
        first, last = self._next - self._half, self._next + self._half
        around = list(self._held)[max(first, 0) : last + 1]
        smooth: NDArray[np.float32] = np.mean(around, axis=0, dtype=np.float32)
        if first >= 0:
            self._held.popleft()
        else:
            self._next += 1
        return smooth
