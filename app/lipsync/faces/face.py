"""A face in a picture, and which of several is meant."""

from collections.abc import Sequence
from dataclasses import dataclass
from threading import Event
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from app.errors import InvalidInput, NoFace
from app.lipsync.handover import GO_ON
from app.lipsync.picture import Picture

LANDMARKS = 468

Box = tuple[float, float, float, float]
"""Left, top, right, bottom: pixels, right and bottom outside."""


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """Where a face is, and each of its parts.

    The landmarks are numbered as those of MediaPipe's face mesh (canonical_face_model.obj): 1 is the tip of the nose,
    61 and 291 the corners of the mouth on the left and the right of the picture of an upright face, 13 and 14 the inner
    edges of the lips, 152 the chin, 10 the top of the forehead, 33 and 263 the outer corners of the eyes.
    """

    landmarks: NDArray[np.float32]
    """Shape (468, 2): x, y in pixels; may lie outside of the picture."""
    box: Box
    score: float
    """How sure the detector is, 0 to 1."""
    is_rough: bool = False
    """Whether the landmarks are only a mean shape put into the box, so that the mouth may be somewhere near."""

    @property
    def area(self) -> float:
        """Square pixels of its box."""
        left, top, right, bottom = self.box
        return (right - left) * (bottom - top)


class FaceFinder(Protocol):
    """Finds faces. Called in threads, from several at once."""

    def find(self, picture: Picture, stop: Event = GO_ON) -> list[Face]:
        """Return all faces, the largest first; none: an empty list. Takes up to seconds where there is none.

        Raises:
            Stopped: the event was set.
        """
        ...

    def follow(self, picture: Picture, face: Face) -> Face | None:
        """Return a face in the next frame of its film, in some milliseconds; None: it is not seen any more."""
        ...


Wanted = int | tuple[float, float] | None
"""A face by its place in the list, or by a point in the picture (x, y in pixels); None: the largest."""


def choose(faces: Sequence[Face], wanted: Wanted = None) -> Face:
    """Choose one of the faces of a picture.

    A point chooses the smallest face around it, or else that whose middle is nearest.

    Raises:
        NoFace: there is none.
        InvalidInput: there are not so many.
    """
    if not faces:
        raise NoFace("no face was found in the picture")
    if wanted is None:
        return faces[0]
    if isinstance(wanted, int):
        if not 0 <= wanted < len(faces):
            raise InvalidInput(f"face {wanted} was asked for; the picture has {len(faces)}, from 0", field="face")
        return faces[wanted]
    x, y = wanted
    around = [face for face in faces if face.box[0] <= x < face.box[2] and face.box[1] <= y < face.box[3]]
    if around:
        return min(around, key=lambda face: face.area)
    return min(faces, key=lambda face: _squared_distance(face.box, x, y))


def box_of(landmarks: NDArray[np.float32]) -> Box:
    """Return the box around landmarks."""
    left, top = landmarks.min(axis=0)
    right, bottom = landmarks.max(axis=0)
    return float(left), float(top), float(right), float(bottom)


def _squared_distance(box: Box, x: float, y: float) -> float:
    return ((box[0] + box[2]) / 2 - x) ** 2 + ((box[1] + box[3]) / 2 - y) ** 2
