"""Pictures that were sent once and may be named afterwards: in memory, bounded, the least lately used goes first.

The name of a picture is the SHA-256 of its file, so that only who has had it can name it.
"""

import hashlib
from typing import Final

from app.errors import NotFound
from app.lipsync.shelf import Shelf

ALBUM_BYTES: Final = 128 * 2**20


class Album:
    """Picture files by their names. May be used by many threads.

    Args:
        max_bytes: of all of them; 0 keeps none.
    """

    def __init__(self, *, max_bytes: int = ALBUM_BYTES) -> None:
        self._shelf: Shelf[bytes] = Shelf(max_bytes)

    def __len__(self) -> int:
        return len(self._shelf)

    def __contains__(self, name: str) -> bool:
        return self._shelf.look_up(name) is not None

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return self._shelf.size

    def put(self, name: str, image: bytes) -> None:
        """Keep a picture under its name."""
        self._shelf.put(name, image, len(image))

    def get(self, name: str) -> bytes:
        """Return a picture.

        Raises:
            UnknownPicture: it is not here, or not any more.
        """
        image = self._shelf.look_up(name)
        if image is None:
            raise UnknownPicture
        return image

    def discard(self, name: str) -> bool:
        """Forget a picture; tell whether it was here."""
        return self._shelf.take(name) is not None


class UnknownPicture(NotFound):
    """A name under which no picture is kept."""

    field = "image_id"

    def __init__(self) -> None:
        super().__init__("the image_id is not known, or not any more: send the picture again")


def name_of(image: bytes) -> str:
    """Return the name of a picture: 64 hexadecimal digits. Takes 10 ms for the largest: call it in a thread."""
    return hashlib.sha256(image).hexdigest()
