"""What keeps an index in step with the store, whoever changes that: this server, another one, or a command.

A round asks what changed since the generation that the index has reached, and applies it, the oldest first; to apply a
change twice does no harm, so a round that was broken off is gone on with. Rounds come when the store tells of a change,
and now and then in any case, for notices may be lost.
"""

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Final, Self, TypeVar

import anyio
from anyio.abc import TaskGroup
from sqlalchemy.exc import SQLAlchemyError

from app.errors import InvalidFingerprint, Overloaded, Unavailable
from app.fingerprint.fingerprint import VERSION, Fingerprint
from app.fingerprint.index import Index
from app.fingerprint.store import Changes, NewSound, Store, StoredFingerprint
from app.runtime.workers import Workers

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

INDEX_POOL: Final = "index"
"""Name of the threads that change the index: two, one of which may be merging."""

BATCH: Final = 64
"""Tracks that are read and added at once; their fingerprints take some 4 MB."""
MOST_MEMORY_BYTES: Final = 256 * 1024**2
"""Of new tracks in the index at which a round, such as the first one of all, waits until they are merged."""


@dataclass(frozen=True, slots=True)
class Paces:
    """How often a follower looks of its own accord, in seconds."""

    poll: float = 1.0
    """At a store that cannot tell."""
    lost_notice: float = 30.0
    """At one that can, and after it could not."""
    idle: float = 60.0
    """Without changes, after which even a small merge is worth while."""


