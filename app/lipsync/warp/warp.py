"""The embedded engine: makes the face of a photo speak by bending it, without any network.

The rules of this file:

- What a mouth does is closed form (`fields.py`): it opens, closes over the photo's own teeth, and goes wide and
  round. What lies between the lips is painted once (`inside.py`), and laid over in layers.
- At rest, a frame is the picture itself; outside of what moves, always, to the last bit.
- Displacements are drawn out of coarse grids. Absolute places would be rounded to 1/32 of a pixel and blur the picture.
- A face that is seen from the side, or whose landmarks are a guess, moves its jaw and nothing else.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from app.lipsync.faces.face import Face
from app.lipsync.picture import Picture
from app.lipsync.warp.eyes import Blinks, eyes_of
from app.lipsync.warp.fields import CORNER_REACH, NECK, Fields, Pose, edges, pose_of, rest_of
from app.lipsync.warp.grid import Field, Rect, doubled, grid_over, smooth_step, taken
from app.lipsync.warp.inside import inside, light_on
from app.lipsync.warp.motion import Motion, Sway, head_outline
from app.lipsync.warp.seam import looked_at
from app.lipsync.warp.shape import MouthShape, mouth_shape

NODES = 60
"""Across each grid."""
FADE_IN = 0.12
"""The change of the gap, in ranges, over which the layers take the place of the bent picture."""
REACH = 0.65
"""How far beyond the corners the mouth's layers reach, in halves of its width."""
OPEN_PIXELS = 1.6
"""The gap from which the inside of the mouth is seen in full."""

Frame = NDArray[np.uint8]


class WarpPortrait:
    """A face that can speak. Preparing takes some tens of milliseconds; used by one thread at a time.

    Args:
        picture: the photo.
        face: where its face is.
        seed: of blinks and motion: the same, the same frames.
        is_lively: whether the eyes blink and the head moves a little.
    """

    def __init__(self, picture: Picture, face: Face, *, seed: int = 0, is_lively: bool = True) -> None:
        cv2.setNumThreads(1)
        self._pixels = picture.pixels
        height, width = picture.pixels.shape[:2]
        self.shape = mouth_shape(face)
        if not (face.is_rough or self.shape.is_profile):
            self.shape = looked_at(self.shape, picture.pixels)
        self.is_jaw_only = face.is_rough or self.shape.is_profile
        self._skin = _Skin(picture.pixels, self.shape, jaw_only=self.is_jaw_only, moves=is_lively)
        self._mouth = None if self.is_jaw_only else _Mouth(picture.pixels, face, self.shape, moves=is_lively)
        self._eyes = eyes_of(face, (width, height)) if is_lively and not self.is_jaw_only else []
        self._blinks = Blinks(seed) if is_lively else None
        self._sway = Sway(self.shape.height, seed) if is_lively else None

    @property
    def rest(self) -> NDArray[np.float32]:
        """The row of a mouth track in which the mouth is as in the picture."""
        return rest_of(self.shape)

    @property
    def region(self) -> Rect:
        """Rows and columns outside of which no pixel ever changes."""
        return self._skin.rect

    def draw(self, row: NDArray[np.float32], time: float, out: Frame | None = None) -> Frame:
        """Draw a frame.

        Args:
            row: of a mouth track: open, wide, upper.
            time: seconds since the start, for blinks and motion.
            out: an earlier frame of this portrait, to be drawn over.
        """
        pose = pose_of(self.shape, row)
        sway = self._sway.at(time) if self._sway else None
        closed = self._blinks.at(time) if self._blinks and self._eyes else 0.0
        if out is None:
            out = self._pixels.copy()
        self._skin.draw(out, pose, sway, [(eye.rect, eye.back(closed)) for eye in self._eyes] if closed else [])
        if self._mouth is not None:
            self._mouth.draw(out, pose, sway)
        return out


class _Skin:
    """Everything that is bent as one: jaw, cheeks, and the head with its motion and its eyes."""

    def __init__(self, pixels: Frame, shape: MouthShape, *, jaw_only: bool, moves: bool) -> None:
        height, width = pixels.shape[:2]
        points = [_jaw_outline(shape)] + ([head_outline(shape)] if moves else [])
        self._grid = grid_over(np.concatenate(points), NODES, (width, height))
        self._fields = Fields(shape, self._grid, jaw_only=jaw_only)
        self._motion = Motion(shape, self._grid) if moves else None
        self.rect = self._grid.rect(width, height)
        self._source = doubled(pixels[self.rect])
        rows, columns = self.rect
        self._places = 2 * np.stack(np.meshgrid(*(np.arange(part.stop - part.start) for part in (columns, rows))), -1)
        self._places = self._places.astype(np.float32)

    def draw(self, out: Frame, pose: Pose, sway: NDArray[np.float32] | None, lids: list[tuple[Rect, Field]]) -> None:
        motion = self._motion.back(sway) if self._motion and sway is not None else None
        places = self._grid.drawn_out(2 * self._fields.whole(pose, motion), self.rect)
        places += self._places
        for lid, back in lids:
            part = places[_within(lid, self.rect)]
            moved = (part - self._places[_within(lid, self.rect)]) / 2
            part += 2 * taken(back, moved, relative=True)
        out[self.rect] = taken(self._source, places)


