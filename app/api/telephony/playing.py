"""One listener of `/ws/play/{filename}`: a file out, and what a listener may ask for meanwhile in."""

import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import aclosing, suppress

import anyio

from app.api.telephony import messages
from app.api.telephony.failure import ending
from app.api.telephony.limits import CallLimits
from app.api.telephony.messages import PlayOptions
from app.calls.audio_files import AudioFile
from app.calls.call import FRAMES_PER_SECOND, Clear, Cleared, Failed, News, Notify, Played
from app.calls.pacing import Pacing
from app.calls.playout import Playout
from app.calls.shared_reads import CHUNK_BYTES, SharedReads
from app.calls.sounds import Sounds
from app.errors import ChorusError, Draining, InvalidInput, QueueFull, SessionClosed
from app.runtime.outbox import Message
from app.runtime.session import Divert, Ending, SendNow, Session, Socket

logger = logging.getLogger(__name__)

PLAY, ANSWER = "play", "answer"
MAX_UNANSWERED = 64
"""Notifications that wait until what was sent before them has been heard."""


class Playing:
    """A file that is played to one listener, until it ends or he does."""

    def __init__(
        self,
        file: AudioFile,
        reads: SharedReads,
        sounds: Sounds,
        socket: Socket,
        limits: CallLimits,
        options: PlayOptions,
        *,
        divert: Divert | None = None,
        send_now: SendNow | None = None,
        abort: Callable[[], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        """Prepare it on an accepted socket.

        Args:
            file: is played.
            reads: reads files as they are.
            sounds: reads files as the sound of calls.
            socket: accepted, not yet read.
            limits: of this door.
            options: what the client chose.
            divert: gives what he says to the session as soon as it is read, where it is passed over.
            send_now: sends past the layers of the server, as for `Session`.
            abort: cuts the connection.
            clock: seconds, monotonic, of what is heard.
            sleep: waits for seconds of that clock.
        """
        self._file = file
        self._reads = reads
        self._sounds = sounds
        self._options = options
        self._sleep = sleep
        self._pacing = Pacing(clock=clock)
        self._scope = anyio.CancelScope()
        self._unanswered: deque[tuple[float, Notify]] = deque()
        self._is_answering = False
        self.session = Session(
            socket, limits.session, on_failure=self._fail, divert=divert, send_now=send_now, abort=abort
        )

    async def run(self) -> Ending:
        """Play until the end of the file, or until the listener goes; returns how it ended."""
        return await self.session.run(self._on_message, begin=lambda: self.session.start(PLAY, self._play))

    async def _play(self) -> None:
        with self._scope:
            form, pace = self._options.form, self._options.pace
            if form is not None:
                playout = self._playout(2 * form.sample_rate)
                async with aclosing(self._sounds.portions(self._file, form)) as portions:
                    await playout.play(portions, piece_bytes=form.frame_bytes)
                await playout.heard()
            elif pace:
                await self._play_bytes(self._playout(pace), max(1, min(CHUNK_BYTES, pace // FRAMES_PER_SECOND)))
            else:
                await self._send_bytes()
        for _, notify in self._unanswered:  # due at this moment
            self._tell(Played(notify.payload))
        self.session.close()

    def _playout(self, bytes_per_second: int) -> Playout:
        return Playout(self.session.send, self._pacing, bytes_per_second=bytes_per_second, sleep=self._sleep)

    async def _play_bytes(self, playout: Playout, piece_bytes: int) -> None:
        async with self._reads.open(self._file.path) as reading, aclosing(reading.chunks()) as chunks:
            await playout.play(chunks, piece_bytes=piece_bytes)
        await playout.heard()

    async def _send_bytes(self) -> None:
        async with self._reads.open(self._file.path) as reading, aclosing(reading.chunks()) as chunks:
            async for chunk in chunks:
                await self.session.send(chunk)

    def _on_message(self, message: Message) -> None:
        if isinstance(message, bytes):  # what a call platform hears meanwhile
            return
        try:
            event = messages.decode(message)
        except InvalidInput:  # a `speak`, which is for the echo
            return
        match event:
            case Clear():
                self._unanswered.clear()
                self._scope.cancel()
                self._pacing.clear()
                self._tell(Cleared())
            case Notify():
                self._notify(event)

    def _notify(self, notify: Notify) -> None:
        if not self._unanswered and not self._pacing.until(self._pacing.heard_at):
            self._tell(Played(notify.payload))
        elif len(self._unanswered) >= MAX_UNANSWERED:
            self._tell(Failed(QueueFull(f"{MAX_UNANSWERED} notifications wait already")))
        else:
            self._unanswered.append((self._pacing.heard_at, notify))
            self._begin_to_answer()

    def _begin_to_answer(self) -> None:
        if not self._is_answering:
            with suppress(Draining, SessionClosed):  # the end of the file answers it too
                self.session.start(ANSWER, self._answer)
                self._is_answering = True

    async def _answer(self) -> None:
        while self._unanswered:
            first = self._unanswered[0]
            if wait := self._pacing.until(first[0]):
                await self._sleep(wait)
            else:
                self._unanswered.popleft()
                self._tell(Played(first[1].payload))
        self._is_answering = False

    def _tell(self, news: News) -> None:
        self.session.post(messages.encode(news))

    def _fail(self, job: str, error: Exception) -> None:
        ends = ending(error)
        if not isinstance(error, ChorusError):
            logger.error("playing a file failed", exc_info=error)
        self.session.close(ends.code, ends.reason)
