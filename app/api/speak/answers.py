"""What the speak API tells of takes, voices and models: over REST, on the WebSocket and to webhooks, in the same JSON.

The classes are the shapes for the documentation; `describe_…` makes the content, of what `encode` can write.
"""

from typing import Any

import msgspec
from pydantic import BaseModel

from app.api.speak.schemas import AffectProsody, SignalProsody, SimpleProsody
from app.takes.model import Model
from app.takes.prosody import ProsodyKind
from app.takes.take import Recorded, Status, Take, Webhook, Wording
from app.takes.voice import Voice, VoiceGender

VERSION = {"version": 1, "minor": 0}

_encoder = msgspec.json.Encoder()


class Version(BaseModel):
    """The version of the API."""

    version: int
    minor: int


class ToldWebhook(BaseModel):
    """A webhook, and how its last call went."""

    post_url: str
    timestamp_ms: int | None = None
    """Milliseconds since the epoch; null before the first call."""
    status_code: int | None = None
    """Null where nobody answered."""


AnyProsody = SimpleProsody | AffectProsody | SignalProsody


class TakeInfo(BaseModel):
    """What is known of the audio of a take that is ready."""

    duration: int
    """Samples."""
    audio_rate: int
    """Samples per second."""
    normalized_text: list[str]
    """What was spoken, part by part."""


class ToldWording(BaseModel):
    """What is said, and how."""

    text: str
    override_language: str | None
    style: list[str] | None
    prosody: AnyProsody | None
    status_webhook: ToldWebhook | None
    done_webhook: ToldWebhook | None


class TakeResponse(ToldWording):
    """A take."""

    voice_id: str
    user_data: str | int | float | None
    take_id: str
    status: Status
    timestamp_ms: int
    """When it was asked for, milliseconds since the epoch."""
    info: TakeInfo | None
    """Null until it is ready."""
    error: str | None = None
    """Why it failed; only where it did."""


class VoiceInfo(BaseModel):
    """A voice."""

    name: str
    model: str
    gender: VoiceGender
    description: str | None
    default_style: list[str] | None
    default_prosody: AnyProsody | None
    example_take: ToldWording | None
    done_webhook: ToldWebhook | None
    voice_id: str
    status: Status
    timestamp_ms: int
    """When it was asked for, milliseconds since the epoch."""
    example_take_id: str | None


class TTSModel(BaseModel):
    """A model."""

    name: str
    displayname: str
    flags: list[str]
    languages: list[str]
    genders: list[VoiceGender]
    styles: list[list[str]]
    """Those of one list exclude each other."""
    prosody_types: list[ProsodyKind]
    voice_inputs: list[str] | None


class SocketUrl(BaseModel):
    """Where to connect a WebSocket, within the hour; both fields say the same."""

    websocket_url: str
    worker_websocket_url: str


def encode(content: Any) -> bytes:
    """Write JSON."""
    return _encoder.encode(content)


def encode_item(item: Take | Voice) -> bytes:
    """Write a take or a voice, as webhooks are told of it."""
    return encode(describe(item))


def describe(item: Take | Voice) -> dict[str, Any]:
    """Return a take or a voice."""
    return describe_take(item) if isinstance(item, Take) else describe_voice(item)


def describe_take(take: Take) -> dict[str, Any]:
    """Return a take; never with a field `example_take_id`, by which clients know voices."""
    told = {
        **_describe_wording(take.request.wording),
        "voice_id": take.request.voice_id,
        "user_data": take.request.user_data,
        "take_id": take.id,
        "status": take.status,
        "timestamp_ms": take.timestamp_ms,
        "info": _describe_recorded(take.recorded),
    }
    return told if take.error is None else {**told, "error": take.error}


def describe_voice(voice: Voice) -> dict[str, Any]:
    """Return a voice; always with a field `example_take_id`."""
    asked = voice.request
    return {
        "name": asked.name,
        "model": asked.model,
        "gender": asked.gender,
        "description": asked.description,
        "default_style": asked.default_style or None,
        "default_prosody": asked.default_prosody,
        "example_take": _describe_wording(asked.example) if asked.example else None,
        "done_webhook": _describe_webhook(asked.done_webhook),
        "voice_id": voice.id,
        "status": voice.status,
        "timestamp_ms": voice.timestamp_ms,
        "example_take_id": voice.example_take_id,
    }


def describe_model(model: Model) -> dict[str, Any]:
    """Return a model; always with a field `voice_inputs`, without which clients break."""
    return {
        "name": model.name,
        "displayname": model.display_name,
        "flags": [],
        "languages": model.languages,
        "genders": model.genders,
        "styles": model.styles,
        "prosody_types": model.prosody_kinds,
        "voice_inputs": model.voice_inputs,
    }


def _describe_wording(wording: Wording) -> dict[str, Any]:
    return {
        "text": wording.text,
        "override_language": wording.override_language,
        "style": wording.style or None,
        "prosody": wording.prosody,
        "status_webhook": _describe_webhook(wording.status_webhook),
        "done_webhook": _describe_webhook(wording.done_webhook),
    }


def _describe_webhook(webhook: Webhook | None) -> dict[str, Any] | None:
    if webhook is None:
        return None
    return {
        "post_url": webhook.post_url,
        "timestamp_ms": webhook.timestamp_ms,
        "status_code": webhook.status_code,
    }


def _describe_recorded(recorded: Recorded | None) -> dict[str, Any] | None:
    if recorded is None:
        return None
    return {
        "duration": recorded.duration,
        "audio_rate": recorded.audio_rate,
        "normalized_text": recorded.normalized_text,
    }
