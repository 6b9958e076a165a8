"""The nouns of takes as a client sees them, and how they are written to requests and read from replies."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypedDict, Unpack

from app.sdk.speak_prosody import Prosody, read_prosody, write_prosody

Fields = Mapping[str, Any]
UserData = str | int | float


class Status(StrEnum):
    """How far a take or a voice is; the first five come in this order, one of the last three ends it."""

    WAITING = "waiting"
    STARTED = "started"
    PROGRESS_25 = "progress_25"
    PROGRESS_50 = "progress_50"
    PROGRESS_75 = "progress_75"
    READY = "ready"
    ERROR = "error"
    TIMEOUT = "timeout"

    @property
    def is_done(self) -> bool:
        """Whether nothing more happens to it."""
        return self in (Status.READY, Status.ERROR, Status.TIMEOUT)

    @property
    def rank(self) -> int:
        """Where it stands on the way; what ends it has the highest."""
        return min(list(Status).index(self), list(Status).index(Status.READY))


class Choices(TypedDict, total=False):
    """The keywords of everything that makes a take: those of `Wording`, and `user_data` of `TakeRequest`."""

    override_language: str | None
    style: Sequence[str] | None
    prosody: Prosody | None
    status_webhook: str | None
    done_webhook: str | None
    user_data: UserData | None


@dataclass(frozen=True, slots=True)
class Wording:
    """What shall be spoken and how, whoever speaks it."""

    text: str
    override_language: str | None = None
    """BCP 47; None lets the server find the language of each sentence."""
    style: Sequence[str] | None = None
    """Of those that the model has; None takes the voice's default."""
    prosody: Prosody | None = None
    """None takes the voice's default."""
    status_webhook: str | None = None
    """URL that is called with the take whenever its status changes."""
    done_webhook: str | None = None
    """URL that is called with the take once, when it is done."""


@dataclass(frozen=True, slots=True)
class TakeRequest:
    """A text for a voice."""

    voice_id: str
    wording: Wording
    user_data: UserData | None = None
    """Anything of yours; given back with the take by servers that know the field."""

    @classmethod
    def of(cls, voice_id: str, text: str, **choices: Unpack[Choices]) -> "TakeRequest":
        """Make a request from keywords."""
        wording = Wording(
            text,
            override_language=choices.get("override_language"),
            style=choices.get("style"),
            prosody=choices.get("prosody"),
            status_webhook=choices.get("status_webhook"),
            done_webhook=choices.get("done_webhook"),
        )
        return cls(voice_id, wording, choices.get("user_data"))


@dataclass(frozen=True, slots=True)
class Webhook:
    """A URL that the server calls, and how its last call went."""

    post_url: str
    timestamp_ms: int | None = None
    """Milliseconds since the epoch; None before the first call."""
    status_code: int | None = None
    """Of HTTP; None if there was no answer yet."""


@dataclass(frozen=True, slots=True)
class TakeInfo:
    """What is known of the audio of a take that is ready."""

    duration: int
    """Samples."""
    audio_rate: int
    """Samples in a second."""
    normalized_text: tuple[str, ...]
    """What was spoken, sentence by sentence."""

    @property
    def seconds(self) -> float:
        """How long it sounds."""
        return self.duration / self.audio_rate


@dataclass(frozen=True, slots=True)
class Take:
    """A text that was given to be spoken."""

    take_id: str
    status: Status
    voice_id: str
    text: str
    timestamp_ms: int
    """Milliseconds since the epoch when it was asked for."""
    info: TakeInfo | None = None
    """None before it is ready."""
    override_language: str | None = None
    style: tuple[str, ...] = ()
    prosody: Prosody | None = None
    status_webhook: Webhook | None = None
    done_webhook: Webhook | None = None
    user_data: UserData | None = None
    error: str | None = None
    """Why it ended in `error` or `timeout`, from servers that tell."""


def write_take(request: TakeRequest) -> dict[str, Any]:
    """Return the JSON of a request; what is not given is left out, so that every server understands it."""
    return {"voice_id": request.voice_id} | write_wording(request.wording) | given({"user_data": request.user_data})


def write_wording(wording: Wording) -> dict[str, Any]:
    """Return the JSON of what shall be spoken."""
    fields = {
        "text": wording.text,
        "override_language": wording.override_language,
        "style": None if wording.style is None else list(wording.style),
        "prosody": write_prosody(wording.prosody),
        "status_webhook": write_webhook(wording.status_webhook),
        "done_webhook": write_webhook(wording.done_webhook),
    }
    return given(fields)


def given(fields: Fields) -> dict[str, Any]:
    """Return the fields that are not None."""
    return {name: value for name, value in fields.items() if value is not None}


def write_webhook(url: str | None) -> dict[str, str] | None:
    """Return the JSON of a webhook."""
    return None if url is None else {"post_url": url}


def read_take(data: Fields) -> Take:
    """Read a `TakeResponse`; to be called within `app.sdk.speech.read`."""
    return Take(
        take_id=str(data["take_id"]),
        status=Status(data["status"]),
        voice_id=str(data["voice_id"]),
        text=str(data["text"]),
        timestamp_ms=int(data["timestamp_ms"]),
        info=_read_info(data.get("info")),
        override_language=data.get("override_language"),
        style=tuple(data.get("style") or ()),
        prosody=read_prosody(data.get("prosody")),
        status_webhook=read_webhook(data.get("status_webhook")),
        done_webhook=read_webhook(data.get("done_webhook")),
        user_data=data.get("user_data"),
        error=data.get("error"),
    )


def read_webhook(data: Fields | str | None) -> Webhook | None:
    """Read a webhook, which is an object or a bare URL."""
    if data is None:
        return None
    if isinstance(data, str):
        return Webhook(data)
    return Webhook(str(data["post_url"]), data.get("timestamp_ms"), data.get("status_code"))


def _read_info(data: Fields | None) -> TakeInfo | None:
    if data is None:
        return None
    return TakeInfo(int(data["duration"]), int(data["audio_rate"]), tuple(data["normalized_text"]))
