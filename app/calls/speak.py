"""The processor that speaks what it is told into the call, at the pace at which it is heard."""

import math
import time
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Final

import anyio

from app.audio.format import Format
from app.calls.call import FRAME_SECONDS, Clear, Cleared, Event, Failed, Notify, Played, Say, Spoken
from app.calls.frames import Frames
from app.calls.pacing import Pacing
from app.calls.playout import Playout
from app.calls.processor import Line
from app.errors import ChorusError, Draining, QueueFull, SessionClosed, TextTooLong
from app.tts.speech import SpeechRequest
from app.tts.synthesizer import Synthesizer

MAX_CHARACTERS: Final = 2000
"""Of one text."""
MAX_QUEUED: Final = 64
"""Texts and notifications that wait."""
AHEAD_SECONDS: Final = 2.0
"""Of speech that is made and not sent yet, beyond which no further piece of the text is begun."""
SPEAKING: Final = "speaking"


class Speak:
    """Speaks into one call; what it hears is nothing to it."""

    def __init__(
        self,
        synthesizer: Synthesizer,
        line: Line,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        """Be silent; `clock` and `sleep` are those of what is heard, in seconds."""
        self._synthesizer = synthesizer
        self._line = line
        self._sleep = sleep
        self._pacing = Pacing(clock=clock)
        self._queue: deque[Say | Notify] = deque()
        self._is_running = False
        self._item = anyio.CancelScope()

    def hear(self, sound: bytes) -> None:
        """Pass over it."""

    def note(self, event: Event) -> None:
        """Queue what is to be spoken, or drop all that is."""
        match event:
            case Say(text=text, id=id) if len(text) > MAX_CHARACTERS:
                why = f"text has {len(text)} characters, {MAX_CHARACTERS} may"
                self._line.tell(Failed(TextTooLong(why, length=len(text), limit=MAX_CHARACTERS), id))
            case Say() | Notify():
                self._add(event)
            case Clear():
                self._queue.clear()
                self._item.cancel()
                self._pacing.clear()
                self._line.tell(Cleared())

    def close(self) -> None:
        """Do nothing: the job has ended."""

    def _add(self, item: Say | Notify) -> None:
        if len(self._queue) >= MAX_QUEUED:
            full = QueueFull(f"{MAX_QUEUED} texts and notifications of this call wait already")
            self._line.tell(Failed(full, item.id if isinstance(item, Say) else None))
            return
        self._queue.append(item)
        if not self._is_running:
            try:
                self._line.start(SPEAKING, self._work)
                self._is_running = True
            except (SessionClosed, Draining):  # there will be nobody to hear it
                self._queue.clear()

    async def _work(self) -> None:
        try:
            while self._queue:
                item = self._queue.popleft()
                with anyio.CancelScope() as self._item:
                    await self._do(item)
        finally:
            self._is_running = False

    async def _do(self, item: Say | Notify) -> None:
        playout = Playout(
            self._line.send, self._pacing, bytes_per_second=2 * self._line.form.sample_rate, sleep=self._sleep
        )
        if isinstance(item, Notify):
            await playout.heard()
            self._line.tell(Played(item.payload))
            return
        try:
            seconds = await self._say(item, playout)
        except SessionClosed:
            raise
        except ChorusError as error:
            self._line.tell(Failed(error, item.id))
            return
        await playout.heard()
        self._line.tell(Spoken(item.id, seconds))

    async def _say(self, item: Say, playout: Playout) -> float:
        """Speak a text and play it while it is made; returns its seconds."""
        form = self._line.form
        request = SpeechRequest(
            item.text, voice=item.voice, language=item.language, format=Format.PCM, sample_rate=form.sample_rate
        )
        made = _Made(Frames(form), room_bytes=math.ceil(AHEAD_SECONDS / FRAME_SECONDS) * form.frame_bytes)
        seconds = 0.0

        async def make() -> None:
            await self._synthesizer.stream(request, client=self, emit=made.add, room=made.room)
            made.finish()

        async def play() -> None:
            nonlocal seconds
            async with aclosing(made.portions()) as portions:
                seconds = await playout.play(portions, piece_bytes=form.frame_bytes)

        try:
            async with anyio.create_task_group() as group:
                group.start_soon(make)
                group.start_soon(play)
        except ExceptionGroup as errors:
            error = errors.exceptions[0]
        else:
            return seconds
        raise error


class _Made:
    """Speech between the one who makes it and the one who plays it."""

    def __init__(self, frames: Frames, *, room_bytes: int) -> None:
        self._frames = frames
        self._room_bytes = room_bytes
        self._pcm = bytearray()
        self._is_finished = False
        self._changed = anyio.Event()

    def add(self, pcm: bytes) -> None:
        """Take what was made; never waits."""
        self._pcm += self._frames.push(pcm)
        self._change()

    def finish(self) -> None:
        """Note that this was all."""
        self._pcm += self._frames.finish()
        self._is_finished = True
        self._change()

    async def room(self) -> None:
        """Wait until so little is left that more may be made."""
        while len(self._pcm) > self._room_bytes:
            await self._changed.wait()

    async def portions(self) -> AsyncGenerator[bytes, None]:
        """Yield all of it as it comes, a second at a time."""
        while True:
            while not self._pcm and not self._is_finished:
                await self._changed.wait()
            if not self._pcm:
                return
            portion = bytes(self._pcm[: self._room_bytes // 2])
            del self._pcm[: len(portion)]
            self._change()
            yield portion

    def _change(self) -> None:
        changed, self._changed = self._changed, anyio.Event()
        changed.set()
