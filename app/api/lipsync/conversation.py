"""One client of `/ws/lip-sync`: one portrait at a time, its progress, and its end."""

import logging
import time
from collections.abc import Callable
from contextlib import aclosing
from functools import partial
from uuid import uuid4

from app.api.lipsync import messages
from app.api.lipsync.intake import Intake
from app.api.lipsync.limits import LipsyncLimits
from app.api.lipsync.process import Process
from app.errors import ChorusError
from app.lipsync.atelier import Atelier, Sitting
from app.lipsync.clip import Opening, Progress
from app.runtime.session import Ending, Session, Socket
from app.runtime.workers import CODEC_POOL, Workers

logger = logging.getLogger(__name__)

_JOB = "process"
"""Key of the one job of a session."""


class Conversation:
    """What one connection asks for and gets.

    Args:
        atelier: draws.
        intake: reads what is asked.
        workers: has the pool `codec`, for the base64 of results.
        socket: accepted, not yet read.
        limits: of this conversation.
        abort: cuts the connection.
        now: seconds since the epoch.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        atelier: Atelier,
        intake: Intake,
        workers: Workers,
        socket: Socket,
        limits: LipsyncLimits,
        *,
        abort: Callable[[], None] | None = None,
        now: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._atelier = atelier
        self._intake = intake
        self._workers = workers
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
            case Process():
                self._start(incoming)
            case messages.Ping():
                self.session.post(messages.encode_pong(self._now()))
            case messages.Cancel():
                if not self.session.cancel(_JOB):
                    self.session.post(messages.encode_info(messages.NOTHING_TO_CANCEL))

    def _start(self, incoming: Process | str | bytes) -> None:
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

    async def _process(self, held: list[Process | str | bytes]) -> None:
        """Draw what is asked for in the one message that is held, which is let go of as soon as it is read."""
        since, job_id = self._clock(), messages.new_job_id()
        self._progress(5, "Reading audio and picture")
        asked = await self._intake.message(held)
        commission, is_streamed = asked.commission, asked.is_streamed
        del asked
        if commission.script is not None:
            self._progress(15, "Speaking the text")
        async with self._atelier.sitting(commission, client=self) as sitting:
            del commission
            self._progress(25, "Starting AI processing...")
            if is_streamed:
                await self._stream(job_id, sitting)
            else:
                await sitting.render(self._note_progress)
        await self.session.room()
        await self.session.send(messages.encode_progress(100, "Processing completed", timestamp=self._now()))
        seconds, now = self._clock() - since, self._now()
        encode = partial(messages.encode_result, job_id, sitting, seconds=seconds, timestamp=now)
        await self.session.send(await self._workers.run(CODEC_POOL, encode))

    async def _stream(self, job_id: str, sitting: Sitting) -> None:
        async with aclosing(sitting.stream(self._note_progress)) as parts:
            async for part in parts:
                told = messages.encode_stream(job_id, part, sitting) if isinstance(part, Opening) else part
                await self.session.room()
                await self.session.send(told)

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
