"""The face of a film, found once and then followed from picture to picture, without its trembling."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from threading import Event
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from app.errors import NoFace
from app.lipsync.clip import Order
from app.lipsync.faces.face import Face, FaceFinder, box_of, choose
from app.lipsync.film.film import Film, FilmReader
from app.lipsync.handover import check
from app.lipsync.picture import Picture
from app.lipsync.smoothing import WIDTH, Smoother

KEPT_SECONDS: Final = 0.2
"""For which a face that is not seen is taken to be where it was: a blurred picture, a hand that passes."""
AGAIN_SECONDS: Final = 0.5
"""After which a face that is gone is looked for again."""
GLIMPSES: Final = 16
"""Pictures, spread over a film, in which a face is looked for at first."""
GLIMPSE_SIDE: Final = 768
"""Pixels of the longer side in which it is looked for: of 1080 rows all faces of 40 are found."""

Bgr = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """A picture of a film."""

    pixels: Bgr
    """Not to be changed."""
    landmarks: NDArray[np.float32] | None
    """Of the face that is to speak; None: it is not in this picture."""
    is_new: bool = False
    """Whether the face has just come, or is somewhere else than in the picture before."""


@dataclass(frozen=True, slots=True, eq=False)
class Cast:
    """A film whose face is known."""

    film: Film
    faces: tuple[Face, ...]
    """Of the first picture in which there are any."""
    face: Face
    """Which of them is to speak."""
    number: int
    """Of that picture."""


def cast(film: Film, order: Order, finder: FaceFinder, stop: Event) -> Cast:
    """Find the face that is to speak, in one of a few pictures that are spread over the film.

    Raises:
        NoFace: none of them has one.
        InvalidInput: there are not so many.
        InvalidVideo: nothing of it can be decoded.
        Stopped: the event was set.
    """
    reader = FilmReader(film, held_bytes=0)
    for number in glimpses(film):
        if faces := look_for(finder, reader.at(number, stop), stop):
            return Cast(film, tuple(faces), choose(faces, order.face), number)
    raise NoFace("no face was found in the video")


def glimpses(film: Film) -> list[int]:
    """Return pictures that are spread over a film, such that are decoded without others where there are some."""
    edges = np.linspace(0, len(film), min(GLIMPSES, len(film)) + 1).astype(int)
    keys = film.key_numbers
    return [next((key for key in keys if start <= key < end), int(start)) for start, end in pairwise(edges)]


def look_for(finder: FaceFinder, pixels: Bgr, stop: Event) -> list[Face]:
    """Return the faces of a picture of a film, the largest first; only small ones are missed."""
    height, width = pixels.shape[:2]
    scale = GLIMPSE_SIDE / max(height, width)
    if scale >= 1:
        return finder.find(Picture(pixels, ""), stop)
    size = round(width * scale), round(height * scale)
    small = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
    return [_enlarged(face, 1 / scale) for face in finder.find(Picture(small, ""), stop)]


class Follower:
    """Where the face is in each picture of a film, as it is played. What was found is kept for when it comes again.

    Args:
        known: the film and its face.
        finder: finds faces, and follows them.
        fps: frames a second of what is played.
    """

    def __init__(self, known: Cast, finder: FaceFinder, fps: float) -> None:
        self._finder = finder
        self._kept, self._again = round(KEPT_SECONDS * fps), round(AGAIN_SECONDS * fps)
        self._faces: dict[int, Face | None] = {known.number: known.face}
        self._last = known.face
        self._unseen = 0
        """Frames since it was seen."""

    def see(self, number: int, pixels: Bgr, stop: Event) -> Seen:
        """Return what is to be seen in a picture with this number.

        Raises:
            Stopped: the event was set.
        """
        check(stop)
        was_gone = self._unseen > self._kept
        found = self._faces[number] if number in self._faces else self._find(pixels, stop)
        self._faces[number] = found
        if found is None:
            self._unseen += 1
            return Seen(pixels, None if self._unseen > self._kept else self._last.landmarks)
        is_new = was_gone or _is_elsewhere(self._last, found)
        self._last, self._unseen = found, 0
        return Seen(pixels, found.landmarks, is_new)

    def _find(self, pixels: Bgr, stop: Event) -> Face | None:
        if self._unseen <= self._kept and (face := self._finder.follow(Picture(pixels, ""), self._last)) is not None:
            return face
        if self._unseen and self._unseen % self._again:
            return None
        faces = look_for(self._finder, pixels, stop)
        return min(faces, key=lambda face: _distance(face, self._last)) if faces else None


def steadied(pictures: Iterator[Seen], width: int = WIDTH) -> Iterator[Seen]:
    """Yield the same pictures with places that do not tremble, each as soon as `width // 2` more are known."""
    smoother, waiting = Smoother(width), deque[Seen]()
    for seen in pictures:
        if seen.landmarks is None or seen.is_new:
            yield from _moved(waiting, smoother.finish())
            smoother = Smoother(width)
        if seen.landmarks is None:
            yield seen
            continue
        waiting.append(seen)
        yield from _moved(waiting, smoother.push(seen.landmarks))
    yield from _moved(waiting, smoother.finish())


def _moved(waiting: deque[Seen], places: list[NDArray[np.float32]]) -> Iterator[Seen]:
    for place in places:
        yield replace(waiting.popleft(), landmarks=place)


def _enlarged(face: Face, scale: float) -> Face:
    landmarks = ((face.landmarks + 0.5) * scale - 0.5).astype(np.float32)
    return Face(landmarks, box_of(landmarks), face.score, face.is_rough)


def _middle(face: Face) -> NDArray[np.float64]:
    left, top, right, bottom = face.box
    return np.array([(left + right) / 2, (top + bottom) / 2])


def _distance(one: Face, other: Face) -> float:
    return float(np.hypot(*(_middle(one) - _middle(other))))


def _is_elsewhere(before: Face, after: Face) -> bool:
    """Tell whether a face can hardly have moved there between two frames: half of itself, or grown by half."""
    sizes = before.area**0.5, after.area**0.5
    return bool(_distance(before, after) > min(sizes) / 2 or max(sizes) > 1.5 * min(sizes))
