"""The speech engine: chooses backend and voice, waits in line, speaks, encodes, remembers.

Equal requests are made once at a time: whoever gets its turn first makes the speech, the others wait for it. They join
only a job that already runs, so nobody inherits another client's place in the line. If the maker is cancelled, the next
one takes a turn of its own.
"""

import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Hashable, Sequence
from contextlib import AsyncExitStack, aclosing, suppress
from dataclasses import dataclass, replace
from itertools import chain
from types import TracebackType
from typing import TypeVar

import anyio

from app.errors import (
    BackendUnavailable,
    ChorusError,
    DeadlineExceeded,
    QueueFull,
    VoiceNotFound,
    WorkerFailed,
)
from app.runtime.queue import Priority, WaitingLine
from app.runtime.workers import CODEC_POOL, Workers
from app.tts.backend import Backend
from app.tts.cache import SpeechCache
from app.tts.caches import Caches
from app.tts.catch_up import catch_up
from app.tts.composer import compose
from app.tts.disk_cache import DiskCache
from app.tts.leveler import Leveler
from app.tts.output import Output
from app.tts.roster import AUTO, Roster
from app.tts.score import Part, Pause, Score, perform, play
from app.tts.speech import BackendReport, Sound, Speech, SpeechRequest, Voice
from app.tts.tape import Tape

Result = TypeVar("Result")

logger = logging.getLogger(__name__)

STREAM_PIECE_CHARACTERS = 100  # one turn of a stream: long enough for prosody, short enough to be fair
FIRST_PIECE_CHARACTERS = 12


class _Hashed:
    """Room for a hash; no field, for fields are what plans are compared by and named after on the disk."""

    __slots__ = ("_hash",)
    _hash: int


@dataclass(frozen=True, slots=True)
class Plan(_Hashed):
    """What will be done for one request; equal plans sound equal, so a plan is the key of the cache."""

    score: Score
    output: Output

    def __hash__(self) -> int:  # asked for eight times in a reply, of all that is nested in it
        try:
            return self._hash
        except AttributeError:
            object.__setattr__(self, "_hash", hash((self.score, self.output)))
            return self._hash

    @property
    def voice(self) -> Voice:
        """The voice that speaks most of it."""
        return self.score.voice


HANDED_OVER = (BackendUnavailable, DeadlineExceeded, QueueFull, WorkerFailed)
"""Failures of the backend, not of the request: another one may do better."""


@dataclass(frozen=True, slots=True)
class _Job:
    """Who asked for what, and how urgent it is."""

    request: SpeechRequest
    client: Hashable
    priority: Priority


class _Flight:
    """Speech that is being made, and those who wait for it."""

    __slots__ = ("_landed", "_outcome")

    def __init__(self) -> None:
        self._landed: anyio.Event | None = None
        self._outcome: Speech | ChorusError | None = None

    def land(self, outcome: Speech | ChorusError | None) -> None:
        self._outcome = outcome
        if self._landed is not None:
            self._landed.set()

    async def wait(self) -> Speech | None:
        """Return the speech, or None if its maker left; raises what the maker met."""
        self._landed = self._landed or anyio.Event()  # few flights are waited for
        await self._landed.wait()
        if isinstance(self._outcome, ChorusError):
            raise self._outcome
        return self._outcome


