"""The wire of `/ws/lip-sync`. Pure: no socket, no engine state.

Flat JSON objects with a `type`, as in the document. Of the public implementation's other names, `session_id` and
`video_size_bytes` are sent beside the document's. `timestamp` is in seconds since the epoch.
"""

import binascii
from collections.abc import Mapping
from typing import Any, Final, Literal
from uuid import uuid4

import msgspec
from msgspec import Struct

from app.errors import ChorusError, InvalidInput, NoFace, Unavailable
from app.lipsync.clip import FPS, Order, Portrayal, Progress
from app.lipsync.placement import DEFAULT_PADS

MAX_MESSAGE_BYTES: Final = 128 * 2**20
"""Of one message that comes in: more than 60 MiB of files are in base64, so that too large ones can be told so."""
INLINE_CHARACTERS: Final = 64 * 1024
"""What is decoded at once; larger messages block for too long, and can only be `process`."""
_SLICE_CHARACTERS = 2**20
"""Of base64 that are decoded at once: nothing else runs meanwhile. Divisible by 4."""

CONNECTED: Final = "🌟 Connected to ILLUMINUS Wav2Lip WebSocket API"
CANCELLED: Final = "Processing cancelled"
NOTHING_TO_CANCEL: Final = "No active processing to cancel"
DEFAULT_MODEL: Final = "nota_wav2lip"

VALIDATION, PROCESSING, INTERNAL = "validation_error", "processing_error", "internal_error"
TASK_RUNNING, JSON = "task_running", "json_error"

ERROR_TYPES: tuple[tuple[type[ChorusError], str], ...] = (
    (NoFace, PROCESSING),
    (InvalidInput, VALIDATION),
    (Unavailable, PROCESSING),
)
"""First match wins; anything else is `internal_error`."""

_DRAWING_FROM, _DRAWING_TO = 25.0, 95.0
"""Percent of the progress that is drawing."""

_encoder = msgspec.json.Encoder()


class Undecodable(ChorusError):
    """A message that cannot be read; `error_type` is what it is answered with."""

    def __init__(self, message: str, *, error_type: str = VALIDATION) -> None:
        super().__init__(message)
        self.error_type = error_type


class Options(Struct):
    """The `options` of `process`; null means absent."""

    model_type: str | None = None
    """`nota_wav2lip` (default), `wav2lip` or `warp`."""
    audio_format: str | None = None
    """Taken and not needed: the file itself says it."""
    image_format: str | None = None
    pads: tuple[int, int, int, int] | None = None
    """Pixels: top, bottom, left, right."""
    resize_factor: Literal[1, 2, 4] | None = None
    nosmooth: bool | None = None
    face: int | tuple[float, float] | None = None
    """Which of several: by its place, the largest is 0, or by a point in the picture."""
    blend: Literal["contour", "feather"] | None = None
    mel_offset: float | None = None
    fps: float | None = None
    stream: bool | None = None
    """Whether the video is sent in fragments while it is drawn."""


class Process(Struct, tag_field="type", tag="process"):
    """Make a picture speak."""

    audio_base64: str | None = None
    image_base64: str | None = None
    options: Options | None = None

    @property
    def is_streamed(self) -> bool:
        """Whether the video is wanted in fragments."""
        return bool(self.options and self.options.stream)

    def order(self, *, max_audio_bytes: int, max_image_bytes: int) -> Order:
        """Return what is asked of the engine. Takes a second for the largest files: call it in a thread.

        Raises:
            InvalidInput: a file is missing, empty, too large or no base64, or an option is out of its bounds.
        """
        files = {"audio_base64": self.audio_base64, "image_base64": self.image_base64}
        if missing := [name for name, text in files.items() if text is None]:
            raise InvalidInput(f"Missing required fields: {', '.join(missing)}", field=missing[0])
        if not (self.audio_base64 and self.image_base64):
            raise InvalidInput("Empty audio or image data")
        _check_size("Audio", self.audio_base64, max_audio_bytes)
        _check_size("Image", self.image_base64, max_image_bytes)
        options = self.options or Options()
        return Order(
            audio=decode_base64(self.audio_base64),
            image=decode_base64(self.image_base64),
            model=options.model_type or DEFAULT_MODEL,
            face=options.face,
            pads=options.pads or DEFAULT_PADS,
            resize_factor=options.resize_factor or 1,
            smooth=not options.nosmooth,
            blend=options.blend or "contour",
            mel_offset=options.mel_offset or 0.0,
            fps=FPS if options.fps is None else options.fps,
        )


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


