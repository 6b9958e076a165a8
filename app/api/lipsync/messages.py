"""The wire of `/ws/lip-sync`. Pure: no socket, no engine state.

Flat JSON objects with a `type`, as in the document. Of the public implementation's other names, `session_id` and
`video_size_bytes` are sent beside the document's. `timestamp` is in seconds since the epoch.
"""

from collections.abc import Mapping
from typing import Any, Final
from uuid import uuid4

import msgspec
from msgspec import Struct
from pybase64 import b64encode_as_string

from app.api.lipsync.process import Process
from app.errors import ChorusError, InvalidInput, NoFace, NotFound, Unavailable, WorkerFailed
from app.lipsync.atelier import Likeness, Sitting
from app.lipsync.clip import Opening, Progress

MAX_MESSAGE_BYTES: Final = 128 * 2**20
"""Of one message that comes in: more than 60 MiB of files are in base64, so that too large ones can be told so."""
INLINE_CHARACTERS: Final = 64 * 1024
"""What is decoded at once; larger messages block for too long, and can only be `process`."""
MAX_ESCAPE: Final = 12
"""Characters that JSON may take for one: a surrogate pair."""

CONNECTED: Final = "🌟 Connected to ILLUMINUS Wav2Lip WebSocket API"
CANCELLED: Final = "Processing cancelled"
NOTHING_TO_CANCEL: Final = "No active processing to cancel"

VALIDATION, PROCESSING, INTERNAL = "validation_error", "processing_error", "internal_error"
TASK_RUNNING, JSON = "task_running", "json_error"

ERROR_TYPES: tuple[tuple[type[ChorusError], str], ...] = (
    (NoFace, PROCESSING),
    (InvalidInput, VALIDATION),
    (NotFound, VALIDATION),
    (Unavailable, PROCESSING),
    (WorkerFailed, PROCESSING),
)
"""First match wins; anything else is `internal_error`."""

_OPENING = ("codecs", "width", "height", "fps", "model_used", "requested_model", "fallback_reason")
_DRAWING_FROM, _DRAWING_TO = 25.0, 95.0
"""Percent of the progress that is drawing."""

_encoder = msgspec.json.Encoder()


class Undecodable(ChorusError):
    """A message that cannot be read; `error_type` is what it is answered with."""

    def __init__(self, message: str, *, error_type: str = VALIDATION) -> None:
        super().__init__(message)
        self.error_type = error_type


class Ping(Struct, tag_field="type", tag="ping"):
    """Is the connection alive?"""


class Cancel(Struct, tag_field="type", tag="cancel"):
    """Stop what is being made."""


class _Envelope(Struct):
    type: Any = None


Request = Process | Ping | Cancel

_decoder: msgspec.json.Decoder[Request] = msgspec.json.Decoder(Request)
_body_decoder = msgspec.json.Decoder(Process)


def decode(message: str | bytes) -> Request:
    """Read a message. Takes a tenth of a second for the largest.

    Raises:
        Undecodable: no JSON, no known type, or a field of another type than it has.
    """
    try:
        return _decoder.decode(message)
    except msgspec.ValidationError as error:
        raise Undecodable(_explain(message, error)) from error
    except (msgspec.DecodeError, UnicodeError) as error:
        raise Undecodable(f"Invalid JSON format: {error}", error_type=JSON) from error


def decode_process(body: str | bytes) -> Process:
    """Read the body of a request, which needs no `type`.

    Raises:
        Undecodable: as `decode`.
    """
    try:
        return _body_decoder.decode(body)
    except msgspec.ValidationError as error:
        raise Undecodable(str(error)) from error
    except (msgspec.DecodeError, UnicodeError) as error:
        raise Undecodable(f"Invalid JSON format: {error}", error_type=JSON) from error


def decode_fields(fields: Mapping[str, str]) -> Process:
    """Read the texts of a form.

    Raises:
        Undecodable: as `decode`.
    """
    try:
        options = msgspec.json.decode(fields.get("options") or "null")
        return msgspec.convert({"type": "process", **fields, "options": options}, Process, strict=False)
    except msgspec.ValidationError as error:
        raise Undecodable(str(error)) from error
    except (msgspec.DecodeError, UnicodeError) as error:
        raise Undecodable(f"options: Invalid JSON format: {error}", error_type=JSON) from error


