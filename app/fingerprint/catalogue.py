"""The catalogue: all tracks that can be found, kept in the store and searched in the index.

The index is opened in the background: what prepares it takes a second or two, for which no start waits, and some 100
MB, which a server without tracks does not need.
"""

import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from concurrent.futures import Future
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import anyio
from anyio.abc import TaskGroup

from app.errors import NotFound, Unavailable
from app.fingerprint.duplicates import Likeness, likenesses
from app.fingerprint.follower import INDEX_POOL, Follower
from app.fingerprint.index import Index, IndexFigures
from app.fingerprint.labels import Labels
from app.fingerprint.store import Changes, Kept, Listing, Page, Store, StoreFigures
from app.fingerprint.track import NewTrack, Track
from app.runtime.workers import Workers

logger = logging.getLogger(__name__)

REMEMBERED: Final = 4096
"""Tracks whose labels are kept in memory: those that were heard last."""
LOOK_SECONDS: Final = 0.5
"""Between two looks whether there are tracks, or somebody who looks for some."""


@dataclass(frozen=True, slots=True)
class Figures:
    """How much there is."""

    store: StoreFigures
    index: IndexFigures | None
    """None while it is being opened."""
    is_in_step: bool
    """Whether all tracks that the store has can be found."""


class Catalogue:
    """An async context manager. Belongs to one event loop, but for `index`.

    Every coroutine raises `Unavailable` if the store does not answer.

    Args:
        store: keeps the tracks.
        folder: of this server, for the index; other processes of the same catalogue may use it too.
        workers: has the pool `index`.
        prepare: is waited for before the index is opened.
    """

    def __init__(
        self,
        store: Store,
        folder: Path,
        workers: Workers,
        *,
        prepare: Callable[[], Awaitable[None]] = anyio.lowlevel.checkpoint,
    ) -> None:
        self.store = store
        self._folder = folder
        self._workers = workers
        self._prepare = prepare
        self._opened: Future[Index] = Future()
        self._is_wanted = False
        self._asked = anyio.Event()
        self._follower: Follower | None = None
        self._following = anyio.Event()
        self._remembered: OrderedDict[int, Track] = OrderedDict()
        self._changes = 0
        self._group: TaskGroup
        self._open = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            stack.callback(self._close)
            self._group = await stack.enter_async_context(anyio.create_task_group())
            stack.callback(self._group.cancel_scope.cancel)
            self._group.start_soon(self._run)
            self._open = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._open.aclose()

    def index(self, *, patience: float = 60.0) -> Index:
        """Return the index. It blocks until it is open: for threads.

        Raises:
            Unavailable: it is not open after so many seconds, or is closed.
        """
        self._is_wanted = True
        try:
            return self._opened.result(patience)
        except TimeoutError:
            raise Unavailable("the index of tracks is still being opened") from None

    async def find(self, track_ids: Collection[int]) -> list[Track]:
        """Return those tracks that are there, in the order of their ids; from memory, as far as they are."""
        wanted = sorted(set(track_ids))
        known = {id: self._remembered[id] for id in wanted if id in self._remembered}
        changes = self._changes
        if missing := [id for id in wanted if id not in known]:
            known |= {track.id: track for track in await self.store.find(missing)}
        if changes == self._changes:  # what was read before a change must not be remembered after it
            self._remember(known.values())
        return [known[id] for id in wanted if id in known]

    async def track(self, track_id: int) -> Track:
        """Return a track.

        Raises:
            NotFound: there is none of this id.
        """
        if not (found := await self.store.find([track_id])):
            raise NotFound(f"track {track_id} does not exist")
        return found[0]

    async def list_tracks(self, page: Page) -> Listing:
        """Return a page of the tracks, newest first."""
        return await self.store.list_tracks(page)

    async def add(self, tracks: Sequence[NewTrack]) -> list[Kept]:
        """Keep tracks; they can be found when this returns, if the index is open."""
        kept = await self.store.add(tracks)
        await self._catch_up()
        return kept

    async def relabel(self, track_id: int, change: Callable[[Labels], Labels]) -> Track:
        """Change what is shown of a track, as `Store.relabel`.

        Raises:
            NotFound: there is none of this id.
            Taken: another track has the video id.
        """
        changed = await self.store.relabel(track_id, change)
        if changed is None:
            raise NotFound(f"track {track_id} does not exist")
        await self._catch_up()
        return changed

    async def remove(self, track_ids: Collection[int]) -> frozenset[int]:
        """Forget tracks; returns which there were. They are not found any more when this returns."""
        removed = await self.store.remove(track_ids)
        await self._catch_up()
        return removed

    async def likenesses(self, track_id: int) -> list[Likeness]:
        """Return which tracks are nearly the same as one, the most alike first.

        Raises:
            Unavailable: the index is not open yet.
        """
        if self._follower is None:
            raise Unavailable("the index of tracks is still being opened")
        return await self._workers.run(INDEX_POOL, partial(likenesses, self.index().view(), track_id))

    async def figures(self) -> Figures:
        """Return how much there is."""
        index = self._opened.result().figures() if self._follower else None
        return Figures(await self.store.figures(), index, self._follower is not None and self._follower.is_in_step)

    def rebuild(self) -> None:
        """Have the index made anew out of the stored fingerprints, in the background; until then less is found.

        Raises:
            Unavailable: it is not open yet.
        """
        if self._follower is None:
            raise Unavailable("the index of tracks is still being opened")
        self._group.start_soon(self._rebuild, self._follower)

    @property
    def is_open(self) -> bool:
        """Whether the index is."""
        return self._following.is_set()

    async def opened(self) -> None:
        """Have the index opened, and wait for it; it may not have all tracks yet."""
        self._ask()
        await self._following.wait()

    async def catch_up(self) -> None:
        """Wait until the index is open and has all tracks that the store has now."""
        await self.opened()
        assert self._follower is not None
        await self._follower.catch_up()

    async def _rebuild(self, follower: Follower) -> None:
        try:
            await follower.rebuild()
        except Unavailable as error:
            logger.warning("the index is made anew when the database answers: %s", error)

    async def _run(self) -> None:
        index = await self._open_index()
        follower = Follower(self.store, index, self._workers, on_change=self._note)
        async with follower:
            self._follower = follower
            self._opened.set_result(index)
            self._following.set()
            await anyio.sleep_forever()

    async def _open_index(self) -> Index:
        """Open it as soon as there are tracks, or somebody looks for some."""
        is_broken = False
        while True:
            try:
                if self._is_wanted or await self.store.next_ids(0, limit=1):
                    origin = await self.store.origin()
                    await self._prepare()
                    return await self._workers.run(INDEX_POOL, partial(Index, self._folder, origin=origin))
            except Unavailable as error:
                if not is_broken:
                    logger.warning("the index of tracks waits for the database: %s", error)
                is_broken = True
                await anyio.sleep(LOOK_SECONDS)
                continue
            with anyio.move_on_after(LOOK_SECONDS):  # a thread that asks is seen then
                await self._asked.wait()

    def _close(self) -> None:
        if self._opened.done():
            self._opened.result().close()
        else:
            self._opened.set_exception(Unavailable("the index of tracks is closed"))

    async def _catch_up(self) -> None:
        """Let the index have what was just changed; where that cannot be now, it follows by itself."""
        if self._follower is None:
            self._ask()
            return
        try:
            await self._follower.catch_up()
        except Unavailable as error:
            logger.warning("what was changed can be found when the database answers: %s", error)

    def _ask(self) -> None:
        self._is_wanted = True
        self._asked.set()

    def _note(self, changes: Changes) -> None:
        self._changes += 1
        for id in (*changes.labels, *changes.removed):
            self._remembered.pop(id, None)

    def _remember(self, tracks: Iterable[Track]) -> None:
        for track in tracks:
            self._remembered[track.id] = track
            self._remembered.move_to_end(track.id)
        while len(self._remembered) > REMEMBERED:
            self._remembered.popitem(last=False)
