"""What clients of the speak API send: bodies of REST, and `data` of the WebSocket's commands.

A field that is null is absent; fields that are not known are ignored, as clients of later versions send them.
"""

import math
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    PlainValidator,
    StrictInt,
    Tag,
)

from app.errors import InvalidInput
from app.takes import prosody, take, voice
from app.takes.prosody import MAX_PROSODY, MIN_PROSODY

MAX_USER_DATA_CHARACTERS = 256
MAX_USER_DATA_NUMBER = 2**63 - 1
MAX_URL_CHARACTERS = 2048
MAX_STYLES = 16


def _storable(text: str) -> str:
    if "\0" in text:
        raise ValueError("must not have the character U+0000")  # which no text of PostgreSQL can hold
    try:
        text.encode()
    except UnicodeEncodeError:  # JSON may say it, UTF-8 cannot
        raise ValueError("must not have half a surrogate pair") from None
    return text


def _unchanged(value: Any) -> str | int | float:
    """Take a client's own value, which comes back as the same kind of JSON value."""
    match value:
        case str() if len(value) <= MAX_USER_DATA_CHARACTERS:
            return _storable(value)
        case bool():
            pass
        case int() if -MAX_USER_DATA_NUMBER <= value <= MAX_USER_DATA_NUMBER:
            return value
        case float() if math.isfinite(value):
            return value
    raise ValueError(f"must be a string of at most {MAX_USER_DATA_CHARACTERS} characters, or a number of 64 bits")


Text = Annotated[str, AfterValidator(_storable)]
Name = Annotated[str, Field(max_length=256), AfterValidator(_storable)]
Description = Annotated[str, Field(max_length=1000), AfterValidator(_storable)]
Styles = Annotated[list[Name], Field(max_length=MAX_STYLES)]
Level = Annotated[StrictInt, Field(ge=MIN_PROSODY, le=MAX_PROSODY)]
UserData = Annotated[str | int | float, PlainValidator(_unchanged, json_schema_input_type=str | int | float)]


class Prosody(BaseModel):
    """Whole numbers from -10 to 10; 0, and a field that is absent, change nothing."""

    model_config = ConfigDict(extra="forbid")

    pitch: Level = 0
    pace: Level = 0


class SimpleProsody(Prosody):
    """What every model understands."""

    expression: Level = 0

    def noun(self) -> prosody.Prosody:
        """Return what the engine calls it."""
        return prosody.SimpleProsody(self.pitch, self.pace, self.expression)


class AffectProsody(Prosody):
    """By the feeling."""

    valence: Level = 0
    dominance: Level = 0
    arousal: Level = 0

    def noun(self) -> prosody.Prosody:
        """Return what the engine calls it."""
        return prosody.AffectProsody(self.pitch, self.pace, self.valence, self.dominance, self.arousal)


class SignalProsody(Prosody):
    """By the sound."""

    tilt: Level = 0
    pitch_range: Level = 0

    def noun(self) -> prosody.Prosody:
        """Return what the engine calls it."""
        return prosody.SignalProsody(self.pitch, self.pace, self.tilt, self.pitch_range)


def _kind_of_prosody(value: Any) -> str:
    fields = value if isinstance(value, dict) else getattr(value, "model_fields_set", ())
    for kind, model in (("affect", AffectProsody), ("signal", SignalProsody)):
        if any(name in fields for name in model.model_fields if name not in Prosody.model_fields):
            return kind
    return "simple"


AnyProsody = Annotated[
    Annotated[SimpleProsody, Tag("simple")]
    | Annotated[AffectProsody, Tag("affect")]
    | Annotated[SignalProsody, Tag("signal")],
    Discriminator(_kind_of_prosody),
]
"""Which of the three it is, its fields tell."""


class Webhook(BaseModel):
    """Where to tell; what else clients send with it is the server's own and ignored."""

    post_url: Annotated[str, Field(max_length=MAX_URL_CHARACTERS, pattern=r"^https?://"), AfterValidator(_storable)]

    def noun(self) -> take.Webhook:
        """Return what the engine calls it."""
        return take.Webhook(self.post_url)


