"""The nouns of live speech as a client sees them, and how they are read from replies.

Its errors, beside those of `app.sdk.errors`:

    RequestFailed
    ├── InvalidRequest         INVALID_MESSAGE_FORMAT: `field` broke a rule
    ├── TextTooLong            TEXT_TOO_LONG: `length` is more than `limit`
    ├── VoiceNotFound          VOICE_NOT_FOUND
    ├── BackendUnavailable     BACKEND_UNAVAILABLE: `available_backends` could speak instead
    ├── Overloaded             may be tried again in `retry_after` seconds
    │   ├── QueueFull          QUEUE_FULL
    │   └── RateLimited        RATE_LIMITED
    ├── Cancelled              CANCELLED
    ├── Expired                EXPIRED: waited longer than its `max_age`
    └── ServerFailed           INTERNAL_ERROR
"""

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from app.sdk.errors import BrokenReply, RequestFailed

T = TypeVar("T")
Fields = Mapping[str, Any]


class InvalidRequest(RequestFailed):
    """A value of the request breaks a rule."""

    @property
    def field(self) -> str | None:
        """Which one: `data.text`."""
        return self.details.get("field")


class TextTooLong(RequestFailed):
    """More text, or more speech from a text, than one reply may carry; `stream` may take it."""

    @property
    def length(self) -> int | None:
        """What the request has: characters of text, or bytes of the reply."""
        return self.details.get("length")

    @property
    def limit(self) -> int | None:
        """What it may have."""
        return self.details.get("limit")


class VoiceNotFound(RequestFailed):
    """No such voice."""


class BackendUnavailable(RequestFailed):
    """The named backend cannot speak now."""

    @property
    def available_backends(self) -> tuple[str, ...]:
        """Names of those that can."""
        return tuple(self.details.get("available_backends", ()))


class Overloaded(RequestFailed):
    """Too much is asked of the server now."""

    @property
    def retry_after(self) -> float | None:
        """Seconds after which the same request may succeed; None if the server does not know."""
        return self.details.get("retry_after")


class QueueFull(Overloaded):
    """As many requests wait as may."""


class RateLimited(Overloaded):
    """This connection asks more often than it may."""


class Cancelled(RequestFailed):
    """The request was ended by `cancel`."""


class Expired(RequestFailed):
    """The request waited longer than its `max_age`."""


class ServerFailed(RequestFailed):
    """The server failed on this request."""


_CODES: Mapping[str, type[RequestFailed]] = {
    "INVALID_MESSAGE_FORMAT": InvalidRequest,
    "TEXT_TOO_LONG": TextTooLong,
    "VOICE_NOT_FOUND": VoiceNotFound,
    "BACKEND_UNAVAILABLE": BackendUnavailable,
    "QUEUE_FULL": QueueFull,
    "RATE_LIMITED": RateLimited,
    "CANCELLED": Cancelled,
    "EXPIRED": Expired,
    "INTERNAL_ERROR": ServerFailed,
}


def failure(code: str, message: str, details: Fields) -> RequestFailed:
    """Return the exception for an error reply; a code that is not known here makes a plain `RequestFailed`."""
    return _CODES.get(code, RequestFailed)(code, message, details)


@dataclass(frozen=True, slots=True)
class Metadata:
    """What is true of a piece of audio."""

    backend: str
    """Which spoke."""
    voice: str
    duration: float
    """Seconds."""
    sample_rate: int
    """Hz."""
    format: str
    """`wav`, `mp3`, `ogg`, `flac` or `aac`."""
    size_bytes: int
    fallback_from: str | None = None
    """The backend that should have spoken and could not."""


@dataclass(frozen=True, slots=True)
class Timed:
    """When a word, as it is spoken, or a phoneme, in IPA, is heard."""

    text: str
    start: float
    """Seconds from the beginning of the audio that it came with."""
    end: float
    """Seconds."""


@dataclass(frozen=True, slots=True)
class Speech:
    """A spoken text."""

    audio: bytes
    """A complete file in `metadata.format`."""
    metadata: Metadata
    cached: bool
    """Whether the server had it already."""
    words: tuple[Timed, ...] | None = None
    """In order; None if `timestamps` was not asked for, or the voice does not know them."""
    phonemes: tuple[Timed, ...] | None = None
    """As `words`."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A spoken piece of a text; the `text` of all chunks joined is the text."""

    index: int
    """From 0."""
    total: int
    """Chunks there will be, as far as is known now: one that proves too large is cut in two."""
    text: str
    audio: bytes
    """A complete file in `metadata.format`."""
    metadata: Metadata
    words: tuple[Timed, ...] | None = None
    """As of `Speech`; times count from the beginning of this chunk."""
    phonemes: tuple[Timed, ...] | None = None
    """As `words`."""


