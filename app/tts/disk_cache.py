"""Speech of costly voices that outlives the server: files in a folder, bounded in bytes and in age.

Rules of this file:

1. The folder is the only truth: there is no index that could be wrong. A read opens the file by its name; the time
   of its last use is the file's access time, set by hand (mounts do not keep it), and the time it was made is the
   modification time. Starting costs nothing, and several processes may share a folder.
2. What a process believes the folder holds is a count of bytes. It is corrected by every sweep, and before anything
   would exceed the bound. While several processes write, the folder may exceed it by what the others wrote since.
3. A file gets its name when it is whole. Nothing waits for the disk (no fsync): a crash of the process loses only
   what was being written, a loss of power may leave a file of zeros, and the checksum tells.
4. A cache never fails its user. What the folder refuses is logged once, and the speech is made again.

Chat is personal data: files are readable by their owner alone, named by a hash, and gone when they are too old. A
bound of 0 bytes turns the cache off and removes what it holds.
"""

import contextlib
import logging
import os
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from app.runtime.workers import FILES_POOL, Workers
from app.tts.disk_entry import name_of, pack, unpack
from app.tts.speech import Speech

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

BLOCK_BYTES: Final = 4096
"""Files are counted in whole blocks, as the disk does; so many tiny ones are bounded too."""

ABANDONED_SECONDS: Final = 600.0
"""An unfinished file of this age has no writer any more."""

SPARE: Final = 0.1
"""The part of the bound that is freed at once when it is reached, so that the folder is rarely listed."""

_NAME = re.compile(r"[0-9a-f]{64}")
_UNFINISHED = re.compile(r"[0-9a-f]{64}\.[0-9a-f]{8}\.tmp")
_FOLDER = re.compile(r"[0-9a-f]{2}")


@dataclass(frozen=True, slots=True)
class _File:
    """A file of ours, finished or not."""

    path: Path
    cost: int
    made: float
    used: float
    is_finished: bool


