"""The wire of `/ws`: what comes in, what goes out, and which error has which code. Pure: no socket, no engine state.

The document leaves some questions open; the answers are in the README beside this file.
"""

import json
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET, Struct, UnsetType
from pybase64 import b64encode_as_string

from app.audio.format import Format
from app.errors import (
    BackendUnavailable,
    ChorusError,
    Denied,
    Draining,
    Expired,
    InvalidInput,
    Overloaded,
    RateLimited,
    TextTooLong,
    VoiceNotFound,
)
from app.tts.speech import MAX_SPEED, MIN_SPEED, BackendReport, MarkKind, Quality, Speech, SpeechRequest, Voice

Default = TypeVar("Default", float, None)

MAX_MESSAGE_BYTES = 1024 * 1024
"""Both ways: what is larger coming in is closed with 1009, what would be larger going out is TEXT_TOO_LONG."""

MAX_ID_CHARACTERS = 256
MAX_AGE_SECONDS = 86_400.0
MAX_LENIENT_CHARACTERS = 65_536  # looking for the id in a broken message must not become work
FORMATS = (Format.WAV, Format.MP3, Format.OGG, Format.FLAC, Format.AAC)
COMPACT_FORMATS = (Format.OGG, Format.MP3, Format.AAC)
DEFAULT_CHUNK_CHARACTERS = 100
MIN_CHUNK_CHARACTERS, MAX_CHUNK_CHARACTERS = 10, 1000

CODES: tuple[tuple[type[ChorusError], str], ...] = (
    (TextTooLong, "TEXT_TOO_LONG"),
    (InvalidInput, "INVALID_MESSAGE_FORMAT"),
    (VoiceNotFound, "VOICE_NOT_FOUND"),
    (BackendUnavailable, "BACKEND_UNAVAILABLE"),
    (Draining, "BACKEND_UNAVAILABLE"),
    (RateLimited, "RATE_LIMITED"),
    (Overloaded, "QUEUE_FULL"),
    (Expired, "EXPIRED"),
    (Denied, "UNAUTHORIZED"),
)
"""First match wins; anything else is INTERNAL_ERROR."""

CANCELLED = "CANCELLED"
INTERNAL_ERROR = "INTERNAL_ERROR"


class SpeechFields(Struct, forbid_unknown_fields=False):
    """The `data` of `tts`; null means absent."""

    text: str
    voice: str | None = None
    backend: str | None = None
    quality: Quality | None = None
    format: Format | None = None
    sample_rate: int | None = None
    """Hz, 8000…48000."""
    speed: float | None = None
    """0.25…4; 1 is the pace of the live chat."""
    max_age: float | None = None
    """Seconds after which the line is dropped if its turn has not come."""
    timestamps: bool | None = None
    """Whether the times of words and phonemes are wanted."""
    ssml: bool | None = None
    """Whether the text is markup (`app.tts.ssml`)."""

    def request(self) -> SpeechRequest:
        """Return what is asked of the engine.

        Raises:
            InvalidInput: this door does not send that format.
        """
        if self.format is not None and self.format not in FORMATS:
            raise InvalidInput(f"format '{self.format}' must be one of {', '.join(FORMATS)}", field="format")
        return SpeechRequest(
            text=self.text,
            voice=self.voice or None,
            backend=self.backend or None,
            quality=self.quality or Quality.MEDIUM,
            format=self.format or Format.WAV,
            sample_rate=self.sample_rate,
            speed=_within("speed", self.speed, MIN_SPEED, MAX_SPEED, default=1.0),
            max_age=_within("max_age", self.max_age, 0.0, MAX_AGE_SECONDS, default=None),
            timestamps=bool(self.timestamps),
            ssml=bool(self.ssml),
        )


def _within(name: str, value: float | None, least: float, most: float, *, default: Default) -> float | Default:
    if value is None:
        return default
    if not least <= value <= most:
        raise InvalidInput(f"{name} {value:g} must be {least:g} to {most:g}", field=name)
    return value