class _Mouth:
    """The lips as layers over what is between them.

    The fields and the layers reach farther than what is drawn, because what is drawn comes from there.
    """

    def __init__(self, pixels: Frame, face: Face, shape: MouthShape, *, moves: bool) -> None:
        height, width = pixels.shape[:2]
        self._shape = shape
        grid = grid_over(_in_picture(shape, _mouth_corners(shape, REACH)), NODES, (width, height))
        self._fields = Fields(shape, grid)
        self._motion = Motion(shape, grid) if moves else None
        whole = grid.rect(width, height)
        u, v = shape.along(*_pixels(whole))
        layers = inside(pixels, whole, shape, u, v, edges(shape, u), light_on(pixels, face.landmarks))
        self._layers = layers.doubled()
        self._grid, self._nodes = grid.part(_in_picture(shape, _mouth_corners(shape)))
        self._rect = self._grid.rect(width, height)
        x, y = _pixels(self._rect)  # none, if the mouth is beyond the border
        self._places = 2 * np.stack([x - whole[1].start, y - whole[0].start], -1)
        self._share = _feather(shape, *shape.along(x, y))

    def draw(self, out: Frame, pose: Pose, sway: NDArray[np.float32] | None) -> None:
        change = max(pose.change, max(pose.closing, pose.rounding) * self._shape.gap)
        changed = change / (FADE_IN * self._shape.range)
        if changed <= 0 or not self._share.size:
            return
        motion = self._motion.back(sway) if self._motion and sway is not None else None
        lowered = self._fields.lower(pose, motion)
        below = self._placed(lowered)
        above = self._placed(self._fields.upper(pose, motion))
        between_lips = self._placed(self._fields.inside(pose, motion))
        seen = self._drawn_out(np.clip(self._fields.gap(pose, lowered) / OPEN_PIXELS, 0, 1))
        lower, upper = taken(self._layers.lower, below), taken(self._layers.upper, above)
        tongue, teeth = taken(self._layers.tongue, below), taken(self._layers.teeth, between_lips)
        between = _laid_over(taken(self._layers.cavity, between_lips), tongue, _alpha(tongue))
        between = _laid_over(between, teeth, _alpha(teeth))
        mouth = _laid_over(upper, between, seen * (1 - _alpha(upper)))
        mouth = _laid_over(mouth, lower, _alpha(lower))
        part = out[self._rect]
        mouth = np.asarray(cv2.cvtColor(mouth, cv2.COLOR_BGRA2BGR), np.uint8)
        part[:] = _laid_over(np.ascontiguousarray(part), mouth, self._share * np.float32(min(changed, 1.0)))

    def _placed(self, back: Field) -> Field:
        """Return where in the doubled layers each pixel is taken from."""
        places = self._drawn_out(2 * back)
        places += self._places
        return places

    def _drawn_out(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        return self._grid.drawn_out(values[self._nodes], self._rect)


def _alpha(colours: Frame) -> NDArray[np.float32]:
    return colours[:, :, 3] * np.float32(1 / 255)


def _laid_over(below: Frame, above: Frame, share: NDArray[np.float32]) -> Frame:
    """Lay colours over others with as many channels, as far as their share, 0 to 1, goes."""
    return np.asarray(cv2.blendLinear(above, below, share, 1 - share), np.uint8)


def _feather(shape: MouthShape, u: NDArray[np.float32], v: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return 1 in the mouth, fading to 0 towards the border of its outline."""
    (left, top), (_, _), (right, bottom), _ = _mouth_corners(shape)
    nearest = np.minimum(np.minimum(u - left, right - u), np.minimum(v - top, bottom - v))
    return smooth_step(nearest / (0.12 * shape.half))


def _mouth_corners(shape: MouthShape, reach: float = 0.25) -> list[tuple[float, float]]:
    """Return the corners of the part in which there are layers, and of more than that, in u and v."""
    margin = reach * shape.half
    left, right = shape.corners[0] - margin, shape.corners[1] + margin
    top = float(shape.upper_outside.min()) - margin
    bottom = float(shape.lower_outside.max()) + shape.range + margin
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def _in_picture(shape: MouthShape, points: list[tuple[float, float]]) -> NDArray[np.float64]:
    """Return where points in u and v are in the picture."""
    return np.asarray(shape.origin + np.array(points) @ shape.axes)


def _pixels(rect: Rect) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return x and y of all pixels of a part of a picture."""
    rows, columns = rect
    x, y = np.meshgrid(
        np.arange(columns.start, columns.stop, dtype=np.float32), np.arange(rows.start, rows.stop, dtype=np.float32)
    )
    return x, y


def _jaw_outline(shape: MouthShape) -> NDArray[np.float64]:
    bottom = shape.chin + NECK * (shape.chin - float(shape.lower_outside.max())) + shape.range
    left, right = (max(abs(side), 2.2 * shape.half) * 1.3 for side in shape.sides)
    top = min(shape.nose, -(CORNER_REACH + 0.1) * shape.half)
    corners = [(-left, top), (right, top), (right, bottom), (-left, bottom)]
    return _in_picture(shape, corners)


def _within(rect: Rect, whole: Rect) -> Rect:
    rows, columns = (
        slice(max(part.start - outer.start, 0), max(part.stop - outer.start, 0))
        for part, outer in zip(rect, whole, strict=True)
    )
    return rows, columns
