"""Blinks: the upper lid slides down over the eye, its lashes with it, and the skin above is drawn out."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from app.lipsync.faces.face import Face
from app.lipsync.warp.grid import Field, Rect

# fmt: off
EYES = (
    ([33, 246, 161, 160, 159, 158, 157, 173, 133], [33, 7, 163, 144, 145, 153, 154, 155, 133]),
    ([362, 398, 384, 385, 386, 387, 388, 466, 263], [362, 382, 381, 380, 374, 373, 390, 249, 263]),
)
# fmt: on
"""Landmarks of each eye's upper and lower lid, from the left of an upright picture to the right."""
MIN_OPENING = 0.12
"""Of an eye that can blink, in its widths: others are closed, or seen from the side."""
CLOSED = 1.06
"""How far the upper lid comes down, in openings: over the edge of the lower one, where white might be left."""
EDGE = 0.04
"""How far above its landmarks the lid ends, in widths: below, the white of the eye shows."""
LASHES = 0.11
"""Of the band above the lid's edge that moves as it is, in widths of the eye."""
SKIN = 0.24
"""Of the skin above that band that is drawn out, in widths: it ends below the brow."""

PERIOD, JITTER = 3.6, 0.7
"""Seconds: a blink follows the last after 2.2 to 5."""
DOWN, HELD, UP = 0.07, 0.03, 0.11
"""Seconds of a blink: five pictures of 25 a second."""


class Blinks:
    """When eyes are closed, the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self._seed = abs(seed)

    def at(self, time: float) -> float:
        """Return how far the lids are down at a time in seconds, 0 to 1."""
        number = max(round(time / PERIOD), 1)
        return max(self._one(time - self._start(each)) for each in (number - 1, number, number + 1) if each > 0)

    def _start(self, number: int) -> float:
        random = np.random.default_rng((self._seed, 2, number))
        return number * PERIOD - PERIOD / 4 + float(random.uniform(-JITTER, JITTER))

    @staticmethod
    def _one(since: float) -> float:
        x = min(since / DOWN, 1 - (since - DOWN - HELD) / UP)
        x = min(max(x, 0.0), 1.0)
        return x * x * (3 - 2 * x)


@dataclass(frozen=True, slots=True, eq=False)
class Eye:
    """An eye that can blink."""

    rect: Rect
    """The part of the picture in which it does."""
    v: NDArray[np.float32]
    """Shape (height, width): where along the eye's own axis each pixel is, in pixels downwards."""
    top: NDArray[np.float32]
    """Where the skin that is drawn out begins at its place, and where the lids are."""
    upper: NDArray[np.float32]
    lower: NDArray[np.float32]
    weight: NDArray[np.float32]
    """1 within the eye, fading to 0 at its corners."""
    down: NDArray[np.float32]
    """Shape (2,): which way down is."""
    lashes: float

    def back(self, closed: float) -> Field:
        """Return where each pixel comes from when the lids are so far down."""
        travel = CLOSED * closed * self.weight * (self.lower - self.upper)
        edge = self.upper + travel
        lashes = self.upper - self.lashes
        stretched = (lashes - self.top) / (lashes + travel - self.top)
        from_skin = self.top + (self.v - self.top) * stretched
        source = np.where(self.v < lashes + travel, from_skin, self.v - travel)
        source = np.where((self.v > self.top) & (self.v < edge), source, self.v)
        return (source - self.v)[:, :, None] * self.down


def eyes_of(face: Face, size: tuple[int, int]) -> list[Eye]:
    """Return the eyes of a face that can blink, in a picture of this width and height."""
    found = (_eye(face.landmarks.astype(np.float64), upper, lower, size) for upper, lower in EYES)
    return [eye for eye in found if eye is not None]


def _eye(landmarks: NDArray[np.float64], upper: list[int], lower: list[int], size: tuple[int, int]) -> Eye | None:
    left, right = landmarks[upper[0]], landmarks[upper[-1]]
    width = float(np.hypot(*(right - left)))
    first = (right - left) / max(width, 1e-6)
    axes = np.array([first, (-first[1], first[0])])
    origin = (left + right) / 2
    lids = [(landmarks[numbers] - origin) @ axes.T for numbers in (upper, lower)]
    opening = float(np.max(lids[1][:, 1]) - np.min(lids[0][:, 1]))
    if opening < MIN_OPENING * width or width < 6:
        return None
    reach, below = 0.55 * width, float(np.max(lids[1][:, 1])) + 0.1 * opening
    above = float(np.min(lids[0][:, 1])) - (SKIN + LASHES + EDGE) * width
    corners = origin + np.array([(-reach, above), (reach, above), (-reach, below), (reach, below)]) @ axes
    low = np.clip(np.floor(corners.min(axis=0)), 0, size).astype(int)
    high = np.clip(np.ceil(corners.max(axis=0)) + 2, 0, size).astype(int)
    if (high - low).min() < 2:
        return None
    x, y = np.meshgrid(np.arange(low[0], high[0]) - origin[0], np.arange(low[1], high[1]) - origin[1])
    u, v = x * axes[0, 0] + y * axes[0, 1], x * axes[1, 0] + y * axes[1, 1]
    places = np.linspace(-reach, reach, 65)
    curves = [np.interp(places, points[:, 0], points[:, 1]) for points in lids]
    smooth = [cv2.GaussianBlur(curve[None], (0, 0), 2, borderType=cv2.BORDER_REPLICATE)[0] for curve in curves]
    at = [np.interp(u, places, curve) for curve in smooth]
    weight = np.clip((0.5 - np.abs(u) / width) / 0.06, 0, 1)
    return Eye(
        rect=(slice(int(low[1]), int(high[1])), slice(int(low[0]), int(high[0]))),
        top=(at[0] - (SKIN + LASHES + EDGE) * width).astype(np.float32),
        v=v.astype(np.float32),
        upper=(at[0] - EDGE * width).astype(np.float32),
        lower=np.maximum(at[1], at[0]).astype(np.float32),
        weight=weight.astype(np.float32),
        down=axes[1].astype(np.float32),
        lashes=LASHES * width,
    )
