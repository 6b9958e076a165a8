"""The folder of the recordings: what its files are called, and how it stays within its bounds.

Rules of this file:

1. The folder belongs to one server. It is the only truth: there is no index that could be wrong. A take has its wav,
   and beside it copies in other formats, which mean nothing without it. The time of the wav's last change is when it
   was finished, that of a file's last access when it was last asked for, both set by hand (mounts do not keep them).
2. The bounds are of all files together, of copies and unfinished files too. Where they would be exceeded, the takes
   that were finished longest ago go, with their copies; those asked for in the last minute go last, because who asked
   may be about to open them. Who has opened a file reads it to its end, whatever becomes of its name.
3. A file gets its name when it is whole. An unfinished one that nobody here writes is what a killed server left.
   Nothing waits for the disk (no fsync): a loss of power may leave a file shorter than its header says, which tells.

Everything blocks, for the pool of files; threads may share a shelf.
"""

import contextlib
import os
import re
import threading
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from app.audio.format import Format
from app.errors import NotFound, Overloaded
from app.takes.draft import DRAFT_SUFFIX, Draft, OpenFile

BLOCK_BYTES: Final = 4096
"""Files are counted in whole blocks, as the disk does."""

SPARE: Final = 0.1
"""The part of the bound that is freed at once when it is reached, so that the folder is rarely listed."""

GRACE_SECONDS: Final = 60.0
"""Who was told the path of a file opens it within this time."""

_FOLDER = re.compile(r"[0-9a-z]{2}")
_NAME = re.compile(rf"(t[0-9a-z]{{26}})\.({'|'.join(Format)})(\.[0-9a-f]{{8}}{re.escape(DRAFT_SUFFIX)})?")


@dataclass(slots=True)
class _Kept:
    """The files of one take."""

    cost: int = 0
    finished: float | None = None
    """Seconds since the epoch; None: there is no wav."""
    used: float = 0.0
    paths: list[Path] = field(default_factory=list)


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
        self.max_bytes = max_bytes
        self._max_age = max_age
        self._clock = clock
        self._lock = threading.Lock()  # of the counts, and of names in the folder
        self._kept_bytes: int | None = None
        self._drafts: dict[Path, int] = {}

    @property
    def size_bytes(self) -> int:
        """What all files take; finished ones are counted from the first sweep on."""
        return (self._kept_bytes or 0) + sum(self._drafts.values())

    def path(self, take_id: str, format: Format) -> Path:
        """Return where a file of a take is, or would be."""
        return self.folder / take_id[-2:] / f"{take_id}.{format}"  # the last characters of an id are its random ones

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
        draft = Draft(self.path(take_id, format), self)
        with self._lock:
            self._drafts[draft.own_path] = 0
        return draft

    def reserve(self, draft: Draft, size_bytes: int) -> None:
        """Make room for a draft that is going to have this size.

        Raises:
            Overloaded: what is being made takes all that there may be.
        """
        cost = _cost(size_bytes)
        with self._lock:
            self._make_room(cost - self._drafts[draft.own_path])
            self._drafts[draft.own_path] = cost

    def keep(self, draft: Draft) -> None:
        """Give a file its name; see `Draft.keep`."""
        with self._lock:
            self._check_origin(draft.path)
            os.utime(draft.file.number, (self._clock(), self._clock()))
            replaced = _cost_of(draft.path)
            draft.own_path.replace(draft.path)
            cost = self._drafts.pop(draft.own_path)
            if self._kept_bytes is not None:
                self._kept_bytes += cost - replaced

    def drop(self, draft: Draft) -> None:
        """Leave nothing of an unfinished file; see `Draft.drop`."""
        with self._lock:
            if self._drafts.pop(draft.own_path, None) is not None:
                with contextlib.suppress(OSError):  # the next sweep removes what is left
                    draft.own_path.unlink()
                    os.truncate(draft.file.number, 0)  # frees the disk here: its last close may be in the event loop

    def remove(self, take_id: str) -> None:
        """Remove the finished files of a take."""
        with self._lock:
            for format in Format:
                path = self.path(take_id, format)
                cost = _cost_of(path)
                path.unlink(missing_ok=True)
                if self._kept_bytes is not None:
                    self._kept_bytes -= cost

    def sweep(self) -> None:
        """Remove what is too old, too much, or left by a server that was killed, and count what is there."""
        with self._lock:
            self._clear(leave=self.max_bytes)

    def finished_before(self, time: float) -> list[str]:
        """Return the ids of takes that were finished before a time in seconds since the epoch."""
        with self._lock:
            return [id for id, kept in self._list().items() if kept.finished is not None and kept.finished < time]

    def _check_origin(self, path: Path) -> None:
        origin = path.with_suffix(f".{Format.WAV}")
        if path != origin and not origin.exists():
            raise NotFound(f"the recording of take '{path.stem}' was removed meanwhile")

    def _make_room(self, more: int) -> None:
        if not self.max_bytes or more <= 0:
            return
        if self._kept_bytes is None:
            self._clear(leave=self.max_bytes)
        if self.size_bytes + more > self.max_bytes:
            self._clear(leave=min(self.max_bytes - more, round(self.max_bytes * (1 - SPARE))))
        if self.size_bytes + more > self.max_bytes:
            raise Overloaded(f"recordings that are being made take {self.size_bytes} of {self.max_bytes} bytes")

    def _clear(self, *, leave: int) -> None:
        takes = self._list()
        for take_id, kept in list(takes.items()):
            if kept.finished is None or self._is_old(kept.finished):
                self._unlink(takes.pop(take_id).paths)
        self._kept_bytes = sum(kept.cost for kept in takes.values())
        now = self._clock()
        for kept in sorted(takes.values(), key=lambda kept: (now - kept.used < GRACE_SECONDS, kept.finished)):
            if not self.max_bytes or self.size_bytes <= leave:
                break
            self._unlink(kept.paths)
            self._kept_bytes -= kept.cost

    def _list(self) -> dict[str, _Kept]:
        """Return all finished files by take, after removing unfinished ones that nobody writes."""
        takes: dict[str, _Kept] = {}
        for entry in _entries(self.folder):
            name = _NAME.fullmatch(entry.name)
            if name is None:
                continue
            take_id, format, is_draft = name.groups()
            if is_draft:
                self._unlink([] if Path(entry.path) in self._drafts else [Path(entry.path)])
                continue
            _add(takes.setdefault(take_id, _Kept()), entry, is_wav=format == Format.WAV)
        return takes

    def _is_old(self, finished: float) -> bool:
        return bool(self._max_age) and self._clock() - finished > self._max_age

    def _unlink(self, paths: Collection[Path]) -> None:
        for path in paths:
            path.unlink(missing_ok=True)


def _entries(folder: Path) -> Iterator["os.DirEntry[str]"]:
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as folders:
        for each in folders:
            if _FOLDER.fullmatch(each.name) and each.is_dir(follow_symlinks=False):
                with os.scandir(each.path) as entries:
                    yield from entries


def _add(kept: _Kept, entry: "os.DirEntry[str]", *, is_wav: bool) -> None:
    status = entry.stat(follow_symlinks=False)
    kept.cost += _cost(status.st_size)
    kept.used = max(kept.used, status.st_atime)
    kept.paths.append(Path(entry.path))
    if is_wav:
        kept.finished = status.st_mtime


def _cost_of(path: Path) -> int:
    try:
        return _cost(path.stat().st_size)
    except FileNotFoundError:
        return 0


def _cost(size: int) -> int:
    return size + -size % BLOCK_BYTES
