"""A file that is being written; it gets its name when it is whole, and nothing is left of it otherwise."""

import io
import os
import secrets
import weakref
from pathlib import Path
from typing import Final, Protocol

DRAFT_SUFFIX: Final = ".tmp"


class OpenFile:
    """A file that is open as long as anybody has this: whoever reads can go on when its name is gone (POSIX unlink)."""

    __slots__ = ("__weakref__", "number")

    def __init__(self, number: int) -> None:
        """Take a file descriptor to be closed."""
        self.number = number
        weakref.finalize(self, os.close, number)


class Keeper(Protocol):
    """Where drafts are written: `app.takes.shelf.Shelf`."""

    def reserve(self, draft: "Draft", size_bytes: int) -> None:
        """Make room for a draft that is going to have this size; what this raises, the write raises."""

    def keep(self, draft: "Draft") -> None:
        """Give the file its name."""

    def drop(self, draft: "Draft") -> bool:
        """Take its name from it; False if it was kept or dropped before."""


class Draft:
    """A new file, as encoders want it: written from its position on, which may be moved.

    Everything blocks, for a thread of the pool, and by one thread at a time; others may read what is written.
    Whoever has a draft keeps it or drops it.
    """

    def __init__(self, path: Path, keeper: Keeper) -> None:
        """Begin a file that will be `path`.

        Raises:
            OSError: the folder refuses.
        """
        self.path = path
        self.own_path = path.with_name(f"{path.name}.{secrets.token_hex(4)}{DRAFT_SUFFIX}")
        self.size_bytes = 0
        self._keeper = keeper
        self._position = 0
        keeper.reserve(self, 0)  # before it is there, so that nobody takes it for abandoned
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.file = OpenFile(os.open(self.own_path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        except OSError:
            keeper.drop(self)
            raise

    def write(self, data: bytes, /) -> int:
        """Write all of `data` at the position, which moves behind it.

        Raises:
            OSError: the disk is full or broken; the position has not moved.
            Unavailable: there is no room.
        """
        if not data:
            return 0  # which, as with any file, does not make it longer
        end = self._position + len(data)
        if end > self.size_bytes:
            self._keeper.reserve(self, end)
        view = memoryview(data)
        while view:
            view = view[os.pwrite(self.file.number, view, end - len(view)) :]
        self._position = end
        self.size_bytes = max(self.size_bytes, end)
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Move the position, as files do; return it."""
        origin = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self.size_bytes}[whence]
        if origin + offset < 0:
            raise io.UnsupportedOperation(f"position {origin + offset} is before the file")
        self._position = origin + offset
        return self._position

    def tell(self) -> int:
        """Return the position in bytes."""
        return self._position

    def keep(self) -> None:
        """Give the file its name; what had it before is gone.

        Raises:
            NotFound: it would be a copy of a recording that is gone.
            OSError: the folder refuses; this is still a draft.
        """
        self._keeper.keep(self)

    def drop(self) -> None:
        """Leave nothing of the file; if it is kept or dropped already, nothing happens."""
        if self._keeper.drop(self):
            os.truncate(self.file.number, 0)  # frees the disk here: the last close may be in the event loop
