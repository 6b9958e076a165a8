"""One utterance spoken by a service that stalls, breaks off and refuses: watched, checked, and tried again.

Rules of this file:

1. A text is spoken in turns of at most `MAX_CHARACTERS`, one after another. A turn that fails is tried again as long as
   nothing of it has been handed over, `retries` times at most, and within one deadline for all its tries.
2. Only the time of waiting for the service counts, not that in which the caller works on what it was given.
3. A turn is whole if the service said so (`Turn.is_complete`), and its sound is as long as its boundaries say, less
   `TOLERANCE`; without any boundary, as long as such a text takes at the very least.
4. The breaker hears of every try that got no message at all; of one that did, when it is given up. No sound is no
   failure of the service.
"""

import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from itertools import count

import anyio

from app.audio.decode import Decoder
from app.audio.format import Format
from app.audio.pcm import Samples, to_bytes, to_int16
from app.errors import InvalidAudio, NothingToSpeak, TextTooLong
from app.runtime.breaker import Breaker, State
from app.tts import pieces, text
from app.tts.backends.edge_turn import MAX_CHARACTERS, Boundary, Fault, Prosody, Turn, TurnFailed
from app.tts.speech import Mark, MarkKind, Sound

SAMPLE_RATE = 24_000
"""Hz; edge-tts always asks for mp3 of this rate, with 48 kbit/s."""
TOLERANCE = 0.15
"""Seconds."""
LEAST_SECONDS = 0.03
"""Of a letter at the natural pace, where no boundaries tell; a syllable sign takes four times as long. Some two thirds
of what fast speakers need, since the silence behind the speech is counted with it."""

FORBIDDEN = 403

_RETRIES = {Fault.UNREACHABLE: 0, Fault.NO_AUDIO: 1}
"""Where more tries are of no use, or cannot help: someone else should speak instead."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a service is waited for, in seconds."""

    first: float = 4.0
    """For the first message: connection, handshake and thinking."""
    frame: float = 3.0
    """For each message after it."""
    deadline: float = 10.0
    """For all tries of a turn, and `character` more for each of its characters."""
    character: float = 0.1
    """About half of what it takes to say one."""
    retries: int = 2
    backoff: float = 0.2
    """Before the first retry, ±50 %; doubled before each further one."""

    def budget(self, characters: int) -> float:
        """Return the deadline of a turn."""
        return self.deadline + self.character * characters


