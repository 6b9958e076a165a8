"""Proposes faces by OpenCV's Haar cascade: for tiny ones, and where the models of the set-up are missing.

The cascade (Viola and Jones 2001, Lienhart's haarcascade_frontalface_default) comes within OpenCV before version 5. It
tells upright frontal faces from 24 pixels, and now and then takes leaves for one.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from threading import Lock

import cv2
import numpy as np
from numpy.typing import NDArray

from app.lipsync.crop import Levels, Square

CASCADE = "haarcascade_frontalface_default.xml"
MIN_FACE = 24
SCALE_STEP = 1.1
MIN_NEIGHBOURS = 5
MAX_SIDE = 2048
"""Pixels of the picture that is searched; turned ones are halved, because turned faces are rarely tiny."""

FACE_SIDE = 0.96
FACE_DROP = 0.07
"""The face's square in sides of the cascade's box, and how far its middle is below: means over 94 of the 100 faces of
scikit-image's lfw_subset, with deviations of 0.05 and 0.02."""


class Haar:
    """OpenCV's frontal cascade."""

    def __init__(self) -> None:
        self._cascade = cv2.CascadeClassifier(str(Path(cv2.__file__).parent / "data" / CASCADE))
        self._lock = Lock()

    def propose(self, levels: Levels, angles: Sequence[float] = (0.0,)) -> list[Square]:
        """Return squares of faces in the picture turned by each angle (radians), the largest first."""
        found = [square for angle in angles for square in self._look(levels, angle)]
        return sorted(found, key=lambda square: -square.side)

    def _look(self, levels: Levels, angle: float) -> list[Square]:
        width, height = levels.size
        side = max(width, height) if angle == 0 else math.hypot(width, height)
        whole = Square(width / 2, height / 2, side, angle)
        size = min(round(side), MAX_SIDE if angle == 0 else MAX_SIDE // 2)
        grey = cv2.equalizeHist(cv2.cvtColor(levels.crop(whole, size), cv2.COLOR_BGR2GRAY))
        with self._lock:
            boxes = self._cascade.detectMultiScale(grey, SCALE_STEP, MIN_NEIGHBOURS, minSize=(MIN_FACE, MIN_FACE))
        return [_square(whole, np.asarray(box, np.float32), size) for box in boxes]


def _square(whole: Square, box: NDArray[np.float32], size: int) -> Square:
    x, y, side, _ = box
    middle = np.array([[x + side / 2, y + side * (0.5 + FACE_DROP)]], np.float32)
    (x, y), scale = whole.to_picture(middle, size)[0], whole.side / size
    return Square(float(x), float(y), float(side * FACE_SIDE * scale), whole.angle)
