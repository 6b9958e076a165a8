"""The nouns of speech: a voice, what a client asks for, an utterance to be spoken, and the speech that came of it."""

from dataclasses import dataclass
from enum import StrEnum

from app.audio.format import Format


class Gender(StrEnum):
    """How a voice is heard; neutral where its maker does not say."""

    FEMALE = "female"
    MALE = "male"
    NEUTRAL = "neutral"


class Quality(StrEnum):
    """What a client asks for when it names neither rate nor bitrate."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


@dataclass(frozen=True, slots=True)
class Voice:
    """One voice of one backend."""

    id: str
    """The backend's own name of it, unique within the backend: `cmn+f2`."""
    name: str
    """For people: `Chinese (Mandarin), female 2`."""
    language: str
    """BCP 47: `zh-CN`, `en-US`, `ja`."""
    gender: Gender
    backend: str


@dataclass(frozen=True, slots=True)
class SpeechRequest:
    """What a client asks for, before anything has been chosen; None leaves the choice to the engine."""

    text: str
    voice: str | None = None
    backend: str | None = None
    quality: Quality = Quality.MEDIUM
    format: Format = Format.WAV
    sample_rate: int | None = None
    """Hz, within `MIN_SAMPLE_RATE`…`MAX_SAMPLE_RATE`."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """What a backend is asked to speak: clean text, one voice, and how."""

    text: str
    """Cleaned (`app.tts.text`), never blank."""
    voice: Voice
    words_per_minute: int
    """As espeak-ng counts them; a backend of another kind scales it against 175."""
    pitch: int = 50
    """0…100, 50 as the voice is."""


@dataclass(frozen=True, slots=True)
class Speech:
    """Finished speech as it goes out: encoded audio and the truth about it."""

    audio: bytes
    """A complete file in `format`."""
    format: Format
    sample_rate: int
    """Hz, of `audio`."""
    duration: float
    """Seconds, counted from samples before encoding."""
    voice: Voice
    cached: bool = False

    @property
    def backend(self) -> str:
        """Name of the backend that spoke."""
        return self.voice.backend


@dataclass(frozen=True, slots=True)
class BackendReport:
    """How a backend is doing, for status messages and pages."""

    name: str
    available: bool
    reason: str | None
    """Why not, and what to do about it; None while available."""
    waiting: int
    """Jobs in its line that do not run yet."""
    running: int
    concurrency: int
    average_seconds: float | None
    """Moving average of the time of one job; None before the first."""
    gpu_memory_usage: float | None
    """Fraction 0…1; None where it uses no GPU."""


MIN_SAMPLE_RATE = 8_000
MAX_SAMPLE_RATE = 48_000
