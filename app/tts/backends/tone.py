"""A backend that sings: every character is a short sine, whose pitch is the character's. For tests and first steps.

It needs no process and no package, is as fast as memory, and gives the same bytes for the same utterance on every
machine, so that everything above a backend can be tested exactly.
"""

import math
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import lru_cache

import numpy as np

from app.errors import BackendUnavailable, VoiceNotFound
from app.tts.backend import Health, Traits
from app.tts.speech import Gender, Mark, MarkKind, Sound, Utterance, Voice

LOWEST_HZ = 220.0
SEMITONES = 24
"""Characters lie on the two octaves above `LOWEST_HZ`, by their code points; the low voices are an octave below. The
range of pitch is counted from the middle of the two."""
AMPLITUDE = 0.25


async def proceed(utterance: Utterance) -> None:
    """Sing at once: the default of `before`."""


class Tone:
    """Tones of `character_ms` for each character, at speed 1.

    Args:
        sample_rate: Hz.
        character_ms: milliseconds of one character.
        concurrency: what it says of itself; it would sing any number of utterances at the same time.
        before: awaited before the first chunk of an utterance; may wait, or raise what a backend raises.
        reason: why it is unavailable; None: it is available.
    """

    name = "tone"
    traits = Traits(fidelity=0)

    def __init__(
        self,
        *,
        sample_rate: int = 22050,
        character_ms: int = 50,
        concurrency: int = 2,
        before: Callable[[Utterance], Awaitable[None]] = proceed,
        reason: str | None = None,
    ) -> None:
        self.sample_rate = sample_rate
        self.concurrency = concurrency
        self._character_ms = character_ms
        self._before = before
        self._reason = reason
        self._voices = (
            Voice("zh", "Tones (Chinese)", "zh-CN", Gender.FEMALE, self.name),
            Voice("zh-low", "Low tones (Chinese)", "zh-CN", Gender.MALE, self.name),
            Voice("en", "Tones (English)", "en-US", Gender.FEMALE, self.name),
            Voice("en-low", "Low tones (English)", "en-US", Gender.MALE, self.name),
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Load nothing."""
        yield

    def health(self) -> Health:
        """Tell at once, without singing."""
        return Health(available=self._reason is None, reason=self._reason)

    def voices(self) -> Sequence[Voice]:
        """A high and a low voice in Chinese and in English."""
        return self._voices if self._reason is None else ()

    def find_voice(self, voice_id: str) -> Voice:
        """Return the voice with this id.

        Raises:
            VoiceNotFound: there is none.
        """
        for voice in self._voices:
            if voice.id == voice_id:
                return voice
        raise VoiceNotFound(voice_id, backend=self.name)

    def choose_voice(self, language: str, *, like: str | None = None) -> Voice:
        """Return the high voice of Chinese or English, the low one if `like` ends in `low`.

        Raises:
            VoiceNotFound: it is another language.
        """
        primary = language.replace("_", "-").partition("-")[0].lower()
        for voice in self._voices:
            if voice.language.startswith(f"{primary}-") and voice.id.endswith("low") == (like or "").endswith("low"):
                return voice
        raise VoiceNotFound(language, backend=self.name)

    def reach(self, utterance: Utterance) -> Utterance:
        """Every pitch and every range of it."""
        return utterance

    async def synthesize(self, utterance: Utterance, *, whole: bool) -> AsyncGenerator[Sound, None]:
        """Yield all of it at once if `whole`, otherwise a chunk for each character; each character is a word.

        Raises:
            VoiceNotFound: the voice is another backend's.
            BackendUnavailable: it was made so.
        """
        if self._reason is not None:
            raise BackendUnavailable(self.name, reason=self._reason)
        self.find_voice(utterance.voice.id)
        await self._before(utterance)
        tones = (self._tone(utterance, character) for character in utterance.text)
        marks = self._marks(utterance) if utterance.marks else ()
        if whole:
            yield Sound(b"".join(tones), marks)
            return
        for index, tone in enumerate(tones):
            yield Sound(tone, marks[index : index + 1])

    def duration(self, utterance: Utterance) -> float:
        """Return the exact length of the speech in seconds."""
        return len(utterance.text) * self._samples(utterance.speed) / self.sample_rate

    def _marks(self, utterance: Utterance) -> tuple[Mark, ...]:
        seconds = self._samples(utterance.speed) / self.sample_rate
        return tuple(
            Mark(MarkKind.WORD, character, index * seconds, (index + 1) * seconds)
            for index, character in enumerate(utterance.text)
        )

    def _samples(self, speed: float) -> int:
        return round(self.sample_rate * self._character_ms / 1000 / speed)

    def _tone(self, utterance: Utterance, character: str) -> bytes:
        melody = 1 + (ord(character) % SEMITONES / 12 - 1) * utterance.pitch_range
        octaves = melody + utterance.pitch / 12 - utterance.voice.id.endswith("low")
        return sine(LOWEST_HZ * 2**octaves, self._samples(utterance.speed), self.sample_rate)


@lru_cache(maxsize=256)
def sine(frequency_hz: float, count: int, sample_rate: int) -> bytes:
    """Return `count` samples of int16 PCM that rise from silence and fall back to it."""
    angles = 2 * math.pi * frequency_hz / sample_rate * np.arange(count)
    window = np.sin(np.pi * (np.arange(count) + 0.5) / max(count, 1))
    return np.asarray(np.rint(32767 * AMPLITUDE * np.sin(angles) * window), dtype="<i2").tobytes()
