"""Where the lips really are: landmarks are a pixel or two off, and see a gap in mouths that are shut.

Colours decide. The mouth is sampled along its own axes, and a pixel is inside if it is liker to what is between the
landmarks of the inner edges than to the lips.
"""

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from app.lipsync.warp.shape import CURVE_POINTS, REACH, Curve, MouthShape

COLUMNS = 65
"""Between the inner corners."""
ROWS = 81
SLOPE = 2
"""Rows that an edge may rise or fall from column to column."""
SMOOTHING = 5.0
"""Columns."""
SURELY_SHUT, SURELY_OPEN = 0.02, 0.14
"""Gaps between the landmarks, in widths of the mouth, that need no look at colours."""
INSIDE_SHARE = 0.45
"""Of the gap between landmarks, what has to be unlike lips in a mouth that is open."""
WEIGHTS = np.array([0.8, 1.5, 1], np.float32)
"""Of lightness, redness and yellowness (CIE L*a*b*, 8 bits): lips are red, in any light."""
UNLIKE = 24.0
"""Distance of a colour from those of the lips from which it is unlike them: teeth have 30, throats more."""
THIN = 0.08
"""The height of a gap that is no more than a crease if it is dark, in widths."""
BRIGHT_SHARE, BRIGHT, MAX_GAIN = 95, 215.0, 10.0
"""Colours are brightened until so many percent of them are at most so bright, so that dark photos are like others."""
FARTHEST = 0.16
"""How far an edge is looked for from its landmarks, in widths."""
PULL = 0.9
"""How strongly landmarks hold on to an edge that could be anywhere."""
DARKNESS = 0.02
"""How strongly the seam of a shut mouth is drawn to dark pixels."""