class Follower:
    """An async context manager: while it is open, the index follows the store.

    Args:
        store: the truth.
        index: follows it; nobody else changes it.
        workers: has the pool `index`.
        on_change: told of each round that found something, before it is applied.
        paces: how often it looks.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        store: Store,
        index: Index,
        workers: Workers,
        *,
        on_change: Callable[[Changes], None] = lambda changes: None,
        paces: Paces | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.is_in_step = False
        """Whether all that was known of at the last look is in the index."""
        self._store = store
        self._index = index
        self._workers = workers
        self._on_change = on_change
        self._paces = paces or Paces()
        self._clock = clock
        self._turn = anyio.Lock()
        self._news = anyio.Event()
        self._can_tell = False
        self._merging = anyio.Lock()
        """Who merges, or puts another view in the place of all there is: the two must not meet."""
        self._changed_at = clock()
        self._group: TaskGroup
        self._open = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            self._group = await stack.enter_async_context(anyio.create_task_group())
            stack.callback(self._group.cancel_scope.cancel)
            self._group.start_soon(self._listen)
            self._group.start_soon(self._follow)
            self._open = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._open.aclose()

    async def catch_up(self) -> None:
        """Apply all changes up to now; who comes meanwhile waits. May be cancelled: what is left is applied later.

        Raises:
            Unavailable: the store does not answer.
        """
        async with self._turn:
            changes = await self._store.changes(self._index.generation)
            if changes.generation > self._index.generation and await self._refresh():
                changes = await self._store.changes(self._index.generation)
            if changes.generation != self._index.generation:
                await self._apply(changes)
            self.is_in_step = True
        self._merge_if(self._index.merge_is_due())

    async def rebuild(self) -> None:
        """Make the index anew, out of the store's fingerprints; until that is done, searches find what is there again.

        Raises:
            Unavailable: the store does not answer.
        """
        async with self._turn:
            self.is_in_step = False
            await self._drop()
        await self.catch_up()

    async def _apply(self, changes: Changes) -> None:
        if changes.generation < self._index.generation:
            logger.warning("the catalogue was put back to an earlier state: the index is made anew")
            await self._drop()
            changes = await self._store.changes(0)
        self._on_change(changes)
        if self._index.generation:
            await self._run(lambda: remove(self._index, changes.removed))
        for start in range(0, len(changes.sounds), BATCH):
            await self._add(changes.sounds[start : start + BATCH])
            if start + BATCH < len(changes.sounds):
                # those of the next generation may be there in part
                self._index.reached(changes.sounds[start + BATCH].generation - 1)
            if self._index.figures().memory_bytes > MOST_MEMORY_BYTES:
                await self._merge()
        self._index.reached(changes.generation)
        self._changed_at = self._clock()

    async def _add(self, sounds: Sequence[NewSound]) -> None:
        stored = await self._store.fingerprints([sound.track_id for sound in sounds])
        await self._run(partial(add, self._index, stored))

    async def _follow(self) -> None:
        await self._round()
        self._group.start_soon(self._verify)
        while True:
            with anyio.move_on_after(self._paces.lost_notice if self._can_tell else self._paces.poll):
                await self._news.wait()
            self._news = anyio.Event()
            await self._round()
            is_idle = self._clock() - self._changed_at >= self._paces.idle
            self._merge_if(is_idle and self._index.merge_is_due(idle=True))

    async def _verify(self) -> None:
        """Read the whole snapshot, while changes go on being applied; if it is damaged, make the index anew."""
        async with self._merging:  # damage must not be written again, under a checksum of its own
            is_whole = await self._workers.run_stoppable(INDEX_POOL, self._index.is_whole)
        if is_whole:
            return
        async with self._turn:
            self.is_in_step = False
            await self._drop()
        await self._round()

    async def _round(self) -> None:
        try:
            await self.catch_up()
        except (Unavailable, SQLAlchemyError) as error:
            if self.is_in_step:
                logger.warning("the index does not follow the catalogue until the database answers: %s", error)
            self.is_in_step = False

    async def _listen(self) -> None:
        """Hear of changes, as long as the store can tell of any."""
        while True:
            try:
                await self._store.listen(self._hear)
                return
            except Unavailable:
                self._can_tell = False
            await anyio.sleep(self._paces.lost_notice)

    def _hear(self) -> None:
        self._can_tell = True
        self._news.set()

    def _merge_if(self, is_due: bool) -> None:
        if is_due and not self._merging.statistics().locked:
            self._group.start_soon(self._merge)

    async def _merge(self) -> None:
        async with self._merging:
            try:
                await self._workers.run_stoppable(INDEX_POOL, self._index.merge)
            except Unavailable as error:
                logger.warning("%s; the next start will take longer", error)

    async def _refresh(self) -> bool:
        """Take over what another process has merged, unless this one is merging."""
        if self._merging.statistics().locked:
            return False
        async with self._merging:
            return await self._run(self._index.refresh)

    async def _drop(self) -> None:
        async with self._merging:
            await self._run(self._index.drop)

    async def _run(self, function: Callable[[], Result]) -> Result:
        return await self._workers.run(INDEX_POOL, function)


def remove(index: Index, track_ids: Sequence[int]) -> None:
    """Remove tracks, as far as they are there. It blocks."""
    for track_id in track_ids:
        index.remove(track_id)


def add(index: Index, stored: Sequence[StoredFingerprint]) -> None:
    """Add those fingerprints that can be searched; the others are told of, and left out. It blocks."""
    readable = {one.track_id: sound for one in stored if (sound := _unpacked(one)) is not None}
    for one in stored:
        if one.track_id not in readable:
            index.remove(one.track_id)  # it may have had another one
    try:
        index.add_all(readable.items())
    except (InvalidFingerprint, Overloaded):
        for track_id, sound in readable.items():
            _add_one(index, track_id, sound)


def _unpacked(stored: StoredFingerprint) -> Fingerprint | None:
    if stored.version != VERSION:
        return None
    try:
        return Fingerprint.from_bytes(stored.data)
    except InvalidFingerprint as error:
        logger.warning("track %d cannot be found: %s", stored.track_id, error)
        return None


def _add_one(index: Index, track_id: int, sound: Fingerprint) -> None:
    try:
        index.add(track_id, sound)
    except (InvalidFingerprint, Overloaded) as error:
        logger.warning("track %d cannot be found: %s", track_id, error)