@dataclass(frozen=True, slots=True)
class Voice:
    """A voice that can speak."""

    id: str
    """What `voice=` takes."""
    name: str
    """For people."""
    language: str
    """BCP 47: `zh-CN`."""
    gender: str
    """`female`, `male` or `neutral`."""
    backend: str


@dataclass(frozen=True, slots=True)
class BackendStatus:
    """How a speech backend is doing."""

    backend: str
    available: bool
    reason: str | None
    """Why it is not available."""
    queue_size: int
    """Requests that wait for it."""
    processing: int
    """Requests that it works on."""
    average_processing_time: float | None
    """Seconds; None before the first request."""
    gpu_memory_usage: float
    """Fraction 0…1."""


@dataclass(frozen=True, slots=True)
class Queue:
    """The waiting line of one backend."""

    size: int
    """Requests that wait."""
    processing: int
    """Requests that are worked on."""


@dataclass(frozen=True, slots=True)
class QueueStatus:
    """Who waits."""

    total_queued: int
    position: int
    """Of this connection's next request, from 1; 0 if none waits."""
    estimated_wait_time: float | None
    """Seconds; None if the server cannot tell."""
    queues: Mapping[str, Queue]
    """By backend."""


def read(make: Callable[[Fields], T], data: Fields) -> T:
    """Return `make(data)`.

    Raises:
        BrokenReply: a field is missing or of the wrong kind.
    """
    try:
        return make(data)
    except (KeyError, TypeError, ValueError, AttributeError, binascii.Error) as error:
        raise BrokenReply(f"a reply lacks what it should have: {error!r}") from error


def speech(data: Fields) -> Speech:
    """Read the `data` of `tts_response`."""
    return Speech(
        audio=_audio(data),
        metadata=metadata(data["metadata"]),
        cached=bool(data.get("cached", False)),
        words=_times(data, "words"),
        phonemes=_times(data, "phonemes"),
    )


def chunk(data: Fields) -> Chunk:
    """Read the `data` of `tts_chunk`."""
    return Chunk(
        index=int(data["chunk_index"]),
        total=int(data["total_chunks"]),
        text=str(data["text_chunk"]),
        audio=_audio(data),
        metadata=metadata(data["metadata"]),
        words=_times(data, "words"),
        phonemes=_times(data, "phonemes"),
    )


def metadata(data: Fields) -> Metadata:
    """Read `metadata`."""
    return Metadata(
        backend=str(data["backend"]),
        voice=str(data["voice"]),
        duration=float(data["duration"]),
        sample_rate=int(data["sample_rate"]),
        format=str(data["format"]),
        size_bytes=int(data["size_bytes"]),
        fallback_from=data.get("fallback_from"),
    )


def voices(data: Fields) -> list[Voice]:
    """Read the `data` of `voices_response`."""
    return [
        Voice(
            id=str(voice["id"]),
            name=str(voice["name"]),
            language=str(voice["language"]),
            gender=str(voice["gender"]),
            backend=str(voice["backend"]),
        )
        for voice in data["voices"]
    ]


def backend_status(data: Fields) -> BackendStatus:
    """Read the `data` of `backend_status_response`."""
    return BackendStatus(
        backend=str(data["backend"]),
        available=bool(data["available"]),
        reason=data.get("reason"),
        queue_size=int(data["queue_size"]),
        processing=int(data.get("processing", 0)),
        average_processing_time=data["average_processing_time"],
        gpu_memory_usage=float(data["gpu_memory_usage"]),
    )


def queue_status(data: Fields) -> QueueStatus:
    """Read the `data` of `queue_status_response`."""
    return QueueStatus(
        total_queued=int(data["total_queued"]),
        position=int(data["position"]),
        estimated_wait_time=data["estimated_wait_time"],
        queues={name: Queue(int(line["size"]), int(line["processing"])) for name, line in data["queues"].items()},
    )


def _audio(data: Fields) -> bytes:
    return base64.b64decode(data["audio_data"], validate=True)


def _times(data: Fields, kind: str) -> tuple[Timed, ...] | None:
    timestamps = data.get("timestamps")
    if timestamps is None:
        return None
    return tuple(Timed(str(mark["text"]), float(mark["start"]), float(mark["end"])) for mark in timestamps[kind])
