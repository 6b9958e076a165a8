"""One client of `/ws`: which message starts what, and what it is answered."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial

import anyio

from app.api.danmu import messages
from app.api.danmu.chunks import Chunks
from app.errors import ChorusError, NothingToSpeak, RateLimited, TextTooLong
from app.runtime.limits import TokenBucket
from app.runtime.session import POLICY, DivertText, Ending, SendNow, Session, SessionLimits, Socket
from app.tts.speech import Speech, SpeechRequest
from app.tts.synthesizer import Synthesizer

logger = logging.getLogger(__name__)

PAUSE_SECONDS = 0.2  # of a chunk whose text has nothing to be spoken


@dataclass(frozen=True, slots=True)
class DanmuLimits:
    """Bounds of this door; 0 means no limit."""

    messages_per_minute: int = 60
    text_characters: int = 1000
    stream_characters: int = 10_000
    session: SessionLimits = field(default_factory=SessionLimits)


class Conversation:
    """What one connection asks for and gets. Ids and cancels hold within it."""

    def __init__(
        self,
        synthesizer: Synthesizer,
        socket: Socket,
        limits: DanmuLimits,
        *,
        divert_text: DivertText | None = None,
        send_now: SendNow | None = None,
        abort: Callable[[], None] | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Prepare it on an accepted socket.

        Args:
            synthesizer: speaks.
            socket: accepted, not yet read.
            limits: of this conversation.
            divert_text: offers what was read past them, as for `Session`.
            send_now: sends text past the layers of the server, as for `Session`.
            abort: cuts the connection.
            now: stamps heartbeats.
        """
        self._synthesizer = synthesizer
        self._limits = limits
        rate = limits.messages_per_minute
        self._requests = TokenBucket(rate / 60, rate or 1)
        self._refusals = TokenBucket(rate / 60, rate or 1)
        self.session = Session(
            socket,
            limits.session,
            heartbeat=lambda: messages.encode_heartbeat(now()),
            on_failure=self._explain,
            on_cancelled=self._confirm_cancelled,
            on_congestion=self._hold,
            divert_text=divert_text,
            send_now=send_now,
            abort=abort,
        )

    async def run(self) -> Ending:
        """Converse until either side closes; returns how it ended."""
        return await self.session.run(self._on_message)

    def _on_message(self, message: str | bytes) -> None:
        try:
            incoming = messages.decode(message)
        except messages.Undecodable as error:
            if self._admit(error.id):
                self.session.post(messages.encode_failure(error.id, error))
            return
        if isinstance(incoming, messages.HeartbeatAck) or not self._admit(incoming.id):
            return
        try:
            self._handle(incoming)
        except ChorusError as error:
            self.session.post(messages.encode_failure(incoming.id, error))

    def _admit(self, id: str | None) -> bool:
        """Count a request; answer one too many, and send away who does not stop."""
        if self._requests.take():
            return True
        limited = RateLimited(
            f"more than {self._limits.messages_per_minute} messages within a minute",
            retry_after=self._requests.wait_time(),
        )
        self.session.post(messages.encode_failure(id, limited))
        if not self._refusals.take():
            self.session.close(POLICY, "rate limit exceeded again and again")
        return False

    def _handle(self, incoming: messages.Request) -> None:
        match incoming:
            case messages.Tts(id=id, data=fields):
                self._check_length(fields.text, self._limits.text_characters)
                self.session.start(id, partial(self._speak, id, fields.request()))
            case messages.TtsStream(id=id, data=fields):
                self._check_length(fields.text, self._limits.stream_characters)
                self.session.start(id, partial(self._stream, id, fields.request(), fields.chunk_characters))
            case messages.GetVoices(id=id, data=wanted):
                self.session.start(id, partial(self._list_voices, id, wanted or messages.VoicesFields()))
            case messages.BackendStatus(id=id, data=named):
                report = self._synthesizer.report(named.backend if named else None)
                self.session.post(messages.encode_backend_status(id, report))
            case messages.QueueStatus(id=id):
                self.session.post(self._queue_status(id))
            case messages.Cancel(id=id, data=target):
                cancelled = self.session.cancel(target.request_id)
                self.session.post(messages.encode_cancel(id, request_id=target.request_id, cancelled=cancelled))

    def _check_length(self, text: str, limit: int) -> None:
        if limit and len(text) > limit:
            raise TextTooLong(f"text has {len(text)} characters, {limit} may", length=len(text), limit=limit)

    async def _speak(self, id: str, request: SpeechRequest) -> None:
        speech = await self._synthesizer.speak(request, client=self)
        await self.session.room()
        await self.session.send(messages.encode_tts(id, speech, with_timestamps=request.timestamps))

    async def _stream(self, id: str, request: SpeechRequest, chunk_characters: int) -> None:
        plan = self._synthesizer.plan(request)
        request = replace(request, language=plan.voice.language)
        chunks = Chunks(request.text, size=chunk_characters, output=plan.output, timestamps=request.timestamps)
        sent, seconds = 0, 0.0
        while chunks:
            piece = chunks.take()
            speech = await self._speak_piece(replace(request, text=piece))
            await self.session.room()
            total = sent + 1 + len(chunks)
            try:
                chunk = messages.encode_chunk(
                    id, speech, index=sent, total=total, text=piece, with_timestamps=request.timestamps
                )
            except messages.ReplyTooLarge:
                if not chunks.put_back(piece):
                    raise
                continue
            await self.session.send(chunk)
            await anyio.lowlevel.checkpoint()  # chunks from the cache alone would never let a cancel in between
            sent, seconds = sent + 1, seconds + speech.duration
        await self.session.send(messages.encode_complete(id, total_duration=seconds, chunks_sent=sent))

    async def _speak_piece(self, request: SpeechRequest) -> Speech:
        try:
            return await self._synthesizer.speak(request, client=self)
        except NothingToSpeak:
            return await self._synthesizer.pause(request, seconds=PAUSE_SECONDS)

    async def _list_voices(self, id: str, wanted: messages.VoicesFields) -> None:
        voices = self._synthesizer.voices(backend=wanted.backend or None, language_tag=wanted.language or None)
        await self.session.room()
        await self.session.send(messages.encode_voices(id, voices))

    def _queue_status(self, id: str) -> str:
        return messages.encode_queue_status(
            id,
            self._synthesizer.reports(),
            position=self._synthesizer.position(self),
            estimated_wait=self._synthesizer.estimated_wait(self),
        )

    def _explain(self, id: str, error: Exception) -> None:
        if not isinstance(error, ChorusError):
            logger.error("a request of /ws failed", exc_info=error)
        self.session.post(messages.encode_failure(id, error))

    def _confirm_cancelled(self, id: str) -> None:
        self.session.post(messages.encode_error(id, messages.CANCELLED, "the request was cancelled"))

    def _hold(self, congested: bool) -> None:
        if congested:
            self._synthesizer.hold(self)
        else:
            self._synthesizer.let_go(self)
