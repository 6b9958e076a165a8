"""Which voice of a speech backend speaks for a design in a language.

The choice is by rendezvous hashing (Thaler and Ravishankar 1998): every candidate gets a number from the design's seed
and its own name, and the highest speaks. So a voice that comes or goes changes only the designs that it spoke for, and
where a backend has the same character in several languages (`cmn+f3`, `en-us+f3`), a design keeps its character.
"""

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence

from app.takes.voice import Design, VoiceGender
from app.tts.speech import Gender, SpeechRequest, Voice
from app.tts.synthesizer import Synthesizer

KEPT_SECONDS = 60.0
"""How long a list of candidates is used again: backends learn of new voices while they run."""
MAX_KEPT = 256

_ORDER: Mapping[VoiceGender, Sequence[Gender]] = {
    VoiceGender.FEMALE: (Gender.FEMALE, Gender.NEUTRAL, Gender.MALE),
    VoiceGender.MALE: (Gender.MALE, Gender.NEUTRAL, Gender.FEMALE),
    VoiceGender.NONBINARY: (Gender.FEMALE, Gender.NEUTRAL, Gender.MALE),
}
"""Whom to take where a language has no voice of the gender."""


class Casting:
    """Finds speakers for designs; remembers who can speak what."""

    def __init__(self, synthesizer: Synthesizer, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Choose among the voices of a speech engine; `clock` in seconds, monotonic."""
        self._synthesizer = synthesizer
        self._clock = clock
        self._kept: dict[tuple[str, str], tuple[float, list[Voice]]] = {}

    def cast(self, design: Design, *, model: str, language: str) -> Voice:
        """Return the backend's voice that speaks for a design in a language (BCP 47).

        Raises:
            BackendUnavailable: the backend of that name cannot speak now.
            VoiceNotFound: it has no voice for the language.
        """
        candidates = self._candidates(model, language)
        for gender in _ORDER[design.gender]:
            fitting = [voice for voice in candidates if voice.gender is gender]
            if fitting:
                return max(fitting, key=lambda voice: (_rank(design.seed, voice), voice.id))
        raise AssertionError("a list of candidates is never empty")

    def _candidates(self, model: str, language: str) -> list[Voice]:
        key, now = (model, language), self._clock()
        kept = self._kept.pop(key, None)
        if kept is None or now - kept[0] > KEPT_SECONDS:
            kept = now, self._find(model, language)
        self._kept[key] = kept
        if len(self._kept) > MAX_KEPT:
            del self._kept[next(iter(self._kept))]
        return kept[1]

    def _find(self, model: str, language: str) -> list[Voice]:
        """Return the voices of the accent that the backend prefers for the language."""
        best = self._synthesizer.choose_voice(SpeechRequest("", backend=model, language=language))
        listed = self._synthesizer.voices(backend=model, language_tag=best.language)
        return [voice for voice in listed if voice.language == best.language] or [best]


def _rank(seed: int, voice: Voice) -> bytes:
    character = voice.id.rpartition("+")[2]  # what the embedded backend calls a variant, of any language
    return hashlib.blake2b(character.encode(), key=seed.to_bytes(8, "big"), digest_size=8).digest()
