"""The wire of the speak API's WebSocket, its texts: what comes in, what goes out. Pure: no socket, no engine state.

The binary messages are in `framing.py`. Clients read these rules out of the answers:

1. An answer to a request has its `request_id`, and no `status` beside it unless it is an error.
2. An error has `"data": {"status": "error"}` for clients that look there, and is followed by the end of the audio.
3. An error that belongs to no request has no `request_id`, not even null.
"""

import json
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeGuard, TypeVar

import msgspec
from msgspec import Raw, Struct
from pydantic import BaseModel, ValidationError

from app.api.speak import answers
from app.api.speak.framing import Mode, RequestId
from app.api.speak.schemas import TakeGenerate, VoiceGenerate, explain
from app.errors import ChorusError, InvalidInput
from app.takes.take import Take, TakeRequest
from app.takes.voice import Voice, VoiceRequest

MAX_MESSAGE_BYTES = 1024 * 1024
"""Of one text; what is larger is closed with 1009."""

MAX_ID_CHARACTERS = 256

INTERNAL_ERROR = "the server failed on this request"


@dataclass(frozen=True, slots=True)
class GenerateTake:
    """Speak a text."""

    request_id: RequestId
    mode: Mode
    request: TakeRequest


@dataclass(frozen=True, slots=True)
class GenerateVoice:
    """Make a voice, and let it speak its example."""

    request_id: RequestId
    mode: Mode
    request: VoiceRequest


Command: TypeAlias = GenerateTake | GenerateVoice

COMMANDS = ("/takes/generate", "/take/generate", "/voices/generate", "/voice/generate")
"""The vendor's Python says takes, its JavaScript take."""


class Undecodable(InvalidInput):
    """A message that is none; carries what could be read of it."""

    def __init__(
        self, message: str, *, field: str | None = None, request_id: RequestId | None = None, mode: Mode = Mode.PARTS
    ) -> None:
        super().__init__(message, field=field)
        self.request_id = request_id
        self.mode = mode


class _Stream(Struct):
    mode: Mode = Mode.PARTS


class _Envelope(Struct):
    command: str
    request_id: RequestId
    data: Raw
    stream: _Stream | None = None


_envelopes = msgspec.json.Decoder(_Envelope)


def decode(message: str | bytes) -> Command:
    """Read one message.

    Raises:
        Undecodable: not text, not JSON, not a known command, or a field of the wrong type.
    """
    if isinstance(message, bytes):
        raise Undecodable("a message must be JSON text, not binary")
    try:
        envelope = _envelopes.decode(message)
        data = msgspec.json.decode(envelope.data)
    except RecursionError:
        raise Undecodable("JSON is nested too deeply") from None
    except msgspec.ValidationError as error:
        raise _explain(message, str(error)) from None
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        request_id, mode = _find_address(message)
        raise Undecodable(f"invalid JSON: {error}", request_id=request_id, mode=mode) from None
    if not _is_id(envelope.request_id):
        rule = f"at most {MAX_ID_CHARACTERS} characters, or a number of 64 bits"
        raise Undecodable(f"request_id: {rule}", field="request_id")
    mode = envelope.stream.mode if envelope.stream else Mode.PARTS
    try:
        return _command(envelope.command, envelope.request_id, mode, data)
    except InvalidInput as error:
        raise Undecodable(str(error), field=error.field, request_id=envelope.request_id, mode=mode) from None


def _command(name: str, request_id: RequestId, mode: Mode, data: Any) -> Command:
    match name:
        case "/takes/generate" | "/take/generate":
            return GenerateTake(request_id, mode, _read(TakeGenerate, data).request())
        case "/voices/generate" | "/voice/generate":
            return GenerateVoice(request_id, mode, _read(VoiceGenerate, data).request())
    raise InvalidInput(f"command '{name}' must be one of {', '.join(COMMANDS)}", field="command")


Fields = TypeVar("Fields", bound=BaseModel)


def _read(schema: type[Fields], data: Any) -> Fields:
    try:
        return schema.model_validate(data)
    except ValidationError as error:
        raise explain(error.errors(include_url=False), within="data") from None


def _explain(message: str, why: str) -> Undecodable:
    """Turn msgspec's `Expected `str`, got `null` - at `$.command`` into our words, and find whom to answer."""
    rule, _, path = why.partition(" - at ")
    field = path.strip("`").removeprefix("$").lstrip(".") or None
    if "missing required field" in rule:
        field, rule = rule.rpartition("field ")[2].strip("`"), "field required"
    rule = rule[:1].lower() + rule[1:].replace("`", "'")
    request_id, mode = _find_address(message)
    return Undecodable(f"{field}: {rule}" if field else rule, field=field, request_id=request_id, mode=mode)


def _find_address(message: str) -> tuple[RequestId | None, Mode]:
    """Find whom to answer, also in what only a lenient parser reads: half a surrogate pair, NaN."""
    try:
        found = json.loads(message)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        return None, Mode.PARTS
    request_id, stream = found.get("request_id"), found.get("stream")
    chunked = isinstance(stream, dict) and stream.get("mode") == Mode.CHUNKS
    return request_id if _is_id(request_id) else None, Mode.CHUNKS if chunked else Mode.PARTS


def _is_id(value: object) -> TypeGuard[RequestId]:
    match value:
        case str():
            return len(value) <= MAX_ID_CHARACTERS and not any(map(_is_surrogate, value))
        case bool():
            return False
        case int():
            return -(2**63) <= value < 2**63
    return False


def _is_surrogate(character: str) -> bool:
    return "\ud800" <= character <= "\udfff"


def encode_status(request_id: RequestId, item: Take | Voice) -> str:
    """Write that the status of a take or voice changed."""
    return answers.encode({"data": answers.describe(item), "request_id": request_id}).decode()


def encode_failure(request_id: RequestId | None, error: Exception) -> str:
    """Write an error; what is not ours is told without its text."""
    message = str(error) if isinstance(error, ChorusError) else INTERNAL_ERROR
    told = {"status": "error", "message": message, "data": {"status": "error"}}
    return answers.encode(told if request_id is None else {**told, "request_id": request_id}).decode()
