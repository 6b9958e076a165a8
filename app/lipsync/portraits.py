"""Portraits that are ready to speak: read, looked at, prepared, and kept for the next sound of the same picture."""

import hashlib
import threading
from collections.abc import Hashable
from dataclasses import dataclass

from app.lipsync.clip import Order
from app.lipsync.engine import Engine, Portrait
from app.lipsync.faces.face import Face, FaceFinder, choose
from app.lipsync.film.faces import Cast, cast
from app.lipsync.film.film import Film
from app.lipsync.handover import check
from app.lipsync.picture import Picture, read_picture
from app.lipsync.shelf import Shelf

FORGOTTEN = 10_000
"""Pictures of which is remembered that they are to be forgotten."""
_PICTURES_SHARE = 4
"""What part of the memory is for pictures and faces: one in so many."""


@dataclass(frozen=True, slots=True)
class Sitter:
    """A picture and its faces."""

    picture: Picture
    faces: tuple[Face, ...]
    key: Hashable

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, pixels."""
        height, width = self.picture.pixels.shape[:2]
        return width, height


@dataclass(frozen=True, slots=True)
class Posed:
    """A portrait that belongs to one job until it is given back."""

    portrait: Portrait
    face: Face
    key: Hashable
    digest: str
    """Of its picture's file."""


class Portraits:
    """Prepares portraits. Its methods block and may be called by many threads.

    Args:
        finder: finds the faces.
        cache_bytes: of memory for what is kept.
    """

    def __init__(self, finder: FaceFinder, *, cache_bytes: int) -> None:
        self.finder = finder
        self._sitters: Shelf[Sitter] = Shelf(cache_bytes // _PICTURES_SHARE)
        self._posed: Shelf[Portrait] = Shelf(cache_bytes - cache_bytes // _PICTURES_SHARE)
        self._forgotten: Shelf[bool] = Shelf(FORGOTTEN)

    @property
    def kept_bytes(self) -> int:
        """Bytes of all that is kept."""
        return self._sitters.size + self._posed.size

    def look_at(self, order: Order, stop: threading.Event) -> Sitter:
        """Read a picture and find its faces, perhaps none.

        Raises:
            InvalidImage: it cannot be read.
            Stopped: the event was set.
        """
        key = hashlib.sha256(order.image).hexdigest(), order.resize_factor, order.max_side
        sitter = self._sitters.look_up(key)
        if sitter is None:
            picture = read_picture(order.image, max_side=order.max_side, resize_factor=order.resize_factor)
            check(stop)
            faces = tuple(self.finder.find(picture, stop))
            sitter = Sitter(picture, faces, key)
            size = picture.pixels.nbytes + sum(face.landmarks.nbytes for face in faces)
            self._sitters.put(key, sitter, size)
            self._drop_if_forgotten(key[0])
        return sitter

    def forget(self, digest: str) -> None:
        """Forget all that was found out about a picture, by the SHA-256 of its file.

        What a job holds that is drawn meanwhile is forgotten when that gives it back.
        """
        self._forgotten.put(digest, True, 1)
        self._drop_if_forgotten(digest)

    def welcome(self, digest: str) -> None:
        """Note that a picture was sent, perhaps again, so that what is found out about it may be kept."""
        self._forgotten.take(digest)

    def watch(self, order: Order, max_seconds: float, stop: threading.Event) -> Cast:
        """Read the order's film and find the face that is to speak in it. Films are not kept.

        Raises:
            InvalidVideo: it cannot be read, or lasts more than `max_seconds`.
            NoFace: none was found in it.
            InvalidInput: there are not so many.
            Stopped: the event was set.
        """
        data = order.video or b""
        film = Film(data, max_seconds=max_seconds, max_side=order.max_side, resize_factor=order.resize_factor)
        return cast(film, order, self.finder, stop)

    def pose(self, sitter: Sitter, engine: Engine, order: Order) -> Posed:
        """Prepare the face that is wanted, for one job alone.

        Raises:
            NoFace: there is none.
            InvalidInput: there are not so many.
        """
        face = choose(sitter.faces, order.face)
        key = sitter.key, engine.name, engine.options(order), sitter.faces.index(face)
        portrait = self._posed.take(key) or engine.prepare(sitter.picture, face, order)
        return Posed(portrait, face, key, sitter.picture.digest)

    def give_back(self, posed: Posed) -> None:
        """Keep a portrait for the next job."""
        self._posed.put(posed.key, posed.portrait, posed.portrait.size)
        self._drop_if_forgotten(posed.digest)

    def _drop_if_forgotten(self, digest: str) -> None:
        if self._forgotten.look_up(digest):
            self._sitters.drop(lambda key: key[0] == digest)
            self._posed.drop(lambda key: key[0][0] == digest)
