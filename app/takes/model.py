"""A model, as the protocol calls a speech backend: what can be asked of it."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.errors import InvalidInput
from app.takes import styles
from app.takes.prosody import ProsodyKind
from app.takes.voice import VoiceGender
from app.tts import language
from app.tts.speech import Gender, Voice
from app.tts.synthesizer import Synthesizer

_HEARD = {
    Gender.FEMALE: (VoiceGender.FEMALE, VoiceGender.NONBINARY),
    Gender.MALE: (VoiceGender.MALE, VoiceGender.NONBINARY),
    Gender.NEUTRAL: (VoiceGender.NONBINARY,),
}
_MAIN_LANGUAGES = ("en-US", "en-GB", "zh-CN", "nl-NL", "de-DE")
"""Those that stand first in a list, if a model has them: clients take the first one for the model's own."""


@dataclass(frozen=True, slots=True)
class Model:
    """A speech backend that can speak now."""

    name: str
    """Of the backend: `espeak`."""
    display_name: str
    languages: tuple[str, ...]
    """BCP 47, the main ones first."""
    genders: tuple[VoiceGender, ...]
    styles: tuple[tuple[str, ...], ...] = styles.NAMES
    """Groups of styles; those of one group exclude each other."""
    prosody_kinds: tuple[ProsodyKind, ...] = tuple(ProsodyKind)
    voice_inputs: tuple[str, ...] = ("gender", "description")
    """What a new voice is made from."""

    def check(
        self, *, gender: VoiceGender | None = None, override_language: str | None = None, style: Sequence[str] = ()
    ) -> None:
        """Refuse what the model cannot do.

        Raises:
            InvalidInput: it has no voice of the gender or language, or no such style.
        """
        if gender is not None and gender not in self.genders:
            known = ", ".join(self.genders)
            raise InvalidInput(f"gender '{gender}' of model '{self.name}' must be of {known}", field="gender")
        if override_language and not any(language.matches(own, override_language) for own in self.languages):
            raise InvalidInput(
                f"override_language '{override_language}' is none that model '{self.name}' speaks",
                field="override_language",
            )
        styles.shape_of(style)


def models(synthesizer: Synthesizer) -> list[Model]:
    """Return the models of this moment, in the engine's order of preference."""
    return [_model(name, synthesizer.voices(backend=name)) for name in synthesizer.available]


def _model(name: str, voices: Sequence[Voice]) -> Model:
    spoken = {voice.language for voice in voices}
    main = [tag for tag in _MAIN_LANGUAGES if tag in spoken]
    heard = {gender for voice in voices for gender in _HEARD[voice.gender]}
    return Model(
        name,
        display_name=name.capitalize(),
        languages=(*main, *sorted(spoken.difference(main))),
        genders=tuple(gender for gender in VoiceGender if gender in heard),
    )
