"""One Wyoming client: its events in, speech out, strictly in the order that it was asked for."""

import logging
from dataclasses import dataclass, replace

import anyio
from anyio.abc import ByteStream
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from app.api.wyoming import messages
from app.api.wyoming.dictation import Dictation
from app.api.wyoming.events import Decoder
from app.errors import ChorusError, Draining, InvalidInput, NothingToSpeak, TextTooLong
from app.runtime.outbox import Outbox, Overflow
from app.tts.speech import SpeechRequest
from app.tts.synthesizer import Synthesizer

logger = logging.getLogger(__name__)

PAUSE_SECONDS = 0.2  # of a text that has nothing to be spoken
WAITING_JOBS = 32  # beyond, the client's events are left unread
WAITING_MESSAGES, WAITING_BYTES = 64, 512 * 1024  # what may be unread before the next piece is spoken
PORTION_BYTES = 64 * 1024
LINGER_SECONDS = 1.0  # closing with unread bytes would reset the connection, and take the last words with it
# uvloop's transport raises RuntimeError when the end is written to a connection that the peer has reset.
GONE = (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError, RuntimeError)


@dataclass(frozen=True, slots=True)
class WyomingLimits:
    """Bounds of this door; 0 means no limit."""

    text_characters: int = 10_000
    """Of one text, in however many chunks it comes."""
    idle_seconds: float = 300.0
    """Without an event of the client, while nothing is spoken for it."""
    write_seconds: float = 20.0
    """That a client may take to read 64 KiB."""


@dataclass(frozen=True, slots=True)
class _End:
    """The end of one text's speech."""

    is_dictated: bool


_Job = SpeechRequest | _End | ChorusError
"""What is to be spoken, ended or told."""


