"""One take while it is made.

Rules of this file:

1. The parts are spoken one after another, each as soon as the feed has room for it; the store and the disk are written
   beside that. Nothing is said to the listener before the take is kept.
2. A take that is done is kept, with its audio, before anybody is told so.
3. Whatever goes wrong in here becomes the end of this take and of nothing else.
4. A making that is cancelled puts its take back to `waiting`; its listener raises `Draining`.
"""

import logging
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, replace
from typing import Final

import anyio

from app.audio.pcm import SAMPLE_BYTES
from app.errors import BackendUnavailable, ChorusError, Draining, Overloaded, Unavailable, WorkerLost
from app.runtime.queue import Priority
from app.takes.feed import Feed
from app.takes.ledger import Ledger
from app.takes.part import Part
from app.takes.reading import Line, Reading
from app.takes.recording import Recording
from app.takes.recordings import Recordings
from app.takes.take import Recorded, Status, Take
from app.takes.voice import Voice

logger = logging.getLogger(__name__)

HEARD_PATIENCE, UNHEARD_PATIENCE = 15.0, 600.0
"""Seconds for which a part is tried again while its backend is full, or gone, with and without a listener."""

LONGEST_PAUSE = 10.0
"""Seconds between two of these attempts, at most."""

FINAL_ATTEMPTS, FINAL_PAUSE = 10, 1.0
"""How often it is tried to write that a take is done, and the seconds between."""

STOP_SECONDS = 5.0
"""For writing how a making ended that was cancelled."""

GONE = "the take was deleted, or ended by another server"

_PROGRESS: Final = ((0.75, Status.PROGRESS_75), (0.5, Status.PROGRESS_50), (0.25, Status.PROGRESS_25))


@dataclass(frozen=True, slots=True)
class Booth:
    """What every making of a studio works with."""

    recordings: Recordings
    ledger: Callable[[], Ledger]
    """Makes one for a take."""
    on_done: Callable[[Status], None] = lambda status: None
    """Told how each take ended."""
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep


