"""What may be asked of `/ncco/*`, named as the platform names it, within the ranges that it takes.

What is not known here is passed over: a platform that asks adds what it knows of the call (`to`, `uuid`, …).
"""

from typing import Annotated, Any, Final, Literal

import msgspec
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, FiniteFloat, field_validator
from pydantic.alias_generators import to_camel

from app.calls.call import RATES
from app.calls.ncco import MAX_TEXT, SAMPLE_TEXT, Dtmf, Method, Speech

MAX_DEPTH: Final = 32
"""Of a payload; the platform tells no bound, and writers of JSON have theirs."""

Level = Annotated[FiniteFloat, Field(ge=-1, le=1)]
Count = Annotated[int, Field(ge=0)]
Tag = Annotated[str, Field(min_length=2, max_length=35)]
"""BCP 47."""
WebUrl = Annotated[str, Field(pattern=r"^https?://[^\s/]\S*$", max_length=2000)]


def _one_of_the_rates(rate: int) -> int:
    if rate not in RATES:
        raise ValueError(f"must be one of {', '.join(map(str, RATES))}")
    return rate


class _Query(BaseModel):
    """An option is called `bargeIn`, and here `barge_in`."""

    model_config = ConfigDict(alias_generator=to_camel)


class TalkQuery(_Query):
    """Of `/ncco/talk`."""

    text: Annotated[str, Field(min_length=1, max_length=MAX_TEXT)] = SAMPLE_TEXT
    language: Tag | None = None
    style: Count | None = None
    premium: bool | None = None
    level: Level | None = None
    loop: Count | None = None
    barge_in: bool | None = None


class ConnectQuery(_Query):
    """Of `/ncco/connect`."""

    endpoint: str
    rate: Annotated[int, AfterValidator(_one_of_the_rates), Field(json_schema_extra={"enum": list(RATES)})] | None = (
        None
    )
    headers: list[str] = []
    """Each `name:value`."""
    callers: Annotated[list[str], Field(alias="from")] = []
    conversation_uuid: Annotated[str | None, Field(alias="conversation_uuid")] = None
    """There if the platform itself asks."""
    random_from_number: bool | None = None
    timeout: Annotated[int, Field(ge=1, le=7200)] | None = None
    limit: Annotated[int, Field(ge=1, le=7200)] | None = None
    machine_detection: Literal["continue", "hangup"] | None = None
    event_method: Method | None = None

    @field_validator("headers")
    @classmethod
    def _are_pairs(cls, headers: list[str]) -> list[str]:
        if not all(header.partition(":")[0].strip() and ":" in header for header in headers):
            raise ValueError("each must be name:value")
        return headers

    @property
    def caller(self) -> str | None:
        """Who shall be shown as calling.

        A platform that asks adds a `from` of its own, behind ours if there is one: that of who calls in.
        """
        ours = self.callers[:-1] if self.conversation_uuid else self.callers
        return ours[0] if ours else None

    @property
    def told(self) -> dict[str, str]:
        """The headers."""
        pairs = (header.partition(":") for header in self.headers)
        return {name.strip(): value.strip() for name, _, value in pairs}


class RecordQuery(_Query):
    """Of `/ncco/record`."""

    format: Literal["mp3", "wav", "ogg"] | None = None
    split: Literal["conversation"] | None = None
    channels: Annotated[int, Field(ge=1, le=32)] | None = None
    end_on_silence: Annotated[int, Field(ge=3, le=10)] | None = None
    end_on_key: Annotated[str, Field(pattern=r"^[0-9*#]$")] | None = None
    time_out: Annotated[int, Field(ge=3, le=7200)] | None = None
    beep_start: bool | None = None
    event_method: Method | None = None


class StreamQuery(_Query):
    """Of `/ncco/stream`."""

    stream_url: WebUrl
    level: Level | None = None
    loop: Count | None = None
    barge_in: bool | None = None


class InputQuery(_Query):
    """Of `/ncco/input`; `timeOut`, `maxDigits` and `submitOnHash` are of keys, the others of words."""

    type: Annotated[list[Literal["dtmf", "speech"]], Field(min_length=1)] = ["dtmf"]
    time_out: Annotated[int, Field(ge=0, le=10)] | None = None
    max_digits: Annotated[int, Field(ge=1, le=20)] | None = None
    submit_on_hash: bool | None = None
    language: Tag | None = None
    context: list[str] = []
    end_on_silence: Annotated[FiniteFloat, Field(ge=0.4, le=10)] | None = None
    start_timeout: Annotated[int, Field(ge=1, le=60)] | None = None
    max_duration: Annotated[int, Field(ge=1, le=60)] | None = None
    save_audio: bool | None = None
    sensitivity: Annotated[int, Field(ge=10, le=100)] | None = None
    event_method: Method | None = None

    @property
    def dtmf(self) -> Dtmf | None:
        """How keys are taken, None if they are not."""
        return Dtmf(self.time_out, self.max_digits, self.submit_on_hash) if "dtmf" in self.type else None

    @property
    def speech(self) -> Speech | None:
        """How words are taken, None if they are not."""
        if "speech" not in self.type:
            return None
        return Speech(
            language=self.language,
            context=self.context,
            end_on_silence=self.end_on_silence,
            start_timeout=self.start_timeout,
            max_duration=self.max_duration,
            save_audio=self.save_audio,
            sensitivity=self.sensitivity,
        )


class ConversationQuery(_Query):
    """Of `/ncco/conversation`."""

    name: Annotated[str, Field(min_length=1, max_length=255)]
    music_on_hold_url: WebUrl | None = None
    start_on_enter: bool | None = None
    end_on_exit: bool | None = None
    record: bool | None = None
    can_speak: list[str] | None = None
    can_hear: list[str] | None = None
    mute: bool | None = None
    event_method: Method | None = None


class NotifyQuery(_Query):
    """Of `/ncco/notify`."""

    payload: str = "{}"
    """An object in JSON."""
    event_method: Method | None = None

    @field_validator("payload")
    @classmethod
    def _is_an_object(cls, payload: str) -> str:
        _read(payload)
        return payload

    @property
    def content(self) -> dict[str, Any]:
        """The payload."""
        return _read(self.payload)


def _read(payload: str) -> dict[str, Any]:
    try:
        content: dict[str, Any] = msgspec.json.decode(payload, type=dict[str, Any])
        if _depth(content) <= MAX_DEPTH:
            return content
    except RecursionError:
        pass
    except msgspec.MsgspecError as error:
        raise ValueError(f"must be a JSON object: {error}") from None
    raise ValueError(f"must be nested at most {MAX_DEPTH} deep")


def _depth(value: object) -> int:
    match value:
        case dict():
            return 1 + max(map(_depth, value.values()), default=0)
        case list():
            return 1 + max(map(_depth, value), default=0)
        case _:
            return 0
