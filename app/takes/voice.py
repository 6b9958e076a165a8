"""The nouns of a voice that takes are spoken with: a speech backend's voice, changed in a way of its own."""

from dataclasses import dataclass, fields, replace
from enum import StrEnum

from app.takes import styles
from app.takes.prosody import Prosody
from app.takes.shape import Shape
from app.takes.take import Status, Webhook, Wording


class VoiceGender(StrEnum):
    """How a voice is heard."""

    FEMALE = "female"
    MALE = "male"
    NONBINARY = "nonbinary"


@dataclass(frozen=True, slots=True)
class Design:
    """What sets a voice apart from the backend's own; kept with the voice, so that it never changes under its user."""

    seed: int
    """63 bits, which a database takes for a number; chooses among the backend's voices of each language."""
    gender: VoiceGender
    shape: Shape = Shape()
    """How it differs from the voice that is chosen."""


@dataclass(frozen=True, slots=True)
class VoiceRequest:
    """What a client asks for."""

    name: str
    model: str
    """Name of the model, which is the name of a speech backend."""
    gender: VoiceGender
    description: str | None = None
    default_style: tuple[str, ...] = ()
    default_prosody: Prosody | None = None
    example: Wording | None = None
    """None: a sentence of ours."""
    done_webhook: Webhook | None = None


@dataclass(frozen=True, slots=True)
class VoiceChange:
    """What is to be said of a voice from now on; None leaves it as it is."""

    name: str | None = None
    gender: VoiceGender | None = None
    description: str | None = None
    default_style: tuple[str, ...] | None = None
    default_prosody: Prosody | None = None

    def apply(self, voice: "Voice") -> "Voice":
        """Return the voice with the change, its sound as it was.

        Raises:
            InvalidInput: there is no such style, or two exclude each other.
        """
        styles.shape_of(self.default_style or ())
        changes = {name: value for name in _CHANGEABLE if (value := getattr(self, name)) is not None}
        return replace(voice, request=replace(voice.request, **changes))


_CHANGEABLE = tuple(field.name for field in fields(VoiceChange))


@dataclass(frozen=True, slots=True)
class Voice:
    """A voice of one account, or of everybody."""

    id: str
    """`v` and a ULID in lower case."""
    owner: str | None
    """Id of the account; None for those that the server brings, which nobody may change."""
    request: VoiceRequest
    """With later changes of its name, gender, description and defaults."""
    design: Design
    status: Status
    timestamp_ms: int
    """Milliseconds since the epoch when it was asked for."""
    example_take_id: str | None = None

    def shape(self, wording: Wording) -> Shape:
        """Return how far it is moved to speak a take; what the wording leaves open, the defaults say.

        Raises:
            InvalidInput: there is no such style, or two exclude each other.
        """
        prosody = wording.prosody or self.request.default_prosody
        styled = self.design.shape + styles.shape_of(wording.style or self.request.default_style)
        return styled + prosody.shape if prosody else styled
