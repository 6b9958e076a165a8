"""A finder of faces that is made when the first picture comes, so that a server starts without its models."""

import threading
from collections.abc import Callable

from app.lipsync.faces.face import Face, FaceFinder
from app.lipsync.handover import GO_ON
from app.lipsync.picture import Picture


class LateFinder:
    """Finds faces by another finder.

    Args:
        make: makes it, in some tenths of a second; called once.
    """

    def __init__(self, make: Callable[[], FaceFinder]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._finder: FaceFinder | None = None

    def find(self, picture: Picture, stop: threading.Event = GO_ON) -> list[Face]:
        """Return all faces, the largest first; none: an empty list.

        Raises:
            Stopped: the event was set.
        """
        return self._made().find(picture, stop)

    def follow(self, picture: Picture, face: Face) -> Face | None:
        """Return a face in the next frame of its film; None: it is not seen any more."""
        return self._made().follow(picture, face)

    def _made(self) -> FaceFinder:
        with self._lock:
            if self._finder is None:
                self._finder = self._make()
            return self._finder