class Synthesizer:
    """Speech out of text, over any number of backends. An async context manager; lives on one event loop."""

    def __init__(
        self,
        backends: Sequence[Backend],
        *,
        workers: Workers,
        cache: SpeechCache,
        disk: DiskCache | None = None,
        leveler: Leveler | None = None,
        queue_depth: int,
        default_backend: str = AUTO,
        default_language: str = "en-US",
        handover_seconds: float = 8.0,
        catch_up: float = 1.0,
        on_job: Callable[[str, float, ChorusError | None], None] | None = None,
        on_first_audio: Callable[[str, float], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Make an engine; entering it starts the backends.

        Args:
            backends: in order of preference.
            workers: has a pool named `codec`.
            cache: of finished speech, in memory.
            disk: of finished speech of costly backends, behind it.
            leveler: makes every voice equally loud; None leaves each as its backend has it.
            queue_depth: jobs that may wait for one backend, 0 for no limit.
            default_backend: the one that speaks when none is named; `auto` takes the first that is available.
            default_language: BCP 47, of texts that do not show theirs: 666.
            handover_seconds: what a backend may take, its line included, while another one could stand in.
            catch_up: how many times faster lines are spoken while many wait, at most; 1 for never.
            on_job: told backend, seconds and error (None: none) of every job that ran to its end.
            on_first_audio: told backend and seconds, from the turn's beginning, of the first sound of every stream.
            clock: seconds, monotonic.
        """
        self._roster = Roster(backends, default=default_backend, default_language=default_language)
        self._lines = {
            backend.name: WaitingLine(concurrency=backend.concurrency, depth=queue_depth, clock=clock)
            for backend in backends
        }
        self._workers = workers
        self._cache = Caches(cache, disk)
        self._leveler = leveler
        self._handover_seconds = handover_seconds
        self._catch_up = catch_up
        self._on_job = on_job
        self._on_first_audio = on_first_audio
        self._clock = clock
        self.requests = 0
        """Texts that were asked for since the start, whatever came of them."""
        self._flights: dict[Hashable, _Flight] = {}
        self._running = AsyncExitStack()

    async def __aenter__(self) -> "Synthesizer":
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._cache)
            for backend in self._roster:
                await stack.enter_async_context(backend.running())
            self._running = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._running.aclose()

    @property
    def available(self) -> list[str]:
        """Names of the backends that can speak now, in order of preference."""
        return self._roster.available

    @property
    def cache(self) -> Caches:
        """The caches, for their figures."""
        return self._cache

    def reports(self) -> list[BackendReport]:
        """Tell how every backend is doing."""
        return [self.report(backend.name) for backend in self._roster]

    def report(self, name: str | None = None) -> BackendReport:
        """Tell how one backend is doing; without a name, the one that would speak.

        Raises:
            BackendUnavailable: there is no such backend.
        """
        backend = self._roster.named(name) if name else self._roster.preferred()
        health, line = backend.health(), self._lines[backend.name]
        return BackendReport(
            name=backend.name,
            available=health.available,
            reason=health.reason,
            waiting=line.waiting,
            running=line.running,
            concurrency=line.concurrency,
            average_seconds=line.average_seconds,
            gpu_memory_usage=health.gpu_memory_usage,
        )

    def position(self, client: Hashable) -> int | None:
        """Return the place of the client's first waiting job in its line (1 = next), None if none waits."""
        return min((place for line in self._lines.values() if (place := line.position(client))), default=None)

    def estimated_wait(self, client: Hashable) -> float | None:
        """Return the seconds until the client's first waiting job, or a new one, starts; None if unknown."""
        waiting = [line for line in self._lines.values() if line.position(client)]
        lines = waiting or [self._lines[self._roster.preferred().name]]
        estimates = [line.estimated_wait(client) for line in lines]
        return min((estimate for estimate in estimates if estimate is not None), default=None)

    def voices(self, *, backend: str | None = None, language_tag: str | None = None) -> list[Voice]:
        """List voices, of one backend or all, of one language (`zh` and `zh-CN` both find `zh-CN`) or all.

        Raises:
            BackendUnavailable: the named backend cannot speak now.
        """
        return self._roster.voices(backend=backend, language_tag=language_tag)

    def hold(self, client: Hashable) -> None:
        """Give a client no turn until `let_go`: it does not take what was made for it."""
        for line in self._lines.values():
            line.hold(client)

    def let_go(self, client: Hashable) -> None:
        """Let a held client have turns again."""
        for line in self._lines.values():
            line.let_go(client)

    def choose_voice(self, request: SpeechRequest) -> Voice:
        """Return the voice that would speak most of a request, without looking at what it says.

        Raises:
            BackendUnavailable: the named backend, or every one, cannot speak now.
            VoiceNotFound: the voice does not exist there.
        """
        return self._roster.choose(request).voice

    def plan(self, request: SpeechRequest, voice: Voice | None = None) -> Plan:
        """Choose backend, voices and form, and write the score; a voice that is given speaks most of it.

        Raises:
            BackendUnavailable: the named backend, or every one, cannot speak now.
            VoiceNotFound: the voice does not exist there.
            InvalidInput: the sample rate is out of range, or the markup is not what it should be.
            NothingToSpeak: the text has nothing in it that can be spoken.
        """
        voice = voice or self.choose_voice(request)
        output = Output.of(request)
        return Plan(compose(request, voice, self._roster.named(voice.backend)), output)

    def sample_rate(self, backend: str) -> int:
        """Return the rate in Hz at which a backend speaks, so that nothing need be resampled.

        Raises:
            BackendUnavailable: there is no such backend.
        """
        return self._roster.named(backend).sample_rate

    async def speak(
        self,
        request: SpeechRequest,
        *,
        client: Hashable,
        priority: Priority = Priority.NORMAL,
        may_hurry: bool = True,
    ) -> Speech:
        """Return finished speech, made now or before; `may_hurry` if it may be faster while many wait.

        Waits in the backend's line; cancelling leaves it, or stops the backend. Where the request names no backend,
        another one stands in for a backend that fails or takes longer than the hand-over time, unless what it spoke
        before is still there. Raises what `plan` raises, and

        Raises:
            QueueFull: the line is full.
            Expired: the wait was longer than the request's `max_age`.
            TextTooLong: the speech would be longer than the backend makes at once.
            WorkerFailed: the backend broke on this text.
            DeadlineExceeded: it came to no end.
        """
        self.requests += 1
        try:
            choice = self._roster.choose(request)
        except (BackendUnavailable, VoiceNotFound):
            if kept := await self._kept(request):
                return kept
            raise
        if kept := await self._kept(request, choice.voice):
            return kept
        job = _Job(self._hurried(request, choice.voice) if may_hurry else request, client, priority)
        speech = await self._hand_over(choice.voice, request, lambda voice: self._speak_with(voice, job))
        fallen = speech.backend != choice.expected
        return replace(speech, fallback_from=choice.expected) if fallen else speech

    async def _hand_over(
        self,
        first: Voice,
        request: SpeechRequest,
        attempt: Callable[[Voice], Awaitable[Result]],
        *,
        is_too_late: Callable[[], bool] = lambda: False,
    ) -> Result:
        """Return what the first voice that does not fail makes; raise the first failure if all do."""
        failed: ChorusError | None = None
        for voice in chain((first,), self._roster.stand_ins(request, first)):
            try:
                return await attempt(voice)
            except HANDED_OVER as error:
                failed = failed or error
                if is_too_late():
                    break
                logger.warning("backend %s failed and hands over: %s", voice.backend, error)
        assert failed is not None
        raise failed

    async def _speak_with(self, voice: Voice, job: "_Job") -> Speech:
        """Speak with one voice, within the hand-over time if somebody can stand in."""
        if next(self._roster.stand_ins(job.request, voice), None) is None:
            return await self._obtain(self.plan(job.request, voice), job)
        with anyio.move_on_after(self._handover_seconds):
            return await self._obtain(self.plan(job.request, voice), job)
        late = DeadlineExceeded(f"backend '{voice.backend}' was not done within {self._handover_seconds:g} s")
        self._tell(voice.backend, 0.0, late)
        raise late

    async def _kept(self, request: SpeechRequest, chosen: Voice | None = None) -> Speech | None:
        """Return what a backend that should speak, and cannot now, spoke before."""
        for voice in self._roster.absentees(request, chosen):
            with suppress(VoiceNotFound):  # another one, that the markup names
                if speech := await self._remember(self.plan(request, voice)):
                    return speech
        return None

    async def _remember(self, plan: Plan) -> Speech | None:
        speech = self._cache.get(plan) or await self._recall(plan)
        return replace(speech, cached=True) if speech else None

    async def _obtain(self, plan: Plan, job: "_Job") -> Speech:
        while True:
            if speech := await self._remember(plan):
                return speech
            flight = self._flights.get(plan)
            made = await (flight.wait() if flight else self._make(plan, job))
            if made is not None:
                return made

    async def _recall(self, plan: Plan) -> Speech | None:
        """Return speech from the disk, if its backend is worth a look and nobody makes it now."""
        if not self._is_costly(plan) or plan in self._flights:
            return None
        return await self._cache.recall(plan)

    def _is_costly(self, plan: Plan) -> bool:
        return self._roster.named(plan.voice.backend).traits.is_costly

    def _hurried(self, request: SpeechRequest, voice: Voice) -> SpeechRequest:
        factor = catch_up(self._lines[voice.backend].round_seconds, most=self._catch_up)
        return replace(request, speed=request.speed * factor) if factor > 1 else request

    async def pause(self, request: SpeechRequest, *, seconds: float) -> Speech:
        """Return silence in the form that a request asks for: what a piece without words sounds like."""
        voice, output = self.choose_voice(request), Output.of(request)
        rate = self._roster.named(voice.backend).sample_rate
        return await self._render(Sound(bytes(2 * round(seconds * rate))), output, voice)

    async def stream(
        self,
        request: SpeechRequest,
        *,
        client: Hashable,
        emit: Callable[[bytes], None],
        room: Callable[[], Awaitable[None]],
    ) -> None:
        """Speak and hand over encoded audio while it is made, as one file (a wav has a header of unknown length).

        The text goes piece by piece; before each one `room` is awaited, so that a slow reader holds nobody's turn.
        `emit` must not block. Raises and is cancelled as `speak` is; once something was emitted nobody stands in any
        more, and it stands.
        """
        self.requests += 1
        heard = False

        def emit_and_note(data: bytes) -> None:
            nonlocal heard
            heard = heard or bool(data)
            emit(data)

        async def attempt(voice: Voice) -> None:
            await self._stream_with(self.plan(request, voice), client, emit_and_note, room)

        await self._hand_over(self.choose_voice(request), request, attempt, is_too_late=lambda: heard)

    async def _stream_with(
        self, plan: Plan, client: Hashable, emit: Callable[[bytes], None], room: Callable[[], Awaitable[None]]
    ) -> None:
        backend, line = self._roster.named(plan.voice.backend), self._lines[plan.voice.backend]
        tape = Tape(plan.output, backend.sample_rate, self._workers)
        is_first = True
        first_size = STREAM_PIECE_CHARACTERS if backend.traits.is_gradual else FIRST_PIECE_CHARACTERS
        for part in plan.score.cut(size=STREAM_PIECE_CHARACTERS, first_size=first_size):
            await room()
            is_heard = not isinstance(part, Pause)
            timed = self._timed(backend, part, is_first=is_first and is_heard)
            async with line.turn(client, size=part.size), aclosing(timed) as sounds:
                async for sound in sounds:
                    emit(await tape.write(sound.pcm))
            is_first = is_first and not is_heard
        emit(await tape.finish())

    async def _timed(self, backend: Backend, part: Part, *, is_first: bool) -> AsyncGenerator[Sound, None]:
        """Play a part, and tell when its first sound comes, or why there is no more."""
        started = self._clock()
        try:
            async with aclosing(play(backend, part, self._leveler, self._workers)) as sounds:
                async for sound in sounds:
                    if is_first and sound.pcm and self._on_first_audio is not None:
                        self._on_first_audio(backend.name, self._clock() - started)
                        is_first = False
                    yield sound
        except ChorusError as error:
            self._tell(backend.name, 0.0, error)
            raise

    async def _make(self, plan: Plan, job: "_Job") -> Speech | None:
        """Make the speech, or return None if somebody else was first while this one waited in line."""
        backend = self._roster.named(plan.voice.backend)
        flight: _Flight | None = None
        outcome: Speech | ChorusError | None = None
        try:
            turn = self._lines[backend.name].turn(
                job.client, priority=job.priority, patience=job.request.max_age, size=plan.score.size
            )
            async with turn:
                if plan in self._flights or plan in self._cache:
                    return None
                self._flights[plan] = flight = _Flight()
                started = self._clock()
                sound = await perform(backend, plan.score, self._leveler, self._workers)
                self._tell(backend.name, self._clock() - started, None)
            outcome = await self._render(sound, plan.output, plan.voice)
            self._cache.put(plan, outcome, is_costly=self._is_costly(plan))
            return outcome
        except ChorusError as error:
            outcome = error
            if flight is not None:
                self._tell(backend.name, 0.0, error)
            raise
        finally:
            if flight is not None:
                del self._flights[plan]
                flight.land(outcome)

    async def _render(self, sound: Sound, output: Output, voice: Voice) -> Speech:
        pcm, rate = sound.pcm, self._roster.named(voice.backend).sample_rate
        if output.is_immediate(rate):
            encoded = output.render(pcm, native_rate=rate)
        else:
            encoded = await self._workers.run(CODEC_POOL, lambda: output.render(pcm, native_rate=rate))
        seconds = len(pcm) / 2 / rate
        return Speech(encoded.data, output.format, encoded.sample_rate, seconds, voice, sound.marks)

    def _tell(self, backend: str, seconds: float, error: ChorusError | None) -> None:
        if self._on_job is not None:
            self._on_job(backend, seconds, error)
