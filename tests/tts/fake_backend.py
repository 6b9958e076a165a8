"""A speech backend that does what a test tells it to, and remembers what it was asked."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import anyio

from app.errors import VoiceNotFound
from app.tts.backend import Health, Traits, unpitched
from app.tts.language import matches
from app.tts.speech import Gender, Sound, Utterance, Voice


class FakeBackend:
    """Speaks a constant, 10 ms for each character, at 8000 Hz."""

    sample_rate = 8000

    def __init__(
        self,
        name: str = "fake",
        *,
        concurrency: int = 1,
        languages: Sequence[str] = ("en-US", "zh-CN"),
        gated: bool = False,
        character_ms: int = 10,
        traits: Traits = Traits(fidelity=1),  # noqa: B008 immutable
    ) -> None:
        self.name = name
        self.concurrency = concurrency
        self.traits = traits
        self.character_samples = 8 * character_ms
        self.state = Health(True)
        self.failure: Exception | None = None
        self.on_start: Callable[[], object] = lambda: None
        self.spoken: list[str] = []
        self.speeds: list[float] = []
        self.voices_used: list[str] = []
        self.started = 0
        self.cancelled = 0
        self.most_at_once = 0
        self.is_running = False
        self._speaking = 0
        self._gate = anyio.Event()
        if not gated:
            self._gate.set()
        self._voices = [Voice(f"{name}-{tag}", tag, tag, Gender.NEUTRAL, name) for tag in languages]

    def open_gate(self) -> None:
        self._gate.set()

    def close_gate(self) -> None:
        self._gate = anyio.Event()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        self.is_running = True
        try:
            yield
        finally:
            self.is_running = False
            if self.failure is not None:
                self.failure.__traceback__ = None  # whose frames would live as long as the test's module

    def health(self) -> Health:
        return self.state

    def voices(self) -> list[Voice]:
        return self._voices

    def find_voice(self, voice_id: str) -> Voice:
        for voice in self._voices:
            if voice.id == voice_id:
                return voice
        raise VoiceNotFound(voice_id, backend=self.name)

    def choose_voice(self, language: str, *, like: str | None = None) -> Voice:
        for voice in self._voices:
            if matches(voice.language, language):
                return voice
        raise VoiceNotFound(language, backend=self.name)

    def reach(self, utterance: Utterance) -> Utterance:
        return unpitched(utterance)

    async def synthesize(self, utterance: Utterance, *, whole: bool) -> AsyncGenerator[Sound, None]:
        self.started += 1
        self.on_start()
        self.speeds.append(utterance.speed)
        self.voices_used.append(utterance.voice.id)
        self._speaking += 1
        self.most_at_once = max(self.most_at_once, self._speaking)
        try:
            await self._gate.wait()
            await anyio.lowlevel.checkpoint()
            if self.failure is not None:
                raise self.failure
            pcm = b"\x10\x20" * (self.character_samples * len(utterance.text))
            chunks = [pcm] if whole else [pcm[:160], pcm[160:]]
            for chunk in chunks:
                yield Sound(chunk)
            self.spoken.append(utterance.text)
        except anyio.get_cancelled_exc_class():
            self.cancelled += 1
            raise
        finally:
            self._speaking -= 1