class StreamFields(SpeechFields):
    """The `data` of `tts_stream`."""

    chunk_size: int | None = None
    """Characters of text in one chunk, at most; 10…1000, values outside are moved there."""

    @property
    def chunk_characters(self) -> int:
        """The chunk size that applies."""
        wanted = DEFAULT_CHUNK_CHARACTERS if self.chunk_size is None else self.chunk_size
        return min(max(wanted, MIN_CHUNK_CHARACTERS), MAX_CHUNK_CHARACTERS)

    def request(self) -> SpeechRequest:
        """Return what is asked of the engine.

        Raises:
            InvalidInput: this door does not send that format, or the text is markup, of which no slice is markup.
        """
        if self.ssml:
            raise InvalidInput("ssml must be false: markup is spoken whole, by tts", field="ssml")
        return super().request()


class VoicesFields(Struct):
    """The `data` of `get_voices`; null means all."""

    backend: str | None = None
    language: str | None = None


class BackendFields(Struct):
    """The `data` of `backend_status`; null means the backend that would speak."""

    backend: str | None = None


class CancelFields(Struct):
    """The `data` of `cancel`."""

    request_id: str


class Request(Struct, tag_field="type"):
    """What every request has."""

    id: str
    """Chosen by the client, unique among its requests that have not ended."""


class Tts(Request, tag="tts"):
    """Speak a text, in one reply."""

    data: SpeechFields


class TtsStream(Request, tag="tts_stream"):
    """Speak a text, in chunks."""

    data: StreamFields


class GetVoices(Request, tag="get_voices"):
    """List voices."""

    data: VoicesFields | None = None


class BackendStatus(Request, tag="backend_status"):
    """Tell how a backend is doing."""

    data: BackendFields | None = None


class QueueStatus(Request, tag="queue_status"):
    """Tell who waits; a `data` is ignored."""


class Cancel(Request, tag="cancel"):
    """End a request of this connection."""

    data: CancelFields


class HeartbeatAck(Struct, tag_field="type", tag="heartbeat_ack"):
    """The client lives; has no reply and no id, and its `timestamp` is ignored."""


Incoming = Tts | TtsStream | GetVoices | BackendStatus | QueueStatus | Cancel | HeartbeatAck

TYPES = ("tts", "tts_stream", "get_voices", "backend_status", "queue_status", "cancel", "heartbeat_ack")

_decoder: msgspec.json.Decoder[Incoming] = msgspec.json.Decoder(Incoming)
_encoder = msgspec.json.Encoder()


class _Envelope(Struct):
    id: Any | UnsetType = UNSET


_envelope_decoder = msgspec.json.Decoder(_Envelope)


class Undecodable(InvalidInput):
    """A message that is none; carries the id that it named, if it could be read."""

    def __init__(self, message: str, *, id: str | None, field: str | None = None) -> None:
        super().__init__(message, field=field)
        self.id = id


def decode(message: str | bytes) -> Incoming:
    """Read one message.

    Raises:
        Undecodable: not text, not JSON, not an object of a known type, or a field of the wrong type.
    """
    if isinstance(message, bytes):
        raise Undecodable("a message must be JSON text, not binary", id=None)
    try:
        incoming: Incoming = _decoder.decode(message)
    except RecursionError:
        raise Undecodable("JSON is nested too deeply", id=None) from None
    except msgspec.ValidationError as error:
        raise _explain(message, str(error)) from None
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        raise Undecodable(f"invalid JSON: {error}", id=_find_id_leniently(message)) from None
    if not isinstance(incoming, HeartbeatAck) and not 0 < len(incoming.id) <= MAX_ID_CHARACTERS:
        raise Undecodable(f"id must have 1 to {MAX_ID_CHARACTERS} characters", id=None, field="id")
    return incoming


def _explain(message: str, why: str) -> Undecodable:
    """Turn msgspec's `Expected `str`, got `null` - at `$.data.text`` into our words, and find the id."""
    rule, _, path = why.partition(" - at ")
    field = path.strip("`").removeprefix("$").lstrip(".") or None
    if "missing required field" in rule:
        name = rule.rpartition("field ")[2].strip("`")
        field = f"{field}.{name}" if field else name
    if field == "type" and "nvalid value" in rule:
        rule = f"unknown type, must be one of {', '.join(TYPES)}"
    return Undecodable(rule[:1].lower() + rule[1:].replace("`", "'"), id=_find_id(message), field=field)