class Making:
    """One take that is made; run once."""

    def __init__(
        self,
        take: Take,
        reading: Reading,
        booth: Booth,
        *,
        client: Hashable,
        is_new: bool,
        is_heard: bool,
        voice: Voice | None = None,
        on_recording: Callable[[], None] = lambda: None,
    ) -> None:
        """Prepare.

        Args:
            take: as it waits.
            reading: of its wording.
            booth: what it is made with.
            client: who asks, for the speech engine's line.
            is_new: whether it must be added to the store first, with its voice.
            is_heard: whether somebody will listen.
            voice: that whose example the take is; its status follows.
            on_recording: told when its audio can be read.
        """
        self.take = take
        self.voice = voice
        self.feed = Feed(is_heard=is_heard)
        self.ended = anyio.Event()
        """Set when nothing more happens to the take here."""
        self._reading = reading
        self._booth = booth
        self._ledger = booth.ledger()
        self._client = client
        self._is_new = is_new
        self._on_recording = on_recording
        self._kept = anyio.Event()
        self._recording: Recording | None = None
        self._samples = 0
        self._texts: list[str] = []
        self._scope = anyio.CancelScope()
        self._verdict: tuple[Status, str] | None = None

    @property
    def is_recorded(self) -> bool:
        """Whether some of its audio can be read."""
        return self._recording is not None

    async def run(self) -> None:
        """Make the take and see to its end. Raises nothing of its own."""
        is_over = False
        try:
            with self._scope:
                take = await self._attempt()
                with anyio.CancelScope(shield=True):  # what is done stays done, with its audio
                    await self._end(take)
                is_over = True
        finally:
            if not is_over:
                with anyio.move_on_after(STOP_SECONDS, shield=True):
                    await self._break_off()
            self.ended.set()

    def end(self, status: Status, error: str) -> None:
        """End the take early, as ERROR or TIMEOUT; `ended` tells when that is done."""
        self._verdict = self._verdict or (status, error)
        self._scope.cancel()

    async def _attempt(self) -> Take | None:
        """Return the take as it ends, None if it could not even be kept."""
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self._keep)
                await self._perform()
                group.cancel_scope.cancel()
        except Exception as error:
            # One of the two borders: whatever a take meets becomes its end, never the studio's.
            return self._failed(_root(error))
        recorded = Recorded(self._samples, self._reading.sample_rate, tuple(self._texts))
        return replace(self.take, status=Status.READY, recorded=recorded)

    async def _keep(self) -> None:
        if self._is_new:
            await self._open()
        else:
            self._change(Status.STARTED)
        self._kept.set()
        await self._ledger.run(self._void)

    async def _open(self) -> None:
        """Keep a new take as `started`, which it is by now, and tell that it waited before."""
        waiting, waiting_voice = self.take, self.voice
        self._become(replace(self.take, status=Status.STARTED))
        await self._ledger.open([self.take], self.voice, earlier=[waiting])
        self.feed.tell(waiting_voice or waiting)
        self._say()

    async def _perform(self) -> None:
        last: Part | None = None
        for index, line in enumerate(self._reading.lines()):
            async with anyio.create_task_group() as group:  # the disk takes one part while the next is spoken
                if last is not None:
                    group.start_soon(self._record, last)
                await self.feed.room()
                part = await self._speak(line, index)
            await self._kept.wait()
            self.feed.hand(part)
            last = part
            self._progress(line.pieces / await self._reading.count())
        if last is not None:
            await (await self._record(last)).finish()

    async def _speak(self, line: Line, index: int) -> Part:
        waited, lost = 0.0, False
        while True:
            priority = Priority.NORMAL if self.feed.is_heard else Priority.BATCH
            try:
                return await self._reading.speak(line, index=index, client=self._client, priority=priority)
            except (Overloaded, BackendUnavailable) as error:
                pause = _pause(error)
                waited += pause
                if waited > (HEARD_PATIENCE if self.feed.is_heard else UNHEARD_PATIENCE):
                    raise
                await self._booth.sleep(pause)
            except WorkerLost:
                if lost:
                    raise
                lost = True

    async def _record(self, part: Part) -> Recording:
        if self._recording is None:
            self._recording = await self._booth.recordings.begin(self.take.id, part.sample_rate)
            self._on_recording()
        await self._recording.append(part.pcm)
        self._samples += len(part.pcm) // SAMPLE_BYTES
        self._texts.append(part.text)
        return self._recording

    def _progress(self, done: float) -> None:
        reached = next((status for bound, status in _PROGRESS if bound <= done < 1), self.take.status)
        if reached is not self.take.status:
            self._change(reached)

    def _change(self, status: Status) -> None:
        self._become(replace(self.take, status=status))
        self._ledger.note(self.take, self.voice)
        self._say()

    def _become(self, take: Take) -> None:
        self.take = take
        if self.voice is not None:
            self.voice = replace(self.voice, status=take.status)

    def _say(self) -> None:
        self.feed.tell(self.voice or self.take)

    def _failed(self, error: Exception) -> Take | None:
        if not self._kept.is_set():
            self.feed.break_off(error)
            logger.warning("a take could not be kept: %s", error)
            return None
        if isinstance(error, ChorusError):
            logger.warning("take %s failed: %s", self.take.id, error)
            return replace(self.take, status=Status.ERROR, error=str(error))
        logger.error("take %s failed", self.take.id, exc_info=error)
        return replace(self.take, status=Status.ERROR, error="internal error")

    def _void(self) -> None:
        self.end(Status.ERROR, GONE)

    async def _end(self, take: Take | None) -> None:
        """Keep a take that is done, then tell so."""
        if take is None:
            return
        if take.status is not Status.READY:
            await self._discard()
        self._become(take)
        self._ledger.note(self.take, self.voice)
        try:
            if not await self._write():
                await self._fail(GONE)
        except Unavailable as error:
            logger.error("how take %s ended is not stored: %s", take.id, error)
            await self._fail(str(error))
        self._booth.on_done(self.take.status)
        self._say()

    async def _fail(self, error: str) -> None:
        """Let nobody take a take for ready that is not kept so."""
        if self.take.status is Status.READY:
            self._become(replace(self.take, status=Status.ERROR, recorded=None, error=error))
            await self._discard()

    async def _break_off(self) -> None:
        """End as it was decided, or go back to where others begin again."""
        await self._discard()
        if not self._kept.is_set():
            self.feed.break_off(Draining("the server is stopping"))
        elif self._verdict is not None:
            status, error = self._verdict
            await self._end(replace(self.take, status=status, error=error))
        else:
            self._become(replace(self.take, status=Status.WAITING))
            self._ledger.note(self.take, self.voice)
            self.feed.break_off(Draining("the server is stopping, the take will be made when it is back"))
            await self._ledger.flush()

    async def _write(self) -> bool:
        """Write how the take ended, if it takes a while; returns whether it was still there to be written."""
        for _ in range(FINAL_ATTEMPTS - 1):
            try:
                return await self._ledger.flush()
            except Unavailable:
                await self._booth.sleep(FINAL_PAUSE)
        return await self._ledger.flush()

    async def _discard(self) -> None:
        if self._recording is not None:
            await self._recording.discard()
            await self._booth.recordings.delete(self.take.id)  # it may be finished


def _pause(error: Overloaded | BackendUnavailable) -> float:
    retry_after = error.retry_after if isinstance(error, Overloaded) else None
    return min(max(retry_after or 1.0, 0.1), LONGEST_PAUSE)


def _root(error: Exception) -> Exception:
    """Return the first error of a group, which cancelled the others."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error
