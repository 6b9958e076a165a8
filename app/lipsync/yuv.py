"""Pictures as video codecs take them: brightness of each pixel, colour of each four, by BT.601 in the range of TV."""

import cv2
import numpy as np
from numpy.typing import NDArray

Box = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels; right and bottom outside."""


class YuvFrame:
    """The current picture of a video; only what changes is converted again.

    Args:
        width: pixels; even, as is the height.
        height: pixels.
    """

    def __init__(self, width: int, height: int) -> None:
        self._size = height, width
        self._planes = np.zeros((height * 3 // 2, width), np.uint8)
        self._bright = self._planes[:height]
        self._blue, self._red = self._planes[height:].reshape(2, height // 2, width // 2)
        self._is_empty = True

    def update(self, picture: NDArray[np.uint8], changed: Box | None = None) -> NDArray[np.uint8]:
        """Take the next picture, uint8 (height, width, 3), blue-green-red, and return it as yuv420p.

        Args:
            picture: of the frame's size.
            changed: what may differ from the picture before; None: everything.

        Returns:
            Shape (height * 3 / 2, width); valid until the next call.
        """
        height, width = self._size
        if picture.shape != (height, width, 3):
            raise ValueError(f"picture {picture.shape}: the video has {height} x {width} pixels")
        if changed is None or self._is_empty:
            changed = 0, 0, width, height
        self._is_empty = False
        left, top, right, bottom = _even(changed, width, height)
        if left < right and top < bottom:
            self._convert(picture, left, top, right, bottom)
        return self._planes

    def _convert(self, picture: NDArray[np.uint8], left: int, top: int, right: int, bottom: int) -> None:
        rows, columns = bottom - top, right - left
        part = cv2.cvtColor(picture[top:bottom, left:right], cv2.COLOR_BGR2YUV_I420)
        colours = part[rows:].reshape(2, rows // 2, columns // 2)
        self._bright[top:bottom, left:right] = part[:rows]
        self._blue[top // 2 : bottom // 2, left // 2 : right // 2] = colours[0]
        self._red[top // 2 : bottom // 2, left // 2 : right // 2] = colours[1]


def _even(box: Box, width: int, height: int) -> Box:
    """Return the box grown to even places, within the picture."""
    left, top = max(box[0], 0) // 2 * 2, max(box[1], 0) // 2 * 2
    right, bottom = min(-(-box[2] // 2) * 2, width), min(-(-box[3] // 2) * 2, height)
    return left, top, right, bottom
