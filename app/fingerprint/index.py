"""The index: peaks and landmarks of all tracks, in a snapshot on disk and in memory, searchable at any moment.

Rules of this file:

1. A search looks at a `View`, which never changes. A change makes a new one and puts it in the old one's place, so
   that readers wait for nobody. Changes wait for each other.
2. A new track is only in memory. The catalogue's store is the truth; a snapshot spares a start the work of making all
   landmarks again, and its generation tells which of the store's changes it has.
3. A merge writes a new snapshot of one view while tracks come and go; then what changed meanwhile is applied to it.
4. Several processes may share a folder. One of them merges at a time; the others take over what it wrote when they
   `refresh`.

Everything blocks, and releases the GIL where it takes long.
"""

import logging
import threading
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

from app.errors import Unavailable
from app.fingerprint.contents import Contents
from app.fingerprint.fingerprint import Fingerprint
from app.fingerprint.folder_lock import folder_lock
from app.fingerprint.merge import merge
from app.fingerprint.newcomer import Newcomer, joined
from app.fingerprint.recipe import recipe
from app.fingerprint.snapshot import Snapshot, Stamp, open_snapshot, remove_drafts
from app.fingerprint.view import View

logger = logging.getLogger(__name__)

FILE_NAME: Final = "index"
LEAST_DUE, MOST_DUE = 1 << 21, 1 << 24
"""Postings in memory at which a merge is due: an eighth of those of the snapshot, but between these."""
LARGE: Final = 32
"""Of a snapshot so many times larger than `MOST_DUE`, its 32nd part is waited for."""
PAIR_BYTES, PEAK_BYTES = 8, 7
IDLE: Final = 256
"""The part of the snapshot at which a merge is due when there is nothing else to do."""


@dataclass(frozen=True, slots=True)
class IndexFigures:
    """How much there is."""

    tracks: int
    seconds: float
    """Of sound."""
    postings: int
    memory_bytes: int
    """Of what is in memory beside the snapshot."""
    snapshot_bytes: int
    generation: int


