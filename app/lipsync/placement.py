"""Where in a picture the square lies that a network sees as the face, and the way back.

Places are counted from the corner of the first pixel, whose middle is at 0.5; OpenCV's `warpAffine` counts from that
middle. Forgotten, it would move a face that is three times as large as the square by a pixel.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from app.lipsync.networks.plan import SIDE

Pads = tuple[int, int, int, int]
"""Pixels of the picture by which the box of the face grows: top, bottom, left, right."""
DEFAULT_PADS: Final[Pads] = (0, 10, 0, 0)

OUTER_EYES = (33, 263)
_LEVEL = np.radians(3.0)
"""A face that is turned by less is cut out as it stands, as those were that the networks learnt from."""
_LEAST_SIDE = 8.0
"""Pixels of a box, whatever the pads say."""


@dataclass(frozen=True, slots=True, eq=False)
class Placement:
    """A box around a face, turned with it, that is squeezed into a square of `SIDE` pixels."""

    matrix: NDArray[np.float64]
    """2 x 3: from places in the picture to places in the square."""

    @property
    def enlargement(self) -> float:
        """Return how many pixels of the picture are one of the square, each way, in the mean."""
        return float(1 / np.sqrt(np.linalg.det(self.matrix[:, :2])))

    def to_square(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return where points of the picture, shape (n, 2), are in the square."""
        return (points @ self.matrix[:, :2].T + self.matrix[:, 2]).astype(np.float32)

    def to_picture(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return where points of the square, shape (n, 2), are in the picture."""
        inverse = np.linalg.inv(self.matrix[:, :2])
        return ((points - self.matrix[:, 2]) @ inverse.T).astype(np.float32)

    def take(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the face as the square, (96, 96, 3); where the picture has ended, its border goes on."""
        finer = max(1, int(np.ceil(self.enlargement)))  # then means of whole pixels, so that none is left out
        large = cv2.warpAffine(
            picture,
            _of_middles(finer * self.matrix),
            (finer * SIDE, finer * SIDE),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        return np.asarray(cv2.resize(large, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8)

    def put(
        self, square: NDArray[np.float32], left: int, top: int, size: tuple[int, int], *, first_row: int = 0
    ) -> NDArray[np.float32]:
        """Return a part of the picture as the square's rows from `first_row` on cover it.

        Args:
            square: (96 - first_row, 96), or that with up to four channels.
            left: of the part, in the picture.
            top: of the part.
            size: its width and height.
            first_row: of the square that is given.
        """
        matrix = self.matrix.copy()
        matrix[:, 2] += matrix[:, :2] @ (left, top) - (0, first_row)
        return np.asarray(
            cv2.warpAffine(
                square,
                _of_middles(matrix),
                size,
                flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                borderMode=cv2.BORDER_REPLICATE,
            ),
            np.float32,
        )


def place(landmarks: NDArray[np.float32], *, pads: Pads = DEFAULT_PADS) -> Placement:
    """Return the placement of a face, as upstream's detector would have cut it out, but upright.

    Args:
        landmarks: (468, 2), as `Face.landmarks`.
        pads: may be negative.
    """
    angle = roll(landmarks)
    cosine, sine = np.cos(angle), np.sin(angle)
    turn = np.array([[cosine, sine], [-sine, cosine]])
    upright = landmarks.astype(np.float64) @ turn.T
    left, top = upright.min(axis=0) - (pads[2], pads[0])
    right, bottom = upright.max(axis=0) + (pads[3], pads[1])
    scale = SIDE / np.maximum((right - left, bottom - top), _LEAST_SIDE)
    linear = scale[:, None] * turn
    return Placement(np.column_stack((linear, -scale * (left, top))))


def roll(landmarks: NDArray[np.float32]) -> float:
    """Return by how much a face is turned in the picture, clockwise as seen, in radians; 0 if hardly."""
    right, left = (landmarks[index].astype(np.float64) for index in OUTER_EYES)
    angle = float(np.arctan2(left[1] - right[1], left[0] - right[0]))
    return 0.0 if abs(angle) < _LEVEL else angle


def _of_middles(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a matrix between places as one between pixels that are counted from their middles."""
    moved = matrix.copy()
    moved[:, 2] += 0.5 * matrix[:, :2].sum(axis=1) - 0.5
    return moved