class Conversation:
    """What one connection asks for and gets.

    After an `error` the connection is closed, since clients of this protocol wait for audio and for nothing else.
    """

    def __init__(
        self, synthesizer: Synthesizer, stream: ByteStream, limits: WyomingLimits, *, client: str, version: str
    ) -> None:
        """Prepare it on an open stream; `client` is whom the lines of the engine count it for."""
        self._synthesizer = synthesizer
        self._stream = stream
        self._limits = limits
        self._client = client
        self._version = version
        self._outbox = Outbox(max_messages=WAITING_MESSAGES, max_size=WAITING_BYTES)
        self._scope = anyio.CancelScope()
        self._left = anyio.Event()
        self._dictation: Dictation | None = None
        self._unfinished = 0
        self._spoken_bytes = 0
        self._language: str | None = None
        self._is_draining = False
        self._is_ending = False

    async def run(self) -> None:
        """Converse until either side closes. Cancelling, or a client that leaves, ends what is spoken for it."""
        jobs, waiting = anyio.create_memory_object_stream[_Job](WAITING_JOBS)
        with self._scope, jobs, waiting:
            async with anyio.create_task_group() as group:
                group.start_soon(self._write)
                group.start_soon(self._speak, waiting)
                group.start_soon(self._read, jobs)

    def drain(self) -> None:
        """Finish what has been asked for, then close."""
        self._is_draining = True
        self._end_if_drained()

    def close(self, code: int, reason: str) -> None:
        """Close now; this protocol has no words for why."""
        self._scope.cancel()

    async def _read(self, jobs: MemoryObjectSendStream[_Job]) -> None:
        decoder = Decoder()
        try:
            while data := await self._receive():
                for event in decoder.receive(data):
                    if not self._is_ending and (incoming := messages.read(event)) is not None:
                        await self._handle(incoming, jobs)
        except ChorusError as error:
            await self._ask(jobs, error)
            while await self._receive():
                pass
        self._left.set()
        if self._unfinished and not self._is_ending:
            self._scope.cancel()
        self._end()

    async def _receive(self) -> bytes:
        """Return some bytes, none if the client has left or says nothing."""
        while True:
            with anyio.move_on_after(self._limits.idle_seconds or None):
                try:
                    return await self._stream.receive(PORTION_BYTES)
                except GONE:
                    return b""
            if not self._unfinished and not len(self._outbox):
                return b""

    async def _handle(self, incoming: messages.Incoming, jobs: MemoryObjectSendStream[_Job]) -> None:
        match incoming:
            case messages.Describe():
                await self._outbox.put(messages.encode_info(self._synthesizer.voices(), version=self._version))
            case messages.Ping(text=text):
                await self._outbox.put(messages.encode_pong(text))
            case messages.SynthesizeStart():
                self._begin()
                self._dictation = Dictation(incoming, limit=self._limits.text_characters)
            case messages.SynthesizeChunk(text=text):
                await self._ask(jobs, *self._dictated().hear(text))
            case messages.SynthesizeStop():
                rest = self._dictated().finish()
                await self._ask(jobs, *rest, _End(is_dictated=True))
                self._dictation = None
            case messages.Synthesize(text=text) if self._dictation is None:
                # within a dictation it repeats the text, for services that cannot take chunks
                self._begin()
                self._check_length(text)
                request = messages.request(text, incoming.voice, incoming.text_format)
                await self._ask(jobs, request, _End(is_dictated=False))

    def _begin(self) -> None:
        if self._is_draining:
            raise Draining("the server is restarting")
        if self._dictation is not None:
            raise InvalidInput("synthesize-start before synthesize-stop of the text before")

    def _dictated(self) -> Dictation:
        if self._dictation is None:
            raise InvalidInput("text without synthesize-start")
        return self._dictation

    def _check_length(self, text: str) -> None:
        limit = self._limits.text_characters
        if limit and len(text) > limit:
            raise TextTooLong(f"text has {len(text)} characters, {limit} may", length=len(text), limit=limit)

    async def _ask(self, jobs: MemoryObjectSendStream[_Job], *asked: _Job) -> None:
        self._unfinished += len(asked)
        for job in asked:
            await jobs.send(job)

    async def _speak(self, waiting: MemoryObjectReceiveStream[_Job]) -> None:
        try:
            async for job in waiting:
                await self._do(job)
                self._unfinished -= 1
                self._end_if_drained()
        except Overflow:
            self._scope.cancel()
        except ChorusError as error:
            await self._outbox.put(messages.encode_failure(error))
            self._end()

    async def _do(self, job: _Job) -> None:
        if isinstance(job, ChorusError):
            raise job
        if isinstance(job, _End):
            self._finish(job)
            return
        request = replace(job, language=job.language or self._language)
        try:
            self._language = self._language or self._synthesizer.choose_voice(request).language
            await self._synthesizer.stream(request, client=self._client, emit=self._emit, room=self._outbox.room)
        except NothingToSpeak:
            pass  # if that is all of the text, its end is a short silence

    def _emit(self, pcm: bytes) -> None:
        if pcm and not self._is_ending:
            if not self._spoken_bytes:
                self._outbox.post(messages.encode_start())
            self._outbox.post(messages.encode_audio(pcm, position=self._spoken_bytes))
            self._spoken_bytes += len(pcm)

    def _finish(self, end: _End) -> None:
        if not self._spoken_bytes:
            self._emit(bytes(2 * round(PAUSE_SECONDS * messages.SAMPLE_RATE)))
        self._outbox.post(messages.encode_stop(position=self._spoken_bytes))
        if end.is_dictated:
            self._outbox.post(messages.encode_stopped())
        self._spoken_bytes, self._language = 0, None

    async def _write(self) -> None:
        try:
            while not (self._is_ending and not len(self._outbox)):
                await self._outbox.wait(None)
                while (message := self._outbox.take()) is not None:
                    await self._send(message)
            await self._stream.send_eof()
            with anyio.move_on_after(LINGER_SECONDS):
                await self._left.wait()
        except (*GONE, OSError) as error:
            logger.debug("a Wyoming client is gone or does not read: %r", error)
        self._scope.cancel()

    async def _send(self, message: str | bytes) -> None:
        """Send in portions, each within the time that a client may take; a `TimeoutError` is an `OSError`."""
        assert isinstance(message, bytes)
        for start in range(0, len(message), PORTION_BYTES):
            with anyio.fail_after(self._limits.write_seconds or None):
                await self._stream.send(message[start : start + PORTION_BYTES])

    def _end(self) -> None:
        self._is_ending = True
        self._outbox.wake()

    def _end_if_drained(self) -> None:
        if self._is_draining and not self._unfinished and self._dictation is None:
            self._end()