def decode_process(body: bytes) -> Process:
    """Read the body of a request, which needs no `type`; it is never streamed.

    Raises:
        Undecodable: as `decode`.
    """
    try:
        return _body_decoder.decode(body)
    except msgspec.ValidationError as error:
        raise Undecodable(str(error)) from error
    except (msgspec.DecodeError, UnicodeError) as error:
        raise Undecodable(f"Invalid JSON format: {error}", error_type=JSON) from error


def new_job_id() -> str:
    """Return a name for a portrait: eight hexadecimal digits."""
    return uuid4().hex[:8]


def decode_base64(text: str) -> bytes:
    """Decode base64, strictly, and in slices, so that other threads run in between.

    Raises:
        InvalidInput: it is none.
    """
    decoded = bytearray()
    try:
        for start in range(0, len(text), _SLICE_CHARACTERS):
            part = text[start : start + _SLICE_CHARACTERS]
            if start + len(part) < len(text) and part.endswith("="):
                raise binascii.Error("padding before the end")
            decoded += binascii.a2b_base64(part, strict_mode=True)
    except ValueError as error:
        raise InvalidInput(f"Invalid base64 encoding: {error}") from error
    return bytes(decoded)


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


def encode_fragment(job_id: str, data: bytes, *, index: int) -> str:
    """Write `fragment`: a part of the file; all of them, joined, are the file."""
    return _encode({"type": "fragment", "job_id": job_id, "index": index, "video_base64": _base64(data)})


def encode_result(job_id: str, portrayal: Portrayal, *, seconds: float, timestamp: float) -> str:
    """Write `result`; of a video that was streamed it has no `video_base64`. Call it in a thread."""
    video = {"video_base64": _base64(portrayal.video)} if portrayal.video else {}
    return _encode(
        {"type": "result", "job_id": job_id, "session_id": job_id}
        | video
        | {
            "video_size": portrayal.video_bytes,
            "video_size_bytes": portrayal.video_bytes,
            "processing_time": round(seconds, 3),
            "model_used": portrayal.model_used,
            "requested_model": portrayal.requested_model,
            "fallback_reason": portrayal.fallback_reason,
            "inference_fps": round(portrayal.inference_fps, 1),
            "frames_processed": portrayal.frames,
            "duration": round(portrayal.duration, 3),
            "fps": portrayal.fps,
            "width": portrayal.width,
            "height": portrayal.height,
            "codecs": portrayal.codecs,
            "faces": portrayal.faces,
            "face_is_rough": portrayal.is_rough,
            "timestamp": timestamp,
        }
    )


def encode_failure(error: Exception, *, timestamp: float) -> str:
    """Write the `error` of what went wrong; what is not ours is told without its text."""
    message = str(error) if isinstance(error, ChorusError) else "the server failed on this request"
    return encode_error(error_type_of(error), message, timestamp=timestamp)


def encode_error(error_type: str, message: str, *, timestamp: float) -> str:
    """Write `error`."""
    return _encode({"type": "error", "error_type": error_type, "message": message, "timestamp": timestamp})


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


def _check_size(name: str, text: str, most: int) -> None:
    if len(text) // 4 * 3 - text[-2:].count("=") > most:
        raise InvalidInput(f"{name} file too large (max {most / 2**20:g}MB)", field=f"{name.lower()}_base64")


def _base64(data: bytes) -> str:
    return binascii.b2a_base64(data, newline=False).decode()


def _encode(message: Mapping[str, Any]) -> str:
    return _encoder.encode(message).decode()
