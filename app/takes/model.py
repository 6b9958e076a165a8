"""The noun of a model: a speech backend, as those who ask for takes see it."""

from dataclasses import dataclass

from app.takes.prosody import ProsodyKind
from app.takes.voice import VoiceGender


@dataclass(frozen=True, slots=True)
class Model:
    """What a speech backend can do in takes."""

    name: str
    """Of the backend: `espeak`."""
    display_name: str
    languages: tuple[str, ...]
    """BCP 47, in a stable order."""
    genders: tuple[VoiceGender, ...]
    styles: tuple[tuple[str, ...], ...]
    """Sets of styles; of each set a take has one at most."""
    prosody_kinds: tuple[ProsodyKind, ...]
    voice_inputs: tuple[str, ...]
    """What a new voice is made from: `gender`, `description`."""
