"""A turned square of a picture: what the face models look at."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Square:
    """A square in a picture, in pixels."""

    x: float
    """Of its middle."""
    y: float
    side: float
    angle: float = 0.0
    """Radians by which it is turned, clockwise as seen."""

    def matrix(self, size: int) -> NDArray[np.float64]:
        """Return the 2 x 3 matrix from points of the picture to points of a crop with `size` pixels a side."""
        scale = size / self.side
        cosine, sine = scale * np.cos(self.angle), scale * np.sin(self.angle)
        turn = np.array([[cosine, sine], [-sine, cosine]])
        return np.column_stack([turn, size / 2 - turn @ (self.x, self.y)])

    def to_picture(self, points: NDArray[np.floating], size: int) -> NDArray[np.float32]:
        """Turn points of a crop, shape (n, 2), into points of the picture."""
        inverse = cv2.invertAffineTransform(self.matrix(size))
        return (points @ inverse[:, :2].T + inverse[:, 2]).astype(np.float32)


class Levels:
    """A picture in halves of its size, so that a crop neither skips pixels nor costs the whole picture.

    Args:
        pixels: shape (height, width, 3), uint8.
    """

    def __init__(self, pixels: NDArray[np.uint8]) -> None:
        self._levels = [pixels]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the picture."""
        height, width = self._levels[0].shape[:2]
        return width, height

    def crop(self, square: Square, size: int) -> NDArray[np.uint8]:
        """Return a square as an upright picture of `size` pixels a side, black where the picture has ended."""
        level = max(int(np.log2(max(square.side / size, 1))), 0)
        while len(self._levels) <= level:
            self._levels.append(_halved(self._levels[-1]))
        pixels = self._levels[level]
        width, height = self.size
        matrix = square.matrix(size)
        matrix[:, 0] *= width / pixels.shape[1]
        matrix[:, 1] *= height / pixels.shape[0]
        return np.asarray(cv2.warpAffine(pixels, matrix, (size, size), flags=cv2.INTER_LINEAR), np.uint8)


def _halved(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = pixels.shape[:2]
    size = max(width // 2, 1), max(height // 2, 1)
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
