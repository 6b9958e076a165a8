"""One client of `/ws/lip-sync`: one portrait at a time, its progress, and its end."""

import logging
import time
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from uuid import uuid4

from app.api.lipsync import messages
from app.errors import ChorusError
from app.lipsync.clip import Opening, Order, Portrayal, Progress
from app.lipsync.renderer import Renderer
from app.runtime.session import Ending, Session, SessionLimits, Socket
from app.runtime.workers import CODEC_POOL, Workers

logger = logging.getLogger(__name__)

_JOB = "process"
"""Key of the one job of a session."""


@dataclass(frozen=True, slots=True)
class LipsyncLimits:
    """Bounds of this door."""

    max_audio_bytes: int = 50 * 2**20
    max_image_bytes: int = 10 * 2**20
    session: SessionLimits = field(default_factory=lambda: SessionLimits(idle_timeout=0.0))


class Conversation:
    """What one connection asks for and gets.

    Args:
        renderer: draws.
        workers: has the pool `codec`, for base64 and JSON of megabytes.
        socket: accepted, not yet read.
        limits: of this conversation.
        abort: cuts the connection.
        now: seconds since the epoch.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        renderer: Renderer,
        workers: Workers,
        socket: Socket,
        limits: LipsyncLimits,
        *,
        abort: Callable[[], None] | None = None,
        now: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._renderer = renderer
        self._workers = workers
        self._limits = limits
        self._now = now
        self._clock = clock
        self._is_congested = False
        self.session = Session(
            socket,
            limits.session,
            on_failure=self._explain,
            on_cancelled=lambda key: self.session.post(messages.encode_cancelled()),
            on_congestion=self._note_congestion,
            abort=abort,
        )

    async def run(self) -> Ending:
        """Converse until either side closes; returns how it ended."""
        greeting = messages.encode_connection(str(uuid4()))
        return await self.session.run(self._on_message, begin=lambda: self.session.post(greeting))

    def _on_message(self, message: str | bytes) -> None:
        try:
            if len(message) > messages.INLINE_CHARACTERS:
                self._start(message)
            else:
                self._handle(messages.decode(message))
        except ChorusError as error:
            self._tell(error)

    def _handle(self, incoming: messages.Request) -> None:
        match incoming:
            case messages.Process():
                self._start(incoming)
            case messages.Ping():
                self.session.post(messages.encode_pong(self._now()))
            case messages.Cancel():
                if not self.session.cancel(_JOB):
                    self.session.post(messages.encode_info(messages.NOTHING_TO_CANCEL))

    def _start(self, incoming: messages.Process | str | bytes) -> None:
        if self.session.jobs:
            self.session.post(
                messages.encode_error(
                    messages.TASK_RUNNING,
                    "Another processing task is already running. Please wait.",
                    timestamp=self._now(),
                )
            )
            return
        self.session.start(_JOB, partial(self._process, [incoming]))

    async def _process(self, held: list[messages.Process | str | bytes]) -> None:
        """Draw what is asked for in the one message that is held, which is let go of as soon as it is read."""
        since = self._clock()
        job_id = messages.new_job_id()
        self._progress(5, "Reading audio and picture")
        order, is_streamed = await self._workers.run(CODEC_POOL, lambda: self._read(held.pop()))
        self._progress(25, "Starting AI processing...")
        portrayal = await (self._stream(job_id, order) if is_streamed else self._whole(order))
        await self.session.room()
        await self.session.send(messages.encode_progress(100, "Processing completed", timestamp=self._now()))
        encode = partial(
            messages.encode_result, job_id, portrayal, seconds=self._clock() - since, timestamp=self._now()
        )
        result = await self._workers.run(CODEC_POOL, encode)
        await self.session.send(result)

    def _read(self, incoming: messages.Process | str | bytes) -> tuple[Order, bool]:
        """Return what is asked, and whether it is wanted in fragments. It blocks."""
        process = messages.decode(incoming) if isinstance(incoming, str | bytes) else incoming
        if not isinstance(process, messages.Process):
            raise messages.Undecodable(f"a message of more than {messages.INLINE_CHARACTERS} bytes must be 'process'")
        order = process.order(
            max_audio_bytes=self._limits.max_audio_bytes, max_image_bytes=self._limits.max_image_bytes
        )
        return order, process.is_streamed

    async def _whole(self, order: Order) -> Portrayal:
        return await self._renderer.render(order, client=self, on_progress=self._note_progress)

    async def _stream(self, job_id: str, order: Order) -> Portrayal:
        index = 0
        async with aclosing(self._renderer.stream(order, client=self, on_progress=self._note_progress)) as parts:
            async for part in parts:
                if isinstance(part, Portrayal):
                    return part
                if isinstance(part, Opening):
                    continue
                await self.session.room()
                await self.session.send(messages.encode_fragment(job_id, part, index=index))
                index += 1
        raise AssertionError("a portrait has ended without a result")

    def _note_progress(self, progress: Progress) -> None:
        if not self._is_congested:
            self.session.post(messages.encode_drawing(progress, timestamp=self._now()))

    def _progress(self, percent: float, message: str) -> None:
        self.session.post(messages.encode_progress(percent, message, timestamp=self._now()))

    def _note_congestion(self, is_congested: bool) -> None:
        self._is_congested = is_congested

    def _explain(self, key: str, error: Exception) -> None:
        if not isinstance(error, ChorusError):
            logger.error("a portrait of /ws/lip-sync failed", exc_info=error)
        self._tell(error)

    def _tell(self, error: Exception) -> None:
        self.session.post(messages.encode_failure(error, timestamp=self._now()))
