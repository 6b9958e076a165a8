"""The folder of the recordings, and how it stays within its bounds.

Rules of this file:

1. The folder belongs to one server. It is the only truth: there is no index that could be wrong. A take has its wav,
   and beside it copies in other formats, which mean nothing without it. The time of the wav's last change is when it
   was finished, that of a file's last access when it was last asked for, both set by hand (mounts do not keep them).
2. The bounds are of all files together, of copies and unfinished files too. Where they would be exceeded, the takes
   that were finished longest ago go, with their copies; those asked for in the last minute go last, because who asked
   may be about to open them. Who has opened a file reads it to its end, whatever becomes of its name.
3. A file gets its name when it is whole. An unfinished one that nobody here writes is what a killed server left.
   Nothing waits for the disk (no fsync): a loss of power may leave a file shorter than its header says, which tells.
4. Listing a hundred thousand files takes a second or two, in which others go on: what they change meanwhile is looked
   at again. Only who needs the room that is being made waits. A list of what goes first lasts for a thousand takes:
   what is finished later goes later.

Everything blocks, for the pool of files; threads may share a shelf.
"""

import contextlib
import heapq
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final

from app.audio.format import Format
from app.errors import NotFound, Overloaded
from app.takes.draft import Draft, OpenFile
from app.takes.inventory import Inventory, Kept, cost, cost_of, path_of

QUEUE: Final = 1000
"""How many takes are noted, those to be removed first, each time that the folder is listed."""

GRACE_SECONDS: Final = 60.0
"""Who was told the path of a file opens it within this time."""


