"""The geometry of a mouth: its own axes, the edges of its lips, and how far it can open."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.lipsync.faces.face import Face

# fmt: off
UPPER_INSIDE = [78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308]
LOWER_INSIDE = [78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308]
UPPER_OUTSIDE = [61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291]
LOWER_OUTSIDE = [61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291]
JAW = [234, 93, 132, 58, 172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379, 365, 397, 288, 361, 323, 454]
# fmt: on
"""Numbers of landmarks, from the left of an upright picture to the right."""
CORNERS = 61, 291
NOSE_BASE, FOREHEAD, CHIN = 2, 10, 152
SIDES = 234, 454

OPENING_OF_FACE = 0.105
OPENING_OF_MOUTH = 0.42
"""How far a mouth opens in speech: the smaller of these parts of the face's height and of the mouth's width, and half
of what it is open in the picture besides."""
CURVE_POINTS = 257
REACH = 2.0
"""How far the curves reach to both sides, in half widths of the mouth."""
SIDE = 1.25
"""How far to a side the jaw reaches at least, in halves of the mouth: of a face turned away it is hidden."""
PROFILE = 0.36
"""The farther half of a mouth, in nearer halves, below which a face is seen from the side: from 43 degrees on."""

Curve = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class MouthShape:
    """A mouth in pixels along its own axes: `u` from its left corner to its right, `v` from the nose to the chin."""

    origin: NDArray[np.float64]
    """The middle between the corners, in the picture."""
    axes: NDArray[np.float64]
    """Shape (2, 2): the directions of u and v in the picture, of length 1."""
    half: float
    """Half of its width."""
    height: float
    """Of the face, from the forehead to the chin."""
    corners: tuple[float, float]
    """The u of the inner corners."""
    middle: float
    """The u of the middle of the lips, which is not 0 in a face that looks to the side."""
    gap: float
    """How far it is open in the picture."""
    range: float
    """The gap of a mouth that is as open as can be."""
    sides: tuple[float, float]
    """The u of the jaw's left and right, at the height of the mouth."""
    chin: float
    """The v of the chin."""
    nose: float
    """The v of the base of the nose."""
    upper_inside: Curve
    """Each curve is v at `CURVE_POINTS` places of u, evenly from -REACH to REACH halves."""
    lower_inside: Curve
    upper_outside: Curve
    lower_outside: Curve
    jaw: Curve
    is_profile: bool

    def along(self, x: NDArray[np.floating], y: NDArray[np.floating]) -> tuple[Curve, Curve]:
        """Return u and v of points in the picture."""
        u = (x - self.origin[0]) * self.axes[0, 0] + (y - self.origin[1]) * self.axes[0, 1]
        v = (x - self.origin[0]) * self.axes[1, 0] + (y - self.origin[1]) * self.axes[1, 1]
        return u.astype(np.float32), v.astype(np.float32)

    def at(self, curve: Curve, u: Curve) -> Curve:
        """Return v on a curve at each u."""
        places = np.linspace(-REACH, REACH, CURVE_POINTS, dtype=np.float32) * np.float32(self.half)
        return np.interp(u, places, curve).astype(np.float32)

    def across(self, u: Curve) -> Curve:
        """Return how far to the side a u is: -1 and 1 at the inner corners, 0 in the middle of the lips."""
        left, right = self.middle - self.corners[0], self.corners[1] - self.middle
        return np.where(u < self.middle, (u - self.middle) / left, (u - self.middle) / right).astype(np.float32)


def mouth_shape(face: Face) -> MouthShape:
    """Measure the mouth of a face."""
    landmarks = face.landmarks.astype(np.float64)
    left, right = landmarks[CORNERS[0]], landmarks[CORNERS[1]]
    width = float(np.hypot(*(right - left)))
    first = (right - left) / width
    axes = np.array([first, (-first[1], first[0])])
    points = (landmarks - (left + right) / 2) @ axes.T
    half, height = width / 2, float(np.hypot(*(landmarks[CHIN] - landmarks[FOREHEAD])))
    upper, lower = _curve(points, UPPER_INSIDE, half), _curve(points, LOWER_INSIDE, half)
    seam = (upper + lower) / 2
    gap = max(float(points[14, 1] - points[13, 1]), 0.0)
    sides = min(float(points[SIDES[0], 0]), -SIDE * half), max(float(points[SIDES[1], 0]), SIDE * half)
    return MouthShape(
        origin=(left + right) / 2,
        axes=axes,
        half=half,
        height=height,
        corners=(float(points[78, 0]), float(points[308, 0])),
        middle=float((points[13, 0] + points[14, 0]) / 2),
        gap=gap,
        range=min(OPENING_OF_FACE * height, OPENING_OF_MOUTH * width) + gap / 2,
        sides=sides,
        chin=float(points[CHIN, 1]),
        nose=float(points[NOSE_BASE, 1]),
        upper_inside=np.minimum(upper, seam),
        lower_inside=np.maximum(lower, seam),
        upper_outside=_curve(points, UPPER_OUTSIDE, half),
        lower_outside=_curve(points, LOWER_OUTSIDE, half),
        jaw=_curve(points, JAW, half),
        is_profile=_is_profile(points),
    )


def _curve(points: NDArray[np.float64], numbers: list[int], half: float) -> Curve:
    """Return the smooth curve through landmarks, level beyond the first and the last."""
    places = np.linspace(-REACH, REACH, CURVE_POINTS) * half
    order = np.argsort(points[numbers, 0])
    polygon = np.interp(places, points[numbers, 0][order], points[numbers, 1][order])
    kernel = np.hanning(13)
    return np.convolve(np.pad(polygon, 6, mode="edge"), kernel / kernel.sum(), mode="valid").astype(np.float32)


def _is_profile(points: NDArray[np.float64]) -> bool:
    halves = sorted([points[13, 0] - points[CORNERS[0], 0], points[CORNERS[1], 0] - points[13, 0]])
    return float(halves[0]) < PROFILE * float(halves[1])
