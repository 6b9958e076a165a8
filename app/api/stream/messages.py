"""The wire of `/ws/stream/{client_id}` and of its monitoring. Pure: no socket, no engine state.

Audio comes in as binary messages; `SoundForm` reads them. What goes out is JSON, exactly as the document has it; only
who asks for `events=1` is told more.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from app.audio.pcm import Encoding
from app.errors import ChorusError, InvalidInput
from app.fingerprint.hearing import Progress
from app.fingerprint.hit import Hit
from app.fingerprint.sound_form import ENCODINGS, SoundForm
from app.fingerprint.track import Track

MAX_MESSAGE_BYTES: Final = 256 * 1024
"""Of one message that comes in: 3 s of audio."""

MAX_ID_CHARACTERS: Final = 200

CONNECTED: Final = "Connected to SoundHash streaming service"  # what the document's clients print first
PREPARING: Final = "Recognition is being prepared: the last seconds of your audio are kept until it is"
INITIALIZED: Final = "Streaming processor initialized"
TERMINATED: Final = "Connection terminated by administrator"
STOPPED: Final = "Music stopped"
INVALID_AUDIO: Final = "Processing error: Invalid audio format"

REPLACED: Final = 4009
"""Close code: a newer connection has the same client id."""
TRY_AGAIN_LATER: Final = 1013
"""Close code: the server has as many streams as it may."""

_TRUE, _FALSE = ("1", "true", "yes"), ("", "0", "false", "no")

_encoder = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Options:
    """What a client may choose in the query of its URL."""

    form: SoundForm = field(default_factory=SoundForm)
    events: bool = False
    """Whether it is told when music stops, and why audio was refused."""


def decode_options(query: Mapping[str, str], *, sample_rate: int) -> Options:
    """Read `sample_rate`, `encoding` and `events`; `sample_rate` in Hz is the one of who names none.

    Raises:
        InvalidInput: a value that is not taken.
    """
    rate, encoding, events = query.get("sample_rate", ""), query.get("encoding", ""), query.get("events", "").lower()
    if rate and not (rate.isascii() and rate.isdigit()):
        raise InvalidInput(f"sample_rate '{rate}' must be a whole number of Hz", field="sample_rate")
    if encoding not in ("", *ENCODINGS):
        raise InvalidInput(f"encoding '{encoding}' must be f32 or s16", field="encoding")
    if events not in _TRUE + _FALSE:
        raise InvalidInput(f"events '{events}' must be 1 or 0", field="events")
    form = SoundForm(int(rate) if rate else sample_rate, Encoding(encoding) if encoding else Encoding.F32)
    return Options(form, events in _TRUE)


def check_id(client_id: str) -> None:
    """Check the name that a client gives to its stream.

    Raises:
        InvalidInput: none, too long, or with characters that cannot be shown.
    """
    if not client_id:
        raise InvalidInput("client_id must have a character", field="client_id")
    if len(client_id) > MAX_ID_CHARACTERS:
        raise InvalidInput(f"client_id may have {MAX_ID_CHARACTERS} characters", field="client_id")
    if not client_id.isprintable():
        raise InvalidInput("client_id must be of printable characters", field="client_id")


def encode_status(message: str, *, event: str | None = None) -> str:
    """Write `status`; `event` is for programs of who asked for events."""
    return _encode({"type": "status", "message": message} | ({"event": event} if event else {}))


def encode_error(message: str, *, detail: str | None = None) -> str:
    """Write `error`; `detail` is for who asked for events."""
    return _encode({"type": "error", "message": message} | ({"detail": detail} if detail else {}))


def encode_invalid_audio(why: str, *, with_detail: bool) -> str:
    """Write the `error` of a message that is not audio; `why` only if it is wanted."""
    return encode_error(INVALID_AUDIO, detail=why if with_detail else None)


def encode_failure(error: Exception) -> str:
    """Write the `error` of a turn that heard nothing; what is not ours is told without its text."""
    why = str(error) if isinstance(error, ChorusError) else "the server failed on this audio"
    return encode_error(f"Processing error: {why}")


def encode_given_up(seconds: float) -> str:
    """Write the `error` of audio for which there was no time."""
    return encode_error(f"Processing error: the server is overloaded, {seconds:.1f} s of audio were left out")


def encode_match(
    found: Sequence[tuple[Hit, Track]], progress: Progress, *, timestamp: float, total_matches: int
) -> str:
    """Write `match`; `timestamp` in seconds since the epoch, `total_matches` with these."""
    data = {
        "matches": [_match(hit, track) for hit, track in found],
        "timestamp": round(timestamp, 3),
        "stats": _figures(progress, total_matches) | {"duration_seconds": _seconds(progress)},
    }
    return _encode({"type": "match", "data": data})


def describe_stream(
    client_id: str, *, connected_at: float, age: float, progress: Progress | None, total_matches: int
) -> dict[str, Any]:
    """Return a stream as the monitoring lists it.

    The document has `duration_seconds` twice: as JSON is read, the last one counts, which is that of the audio; only
    before there is any, it is the connection's. That has a name of its own.

    Args:
        client_id: the stream's.
        connected_at: seconds since the epoch.
        age: seconds since then.
        progress: None before it has a processor.
        total_matches: told until now.
    """
    known = {
        "client_id": client_id,
        "connected_at": round(connected_at, 3),
        "connection_duration_seconds": round(age, 3),
        "has_processor": progress is not None,
    }
    if progress is None:
        return known | {"duration_seconds": round(age, 3)}
    return known | _figures(progress, total_matches) | {"duration_seconds": _seconds(progress)}


def _match(hit: Hit, track: Track) -> dict[str, Any]:
    return {
        "video_id": track.video_id,
        "title": track.title,
        "url": track.url,
        "thumbnail_url": track.thumbnail_url,
        "start_time": round(hit.start, 3),
        "end_time": round(hit.end, 3),
        "similarity_score": round(hit.similarity, 4),
        "confidence": round(hit.confidence, 4),
    }


def _figures(progress: Progress, total_matches: int) -> dict[str, Any]:
    return {
        "buffer_size": progress.buffered,
        "buffer_capacity": progress.capacity,
        "samples_processed": progress.processed,
        "total_matches": total_matches,
    }


def _seconds(progress: Progress) -> float:
    return round(progress.seconds, 6)


def _encode(message: Mapping[str, Any]) -> str:
    return _encoder.encode(message).decode()
