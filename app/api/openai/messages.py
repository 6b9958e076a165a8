"""The wire of `/v1/audio` and `/v1/models`: the body of a request, the events of a stream, the lists. Pure.

Names, bounds and shapes are those of OpenAI's API reference (Create speech, Models).
"""

import json
import re
from typing import Annotated, Any, Literal

from pybase64 import b64encode_as_string
from pydantic import BaseModel, BeforeValidator, Field

from app.audio.format import Format
from app.tts.speech import MAX_SPEED, MIN_SPEED, Quality, Voice

MAX_INPUT_CHARACTERS = 4096
MAX_INSTRUCTIONS_CHARACTERS = 4096

MODELS = {"tts-1": Quality.MEDIUM, "tts-1-hd": Quality.HIGH, "gpt-4o-mini-tts": Quality.MEDIUM}
"""OpenAI's models: here they are the automatic backend in a quality."""

FORMATS = {
    "mp3": Format.MP3,
    "opus": Format.OGG,
    "aac": Format.AAC,
    "flac": Format.FLAC,
    "wav": Format.WAV,
    "pcm": Format.PCM,
}
"""What `response_format` may be; opus comes in Ogg, aac in ADTS frames."""

SAMPLE_RATE = 24_000
"""Hz of everything, as clients take it for granted of pcm."""
HIGH_SAMPLE_RATE = 48_000
"""Hz in high quality, but for `FIXED_RATE`."""
FIXED_RATE = frozenset({"wav", "pcm"})

EVENT_STREAM = "text/event-stream"
OWNER = "chorus"

_SNAPSHOT = re.compile(r"-\d{4}-\d{2}-\d{2}$")


class VoiceReference(BaseModel):
    """A voice as an object, as OpenAI names custom ones."""

    id: str


def _voice_id(value: Any) -> Any:
    return value["id"] if isinstance(value, dict) and "id" in value else value


class SpeechBody(BaseModel):
    """The body of `POST /v1/audio/speech`. Fields that are not known are ignored; null is the default."""

    model: Annotated[str, Field(min_length=1)]
    input: Annotated[str, Field(min_length=1, max_length=MAX_INPUT_CHARACTERS)]
    voice: Annotated[str, Field(min_length=1), BeforeValidator(_voice_id, json_schema_input_type=str | VoiceReference)]
    response_format: Literal["mp3", "opus", "aac", "flac", "wav", "pcm"] | None = None
    speed: Annotated[float, Field(ge=MIN_SPEED, le=MAX_SPEED)] | None = None
    stream_format: Literal["audio", "sse"] | None = None
    instructions: Annotated[str, Field(max_length=MAX_INSTRUCTIONS_CHARACTERS)] | None = None
    """Accepted and not followed: no backend can."""


class ErrorContent(BaseModel):
    """What went wrong."""

    message: str
    type: str
    param: str | None
    """The field of the body; null where there is none."""
    code: str


class ErrorReply(BaseModel):
    """The answer wherever something went wrong."""

    error: ErrorContent


def quality_of(model: str) -> Quality | None:
    """Return what a model of OpenAI's, or a dated snapshot of one, stands for; None if it is none."""
    return MODELS.get(_SNAPSHOT.sub("", model))


def content_type(response_format: str) -> str:
    """Return the media type as OpenAI labels it: `audio/opus` although the file is Ogg."""
    return "audio/opus" if response_format == "opus" else FORMATS[response_format].content_type


def sample_rate(response_format: str, quality: Quality) -> int:
    """Return the Hz of a format in a quality."""
    is_high = quality is Quality.HIGH and response_format not in FIXED_RATE
    return HIGH_SAMPLE_RATE if is_high else SAMPLE_RATE


def encode_delta(audio: bytes) -> bytes:
    """Write the event that carries the next bytes of the file."""
    return _event({"type": "speech.audio.delta", "audio": b64encode_as_string(audio)})


def encode_done() -> bytes:
    """Write the last event. No model here works in tokens, so none were used: the counts are true zeros."""
    usage = {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}
    return _event({"type": "speech.audio.done", "usage": usage})


def encode_failed(error: dict[str, Any]) -> bytes:
    """Write the event that ends a stream which failed half-way, from the content of an error answer."""
    return _event({"type": "error", **error})


def describe_model(id: str, *, created: int) -> dict[str, Any]:
    """Return a model of the list; `created` in Unix seconds."""
    return {"id": id, "object": "model", "created": created, "owned_by": OWNER}


def describe_voice(voice: Voice) -> dict[str, Any]:
    """Return a voice of the list; `model` is the one that has it."""
    return {
        "id": voice.id,
        "name": voice.name,
        "language": voice.language,
        "gender": voice.gender.value,
        "model": voice.backend,
    }


def _event(content: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(content, separators=(',', ':'))}\n\n".encode()