def decode_text(escaped: str | bytes) -> str:
    """Read what is between the quotes of a string.

    Raises:
        Undecodable: it is no such text.
    """
    try:
        return msgspec.json.decode(f'"{escaped}"' if isinstance(escaped, str) else b'"%b"' % escaped, type=str)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise Undecodable(f"Invalid JSON format: {error}", error_type=JSON) from error


def new_job_id() -> str:
    """Return a name for a portrait: eight hexadecimal digits."""
    return uuid4().hex[:8]


def error_type_of(error: Exception) -> str:
    """Return what an error is called on this wire."""
    if isinstance(error, Undecodable):
        return error.error_type
    return next((name for kind, name in ERROR_TYPES if isinstance(error, kind)), INTERNAL)


def encode_connection(client_id: str) -> str:
    """Write `connection`, the first message."""
    return _encode({"type": "connection", "status": "connected", "client_id": client_id, "message": CONNECTED})


def encode_pong(timestamp: float) -> str:
    """Write `pong`."""
    return _encode({"type": "pong", "timestamp": timestamp})


def encode_progress(percent: float, message: str, *, timestamp: float) -> str:
    """Write `progress`."""
    return _encode({"type": "progress", "progress": round(percent, 1), "message": message, "timestamp": timestamp})


def encode_drawing(progress: Progress, *, timestamp: float) -> str:
    """Write the `progress` of frames that have been drawn."""
    share = progress.share or 0.0
    of = f" of {progress.expected}" if progress.expected else ""
    percent = _DRAWING_FROM + share * (_DRAWING_TO - _DRAWING_FROM)
    return encode_progress(percent, f"Frame {progress.frames}{of}", timestamp=timestamp)


def encode_stream(job_id: str, opening: Opening, sitting: Sitting) -> str:
    """Write `stream`, after which the video comes in binary messages."""
    return _encode(
        {"type": "stream", "job_id": job_id, "session_id": job_id}
        | {name: getattr(opening, name) for name in _OPENING}
        | {"image_id": sitting.image_id}
    )


def encode_result(job_id: str, sitting: Sitting, *, seconds: float, timestamp: float) -> str:
    """Write `result`; of a video that was streamed it has no `video_base64`. Call it in a thread."""
    portrayal = sitting.portrayal
    assert portrayal is not None
    video = {"video_base64": b64encode_as_string(portrayal.video)} if portrayal.video else {}
    return _encode(
        {"type": "result", "job_id": job_id, "session_id": job_id}
        | video
        | {
            "video_size": portrayal.video_bytes,
            "video_size_bytes": portrayal.video_bytes,
            "processing_time": round(seconds, 3),
            "inference_fps": round(portrayal.inference_fps, 1),
            "frames_processed": portrayal.frames,
            "duration": round(portrayal.duration, 3),
            "faces": portrayal.faces,
            "face_is_rough": portrayal.is_rough,
        }
        | {name: getattr(portrayal, name) for name in _OPENING}
        | {
            "image_id": sitting.image_id,
            "voice": sitting.spoken and sitting.spoken.voice,
            "backend": sitting.spoken and sitting.spoken.backend,
            "timestamp": timestamp,
        }
    )


def encode_likeness(likeness: Likeness) -> str:
    """Write what is told of a picture of the album."""
    return _encoder.encode(likeness).decode()


def encode_failure(error: Exception, *, timestamp: float) -> str:
    """Write the `error` of what went wrong; what is not ours is told without its text."""
    message = str(error) if isinstance(error, ChorusError) else "the server failed on this request"
    return encode_error(error_type_of(error), message, field=getattr(error, "field", None), timestamp=timestamp)


def encode_error(error_type: str, message: str, *, field: str | None = None, timestamp: float) -> str:
    """Write `error`, and which field is to blame, if one is."""
    blamed = {} if field is None else {"field": field}
    return _encode({"type": "error", "error_type": error_type, "message": message} | blamed | {"timestamp": timestamp})


def encode_cancelled() -> str:
    """Write `cancelled`."""
    return _encode({"type": "cancelled", "message": CANCELLED})


def encode_info(message: str) -> str:
    """Write `info`."""
    return _encode({"type": "info", "message": message})


def _explain(message: str | bytes, error: msgspec.ValidationError) -> str:
    try:
        named = msgspec.json.decode(message, type=_Envelope).type
    except msgspec.ValidationError:
        return f"a message is a JSON object: {error}"
    if named in ("process", "ping", "cancel"):
        return f"{named}: {error}"
    return f"Unknown message type: {named}"


def _encode(message: Mapping[str, Any]) -> str:
    return _encoder.encode(message).decode()