class Session:
    """Speaks one utterance.

    Args:
        open_turn: begins a turn with a text.
        prosody: with which `open_turn` speaks.
        patience: with the service.
        breaker: that is asked before every turn, and told.
        language: BCP 47 of the text, for cutting it.
        max_seconds: of speech that is taken.
        clock: seconds, monotonic.
        sleep: waits between tries.
        rng: spreads them.
    """

    def __init__(
        self,
        open_turn: Callable[[str], Turn],
        *,
        breaker: Breaker,
        patience: Patience,
        prosody: Prosody,
        language: str,
        max_seconds: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
        rng: random.Random,
    ) -> None:
        self._open_turn = open_turn
        self._breaker = breaker
        self._patience = patience
        self._pace = prosody.pace
        self._language = language
        self._max_seconds = max_seconds
        self._clock = clock
        self._sleep = sleep
        self._rng = rng

    async def speak(self, words: str, *, whole: bool) -> AsyncGenerator[Sound, None]:
        """Yield the speech, once at the end if `whole`, otherwise as it arrives.

        Raises:
            NothingToSpeak: nothing in the text can be spoken.
            TextTooLong: it makes more than `max_seconds`.
            TurnFailed: a turn was given up.
        """
        parts = [
            part
            for part in pieces.split(words, size=MAX_CHARACTERS, language=self._language)
            if text.is_speakable(part)
        ]
        if not parts:
            raise NothingToSpeak
        told: list[Sound] = []
        start = 0.0
        for part in parts:
            async with aclosing(self._speak_part(part, start, whole=whole)) as sounds:
                async for sound in sounds:
                    start += len(sound.pcm) / 2 / SAMPLE_RATE
                    if whole:
                        told.append(sound)
                    else:
                        yield sound
        if whole:
            yield _join(told)

    async def _speak_part(self, words: str, start: float, *, whole: bool) -> AsyncGenerator[Sound, None]:
        budget = _Budget(self._patience.budget(len(words)), self._clock)
        trouble: TurnFailed | None = None
        for tries in count(1):
            self._ask_breaker(trouble)
            take = _Take(words, start, self._pace, self._max_seconds)
            kept: list[Sound] = []
            try:
                async with aclosing(self._try(take, budget)) as sounds:
                    async for sound in sounds:
                        if whole:
                            kept.append(sound)
                        else:
                            yield sound
            except TurnFailed as failure:
                trouble = failure
                await self._reconsider(failure, tries, budget, take, whole=whole)
            else:
                if whole:
                    yield _join(kept)
                return

    def _ask_breaker(self, trouble: TurnFailed | None) -> None:
        if self._breaker.admit():
            return
        if trouble is not None:
            raise trouble
        raise TurnFailed(Fault.REFUSED, "the service fails and is left alone for now")

    async def _reconsider(
        self, failure: TurnFailed, tries: int, budget: "_Budget", take: "_Take", *, whole: bool
    ) -> None:
        """Wait for the next try, or raise the failure."""
        if not take.has_begun and failure.fault is not Fault.NO_AUDIO:
            self._breaker.failed()
        # the first 403 has corrected the clock, so there is nothing to wait for
        is_clock = failure.status == FORBIDDEN and tries == 1
        pause = 0.0 if is_clock else self._patience.backoff * 2 ** (tries - 1) * self._rng.uniform(0.5, 1.5)
        is_heard = take.is_heard and not whole
        retries = min(self._patience.retries, _RETRIES.get(failure.fault, self._patience.retries))
        if is_heard or tries > retries or pause >= budget.left or not self._breaker.is_admitting:
            if take.has_begun and failure.fault is not Fault.NO_AUDIO:
                self._breaker.failed()
            raise failure
        with budget:
            await self._sleep(pause)

    async def _try(self, take: "_Take", budget: "_Budget") -> AsyncGenerator[Sound, None]:
        is_trial, is_settled = self._breaker.state is not State.CLOSED, False
        turn: Turn | None = None
        try:
            turn = self._open_turn(take.words)
            while (message := await self._next(turn, take, budget)) is not None:
                if isinstance(message, Boundary):
                    take.note(message)
                elif (sound := take.add(message)) is not None:
                    yield sound
            sound = take.finish(is_complete=turn.is_complete)
            self._breaker.succeeded()
            is_settled = True
            if sound is not None:
                yield sound
        except TurnFailed as failure:
            is_settled = failure.fault is not Fault.NO_AUDIO
            raise
        finally:
            if is_trial and not is_settled:
                self._breaker.withdraw()
            if turn is not None:
                await turn.close()

    async def _next(self, turn: Turn, take: "_Take", budget: "_Budget") -> bytes | Boundary | None:
        patience = self._patience.frame if take.has_begun else self._patience.first
        limit = min(patience, budget.left)
        message = None
        with anyio.move_on_after(limit) as scope, budget:
            message = await turn.next()
        if scope.cancelled_caught and not turn.is_complete:
            is_stall = limit == patience
            said = f"the service said nothing for {limit:.1f} s" if is_stall else "the service took too long"
            raise TurnFailed(Fault.STALLED, said)
        take.has_begun = take.has_begun or message is not None
        return message


class _Budget:
    """Seconds that are left for the service; as a context manager it takes the time of its block away."""

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self.left = seconds
        self._clock = clock
        self._since = 0.0

    def __enter__(self) -> None:
        self._since = self._clock()

    def __exit__(self, *_: object) -> None:
        self.left = max(0.0, self.left - (self._clock() - self._since))


