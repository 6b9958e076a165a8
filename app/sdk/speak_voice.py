"""The nouns of voices and models as a client sees them, and how they are written to requests and read from replies."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypedDict

from app.sdk.speak_prosody import Prosody, read_prosody, write_prosody
from app.sdk.speak_take import Status, Webhook, Wording, given, read_webhook, write_webhook, write_wording

Fields = Mapping[str, Any]


class VoiceGender(StrEnum):
    """How a voice is heard."""

    FEMALE = "female"
    MALE = "male"
    NONBINARY = "nonbinary"


@dataclass(frozen=True, slots=True)
class Model:
    """Something that speaks; voices belong to one."""

    name: str
    """What requests name it by."""
    display_name: str
    """For people."""
    flags: tuple[str, ...]
    languages: tuple[str, ...]
    """BCP 47."""
    genders: tuple[str, ...]
    styles: tuple[tuple[str, ...], ...]
    """Sets of styles; those of one set exclude each other."""
    prosody_types: tuple[str, ...]
    """Of `simple`, `affect` and `signal`."""
    voice_inputs: tuple[str, ...] | None
    """Of `gender` and `description`: what a voice can be made from; None if the server does not tell."""


class VoiceChoices(TypedDict, total=False):
    """The keywords of everything that makes a voice."""

    description: str | None
    default_style: Sequence[str] | None
    default_prosody: Prosody | None
    example: Wording | None
    done_webhook: str | None


@dataclass(frozen=True, slots=True)
class VoiceRequest:
    """What voice shall be made."""

    name: str
    """For people; need not be unique."""
    model: str
    """Name of the model."""
    gender: str
    """Of `VoiceGender`."""
    description: str | None = None
    default_style: Sequence[str] | None = None
    default_prosody: Prosody | None = None
    example: Wording | None = None
    """What the voice says first; None lets the server choose."""
    done_webhook: str | None = None
    """URL that is called with the voice once, when it is done."""


@dataclass(frozen=True, slots=True)
class VoiceChange:
    """What shall change of a voice; None leaves as it is."""

    name: str | None = None
    gender: str | None = None
    description: str | None = None
    default_style: Sequence[str] | None = None
    default_prosody: Prosody | None = None


@dataclass(frozen=True, slots=True)
class Voice:
    """Who speaks takes."""

    voice_id: str
    status: Status
    name: str
    model: str
    gender: str
    timestamp_ms: int
    """Milliseconds since the epoch when it was asked for."""
    description: str | None = None
    default_style: tuple[str, ...] = ()
    default_prosody: Prosody | None = None
    example_take_id: str | None = None
    done_webhook: Webhook | None = None
    error: str | None = None
    """Why it ended in `error` or `timeout`, from servers that tell."""


def write_voice(request: VoiceRequest) -> dict[str, Any]:
    """Return the JSON of a request; what is not given is left out."""
    fields = {
        "name": request.name,
        "model": request.model,
        "gender": str(request.gender),
        "description": request.description,
        "default_style": None if request.default_style is None else list(request.default_style),
        "default_prosody": write_prosody(request.default_prosody),
        "example_take": None if request.example is None else write_wording(request.example),
        "done_webhook": write_webhook(request.done_webhook),
    }
    return given(fields)


def write_change(change: VoiceChange) -> dict[str, Any]:
    """Return the JSON of a change.

    Raises:
        ValueError: nothing would change.
    """
    fields = given(
        {
            "name": change.name,
            "gender": None if change.gender is None else str(change.gender),
            "description": change.description,
            "default_style": None if change.default_style is None else list(change.default_style),
            "default_prosody": write_prosody(change.default_prosody),
        }
    )
    if not fields:
        raise ValueError("nothing of the voice is to be changed")
    return fields


def read_voice(data: Fields) -> Voice:
    """Read a `VoiceInfo`; to be called within `app.sdk.speech.read`."""
    return Voice(
        voice_id=str(data["voice_id"]),
        status=Status(data["status"]),
        name=str(data["name"]),
        model=str(data["model"]),
        gender=str(data["gender"]),
        timestamp_ms=int(data["timestamp_ms"]),
        description=data.get("description"),
        default_style=tuple(data.get("default_style") or ()),
        default_prosody=read_prosody(data.get("default_prosody")),
        example_take_id=data.get("example_take_id"),
        done_webhook=read_webhook(data.get("done_webhook")),
        error=data.get("error"),
    )


def read_model(data: Fields) -> Model:
    """Read a `TTSModel`; to be called within `app.sdk.speech.read`."""
    inputs = data.get("voice_inputs")
    return Model(
        name=str(data["name"]),
        display_name=str(data.get("displayname") or data["name"]),
        flags=tuple(data.get("flags") or ()),
        languages=tuple(data["languages"]),
        genders=tuple(data["genders"]),
        styles=tuple(tuple(styles) for styles in data.get("styles") or ()),
        prosody_types=tuple(data["prosody_types"]),
        voice_inputs=None if inputs is None else tuple(inputs),
    )
