"""What a network has drawn, put back into the picture so that one does not see where.

The network draws 52 rows of 96 pixels, blurred and in colours of its own. Only mouth, chin and jaw are taken, with a
soft edge (`contour.py`); their colours are brought to those of the picture's skin; and the fine detail that the
picture has and 96 pixels cannot have is added again, wherever the skin has stayed as it was. Outside of the mask no
bit changes.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from app.lipsync.contour import Blend, face_mask, skin_mask
from app.lipsync.placement import DEFAULT_PADS, Pads, Placement, place
from app.lipsync.yuv import Box

_ADAPTATION = 0.15
"""Of the difference in colour, taken over from each picture to the next, so that speech does not flicker."""
_GAINS = (0.8, 1.25)
"""Bounds of what contrast is multiplied by."""
_SAME = 20.0
"""Grey levels by which skin may differ and still have the picture's own detail, as a deviation."""
_DETAIL = 0.85
"""Of the picture's detail that is added."""
_EACH_CHANNEL = np.ones(3, np.float32)
_NOTHING = np.zeros(4)
"""Added so that OpenCV rounds and bounds in the same step."""
_LEAST_SKIN = 50.0
"""Pixels of the square, below which colours are not compared."""


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """Mean and deviation of each channel, blue, green and red, over the skin."""

    mean: NDArray[np.float32]
    deviation: NDArray[np.float32]


