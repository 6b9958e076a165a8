"""How skin follows a speaking mouth: displacement fields in closed form, and their inverses.

There are two: that of the lower lip with the jaw, and that of the upper lip. They agree wherever there is skin, and
differ on both sides of the seam between the lips, so that what lies between can be seen. Each is a sum of a few fixed
fields with factors that change from frame to frame.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.lipsync.mouth.mouth import OPEN, UPPER, WIDE
from app.lipsync.warp.grid import Field, Grid, smooth_step
from app.lipsync.warp.shape import Curve, MouthShape

LOWER_SHARE = 0.65
"""Of an open mouth's closing, what the lower lip does; the upper does the rest."""
RISE = 0.12
"""Of opening, what the upper lip does."""
RAISED = 0.12
"""How far a raised upper lip goes, in ranges."""
SPREAD, ROUNDED = 0.10, 0.24
"""How far the corners go out and in, in halves of the mouth's width."""
ROUND = 1.4
"""How much narrower the opening of a rounded mouth is."""
CORNER_REACH = 1.3
"""How far above and below the seam skin goes with the corners, in halves."""
LOWERED = 0.4
"""How far both lips of a rounded mouth go down, in gaps of the picture: they hide the upper teeth of a smile."""
DRAWN_IN = 0.10
"""How far they go in, and down, with a dropping jaw, in drops."""
CHIN_FOLLOWS, CHIN_CLOSES = 0.78, 0.35
"""How far the chin goes with the lower lip."""
NECK = 1.15
"""How far below the chin the skin still moves, in distances from the lip to the chin."""
SHOULDERS = 0.6
"""How much less that is at the sides, where shoulders are."""
JAW_WIDTH = 1.12
STEPS = 3
"""Of the fixed-point iteration that inverts a field."""
MARGIN = 0.035
"""How far behind its inner edge a lip is cut, in widths of a mouth that is open in the picture: teeth shine there."""
CORNER = 0.15
"""How near to a corner, in the measure of `across`, the edges meet."""
OPEN_IN_PICTURE = 0.04
"""The gap, in widths, from which a mouth counts as open in the picture."""


@dataclass(frozen=True, slots=True)
class Pose:
    """How a mouth is held, in pixels; all zero is the picture itself."""

    drop: float
    """Of the lower lip, down."""
    rise: float
    """Of the upper lip, up."""
    closing: float
    """What part of the gap in the picture is closed, 0 to 1."""
    spread: float
    """Of the corners, outwards."""
    rounding: float
    """How far the lips meet before the corners, 0 to 1."""

    @property
    def change(self) -> float:
        """How far the lips are from where they are in the picture, in pixels; not counting `closing`."""
        return self.drop + self.rise


def pose_of(shape: MouthShape, row: NDArray[np.float32]) -> Pose:
    """Return the pose for a row of a mouth track."""
    gap = min(max(float(row[OPEN]), 0.0), 1.0) * shape.range
    opening, closing = max(gap - shape.gap, 0.0), max(shape.gap - gap, 0.0)
    wide = min(max(float(row[WIDE]), -1.0), 1.0)
    rounding = max(-wide, 0.0)
    lowered = rounding * LOWERED * shape.gap
    return Pose(
        drop=opening * (1 - RISE) + lowered,
        rise=opening * RISE + min(max(float(row[UPPER]), 0.0), 1.0) * RAISED * shape.range - lowered,
        closing=closing / shape.gap if shape.gap else 0.0,
        spread=wide * shape.half * (SPREAD if wide > 0 else ROUNDED),
        rounding=rounding,
    )


