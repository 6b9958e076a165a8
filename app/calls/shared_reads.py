"""The bytes of files for many who read the same at the same time.

Rules of this file:

1. A chunk is read once for all who want it while it is in the window, or just being read.
2. The window is bounded, whatever the files' sizes: chunks that nobody has asked for the longest go first.
3. All who read a file share one descriptor. Another file of its name is another file: who reads goes on with his.
"""

import os
import stat
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias

import anyio

from app.errors import NotFound, Unavailable
from app.runtime.workers import FILES_POOL, Workers

CHUNK_BYTES: Final = 64 * 1024
WINDOW_BYTES: Final = 2 * 1024 * 1024

Identity: TypeAlias = tuple[int, int, int, int]
"""Device, inode, size and time of change: as long as they are the same, so are the bytes."""
_Place: TypeAlias = tuple[Identity, int]


@dataclass(slots=True)
class _Descriptor:
    number: int
    users: int = 0


class SharedReads:
    """All files that are being read. Belongs to one event loop."""

    def __init__(self, workers: Workers, *, window_bytes: int = WINDOW_BYTES) -> None:
        """Make an empty window; `workers` have the pool `files`."""
        self._workers = workers
        self._most = max(1, window_bytes // CHUNK_BYTES)
        self._open: dict[Identity, _Descriptor] = {}
        self._window: OrderedDict[_Place, bytes] = OrderedDict()
        self._flights: dict[_Place, anyio.Event] = {}
        self.reads = 0
        """Chunks that were read from a file since the start."""

    @asynccontextmanager
    async def open(self, path: Path) -> AsyncIterator["Reading"]:
        """Open a file for one reader.

        Raises:
            NotFound: there is none.
            Unavailable: the disk refuses.
        """
        number, identity = await self._workers.run(FILES_POOL, partial(_open, path))
        shared = self._open.setdefault(identity, _Descriptor(number))
        if shared.number != number:
            os.close(number)
        shared.users += 1
        try:
            yield Reading(self, identity, shared.number)
        finally:
            shared.users -= 1
            if not shared.users:
                del self._open[identity]
                os.close(shared.number)

    async def chunk(self, identity: Identity, descriptor: int, index: int) -> bytes:
        """Return a chunk of an open file; cancelling one reader keeps no other from it.

        Raises:
            Unavailable: the disk refuses, or the file has become shorter.
        """
        place = identity, index
        while place not in self._window:
            if (flight := self._flights.get(place)) is None:
                return await self._read(place, descriptor)
            await flight.wait()
        self._window.move_to_end(place)
        return self._window[place]

    async def _read(self, place: _Place, descriptor: int) -> bytes:
        (identity, index), landed = place, anyio.Event()
        self._flights[place] = landed
        try:
            self.reads += 1
            chunk = await self._workers.run(FILES_POOL, partial(_pread, descriptor, index, identity[2]))
            self._window[place] = chunk
            if len(self._window) > self._most:
                self._window.popitem(last=False)
            return chunk
        finally:
            del self._flights[place]
            landed.set()


class Reading:
    """One reader of an open file."""

    def __init__(self, reads: SharedReads, identity: Identity, descriptor: int) -> None:
        self._reads = reads
        self._identity = identity
        self._descriptor = descriptor

    @property
    def size_bytes(self) -> int:
        """Of the file when it was opened; what is appended later is not read."""
        return self._identity[2]

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Yield the whole file, `CHUNK_BYTES` at a time. Raises `Unavailable` as `SharedReads.chunk`."""
        for index in range(-(-self.size_bytes // CHUNK_BYTES)):
            yield await self._reads.chunk(self._identity, self._descriptor, index)


def _open(path: Path) -> tuple[int, Identity]:
    try:
        number = os.open(path, os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except (FileNotFoundError, PermissionError, NotADirectoryError):
        raise NotFound(f"file {path.name!r} does not exist") from None
    except OSError as error:
        raise Unavailable(f"file {path.name!r} cannot be opened: {error.strerror}") from error
    status = os.fstat(number)
    if not stat.S_ISREG(status.st_mode):
        os.close(number)
        raise NotFound(f"{path.name!r} is no file")
    return number, (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


def _pread(descriptor: int, index: int, size_bytes: int) -> bytes:
    start = index * CHUNK_BYTES
    wanted = min(CHUNK_BYTES, size_bytes - start)
    try:
        chunk = os.pread(descriptor, wanted, start)
    except OSError as error:
        raise Unavailable(f"the file cannot be read: {error.strerror}") from error
    if len(chunk) != wanted:
        raise Unavailable("the file has become shorter while it was played")
    return chunk