class ColourMatch:
    """Brings drawn colours to those of a picture, by a gain and a shift of each channel that follow slowly.

    Args:
        adaptation: how far they go towards what each picture wants; 1: all the way.
    """

    def __init__(self, adaptation: float = _ADAPTATION) -> None:
        self._adaptation = adaptation
        self._is_new = True
        self._gain, self._shift = np.ones(3, np.float32), np.zeros(3, np.float32)

    def adapt(self, drawn: Moments, wanted: Moments) -> None:
        """Take another picture into account; the first one counts in full."""
        gain = np.clip(wanted.deviation / np.maximum(drawn.deviation, 1), *_GAINS)
        shift = wanted.mean - gain * drawn.mean
        share = np.float32(1 if self._is_new else self._adaptation)
        self._gain += share * (gain - self._gain)
        self._shift += share * (shift - self._shift)
        self._is_new = False

    def __call__(self, drawn: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return colours of shape (…, 3) as they are to be."""
        return drawn * self._gain + self._shift


def colour_match(smooth: bool) -> ColourMatch:
    """Return one that follows slowly, or, if nothing is to be smoothed, one that matches each picture by itself."""
    return ColourMatch(_ADAPTATION if smooth else 1.0)


class Patch:
    """The part of one picture into which faces are drawn, with everything that does not depend on what is drawn.

    Args:
        picture: uint8 (height, width, 3), blue-green-red.
        landmarks: (468, 2) in it.
        pads: see `placement.py`.
        first_row: of those that the network draws.
        blend: which part of the face is taken; see `contour.py`.
    """

    def __init__(
        self,
        picture: NDArray[np.uint8],
        landmarks: NDArray[np.float32],
        *,
        pads: Pads = DEFAULT_PADS,
        first_row: int,
        blend: Blend = "contour",
    ) -> None:
        self._first_row = first_row
        self._placement = place(landmarks, pads=pads)
        self.face = self._placement.take(picture)
        """The square that the network sees: uint8 (96, 96, 3)."""
        in_square = self._placement.to_square(landmarks)
        mask = face_mask(in_square, first_row=first_row, blend=blend)[first_row:]
        self._seen = self.face[first_row:].astype(np.float32)
        skin = mask * skin_mask(in_square)[first_row:]
        self._has_skin = bool(skin.sum() >= _LEAST_SKIN)
        self._share = skin.ravel() / max(float(skin.sum()), 1.0)
        self._wanted = _moments(self._seen, self._share)
        self._is_skin = (skin > 0).astype(np.float32)
        self.box = _bounds(mask, self._placement, first_row, picture.shape[1], picture.shape[0])
        """The part of the picture that may change."""
        part = _part(picture, self.box).astype(np.float32)
        cover = self._put(mask)
        self._cover = cv2.merge((cover, cover, cover))
        self._under = part * (1 - self._cover)
        self._detail = _DETAIL * self._cover * (part - self._put(self._seen))

    def paste(self, drawn: NDArray[np.uint8], frame: NDArray[np.uint8], match: ColourMatch) -> None:
        """Put what was drawn, uint8 (96 - first_row, 96, 3), into a copy of the picture, in its place."""
        if self.box[0] >= self.box[2] or self.box[1] >= self.box[3]:
            return
        colours = drawn.astype(np.float32)
        if self._has_skin:
            match.adapt(_moments(colours, self._share), self._wanted)
        matched = match(colours)
        same = self._put(self._sameness(matched))
        result = self._under.copy()
        cv2.accumulateProduct(self._put(matched), self._cover, result)
        cv2.accumulateProduct(cv2.merge((same, same, same)), self._detail, result)
        _part(frame, self.box)[...] = cv2.add(result, _NOTHING, dtype=cv2.CV_8U)

    def _sameness(self, matched: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return how much each pixel of the square is still the skin that it was, 0 to 1."""
        difference = (matched - self._seen).reshape(-1, 3)
        squares = (difference * difference @ _EACH_CHANNEL).reshape(self._is_skin.shape)
        same: NDArray[np.float32] = self._is_skin * np.exp(squares * np.float32(-0.5 / _SAME**2))
        return same

    def _put(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        left, top, right, bottom = self.box
        size = max(right - left, 1), max(bottom - top, 1)
        return self._placement.put(rows, left, top, size, first_row=self._first_row)


class StillComposer:
    """Draws the frames of a picture that does not move, into one frame that is used again and again.

    The arguments are those of `Patch`; `smooth` False matches the colours of each frame by itself.
    """

    def __init__(
        self,
        picture: NDArray[np.uint8],
        landmarks: NDArray[np.float32],
        *,
        pads: Pads = DEFAULT_PADS,
        first_row: int,
        blend: Blend = "contour",
        smooth: bool = True,
    ) -> None:
        self._patch = Patch(picture, landmarks, pads=pads, first_row=first_row, blend=blend)
        self._match = colour_match(smooth)
        self._frame = picture.copy()

    @property
    def face(self) -> NDArray[np.uint8]:
        """Return what the network is to look at: uint8 (96, 96, 3)."""
        return self._patch.face

    @property
    def changed(self) -> Box:
        """Return the part of the picture in which frames differ."""
        return self._patch.box

    def compose(self, drawn: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the frame with what was drawn, uint8 (96 - first_row, 96, 3); valid until the next call."""
        self._patch.paste(drawn, self._frame, self._match)
        return self._frame


def _moments(colours: NDArray[np.float32], share: NDArray[np.float32]) -> Moments:
    """Return the moments of colours, (rows, columns, 3), by each pixel's share of the whole, (rows * columns)."""
    flat = colours.reshape(-1, 3)
    mean = share @ flat
    return Moments(mean, np.sqrt(np.maximum(share @ (flat * flat) - mean * mean, 0)))


def _bounds(mask: NDArray[np.float32], placement: Placement, first_row: int, width: int, height: int) -> Box:
    """Return the box of the picture around all pixels of the square in which the mask is not 0."""
    rows, columns = np.nonzero(mask)
    if len(rows) == 0:
        return 0, 0, 0, 0
    top, bottom = rows.min() + first_row - 1, rows.max() + first_row + 2
    left, right = columns.min() - 1, columns.max() + 2
    corners = placement.to_picture(np.array([(left, top), (right, top), (left, bottom), (right, bottom)], np.float32))
    low, high = np.floor(corners.min(axis=0)).astype(int), np.ceil(corners.max(axis=0)).astype(int)
    left, right = (int(np.clip(value, 0, width)) for value in (low[0], high[0]))
    top, bottom = (int(np.clip(value, 0, height)) for value in (low[1], high[1]))
    return left, top, right, bottom


def _part(picture: NDArray[np.uint8], box: Box) -> NDArray[np.uint8]:
    left, top, right, bottom = box
    return picture[top:bottom, left:right]
