"""The nouns of speech: a voice, what a client asks for, an utterance to be spoken, and the speech that came of it."""

from dataclasses import dataclass
from enum import StrEnum

from app.audio.format import Format
from app.errors import InvalidInput

MIN_SAMPLE_RATE = 8_000
MAX_SAMPLE_RATE = 48_000
MIN_SPEED, MAX_SPEED = 0.25, 4.0
MAX_PITCH = 12.0
"""Semitones, up or down."""
MAX_PITCH_RANGE = 2.0
MAX_TIMBRE = 6.0
"""Semitones, up or down: a child's head and a giant's."""
MAX_TILT = 6.0
"""dB per octave, up or down; voices themselves fall by some 6 to 12."""
MAX_VOLUME = 12.0
"""dB."""

_MANNERS = {
    "pitch": (-MAX_PITCH, MAX_PITCH),
    "pitch_range": (0.0, MAX_PITCH_RANGE),
    "timbre": (-MAX_TIMBRE, MAX_TIMBRE),
    "tilt": (-MAX_TILT, MAX_TILT),
    "volume": (-MAX_VOLUME, MAX_VOLUME),
}


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
    version: str = ""
    """Of what makes the sound: model, reference recording, settings. What is cached under another one is not used."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How speech departs from its voice's own way; by default not at all.

    Raises:
        InvalidInput: a value is out of its range.
    """

    pitch: float = 0.0
    """Semitones higher or lower, within ±`MAX_PITCH`."""
    pitch_range: float = 1.0
    """How far the intonation goes beside the voice's own: 0 is monotone, `MAX_PITCH_RANGE` (2) twice as far."""
    timbre: float = 0.0
    """Semitones by which the formants move while pitch and pace stay, within ±`MAX_TIMBRE`: another size of head."""
    tilt: float = 0.0
    """dB per octave around 1 kHz, within ±`MAX_TILT`: brighter or darker."""
    volume: float = 0.0
    """dB louder or softer than all speech is, within ±`MAX_VOLUME`."""

    def __post_init__(self) -> None:
        for name, (least, most) in _MANNERS.items():
            value = getattr(self, name)
            if not least <= value <= most:
                raise InvalidInput(f"{name} {value:g} must be {least:g} to {most:g}", field=name)
            object.__setattr__(self, name, float(value) + 0.0)  # -0.0 and 0 are 0.0, in the names of caches too


@dataclass(frozen=True, slots=True)
class SpeechRequest:
    """What a client asks for, before anything has been chosen; None leaves the choice to the engine."""

    text: str
    """As it was written; SSML if `ssml` says so."""
    voice: str | None = None
    backend: str | None = None
    quality: Quality = Quality.MEDIUM
    format: Format = Format.WAV
    sample_rate: int | None = None
    """Hz, within `MIN_SAMPLE_RATE`…`MAX_SAMPLE_RATE`."""
    speed: float = 1.0
    """Within `MIN_SPEED`…`MAX_SPEED`; 1 is the pace of the live chat."""
    manner: Manner = Manner()
    """Where the text is markup too, its pitch and volume are counted from there."""
    timestamps: bool = False
    """Whether the times of words are wanted."""
    max_age: float | None = None
    """Seconds after which it is no longer worth speaking; None: it always is."""
    ssml: bool = False
    """Whether the text is markup (`app.tts.ssml`)."""
    language: str | None = None
    """BCP 47, of the text, if it is known; chooses the voice where none is named."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """What a backend is asked to speak: clean text, one voice, and how."""

    text: str
    """Cleaned (`app.tts.text`), never blank."""
    voice: Voice
    speed: float = 1.0
    """1 is the backend's own pace for live chat, 2 twice as fast; a backend goes as far as it can."""
    pitch: float = 0.0
    """Semitones above the voice's own."""
    marks: bool = False
    """Whether the times of words and phonemes are wanted; a backend that does not know them gives none."""
    pitch_range: float = 1.0
    """How far the intonation goes beside the voice's own: 0 is monotone, 2 twice as far."""


class MarkKind(StrEnum):
    """What a mark stands at."""

    WORD = "word"
    PHONEME = "phoneme"


@dataclass(frozen=True, slots=True)
class Mark:
    """When something of an utterance is heard."""

    kind: MarkKind
    text: str
    """The word as it is spoken, or the phoneme in IPA."""
    start: float
    """Seconds from the beginning of the speech."""
    end: float
    """Seconds; not before `start`."""


@dataclass(frozen=True, slots=True)
class Sound:
    """What a backend yields: a stretch of speech, and the marks that are known by now."""

    pcm: bytes
    """int16 little-endian mono at the backend's rate; may be empty."""
    marks: tuple[Mark, ...] = ()
    """In the order of `start`, which may lie in this stretch or in one before."""


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
    marks: tuple[Mark, ...] = ()
    """Words and phonemes with their times, where the backend knows them; words in the order of the speech."""
    fallback_from: str | None = None
    """The backend that should have spoken and could not."""
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