def rest_of(shape: MouthShape) -> NDArray[np.float32]:
    """Return the row of a mouth track in which the mouth is as in the picture."""
    return np.array([shape.gap / shape.range, 0, 0], np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Edges:
    """Where the lips are cut, and how each u is taken along."""

    upper: Curve
    lower: Curve
    """The v of both edges."""
    profile: Curve
    """How far an opening lip goes: 1 in the middle, 0 at the corners and beyond."""
    rounded: Curve
    """The same of a rounded mouth."""
    sideways: Curve
    """What part of the gap rounding closes: nothing in the middle, all at the corners."""

    @property
    def gap(self) -> Curve:
        """How far the edges are apart, in pixels."""
        return self.lower - self.upper


def edges(shape: MouthShape, u: Curve) -> Edges:
    """Return the edges of the lips at each u."""
    across = shape.across(u)
    behind = MARGIN * 2 * shape.half if shape.gap > OPEN_IN_PICTURE * 2 * shape.half else 0.0
    margin = np.float32(behind) * np.sqrt(np.clip(1 - across**2, 0, 1))
    upper, lower = shape.at(shape.upper_inside, u), shape.at(shape.lower_inside, u)
    seam, apart = (upper + lower) / 2, smooth_step((1 - np.abs(across)) / CORNER)
    upper, lower = seam + (upper - seam) * apart, seam + (lower - seam) * apart
    sideways = smooth_step((np.abs(across) - 0.3) / 0.6)
    return Edges(upper - margin, lower + margin, _lens(across), _lens(across * ROUND), sideways)


class Fields:
    """The displacements on one grid.

    Args:
        shape: the mouth.
        grid: where they are worked out.
        jaw_only: whether the lips stay together, as in a face that is seen from the side.
    """

    def __init__(self, shape: MouthShape, grid: Grid, *, jaw_only: bool = False) -> None:
        self._grid = grid
        u, v = shape.along(*grid.nodes())
        found = edges(shape, u)
        seam = (found.upper + found.lower) / 2
        self._is_above = (v < seam)[:, :, None] & (not jaw_only)
        self._profile, self._rounded = found.profile, found.profile - found.rounded
        self._gap, self._rounded_gap = found.gap, found.gap * found.sideways
        if jaw_only:
            self._lower = self._upper = _basis(shape, [(0, _jaw_only(shape, u, v)), *(5 * [(0, np.zeros_like(u))])])
        else:
            common = _corner_fields(shape, u, v, seam)
            self._lower = _basis(shape, [*_lower_fields(shape, u, v, found), *common])
            self._upper = _basis(shape, [*_upper_fields(shape, u, v, found), *common])

    def lower(self, pose: Pose, motion: Field | None) -> Field:
        """Return where each node of the lower layer comes from."""
        return self._inverse(self._lower, _factors(pose, pose.drop), motion)

    def upper(self, pose: Pose, motion: Field | None) -> Field:
        """Return where each node of the upper layer comes from."""
        return self._inverse(self._upper, _factors(pose, pose.rise), motion)

    def inside(self, pose: Pose, motion: Field | None) -> Field:
        """Return where each node between the lips comes from: what is at the corners goes with them."""
        return self._inverse(self._upper, [0, 0, 0, 0, pose.drop, max(pose.spread, 0)], motion)

    def whole(self, pose: Pose, motion: Field | None) -> Field:
        """Return where each node comes from that is not within the mouth: both layers, on their sides of the seam."""
        return np.where(self._is_above, self.upper(pose, motion), self.lower(pose, motion))

    def gap(self, pose: Pose, lower: Field) -> NDArray[np.float32]:
        """Return how far the lips are apart at each node, in pixels; `lower` is where nodes of that layer come from."""
        opened = (self._profile - self._rounded * np.float32(pose.rounding)) * np.float32(pose.change)
        kept = (self._gap - self._rounded_gap * np.float32(pose.rounding)) * np.float32(1 - pose.closing)
        return self._grid.looked_up((opened + kept).astype(np.float32), lower)

    def _inverse(self, basis: NDArray[np.float32], factors: list[float], motion: Field | None) -> Field:
        """Solve `from + displacement(from) = node`, after the motion of the whole head."""
        forward = np.tensordot(np.array(factors, np.float32), basis, axes=1)
        back = -forward
        for _ in range(STEPS - 1):
            back = -self._grid.looked_up(forward, back)
        if motion is None:
            return back
        return motion + self._grid.looked_up(back, motion)


def _factors(pose: Pose, travel: float) -> list[float]:
    """Return how much of each field there is in a pose, for a layer that itself goes so far."""
    squeezed = (1 - pose.closing) * pose.rounding
    return [travel, travel * pose.rounding, pose.closing, squeezed, pose.drop, pose.spread]


Part = tuple[Curve | int, Curve | int]
"""A displacement along u and v."""


def _basis(shape: MouthShape, parts: list[Part]) -> NDArray[np.float32]:
    """Return fields along u and v as displacements in the picture, shape (fields, rows, columns, 2)."""
    (right, down), (back, below) = shape.axes
    return np.stack([np.stack([u * right + v * back, u * down + v * below], -1) for u, v in parts]).astype(np.float32)


def _lower_fields(shape: MouthShape, u: Curve, v: Curve, found: Edges) -> list[Part]:
    """Return how the lower layer goes down with a pixel of drop, and closes the gap; and what rounding changes."""
    lip, chin = shape.at(shape.lower_outside, u), np.maximum(shape.at(shape.jaw, u), 0)
    lip = np.maximum(lip, found.lower)
    length = max(shape.chin - float(shape.lower_outside.max()), 1.0)
    below = smooth_step((v - lip) / np.maximum(shape.chin - lip, 0.5 * length))
    sideways = smooth_step(np.abs(u) / (0.8 * max(abs(side) for side in shape.sides)))
    neck = 1 - smooth_step((v - np.minimum(chin, shape.chin)) / (NECK * length * (1 - SHOULDERS * sideways)))
    jaw = below * _jaw_bell(shape, u) * neck
    widening = 1 + 0.35 * smooth_step((v - found.lower) / (0.6 * length))
    across = shape.across(u) / widening
    drop = (1 - below) * _lens(across) + CHIN_FOLLOWS * jaw
    rounded = (1 - below) * (_lens(across * ROUND) - _lens(across))
    closing = -LOWER_SHARE * ((1 - below) * found.gap + CHIN_CLOSES * shape.gap * jaw)
    squeezed = -LOWER_SHARE * (1 - below) * found.gap * found.sideways
    return [(0, drop), (0, rounded), (0, closing), (0, squeezed)]


def _upper_fields(shape: MouthShape, u: Curve, v: Curve, found: Edges) -> list[Part]:
    """Return the same of the upper layer."""
    lip = np.minimum(shape.at(shape.upper_outside, u), found.upper)
    fading = 1 - smooth_step((lip - v) / np.maximum(lip - shape.nose, 0.25 * shape.half))
    closing = (1 - LOWER_SHARE) * found.gap * fading
    return [
        (0, -found.profile * fading),
        (0, (found.profile - found.rounded) * fading),
        (0, closing),
        (0, closing * found.sideways),
    ]


def _corner_fields(shape: MouthShape, u: Curve, v: Curve, seam: Curve) -> list[Part]:
    """Return what both layers share: corners going down and in with the drop, and out with the spread."""
    reach = np.abs(u) / shape.half
    near = np.clip(1 - ((v - seam) / (CORNER_REACH * shape.half)) ** 2, 0, 1) ** 2 * (1 - smooth_step(reach - 1))
    at_corners = DRAWN_IN * np.exp(-(((reach - 1) / 0.45) ** 2)) * near
    return [(-np.sign(u) * at_corners, at_corners), (u / shape.half * near, 0)]


def _lens(across: Curve) -> Curve:
    """Return how far an opening lip goes, 1 in the middle, 0 at the corners and beyond."""
    return np.asarray(np.clip(1 - across**2, 0, 1) ** np.float32(0.8), np.float32)


def _jaw_bell(shape: MouthShape, u: Curve) -> Curve:
    side = np.where(u < 0, shape.sides[0], shape.sides[1]) * JAW_WIDTH
    return (np.clip(1 - (u / side) ** 2, 0, 1) ** 1.5).astype(np.float32)


def _jaw_only(shape: MouthShape, u: Curve, v: Curve) -> Curve:
    """Return how far skin goes down with a jaw that takes the closed lips along a little."""
    length = max(shape.chin, 1.0)
    rising = smooth_step((v - shape.nose) / (shape.chin - shape.nose))
    neck = 1 - smooth_step((v - shape.chin) / (NECK * length))
    return (0.45 * rising * neck * _jaw_bell(shape, u)).astype(np.float32)
