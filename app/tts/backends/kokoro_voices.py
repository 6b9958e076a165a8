"""Kokoro's voices, their mixtures, and which of them speaks a language. Pure.

The first letter of a name is the language, the second the gender: `af_bella` is American and female. A mixture is
`af_bella+af_sky`, with weights `af_bella(2)+af_sky(1)`; it speaks the language of its first voice.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from app.errors import VoiceNotFound
from app.tts import language
from app.tts.speech import Gender, Voice

BACKEND = "kokoro"

LANGUAGES: Mapping[str, str] = {
    "a": "en-US",
    "b": "en-GB",
    "e": "es-ES",
    "f": "fr-FR",
    "h": "hi-IN",
    "i": "it-IT",
    "j": "ja-JP",
    "p": "pt-BR",
    "z": "zh-CN",
}
"""BCP 47 by the first letter of a voice's name."""

PREFERRED = ("af_heart", "zf_xiaoxiao", "jf_alpha", "bf_emma", "am_michael", "zm_yunxi", "bm_george")
"""Where several serve alike: those that the model's own list of voices grades best, or the first of a language."""

MAX_VOICES_IN_MIXTURE = 8

_NAME = re.compile(r"[a-z]{2}_[a-z0-9]+", re.ASCII)
_TERM = re.compile(r"([a-z]{2}_[a-z0-9]+)(?:\((\d{1,3}(?:\.\d{1,3})?)\))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Mixture:
    """Voices and their shares, which add up to 1."""

    shares: tuple[tuple[str, float], ...]

    @property
    def first(self) -> str:
        """The voice whose language is spoken."""
        return self.shares[0][0]


def parse(voice_id: str, known: Iterable[str]) -> Mixture:
    """Read the id of a voice or of a mixture.

    Raises:
        VoiceNotFound: it is no such id, or names a voice that is not in `known`.
    """
    names = set(known)
    terms = [_TERM.fullmatch(term.strip()) for term in voice_id.lower().split("+")]
    weights: dict[str, float] = {}
    for match in terms:
        if match is None or match[1] not in names or len(terms) > MAX_VOICES_IN_MIXTURE:
            raise VoiceNotFound(voice_id, backend=BACKEND)
        weights[match[1]] = weights.get(match[1], 0.0) + float(match[2] or 1)
    total = sum(weights.values())
    if total <= 0:
        raise VoiceNotFound(voice_id, backend=BACKEND)
    return Mixture(tuple((name, weight / total) for name, weight in weights.items()))


def is_speakable(name: str, languages: Iterable[str]) -> bool:
    """Tell whether this is the name of a voice whose language, by its first letter, is one of `languages`."""
    return _NAME.fullmatch(name) is not None and name[0] in languages


class Catalogue:
    """The voices of a voices' file.

    Args:
        names: of the voices that can be spoken with.
        gender_of: what is known of voices of other backends, by their ids.
        version: of the files that they come from.
    """

    def __init__(self, names: Iterable[str], *, gender_of: Callable[[str], Gender], version: str = "") -> None:
        self._version = version
        self._names = tuple(sorted(name for name in names if is_speakable(name, LANGUAGES)))
        self._gender_of = gender_of
        self.listed = tuple(self._voice(Mixture(((name, 1.0),)), name) for name in self._names)

    def find(self, voice_id: str) -> Voice:
        """Return the voice or mixture with this id.

        Raises:
            VoiceNotFound: there is no such voice.
        """
        return self._voice(parse(voice_id, self._names), voice_id.lower().replace(" ", ""))

    def choose(self, tag: str, *, like: str | None = None) -> Voice:
        """Return the best voice of a language: `like` itself, then the same gender, the same accent.

        Raises:
            VoiceNotFound: none speaks the language.
        """
        voices = [voice for voice in self.listed if language.matches(voice.language, tag)]
        if not voices:
            raise VoiceNotFound(tag, backend=BACKEND)
        if own := next((voice for voice in voices if voice.id == like), None):
            return own
        wanted = self._gender_like(like)
        return min(
            voices,
            key=lambda voice: (
                voice.gender is not wanted,
                voice.language.lower() != tag.lower(),
                PREFERRED.index(voice.id) if voice.id in PREFERRED else len(PREFERRED),
            ),
        )

    def _gender_like(self, like: str | None) -> Gender:
        if like is None:
            return Gender.FEMALE
        gender = _gender(like) if like in self._names else self._gender_of(like)
        return Gender.FEMALE if gender is Gender.NEUTRAL else gender

    def _voice(self, mixture: Mixture, voice_id: str) -> Voice:
        names = [name for name, _ in mixture.shares]
        genders = {_gender(name) for name in names}
        return Voice(
            voice_id,
            " and ".join(name.partition("_")[2].title() for name in names),
            LANGUAGES[mixture.first[0]],
            genders.pop() if len(genders) == 1 else Gender.NEUTRAL,
            BACKEND,
            self._version,
        )


def _gender(name: str) -> Gender:
    match name[1:2]:
        case "f":
            return Gender.FEMALE
        case "m":
            return Gender.MALE
        case _:
            return Gender.NEUTRAL


def is_neutral(voice_id: str) -> Gender:
    """Know nothing of other backends' voices: the default of `gender_of`."""
    return Gender.NEUTRAL