class Shelf:
    """Files of takes in a folder."""

    def __init__(
        self, folder: Path, *, max_bytes: int = 0, max_age: float = 0.0, clock: Callable[[], float] = time.time
    ) -> None:
        """Name a folder; it is made when something is put.

        Args:
            folder: of this server alone; files that are not called as ours are left alone.
            max_bytes: of all files together; 0 for no limit.
            max_age: seconds after which finished takes are removed; 0 for never.
            clock: seconds since the epoch, as file times are.
        """
        self.folder = folder
        self._max_bytes = max_bytes
        self._max_age = max_age
        self._clock = clock
        self._lock = threading.Lock()  # of what follows, and of names in the folder; never held for long
        self._kept_bytes: int | None = None
        self._drafts: dict[str, int] = {}
        self._draft_bytes = 0
        self._changed: set[str] | None = None
        self._clearing = threading.Lock()  # held by whoever makes room, while it does
        self._next_to_go: deque[tuple[bool, Kept]] = deque()

    @property
    def size_bytes(self) -> int:
        """What all files take; finished ones are counted from the first sweep on."""
        return (self._kept_bytes or 0) + self._draft_bytes

    def path(self, take_id: str, format: Format) -> Path:
        """Return where a file of a take is, or would be."""
        return path_of(self.folder, take_id, format)

    def open(self, take_id: str, format: Format) -> OpenFile | None:
        """Open a finished file for reading and note that it is used; None if there is none."""
        try:
            file = OpenFile(os.open(self.path(take_id, format), os.O_RDONLY | os.O_CLOEXEC))
        except FileNotFoundError:
            return None
        os.utime(file.number, (self._clock(), os.fstat(file.number).st_mtime))
        return file

    def begin(self, take_id: str, format: Format) -> Draft:
        """Begin a file.

        Raises:
            OSError: the folder refuses.
        """
        return Draft(self.path(take_id, format), self)

    def reserve(self, draft: Draft, size_bytes: int) -> None:
        """Make room for a draft that is going to have this size.

        Raises:
            Overloaded: what is being made takes all that there may be.
        """
        wanted = cost(size_bytes)
        if self._take_room(draft, wanted):
            return
        with self._clearing:
            if self._kept_bytes is None:
                self._look()
            while not self._take_room(draft, wanted):
                if not self._make_room():
                    raise Overloaded(f"recordings being made take {self.size_bytes} of {self._max_bytes} bytes")

    def keep(self, draft: Draft) -> None:
        """Give a file its name; see `Draft.keep`."""
        with self._lock:
            self._check_origin(draft.path)
            os.utime(draft.file.number, (self._clock(), self._clock()))
            replaced = cost_of(draft.path)
            os.replace(draft.own_path, draft.path)
            self._count(draft.path, self._forget(draft) - replaced)

    def drop(self, draft: Draft) -> bool:
        """Take its name from an unfinished file; False if it was kept or dropped before."""
        with self._lock:
            if str(draft.own_path) not in self._drafts:
                return False
            self._forget(draft)
            with contextlib.suppress(OSError):  # the next sweep removes what is left
                draft.own_path.unlink()
            return True

    def remove(self, take_id: str) -> None:
        """Remove the finished files of a take."""
        with self._lock:
            for format in Format:
                self._unlink(str(self.path(take_id, format)))

    def sweep(self) -> None:
        """Remove what is too old, too much, or left by a server that was killed, and count what is there."""
        with self._clearing:
            self._look()
            while self._max_bytes and self.size_bytes > self._max_bytes and self._make_room():
                pass

    def finished_before(self, time: float) -> list[str]:
        """Return the ids of takes that were finished before a time in seconds since the epoch."""
        takes = Inventory(self.folder).takes
        return [id for id, kept in takes.items() if kept.finished is not None and kept.finished < time]

    def _take_room(self, draft: Draft, wanted: int) -> bool:
        own_path = str(draft.own_path)
        with self._lock:
            more = wanted - self._drafts.setdefault(own_path, 0)
            is_known = self._kept_bytes is not None
            fits = not self._max_bytes or more <= 0 or (is_known and self.size_bytes + more <= self._max_bytes)
            if fits:
                self._drafts[own_path] = wanted
                self._draft_bytes += more
            return fits

    def _forget(self, draft: Draft) -> int:
        size = self._drafts.pop(str(draft.own_path))
        self._draft_bytes -= size
        return size

    def _check_origin(self, path: Path) -> None:
        origin = path.with_suffix(f".{Format.WAV}")
        if path != origin and not origin.exists():
            raise NotFound(f"the recording of take '{path.stem}' was removed meanwhile")

    def _look(self) -> None:
        """List the folder: count what it holds, remove what is void, and note what is to go first."""
        inventory = self._list()
        for path in inventory.drafts:
            self._unlink_abandoned(path)
        for kept in inventory.takes.values():
            if self._is_void(kept):
                self.remove(kept.take_id)
        valid = [(self._is_in_grace(kept), kept) for kept in inventory.takes.values() if not self._is_void(kept)]
        first = heapq.nsmallest(QUEUE, valid, key=lambda item: (item[0], item[1].finished))
        self._next_to_go = deque(first)

    def _list(self) -> Inventory:
        self._changed = changed = set[str]()
        inventory = Inventory(self.folder)
        with self._lock:
            self._changed = None
            for path in changed:
                inventory.look_again(path)
            self._kept_bytes = inventory.cost
        return inventory

    def _make_room(self) -> bool:
        """Remove the take that is to go first; False if there is none."""
        if not self._next_to_go:
            self._look()
        if not self._next_to_go:
            return False
        was_in_grace, kept = self._next_to_go.popleft()
        kept.look_again()
        if was_in_grace or not self._is_in_grace(kept):
            self.remove(kept.take_id)
        return True

    def _is_in_grace(self, kept: Kept) -> bool:
        return self._clock() - kept.used < GRACE_SECONDS

    def _is_void(self, kept: Kept) -> bool:
        return kept.finished is None or (bool(self._max_age) and self._clock() - kept.finished > self._max_age)

    def _unlink(self, path: str) -> None:
        size = cost_of(path)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
            self._count(path, -size)

    def _unlink_abandoned(self, path: str) -> None:
        with self._lock:
            if path not in self._drafts:
                Path(path).unlink(missing_ok=True)

    def _count(self, path: str | Path, more: int) -> None:
        if self._changed is not None:
            self._changed.add(str(path))
        if self._kept_bytes is not None:
            self._kept_bytes += more