def _find_id(message: str) -> str | None:
    try:
        found = _envelope_decoder.decode(message).id
    except (msgspec.DecodeError, RecursionError):
        return None
    return found if isinstance(found, str) and 0 < len(found) <= MAX_ID_CHARACTERS else None


def _find_id_leniently(message: str) -> str | None:
    """Find the id in what only a lenient parser reads: half a surrogate pair in a text, NaN."""
    if len(message) > MAX_LENIENT_CHARACTERS:
        return None
    try:
        found = json.loads(message)
    except (ValueError, RecursionError):
        return None
    id = found.get("id") if isinstance(found, dict) else None
    return id if isinstance(id, str) and 0 < len(id) <= MAX_ID_CHARACTERS and id.isascii() else None


def _encode(id: str, type: str, status: str, data: dict[str, Any]) -> str:
    return _encoder.encode({"id": id, "type": type, "status": status, "data": data}).decode()


def _encode_audio(id: str, type: str, status: str, speech: Speech, data: dict[str, Any]) -> str:
    """Write a message with audio, in ASCII: among other characters a megabyte of base64 costs 20 times as much to send.

    Raises:
        ReplyTooLarge: the message would be larger than `MAX_MESSAGE_BYTES`.
    """
    head = _ascii({"id": id, "type": type, "status": status})[:-1]
    tail = _ascii(data)[1:]
    before, after = f'{head},"data":{{"audio_data":"', f'",{tail}}}'
    size = len(before) + (len(speech.audio) + 2) // 3 * 4 + len(after)
    if size > MAX_MESSAGE_BYTES:
        raise ReplyTooLarge(size, speech.format)
    return "".join((before, b64encode_as_string(speech.audio), after))


def _ascii(fields: dict[str, Any]) -> str:
    """Write JSON in ASCII. msgspec takes a fifth of the time of `json`, and does not escape."""
    text = _encoder.encode(fields).decode()
    return text if text.isascii() else json.dumps(fields)


def encode_tts(id: str, speech: Speech, *, with_timestamps: bool = False) -> str:
    """Write `tts_response`, with the times of words and phonemes if they were asked for.

    Raises:
        ReplyTooLarge: the message would be larger than `MAX_MESSAGE_BYTES`.
    """
    data: dict[str, Any] = {"metadata": metadata(speech), "cached": speech.cached}
    if with_timestamps:
        data["timestamps"] = timestamps(speech)
    return _encode_audio(id, "tts_response", "success", speech, data)


def metadata(speech: Speech) -> dict[str, Any]:
    """Return what the document calls `metadata`: `duration` in seconds, `size_bytes` of the decoded audio."""
    return {
        "backend": speech.backend,
        "fallback_from": speech.fallback_from,
        "voice": speech.voice.id,
        "duration": round(speech.duration, 6),
        "sample_rate": speech.sample_rate,
        "format": speech.format.value,
        "size_bytes": len(speech.audio),
    }


def timestamps(speech: Speech) -> dict[str, list[dict[str, Any]]] | None:
    """Return the times of words and phonemes in seconds of this audio; None where the voice does not know them."""
    if not speech.marks:
        return None
    found: dict[MarkKind, list[dict[str, Any]]] = {MarkKind.WORD: [], MarkKind.PHONEME: []}
    for mark in speech.marks:
        found[mark.kind].append({"text": mark.text, "start": round(mark.start, 4), "end": round(mark.end, 4)})
    return {"words": found[MarkKind.WORD], "phonemes": found[MarkKind.PHONEME]}


def encode_chunk(id: str, speech: Speech, *, index: int, total: int, text: str, with_timestamps: bool = False) -> str:
    """Write `tts_chunk`: chunk `index` of `total`, the complete file that speaks this slice of the text.

    Times of words and phonemes, if they were asked for, count from the beginning of this chunk.

    Raises:
        ReplyTooLarge: the message would be larger than `MAX_MESSAGE_BYTES`.
    """
    data = {"chunk_index": index, "total_chunks": total, "text_chunk": text, "metadata": metadata(speech)}
    if with_timestamps:
        data["timestamps"] = timestamps(speech)
    return _encode_audio(id, "tts_chunk", "processing", speech, data)