def _named_webhook(value: Any) -> Any:
    return {"post_url": value} if isinstance(value, str) else value


AnyWebhook = Annotated[Webhook, BeforeValidator(_named_webhook, json_schema_input_type=str | Webhook)]
"""A URL alone will do."""


class TakeWithoutVoice(BaseModel):
    """What to say, and how."""

    text: Text
    override_language: Name | None = None
    """BCP 47, as `en-GB`; null: each sentence shows its own."""
    style: Styles | None = None
    """Of the model's `styles`; null: the voice's default."""
    prosody: AnyProsody | None = None
    """Null: the voice's default."""
    status_webhook: AnyWebhook | None = None
    """Told whenever the status changes."""
    done_webhook: AnyWebhook | None = None
    """Told once, when the take is done."""

    def wording(self) -> take.Wording:
        """Return what the engine calls it."""
        return take.Wording(
            text=self.text,
            override_language=self.override_language or None,
            style=tuple(self.style or ()),
            prosody=self.prosody.noun() if self.prosody else None,
            status_webhook=self.status_webhook.noun() if self.status_webhook else None,
            done_webhook=self.done_webhook.noun() if self.done_webhook else None,
        )


class TakeGenerate(TakeWithoutVoice):
    """A take that is wanted."""

    voice_id: Name
    user_data: UserData | None = None
    """The client's own; comes back untouched."""

    def request(self) -> take.TakeRequest:
        """Return what is asked of the engine."""
        return take.TakeRequest(self.wording(), self.voice_id, self.user_data)


class VoiceGenerate(BaseModel):
    """A voice that is wanted."""

    name: Name
    """Need not be unique."""
    model: Name
    gender: voice.VoiceGender
    description: Description | None = None
    default_style: Styles | None = None
    default_prosody: AnyProsody | None = None
    example_take: TakeWithoutVoice | None = None
    """Null: a sentence of the server's."""
    done_webhook: AnyWebhook | None = None
    """Told once, when the voice and its example are done."""

    def request(self) -> voice.VoiceRequest:
        """Return what is asked of the engine."""
        return voice.VoiceRequest(
            name=self.name,
            model=self.model,
            gender=self.gender,
            description=self.description,
            default_style=tuple(self.default_style or ()),
            default_prosody=self.default_prosody.noun() if self.default_prosody else None,
            example=self.example_take.wording() if self.example_take else None,
            done_webhook=self.done_webhook.noun() if self.done_webhook else None,
        )


class VoiceUpdate(BaseModel):
    """What is to change of a voice; null leaves it as it is."""

    name: Name | None = None
    gender: voice.VoiceGender | None = None
    description: Description | None = None
    default_style: Styles | None = None
    default_prosody: AnyProsody | None = None

    def change(self) -> voice.VoiceChange:
        """Return what the engine calls it."""
        return voice.VoiceChange(
            name=self.name,
            gender=self.gender,
            description=self.description,
            default_style=None if self.default_style is None else tuple(self.default_style),
            default_prosody=self.default_prosody.noun() if self.default_prosody else None,
        )


def explain(errors: Sequence[Any], *, within: str = "") -> InvalidInput:
    """Return what pydantic found, for people: the first fault, with the name of its field.

    Args:
        errors: of pydantic, or of FastAPI.
        within: the object that holds the fields, where it is not the whole.
    """
    first = errors[0]
    written = [str(part) for part in first["loc"] if part not in _TAGS]
    field = ".".join([within, *written] if within else written) or None
    rule = _RULES.get(first["type"]) or first["msg"].removeprefix("Value error, ")
    rule = rule[:1].lower() + rule[1:]
    return InvalidInput(f"{field}: {rule}" if field else rule, field=field)


_TAGS = frozenset({"simple", "affect", "signal", "one", "many", "body", "query", "path"})
"""What pydantic and FastAPI put into the place of a fault and no client has written."""

_RULES = {"model_type": "must be an object", "model_attributes_type": "must be an object"}
"""In place of pydantic's words, by the kind of its error, where they would name our classes."""
