"""What the voices of xtts are called and which language they speak. Pure.

Every speaker of the model speaks every language of it, so a voice is a pair: `zh-cn+anna`, the model's own code of the
language and the speaker's name.
"""

from collections.abc import Callable, Mapping

from app.errors import VoiceNotFound
from app.tts.backends.xtts_messages import Introduction, Speaker
from app.tts.language import primary
from app.tts.speech import Gender, Voice

BACKEND = "xtts"

LANGUAGES: Mapping[str, tuple[str, str]] = {
    "ar": ("ar", "Arabic"),
    "cs": ("cs", "Czech"),
    "de": ("de", "German"),
    "en": ("en", "English"),
    "es": ("es", "Spanish"),
    "fr": ("fr", "French"),
    "hi": ("hi", "Hindi"),
    "hu": ("hu", "Hungarian"),
    "it": ("it", "Italian"),
    "ja": ("ja", "Japanese"),
    "ko": ("ko", "Korean"),
    "nl": ("nl", "Dutch"),
    "pl": ("pl", "Polish"),
    "pt": ("pt", "Portuguese"),
    "ru": ("ru", "Russian"),
    "tr": ("tr", "Turkish"),
    "zh-cn": ("zh-CN", "Chinese (Mandarin)"),
}
"""BCP 47 and English name of the languages of XTTS-v2, by its own codes."""

_CANTONESE = ("zh-hk", "zh-mo", "zh-hant-hk", "zh-hant-mo", "yue", "zh-yue")
"""Tags of Chinese that is not Mandarin, the only one that the model speaks."""


class Catalogue:
    """All voices of a model, from the introduction of its worker.

    `is_male` tells whether the voice of another backend with this id is known to be male; others count as female.
    """

    def __init__(self, introduction: Introduction, *, is_male: Callable[[str], bool]) -> None:
        self._limits = {code: limit for code, limit in introduction.limits if code in LANGUAGES}
        self._speakers = {speaker.name.lower(): speaker for speaker in introduction.speakers}
        self._is_male = is_male
        self.listed = tuple(_voice(code, speaker) for code in self._limits for speaker in self._speakers.values())

    def find(self, voice_id: str) -> Voice:
        """Return the voice with this id, capitals or not; `zh-cn` alone is the first speaker's.

        Raises:
            VoiceNotFound: there is no such language or speaker.
        """
        code, plus, name = voice_id.lower().partition("+")
        speaker = self._speakers.get(name) if plus else next(iter(self._speakers.values()), None)
        if code not in self._limits or speaker is None:
            raise VoiceNotFound(voice_id, backend=BACKEND)
        return _voice(code, speaker)

    def choose(self, language: str, *, like: str | None = None) -> Voice:
        """Return the voice for a BCP 47 tag: the speaker of `like` if it is ours, else one of its gender, or the first.

        Raises:
            VoiceNotFound: the model does not speak the language.
        """
        tag = language.lower().replace("_", "-")
        code = next((code for code in self._limits if primary(code) == primary(tag)), None)
        if code is None or not self._speakers or tag in _CANTONESE:
            raise VoiceNotFound(language, backend=BACKEND)
        return _voice(code, self._speaker_like(like))

    def limit(self, voice: Voice) -> int:
        """Return how many characters the model takes at once in the voice's language."""
        return self._limits[self.parts(voice)[0]]

    def parts(self, voice: Voice) -> tuple[str, str]:
        """Return the model's own code of the language and the speaker's name.

        Raises:
            VoiceNotFound: there is no such language or speaker.
        """
        code, _, name = self.find(voice.id).id.partition("+")
        return code, name

    def _speaker_like(self, like: str | None) -> Speaker:
        speakers = list(self._speakers.values())
        if like is None:
            return speakers[0]
        own = self._speakers.get(like.lower().partition("+")[2])
        wanted = Gender.MALE if self._is_male(like) else Gender.FEMALE
        return own or next((speaker for speaker in speakers if speaker.gender == wanted), speakers[0])


def _voice(code: str, speaker: Speaker) -> Voice:
    tag, language = LANGUAGES[code]
    return Voice(f"{code}+{speaker.name}", f"{language}, {speaker.name}", tag, Gender(speaker.gender), BACKEND)