def encode_complete(id: str, *, total_duration: float, chunks_sent: int) -> str:
    """Write `tts_complete`; `total_duration` in seconds."""
    data = {"total_duration": round(total_duration, 6), "chunks_sent": chunks_sent}
    return _encode(id, "tts_complete", "success", data)


def encode_voices(id: str, voices: list[Voice]) -> str:
    """Write `voices_response`."""
    listed = [describe_voice(voice) for voice in voices]
    return _encode(id, "voices_response", "success", {"voices": listed})


def describe_voice(voice: Voice) -> dict[str, str]:
    """Return a voice as both `/ws` and `/voices` list it."""
    return {
        "id": voice.id,
        "name": voice.name,
        "language": voice.language,
        "gender": voice.gender.value,
        "backend": voice.backend,
    }


def encode_backend_status(id: str, report: BackendReport) -> str:
    """Write `backend_status_response`."""
    data = {
        "backend": report.name,
        "available": report.available,
        "reason": report.reason,
        "queue_size": report.waiting,
        "processing": report.running,
        "average_processing_time": report.average_seconds,
        "gpu_memory_usage": report.gpu_memory_usage or 0.0,
    }
    return _encode(id, "backend_status_response", "success", data)


def encode_queue_status(
    id: str, reports: list[BackendReport], *, position: int | None, estimated_wait: float | None
) -> str:
    """Write `queue_status_response`; `position` 0 if nothing of this connection waits, times in seconds."""
    data = {
        "total_queued": sum(report.waiting for report in reports),
        "position": position or 0,
        "estimated_wait_time": estimated_wait,
        "queues": {report.name: {"size": report.waiting, "processing": report.running} for report in reports},
    }
    return _encode(id, "queue_status_response", "success", data)


def encode_cancel(id: str, *, request_id: str, cancelled: bool) -> str:
    """Write `cancel_response`; `cancelled` is false where nothing of that id was under way."""
    return _encode(id, "cancel_response", "success", {"cancelled": cancelled, "request_id": request_id})


def encode_heartbeat(now: datetime) -> str:
    """Write the server's `heartbeat`."""
    stamp = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return _encoder.encode({"type": "heartbeat", "timestamp": stamp}).decode()


def encode_error(id: str | None, code: str, message: str, details: dict[str, Any] | None = None) -> str:
    """Write `error`."""
    error = {"code": code, "message": message, "details": details or {}}
    return _encoder.encode({"id": id, "type": "error", "status": "error", "error": error}).decode()


def encode_failure(id: str | None, error: Exception) -> str:
    """Write `error` for something that was raised; what is not ours is told as INTERNAL_ERROR without its text."""
    for kind, code in CODES:
        if isinstance(error, kind):
            return encode_error(id, code, str(error), details(error))
    if isinstance(error, ChorusError):
        return encode_error(id, INTERNAL_ERROR, str(error))
    return encode_error(id, INTERNAL_ERROR, "the server failed on this request")


def details(error: Exception) -> dict[str, Any]:
    """Return what a program can use of an error."""
    found: dict[str, Any] = {}
    if isinstance(error, InvalidInput) and error.field:
        found["field"] = error.field
    if isinstance(error, ReplyTooLarge):
        found |= {"use": "tts_stream", "formats": error.formats}
    match error:
        case TextTooLong():
            found |= {"length": error.length, "limit": error.limit, "unit": error.unit}
        case BackendUnavailable():
            found |= {"backend": error.backend, "available_backends": list(error.available)}
        case VoiceNotFound():
            found |= {"voice": error.voice, "backend": error.backend}
        case Overloaded() if error.retry_after is not None:
            found |= {"retry_after": round(error.retry_after, 3)}
    return found


class ReplyTooLarge(TextTooLong):
    """The speech of this text does not fit into one message; names what would."""

    def __init__(self, size: int, format: Format) -> None:
        self.formats = [smaller.value for smaller in COMPACT_FORMATS if smaller is not format]
        super().__init__(
            f"the reply would have {size} bytes, {MAX_MESSAGE_BYTES} may: use tts_stream"
            f" or a smaller format ({', '.join(self.formats)})",
            length=size,
            limit=MAX_MESSAGE_BYTES,
            unit="bytes",
        )