class _Take:
    """What one try has given so far.

    Args:
        words: the text of the turn.
        start: seconds of speech before it.
        pace: factor of the natural pace.
        max_seconds: of speech, with that before it.
    """

    def __init__(self, words: str, start: float, pace: float, max_seconds: float) -> None:
        self.words = words
        self.has_begun = False
        self._has_audio = False
        self._start = start
        self._pace = pace
        self._max_seconds = max_seconds
        self._samples = 0
        self._said_until: float | None = None
        self._waiting: list[Boundary] = []
        limit = round(max_seconds * SAMPLE_RATE)
        # the bound is ours to report, so the decoder's lies beyond it
        self._decoder = Decoder(
            Format.MP3, sample_rate=SAMPLE_RATE, max_samples=2 * limit + SAMPLE_RATE, max_bytes=limit + 1_000_000
        )

    @property
    def is_heard(self) -> bool:
        """Whether any sound has been given."""
        return self._samples > 0

    @property
    def _seconds(self) -> float:
        return self._samples / SAMPLE_RATE

    def note(self, boundary: Boundary) -> None:
        """Take a boundary; it goes out with the sound in which it begins."""
        self._said_until = max(self._said_until or 0.0, boundary.end)
        self._waiting.append(boundary)

    def add(self, mp3: bytes) -> Sound | None:
        """Take mp3 frames and return the sound that is ready.

        Raises:
            TurnFailed: it cannot be decoded.
            TextTooLong: it is more than may be.
        """
        self._has_audio = True
        try:
            samples = self._decoder.feed(mp3)
        except InvalidAudio as error:
            raise TurnFailed(Fault.BROKEN, f"the service's audio cannot be decoded: {error}") from error
        return self._sound(samples)

    def finish(self, *, is_complete: bool) -> Sound | None:
        """Return the last sound.

        Raises:
            TurnFailed: the speech is not whole.
            TextTooLong: it is more than may be.
        """
        if not self._has_audio:
            fault = Fault.NO_AUDIO if is_complete else Fault.BROKEN
            raise TurnFailed(fault, "the service gave no audio" if is_complete else "the connection broke off at once")
        try:
            samples = self._decoder.finish()
        except InvalidAudio as error:
            raise TurnFailed(Fault.BROKEN, f"the service's audio cannot be decoded: {error}") from error
        sound = self._sound(samples, last=True)
        due = self._due_seconds()
        if not is_complete or self._seconds + TOLERANCE < due:
            raise TurnFailed(Fault.BROKEN, f"the speech broke off after {self._seconds:.2f} s of at least {due:.2f} s")
        return sound

    def _due_seconds(self) -> float:
        if self._said_until is not None:
            return self._said_until
        syllables = sum(_is_syllable(character) for character in self.words)
        letters = sum(character.isalpha() for character in self.words) - syllables
        return (4 * syllables + letters) * LEAST_SECONDS / self._pace

    def _sound(self, samples: Samples, *, last: bool = False) -> Sound | None:
        self._samples += len(samples)
        if self._start + self._seconds > self._max_seconds:
            limit = int(self._max_seconds)
            message = f"text makes more than {limit} seconds of speech"
            raise TextTooLong(message, length=limit + 1, limit=limit, unit="seconds")
        marks = self._marks(last=last)
        if not len(samples) and not marks:
            return None
        return Sound(to_bytes(to_int16(samples)), marks)

    def _marks(self, *, last: bool) -> tuple[Mark, ...]:
        ready = [boundary for boundary in self._waiting if last or boundary.start < self._seconds]
        self._waiting = [boundary for boundary in self._waiting if boundary not in ready]
        return tuple(
            Mark(MarkKind.WORD, boundary.text, self._start + boundary.start, self._start + boundary.end)
            for boundary in sorted(ready, key=lambda boundary: boundary.start)
        )


def _is_syllable(character: str) -> bool:
    return "\u3040" <= character <= "\u30ff" or "\u3400" <= character <= "\u9fff" or "\uac00" <= character <= "\ud7a3"


def _join(sounds: Sequence[Sound]) -> Sound:
    return Sound(b"".join(sound.pcm for sound in sounds), tuple(mark for sound in sounds for mark in sound.marks))
