"""Which part of a face is taken from the network: mouth, chin and jaw, with a soft edge. In the network's square."""

from typing import Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from app.lipsync.networks.plan import SIDE

Blend = Literal["contour", "feather"]
"""What is taken: the face's own contour from the nose down, or the whole lower half of the square, with a soft edge."""

Mask = NDArray[np.float32]
"""(96, 96), 0 to 1."""

_JAW: Final = (361, 288, 397, 365, 379, 378, 400, 377, 152, 148, 176, 149, 150, 136, 172, 58, 132)
"""From the one ear along the jaw to the other."""
_BELOW_NOSE: Final = (98, 2, 327)
"""From the one wing of the nose to the other; the nose itself stays the picture's."""
_LIPS: Final = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146)
"""The outer edge."""
_MOUTH: Final = (13, 14)

_JAW_ROOM = 1.06
"""How far the edge is from the mouth, of the jaw's distance: an opening mouth takes the chin along."""
_EDGE_SOFTNESS = 2.5
"""Deviation of the blur of the edge, in pixels of the square."""
_BORDER = 5.0
"""Pixels of the square from its border, and from the first row that is drawn, over which the mask grows to 1."""
_FINER = 4
"""The polygon is drawn so many times as large."""


def face_mask(landmarks: NDArray[np.float32], *, first_row: int, blend: Blend = "contour") -> Mask:
    """Return how much of each pixel is taken from the network.

    Args:
        landmarks: (468, 2) in the square (`Placement.to_square`).
        first_row: of those that the network draws; up to it the mask is 0, as on the square's border.
        blend: what is taken.
    """
    if blend == "feather":
        return _ramp(first_row)
    middle = landmarks[list(_MOUTH)].mean(axis=0)
    jaw = middle + _JAW_ROOM * (landmarks[list(_JAW)] - middle)
    filled = _filled(np.concatenate((jaw, landmarks[list(_BELOW_NOSE)])))
    soft = cv2.GaussianBlur(filled, (0, 0), _EDGE_SOFTNESS, borderType=cv2.BORDER_CONSTANT)
    return np.asarray(np.clip(soft * _ramp(first_row), 0, 1), np.float32)


def skin_mask(landmarks: NDArray[np.float32]) -> Mask:
    """Return where the face of the mask is skin and not lips, which may be anywhere when they speak."""
    lips = landmarks[list(_LIPS)]
    middle = lips.mean(axis=0)
    filled = _filled(middle + 1.25 * (lips - middle))
    return np.asarray(1 - cv2.GaussianBlur(filled, (0, 0), 1.5), np.float32)


def _filled(points: NDArray[np.float32]) -> Mask:
    """Return what the points enclose; their hull, because in profile the lines between them cross."""
    canvas = np.zeros((SIDE * _FINER, SIDE * _FINER), np.uint8)
    cv2.fillConvexPoly(canvas, cv2.convexHull(np.round(points * _FINER).astype(np.int32)), 255)
    small = cv2.resize(canvas, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return small.astype(np.float32) / np.float32(255)


def _ramp(first_row: int) -> Mask:
    """Return 0 at the borders and at the first row, 1 inside."""
    along = np.arange(SIDE, dtype=np.float32)
    across = np.minimum(along, SIDE - 1 - along)
    down = np.minimum(along - first_row, SIDE - 1 - along)
    edges = np.clip(np.minimum(down[:, None], across[None, :]) / _BORDER, 0, 1)
    return np.asarray(edges * edges * (3 - 2 * edges), np.float32)