class Index:
    """Tracks by their landmarks; for any number of threads."""

    def __init__(self, folder: Path, *, origin: str = "") -> None:
        """Map the folder's snapshot into memory, if there is one; else begin empty.

        Args:
            folder: is made when a snapshot is written.
            origin: names the catalogue; a snapshot of another one is not used.
        """
        self._path = folder / FILE_NAME
        self._stamp = Stamp(recipe(), origin, 0)
        self._changing = threading.Lock()
        self._merging = threading.Lock()
        self._snapshot: Snapshot | None = None
        self._left_alone: tuple[int, int] | None = None
        """The file that was to be removed and could not be."""
        self._generation = 0
        self._view = View.of(Contents.none(), epoch=0)
        self.refresh()

    @property
    def generation(self) -> int:
        """Of the catalogue's changes: all up to this one are in the index; 0 if it began empty."""
        return self._generation

    def view(self) -> View:
        """Return all tracks as they are now."""
        return self._view

    def add(self, track_id: int, fingerprint: Fingerprint) -> None:
        """Make a track searchable; it replaces one of the same id.

        Raises:
            InvalidFingerprint: it has more peaks in a frame than any sound has.
            Overloaded: the index is full.
        """
        self.add_all([(track_id, fingerprint)])

    def add_all(self, tracks: Iterable[tuple[int, Fingerprint]]) -> None:
        """Make tracks searchable, all at once, which is cheaper than one by one.

        Raises:
            InvalidFingerprint: one has more peaks in a frame than any sound has; then none is added.
            Overloaded: the index is full; then none is added.
        """
        newcomers = [Newcomer.of(track_id, fingerprint) for track_id, fingerprint in dict(tracks).items()]
        with self._changing:
            self._view = joined(self._view, newcomers)

    def remove(self, track_id: int) -> bool:
        """Let a track not be found any more; returns whether it was there."""
        with self._changing:
            before = self._view
            self._view = before.without(track_id)
            return self._view is not before

    def reached(self, generation: int) -> None:
        """Say that all changes of the catalogue up to this one are applied."""
        with self._changing:
            self._generation = generation

    def figures(self) -> IndexFigures:
        """Return how much there is."""
        view = self._view
        in_memory = len(view.recent) + len(view.young)
        return IndexFigures(
            tracks=len(view.reel),
            seconds=view.seconds,
            postings=len(view.postings) + in_memory,
            memory_bytes=in_memory * PAIR_BYTES + sum(map(len, view.recent_peaks.values())) * PEAK_BYTES,
            snapshot_bytes=self._snapshot.size_bytes if self._snapshot else 0,
            generation=self._generation,
        )

    def merge_is_due(self, *, idle: bool = False) -> bool:
        """Tell whether so much has changed since the snapshot that another one is worth its cost."""
        view = self._view
        stored, recent = len(view.postings), len(view.recent) + len(view.young)
        if not idle:
            return recent > max(min(max(stored // 8, LEAST_DUE), MOST_DUE), stored // LARGE)
        removed = int(np.count_nonzero(~view.reel.is_there))
        return recent > stored // IDLE or removed > len(view.reel.is_there) // IDLE

    def merge(self, stop: threading.Event | None = None) -> bool:
        """Write a snapshot of all there is, and go over to it; tracks may be added and removed meanwhile.

        Returns False if it was stopped, if another thread or process is merging, or if another process has written a
        later one, which `refresh` takes over.

        Raises:
            Unavailable: the folder refuses, or is full.
        """
        if not self._merging.acquire(blocking=False):
            return False
        try:
            with folder_lock(self._path.with_suffix(".lock")) as is_ours:
                return is_ours and self._merge(stop)
        except _Stopped:
            return False
        except OSError as error:
            raise Unavailable(f"the index {self._path} cannot be written: {error.strerror or error}") from error
        finally:
            self._merging.release()

    def refresh(self) -> bool:
        """Go over to the snapshot that another process has written, if it has all that is here.

        Only for who applies the catalogue's changes, between two rounds of them: afterwards `generation` says from
        where on they are to be applied. Returns whether there was one.
        """
        found = self._open()
        with self._changing:
            if found is None or found.stamp.generation < self._generation or not self._is_later(found):
                return False
            self._snapshot = found
            self._generation = found.stamp.generation
            self._view = View.of(Contents.of(found), epoch=self._view.epoch + 1)
            return True

    def is_whole(self, stop: threading.Event | None = None) -> bool:
        """Read the snapshot against its checksums; nothing may be merged meanwhile. True if it was stopped before."""
        snapshot = self._snapshot
        if snapshot is None or snapshot.is_whole(stop):
            return True
        logger.error("the index %s is damaged, and is made anew", self._path)
        return False

    def drop(self) -> None:
        """Forget everything, and remove the snapshot: only for who applies the catalogue's changes, as `refresh`.

        Where the folder refuses, the file stays, and is not used again by this process.
        """
        with self._changing:
            try:
                self._path.unlink(missing_ok=True)
            except OSError as error:
                logger.warning("the index %s cannot be removed, and is left alone: %s", self._path, error)
                self._left_alone = _identity(self._path)
            self._snapshot = None
            self._generation = 0
            self._view = View.of(Contents.none(), epoch=self._view.epoch + 1)

    def close(self) -> None:
        """Let go of the files; searches that run keep what they see."""
        with self._changing:
            self._snapshot = None
            self._view = View.of(Contents.none(), epoch=self._view.epoch + 1)

    def _merge(self, stop: threading.Event | None) -> bool:
        found = self._open()
        if found is not None and self._is_later(found):
            return False
        remove_drafts(self._path)
        with self._changing:
            before, stamp = self._view, replace(self._stamp, generation=self._generation)
        merge(before, self._path, stamp, partial(_check, stop))
        written = self._open()
        if written is None:
            raise OSError("what was written is not there")
        with self._changing:
            self._view = _after(before, self._view, Contents.of(written))
            self._snapshot = written
        return True

    def _open(self) -> Snapshot | None:
        try:
            if self._left_alone is not None and self._left_alone == _identity(self._path):
                return None
            found = open_snapshot(self._path)
        except OSError as error:
            logger.warning("the index %s cannot be read: %s", self._path, error)
            return None
        return found if found is not None and replace(found.stamp, generation=0) == self._stamp else None

    def _is_later(self, found: Snapshot) -> bool:
        return self._snapshot is None or found.stamp.generation > self._snapshot.stamp.generation


def _identity(path: Path) -> tuple[int, int] | None:
    """Return what no other file of the name has; None if there is none."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_mtime_ns


class _Stopped(Exception):
    """A merge was told to stop."""


def _check(stop: threading.Event | None) -> None:
    if stop is not None and stop.is_set():
        raise _Stopped


def _after(before: View, now: View, contents: Contents) -> View:
    """Return what is there now, after what was there before became the contents of a snapshot."""
    count = len(before.reel.is_there)
    view = View.of(contents, epoch=now.epoch)
    for number in np.flatnonzero(~now.reel.is_there[:count][before.reel.is_there]).tolist():
        view = replace(view, reel=view.reel.without(number))
    added = [number for number in range(count, len(now.reel.is_there)) if now.reel.is_there[number]]
    view = joined(view, [_newcomer(now, number) for number in added])
    return view if view.reel.agrees_with(now.reel) else replace(view, epoch=now.epoch + 1)


def _newcomer(view: View, number: int) -> Newcomer:
    peaks = view.recent_peaks[int(view.reel.first_frames[number])]
    return Newcomer.made(int(view.reel.track_ids[number]), int(view.reel.lengths[number]), peaks)