class DiskCache:
    """Finished speech in files, by plan. Every method runs in the pool and logs what the folder refuses."""

    def __init__(
        self,
        directory: Path,
        *,
        workers: Workers,
        max_bytes: int,
        max_age: float = 0.0,
        variant: Sequence[float] = (),
        on_lookup: Callable[[bool], None] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Name a folder; it is made when something is put.

        Args:
            directory: of this cache alone; other files in it are left alone.
            workers: has a pool named `files`.
            max_bytes: of all files together; 0 turns the cache off, and the first sweep removes what is there.
            max_age: seconds after which speech is forgotten, 0 for never.
            variant: what changes the sound besides the plan: settings. Speech of another variant is not found.
            on_lookup: told of every lookup whether it hit.
            clock: seconds since 1970, as file times are.
        """
        self.max_bytes = max_bytes
        self._directory = directory
        self._workers = workers
        self._max_age = max_age
        self._variant = tuple(variant)
        self._on_lookup = on_lookup
        self._clock = clock
        self._lock = threading.Lock()  # of the count, and of changes to the folder by this process
        self._bytes: int | None = None
        self._told: set[int | None] = set()

    @property
    def size_bytes(self) -> int:
        """What the folder is believed to hold; 0 before it was first looked into."""
        return self._bytes or 0

    async def get(self, plan: object) -> Speech | None:
        """Return the speech of a plan, None if there is none that is whole and young enough.

        Cancellation: as `Workers.run`.
        """
        if not self.max_bytes:
            return None
        speech = await self._run(lambda: self._read(plan))
        if self._on_lookup is not None:
            self._on_lookup(speech is not None)
        return speech

    async def put(self, plan: object, speech: Speech) -> None:
        """Keep finished speech; one that would not fit at all is not kept.

        Cancellation: as `Workers.run`; a write that began is finished.
        """
        if self.max_bytes:
            await self._run(lambda: self._write(plan, speech))

    async def sweep(self) -> None:
        """Remove what is too old, too much or abandoned, and count what is left."""
        await self._run(self._sweep)

    async def _run(self, function: Callable[[], Result]) -> Result | None:
        try:
            return await self._workers.run(FILES_POOL, function)
        except OSError as error:
            if error.errno not in self._told:
                self._told.add(error.errno)
                logger.warning("the speech cache in %s goes on without its files: %s", self._directory, error)
            return None

    def _read(self, plan: object) -> Speech | None:
        name = self._name(plan)
        path = self._path(name)
        try:
            with path.open("rb") as file:
                status = os.fstat(file.fileno())
                is_old = self._is_old(status.st_mtime)
                data = b"" if is_old or status.st_size > self.max_bytes else file.read()
        except FileNotFoundError:
            return None
        speech = unpack(name, data)
        if speech is None:
            if not is_old:
                logger.warning("a damaged file of the speech cache is dropped: %s", path.name)
            self._drop(path, _cost(status.st_size))
            return None
        with contextlib.suppress(FileNotFoundError):  # it made room for another meanwhile
            os.utime(path, (self._clock(), status.st_mtime))
        return speech

    def _write(self, plan: object, speech: Speech) -> None:
        name = self._name(plan)
        data = pack(name, speech)
        cost = _cost(len(data))
        if cost > self.max_bytes:
            return
        path = self._path(name)
        with self._lock:
            self._make_room(cost)
            for folder in (self._directory, path.parent):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            replaced = _size(path)
            self._store(path, data)
            self._bytes = (self._bytes or 0) + cost - replaced

    def _store(self, path: Path, data: bytes) -> None:
        unfinished = path.with_name(f"{path.name}.{secrets.token_hex(4)}.tmp")
        try:
            with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(data)
            now = self._clock()
            os.utime(unfinished, (now, now))
            unfinished.replace(path)
        except OSError:
            with contextlib.suppress(OSError):
                unfinished.unlink()
            raise

    def _make_room(self, cost: int) -> None:
        if self._bytes is None or self._bytes + cost > self.max_bytes:
            self._clear(leave=self.max_bytes)
        if self._bytes is not None and self._bytes + cost > self.max_bytes:
            self._clear(leave=min(self.max_bytes - cost, round(self.max_bytes * (1 - SPARE))))

    def _sweep(self) -> None:
        with self._lock:
            self._clear(leave=self.max_bytes)
        self._told.clear()

    def _clear(self, *, leave: int) -> None:
        """Remove files until no more than `leave` bytes are there, the least recently used first."""
        now = self._clock()
        kept: list[_File] = []
        for file in self._files():
            if self._is_abandoned(file, now) or (file.is_finished and self._is_old(file.made)):
                file.path.unlink(missing_ok=True)
            else:
                kept.append(file)
        self._bytes = sum(file.cost for file in kept)
        for file in sorted((file for file in kept if file.is_finished), key=lambda file: file.used):
            if self._bytes <= leave:
                break
            file.path.unlink(missing_ok=True)
            self._bytes -= file.cost

    def _files(self) -> Iterator[_File]:
        with contextlib.suppress(FileNotFoundError), os.scandir(self._directory) as folders:
            for folder in folders:
                if _FOLDER.fullmatch(folder.name) and folder.is_dir(follow_symlinks=False):
                    yield from _files_of(folder.path)

    def _is_old(self, made: float) -> bool:
        return bool(self._max_age) and self._clock() - made > self._max_age

    def _is_abandoned(self, file: _File, now: float) -> bool:
        return not file.is_finished and (not self.max_bytes or now - file.made > ABANDONED_SECONDS)

    def _drop(self, path: Path, cost: int) -> None:
        with self._lock:
            path.unlink(missing_ok=True)
            self._bytes = None if self._bytes is None else max(0, self._bytes - cost)

    def _name(self, plan: object) -> str:
        return name_of((self._variant, plan)) if self._variant else name_of(plan)

    def _path(self, name: str) -> Path:
        return self._directory / name[:2] / name


def _files_of(folder: str) -> Iterator[_File]:
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            is_finished = bool(_NAME.fullmatch(entry.name))
            if not is_finished and not _UNFINISHED.fullmatch(entry.name):
                continue
            with contextlib.suppress(FileNotFoundError):  # another process was faster
                status = entry.stat(follow_symlinks=False)
                yield _File(Path(entry.path), _cost(status.st_size), status.st_mtime, status.st_atime, is_finished)


def _cost(size: int) -> int:
    return size + -size % BLOCK_BYTES


def _size(path: Path) -> int:
    try:
        return _cost(path.stat().st_size)
    except FileNotFoundError:
        return 0
