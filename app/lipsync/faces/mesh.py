"""Measures a face: 468 landmarks, by MediaPipe's face mesh.

The network (Kartynnik et al. 2019, arXiv:1907.06724) looks at a crop in which the eyes are level, and says too how sure
it is that a face is there. It is run again on a crop around what it found before, as in a video.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.lipsync.crop import Levels, Square
from app.lipsync.faces.face import LANDMARKS, Face, box_of
from app.lipsync.faces.face_network import Network
from app.lipsync.faces.model_file import MESH

INPUT_SIDE = 192
MARGIN = 1.5
"""The crop's side in sides of the face (face_landmark_front.pbtxt of MediaPipe)."""
MIN_SCORE = 0.9
"""Of things that are no faces the surest got 0.73; of faces, one in noise of a fourth of all brightness got 0.997."""
PASSES = 4
"""After two the corners of the mouth vary by 0.26 % of the face with the first crop, after four by 0.1 %."""
OUTER_EYES = 33, 263


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """What the network says of a square."""

    landmarks: NDArray[np.float32]
    """Shape (468, 2), pixels of the picture."""
    score: float
    """0 to 1."""


class Mesh:
    """MediaPipe's face mesh.

    Raises:
        Unavailable: the model's file is not in the folder.
    """

    def __init__(self, folder: Path) -> None:
        self._network = Network(folder / MESH)

    def measure(self, levels: Levels, square: Square, *, margin: float = MARGIN, passes: int = PASSES) -> Face | None:
        """Return the face within a square, `margin` times as large; None: there is none."""
        square = Square(square.x, square.y, square.side * margin, square.angle)
        for _ in range(passes):
            measured = self._look(levels, square)
            if measured.score < MIN_SCORE:
                return None
            square = around(measured.landmarks, MARGIN)
        return Face(measured.landmarks, box_of(measured.landmarks), measured.score)

    def _look(self, levels: Levels, square: Square) -> Measured:
        outputs = self._network.run(levels.crop(square, INPUT_SIDE), scale=1 / 255, mean=0)
        points = outputs["conv2d_21"].reshape(LANDMARKS, 3)[:, :2]
        score = 1 / (1 + math.exp(-float(outputs["conv2d_31"].ravel()[0])))
        return Measured(square.to_picture(points, INPUT_SIDE), score)


def around(landmarks: NDArray[np.float32], margin: float = 1.0) -> Square:
    """Return the square around landmarks in which the eyes are level."""
    across = landmarks[OUTER_EYES[1]] - landmarks[OUTER_EYES[0]]
    angle = math.atan2(float(across[1]), float(across[0]))
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    level = landmarks @ turn
    low, high = level.min(axis=0), level.max(axis=0)
    x, y = turn @ ((low + high) / 2)
    return Square(float(x), float(y), float((high - low).max()) * margin, angle)