def looked_at(shape: MouthShape, pixels: NDArray[np.uint8]) -> MouthShape:
    """Return the shape of a mouth with the edges of its lips where the picture shows them."""
    if shape.corners[1] - shape.corners[0] < 8:
        return shape
    view = _View(shape, pixels)
    if shape.gap < SURELY_SHUT * 2 * shape.half or (
        shape.gap < SURELY_OPEN * 2 * shape.half and view.is_lip_between(shape.upper_inside, shape.lower_inside)
    ):
        return _shut(shape, view)
    upper, lower = view.edges()
    gap = float((lower - upper)[CURVE_POINTS // 2])
    if gap < THIN * 2 * shape.half and (view.is_dark_between(upper, lower) or view.is_lip_between(upper, lower)):
        return _shut(shape, view)
    return replace(shape, upper_inside=upper, lower_inside=lower, gap=gap, range=shape.range + (gap - shape.gap) / 2)


def _shut(shape: MouthShape, view: "_View") -> MouthShape:
    seam = view.seam()
    return replace(shape, upper_inside=seam, lower_inside=seam, gap=0.0, range=shape.range - shape.gap / 2)


class _View:
    """The mouth, straightened: colours at `ROWS` heights of `COLUMNS` places between the corners."""

    def __init__(self, shape: MouthShape, pixels: NDArray[np.uint8]) -> None:
        self._shape = shape
        self._width = 2 * shape.half
        self.u = np.linspace(shape.corners[0], shape.corners[1], COLUMNS, dtype=np.float32)
        self._upper, self._lower = shape.at(shape.upper_inside, self.u), shape.at(shape.lower_inside, self.u)
        self._outer = shape.at(shape.upper_outside, self.u), shape.at(shape.lower_outside, self.u)
        reach = FARTHEST * self._width
        top = float(min(self._outer[0].min(), self._upper.min() - reach))
        bottom = float(max(self._outer[1].max(), self._lower.max() + reach))
        self._v = np.linspace(top, bottom, ROWS, dtype=np.float32)[:, None]
        self._step = (bottom - top) / (ROWS - 1)
        u = np.broadcast_to(self.u, (ROWS, COLUMNS))
        x = shape.origin[0] + u * shape.axes[0, 0] + self._v * shape.axes[1, 0]
        y = shape.origin[1] + u * shape.axes[0, 1] + self._v * shape.axes[1, 1]
        colours = cv2.remap(pixels, x.astype(np.float32), y.astype(np.float32), cv2.INTER_LINEAR, borderMode=1)
        light = float(np.percentile(colours, BRIGHT_SHARE))
        colours = cv2.convertScaleAbs(colours, alpha=min(BRIGHT / max(light, 1.0), MAX_GAIN))
        self._lab = np.asarray(cv2.cvtColor(colours, cv2.COLOR_BGR2LAB), np.float32)
        gap = 0.01 * self._width
        bodies = (
            (self._v > self._outer[0]) & (self._v < self._upper - gap),
            (self._v < self._outer[1]) & (self._v > self._lower + gap),
        )
        lips = [np.median(self._lab[body], axis=0) for body in bodies if body.any()]
        self._lips = lips or [np.median(self._lab.reshape(-1, 3), axis=0)]
        self._unlike = np.min([np.linalg.norm((self._lab - lip) * WEIGHTS, axis=2) for lip in self._lips], axis=0)

    def is_lip_between(self, upper: Curve, lower: Curve) -> bool:
        """Tell whether there are only lips, and perhaps a crease, between two curves."""
        between = self._between(upper, lower)
        return not between.any() or float((self._unlike[between] > UNLIKE).mean()) < INSIDE_SHARE

    def is_dark_between(self, upper: Curve, lower: Curve) -> bool:
        """Tell whether it is darker between two curves than the lips are."""
        between = self._between(upper, lower)
        return not between.any() or float(np.median(self._lab[between][:, 0])) < min(
            float(lip[0]) for lip in self._lips
        )

    def _between(self, upper: Curve, lower: Curve) -> NDArray[np.bool_]:
        between = (self._v > self._shape.at(upper, self.u)) & (self._v < self._shape.at(lower, self.u))
        between[:, : COLUMNS // 5] = between[:, -COLUMNS // 5 :] = False
        return np.asarray(between)

    def seam(self) -> Curve:
        """Return the curve along the dark crease between shut lips."""
        middle = (self._upper + self._lower) / 2
        allowed = np.maximum((self._lower - self._upper) / 2, 0) + 0.05 * self._width
        away = np.abs(self._v - middle) / allowed
        dark = cv2.GaussianBlur(self._lab[:, :, 0], (5, 3), 0)
        cost = DARKNESS * (dark - dark.min(axis=0)) + 0.5 * away**2 + np.where(away > 1, 100, 0)
        return self._curve(self._v[_cheapest_path(cost), 0], middle)

    def edges(self) -> tuple[Curve, Curve]:
        """Return the curves of the lower edge of the upper lip, and of the upper edge of the lower lip."""
        inside = np.clip((self._unlike - 0.5 * UNLIKE) / UNLIKE, 0, 1)
        middle = (self._upper + self._lower) / 2
        upper = self._edge(inside, self._upper, self._v < middle)
        lower = self._edge(inside[::-1], self._lower, (self._v > middle)[::-1], flipped=True)
        upper, lower = self._curve(upper, self._upper), self._curve(lower, self._lower)
        seam = (upper + lower) / 2
        return np.minimum(upper, seam), np.maximum(lower, seam)

    def _edge(self, inside: Curve, known: Curve, side: NDArray[np.bool_], *, flipped: bool = False) -> Curve:
        """Return where each column changes from lip to inside, read from the lip."""
        v = self._v[::-1] if flipped else self._v
        lip_before = np.cumsum(np.where(side, inside, 0), axis=0)
        inside_after = np.sum(np.where(side, 1 - inside, 0), axis=0) - np.cumsum(np.where(side, 1 - inside, 0), axis=0)
        away = np.abs(v - known) / (FARTHEST * self._width)
        pull = PULL * FARTHEST * self._width / self._step * away**2
        cost = lip_before + inside_after + pull + np.where((away > 1) | ~side, 1e3, 0)
        return np.asarray(v[_cheapest_path(cost), 0], np.float32)

    def _curve(self, v: Curve, known: Curve) -> Curve:
        """Return a curve of the mouth's own kind: the landmarks', smoothly moved to v, and the corners left alone."""
        from_corner = np.minimum(np.arange(COLUMNS), np.arange(COLUMNS)[::-1]) / COLUMNS
        moved = ((v - known) * np.clip(from_corner / 0.1, 0, 1)).astype(np.float32)
        smooth = known + cv2.GaussianBlur(moved[None], (0, 0), SMOOTHING, borderType=cv2.BORDER_REPLICATE)[0]
        places = np.linspace(-REACH, REACH, CURVE_POINTS) * self._shape.half
        return np.asarray(np.interp(places, self.u, smooth), np.float32)


def _cheapest_path(cost: NDArray[np.floating]) -> NDArray[np.intp]:
    """Return a row for each column so that the sum of costs is least and neighbours differ by `SLOPE` rows at most."""
    rows, columns = cost.shape
    total = cost.astype(np.float64)
    for column in range(1, columns):
        before = np.pad(total[:, column - 1], SLOPE, constant_values=np.inf)
        total[:, column] += np.min([before[by : by + rows] for by in range(2 * SLOPE + 1)], axis=0)
    path = np.empty(columns, np.intp)
    path[-1] = np.argmin(total[:, -1])
    for column in range(columns - 2, -1, -1):
        low = max(path[column + 1] - SLOPE, 0)
        path[column] = low + np.argmin(total[low : path[column + 1] + SLOPE + 1, column])
    return path
