"""How loud the voices are that were heard: what is known before a line of one of them is made."""

from dataclasses import dataclass, replace

from app.tts.speech import Voice

UNKNOWN_LUFS = -20.0
"""What a backend that was never heard is taken for: the voices of espeak-ng lie around it, from -24 to -17."""
UNKNOWN_SECONDS, BACKEND_SECONDS, VOICE_SECONDS = 0.1, 0.2, 0.6
"""How much hearing what is known before a stream begins is worth: little, for lines of one voice differ too."""
MEMORY_SECONDS = 30.0
"""Speech after which a voice is forgotten by half or more: its maker may have changed it."""
MAX_VOICES = 1024


@dataclass(frozen=True, slots=True)
class Impression:
    """How loud something was."""

    lufs: float
    seconds: float
    """Of speech that it was heard for, or is worth."""
    peak: float = 0.0
    """Highest sample of an utterance in dBFS, on average."""
    drive: float = 0.0
    """dB of gain that made up for what was limited."""
    rms: float = 0.0
    """dBFS of all its samples, pauses included: what can be told at a glance."""

    def mix(self, other: "Impression") -> "Impression":
        """Return the mean, weighted by seconds."""
        seconds = self.seconds + other.seconds
        share = other.seconds / seconds
        return Impression(
            self.lufs + (other.lufs - self.lufs) * share,
            seconds,
            self.peak + (other.peak - self.peak) * share,
            self.drive + (other.drive - self.drive) * share,
            self.rms + (other.rms - self.rms) * share,
        )

    def worth(self, seconds: float) -> "Impression":
        """Return the same, worth no more than so many seconds."""
        return self if self.seconds <= seconds else replace(self, seconds=seconds)


class Acquaintance:
    """What is known of voices and backends. Memory: some 300 bytes for each of the last 1,024 voices."""

    def __init__(self) -> None:
        self._voices: dict[tuple[str, str], Impression] = {}
        self._backends: dict[str, Impression] = {}
        self._skipped: dict[tuple[str, str], int] = {}

    def voice(self, voice: Voice) -> Impression | None:
        """Return what is known of a voice, None if it was never heard."""
        return self._voices.get((voice.backend, voice.id))

    def expect(self, voice: Voice) -> Impression:
        """Return what a voice will probably be like, and what this is worth beside hearing it."""
        if known := self.voice(voice):
            return known.worth(VOICE_SECONDS)
        if known := self._backends.get(voice.backend):
            return known.worth(BACKEND_SECONDS)
        return Impression(UNKNOWN_LUFS, UNKNOWN_SECONDS)

    def learn(self, voice: Voice, heard: Impression) -> None:
        """Remember how loud a voice was."""
        key = voice.backend, voice.id
        known, backend = self._voices.pop(key, None), self._backends.get(voice.backend)
        self._voices[key] = known.worth(MEMORY_SECONDS).mix(heard) if known else heard
        self._backends[voice.backend] = backend.worth(MEMORY_SECONDS).mix(heard) if backend else heard
        self._skipped.pop(key, None)
        if len(self._voices) > MAX_VOICES:
            oldest = next(iter(self._voices))
            del self._voices[oldest]
            self._skipped.pop(oldest, None)

    def skip(self, voice: Voice) -> int:
        """Count a line of a known voice that is not listened to; returns how many, with it, since one was."""
        key = voice.backend, voice.id
        self._skipped[key] = skipped = self._skipped.get(key, 0) + 1
        return skipped
