"""The wire of `/ws/echo` and `/ws/play/{filename}`. Pure: no socket, no engine state.

Sound travels in binary messages, everything else as JSON in text. What a call platform tells has its own names
(`websocket:…`), what it is told to do is an `action`; what we add begins with `chorus:`, but for `speak`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from app.calls.call import (
    RATES,
    CallForm,
    Clear,
    Cleared,
    Connected,
    Dtmf,
    Event,
    MusicHeard,
    MusicStopped,
    News,
    Notify,
    Other,
    Played,
    Say,
    Spoken,
)
from app.errors import ChorusError, InvalidInput
from app.fingerprint.hit import Hit
from app.fingerprint.track import Track

ECHO_MESSAGE_BYTES: Final = 1024 * 1024
"""Of one message to an echo: what the document's client takes back."""
PLAY_MESSAGE_BYTES: Final = 64 * 1024
"""Of one message from who listens."""

NOT_AUDIO: Final = "Error: Only binary audio data is supported."  # the document's words

CANNOT_PLAY: Final = 1003
"""Close code: a file that is not played, with one of the reasons below."""
FILE_NOT_FOUND: Final = "File not found"
INVALID_PATH: Final = "Invalid file path"
UNSUPPORTED: Final = "Unsupported audio format"

ECHO: Final = "echo"
RAW, L16 = "raw", "l16"
MIN_PACE, MAX_PACE = 1_000, 100_000_000
"""Bytes a second."""

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(dict[str, Any])


@dataclass(frozen=True, slots=True)
class EchoOptions:
    """What a client of the echo may choose in the query of its URL."""

    processor: str = ECHO
    form: CallForm | None = None


@dataclass(frozen=True, slots=True)
class PlayOptions:
    """What a listener may choose in the query of his URL."""

    form: CallForm | None = None
    """None for the bytes of the file as they are."""
    pace: int = 0
    """Bytes a second of a file as it is; 0 for as fast as he takes it."""


class _Say(msgspec.Struct):
    text: str
    voice: str | None = None
    language: str | None = None
    id: str | None = None


def decode_echo_options(query: Mapping[str, str], *, processors: Iterable[str]) -> EchoOptions:
    """Read `processor` and `rate`.

    Raises:
        InvalidInput: a value that is not taken.
    """
    processor = query.get("processor") or ECHO
    known = sorted(processors)
    if processor not in known:
        raise InvalidInput(f"processor '{processor}' must be {', '.join(known)}", field="processor")
    return EchoOptions(processor, _form(query))


def decode_play_options(query: Mapping[str, str]) -> PlayOptions:
    """Read `format`, `rate` and `pace`.

    Raises:
        InvalidInput: a value that is not taken, or two that do not go together.
    """
    format, pace, form = query.get("format", "").lower() or RAW, query.get("pace", ""), _form(query)
    if format not in (RAW, L16):
        raise InvalidInput(f"format '{format}' must be {RAW} or {L16}", field="format")
    if format == L16:
        if pace:
            raise InvalidInput(f"pace goes with format={RAW}: {L16} has the pace of a call", field="pace")
        return PlayOptions(form or CallForm())
    if form is not None:
        raise InvalidInput(f"rate goes with format={L16}", field="rate")
    return PlayOptions(None, _whole(pace, "pace", MIN_PACE, MAX_PACE) if pace else 0)


def decode(text: str) -> Event | None:
    """Read what a client tells; None if it is nothing that belongs here.

    Raises:
        InvalidInput: a `speak` that cannot be read.
    """
    try:
        told = _decoder.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return None
    match told:
        case {"event": "websocket:connected"}:
            return Connected(_form_of(told.get("content-type")))
        case {"event": "websocket:dtmf", "digit": str(digit)} | {
            "event": "websocket:dtmf",
            "dtmf": {"digit": str(digit)},
        }:
            return Dtmf(digit)
        case {"event": "speak"}:
            return _say(told)
        case {"event": _}:
            return Other()
        case {"action": "clear"}:
            return Clear()
        case {"action": "notify"}:
            payload = told.get("payload")
            return Notify(payload if isinstance(payload, dict) else {})
    return None


def encode(news: News) -> str:
    """Write what a client is told."""
    match news:
        case Cleared():
            return _encode({"event": "websocket:cleared"})
        case Played(payload=payload):
            return _encode({"event": "websocket:notify", "payload": payload})
        case Spoken(id=id, seconds=seconds):
            return _encode({"event": "chorus:spoken", "id": id, "seconds": round(seconds, 3)})
        case MusicHeard(found=found, seconds=seconds):
            matches = [_match(hit, track) for hit, track in found]
            return _encode({"event": "chorus:match", "matches": matches, "seconds": round(seconds, 3)})
        case MusicStopped():
            return _encode({"event": "chorus:lost"})
    why = str(news.error) if isinstance(news.error, ChorusError) else "the server failed on this"
    return _encode({"event": "chorus:error", "id": news.id, "message": why})


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


def _say(told: Mapping[str, Any]) -> Say:
    try:
        say = msgspec.convert(told, _Say)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"speak cannot be read: {error}") from error
    return Say(say.text, voice=say.voice, language=say.language, id=say.id)


def _form_of(content_type: object) -> CallForm | None:
    """Read `audio/l16;rate=16000`; None if it is anything else."""
    if not isinstance(content_type, str):
        return None
    kind, *parameters = (part.strip().lower() for part in content_type.split(";"))
    rates = {f"rate={rate}": rate for rate in RATES}
    rate = next((rates[parameter] for parameter in parameters if parameter in rates), None)
    return CallForm(rate) if kind == "audio/l16" and rate else None


def _form(query: Mapping[str, str]) -> CallForm | None:
    rate = query.get("rate", "")
    return CallForm(_whole(rate, "rate", min(RATES), max(RATES))) if rate else None


def _whole(text: str, name: str, least: int, most: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 20 and least <= int(text) <= most):
        raise InvalidInput(f"{name} '{text[:20]}' must be a whole number, {least} to {most}", field=name)
    return int(text)


def _encode(message: Mapping[str, Any]) -> str:
    return _encoder.encode(message).decode()
