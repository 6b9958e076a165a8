"""What the server tells of a portrait, and how it is read."""

import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from app.sdk.errors import BrokenReply, RequestFailed

IMAGE_ID: Final = "image_id"
"""The field of an error that says that the server does not have a picture any more."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a portrait is."""

    percent: float
    """0…100, never less than before."""
    message: str
    """For people."""


@dataclass(frozen=True, slots=True)
class Opening:
    """What is true of a streamed video, told before its first fragment."""

    job_id: str
    codecs: str
    """As MediaSource wants to know them: `avc1.64001e, mp4a.40.2`."""
    width: int
    """Pixels."""
    height: int
    """Pixels."""
    fps: float
    model_used: str | None = None
    """Who draws every frame; None if the server does not tell it yet, as the next two."""
    requested_model: str | None = None
    fallback_reason: str | None = None
    """Why `model_used` is not `requested_model`; None if it is."""


@dataclass(frozen=True, slots=True)
class Fragment:
    """A part of a streamed video; all of them, joined, are the file: fragmented MP4."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Portrait:
    """A picture that has spoken. What not every server of this protocol tells may be None."""

    job_id: str
    video: bytes
    """The file, H.264 and AAC in MP4; empty if it came in fragments."""
    video_size: int
    """Bytes of the file, also if it came in fragments."""
    model_used: str
    """Who has drawn every frame."""
    requested_model: str | None
    fallback_reason: str | None
    """Why `model_used` is not `requested_model`; None if it is."""
    frames: int
    processing_time: float
    """Seconds, of the server."""
    inference_fps: float
    """Frames in a second of the model's own time."""
    image_id: str | None
    """The name of the picture, by which `speak` takes it too."""
    duration: float | None
    """Seconds."""
    fps: float | None
    width: int | None
    """Pixels."""
    height: int | None
    """Pixels."""
    codecs: str | None
    faces: int | None
    """In the picture."""
    face_is_rough: bool | None
    """Whether the place of the mouth is only a guess."""
    voice: str | None
    """Which has spoken the text; None where there was none."""
    backend: str | None
    """Of the voice."""


Event: TypeAlias = Opening | Fragment | Portrait


def read_event(message: str | bytes) -> Event | Progress | RequestFailed | None:
    """Read a message of the server; None if it tells nothing of a portrait. Takes a while for a whole video.

    Raises:
        BrokenReply: a field is missing or of the wrong kind.
    """
    if isinstance(message, bytes):
        return Fragment(message)
    try:
        return _event(json.loads(message))
    except (ValueError, KeyError, TypeError, AttributeError, binascii.Error) as error:
        raise BrokenReply(f"a reply lacks what it should have: {error!r}") from error


def _event(data: Mapping[str, Any]) -> Event | Progress | RequestFailed | None:
    match data["type"]:
        case "progress":
            return Progress(float(data["progress"]), str(data["message"]))
        case "stream":
            return Opening(
                job_id=str(data["job_id"]),
                codecs=str(data["codecs"]),
                width=int(data["width"]),
                height=int(data["height"]),
                fps=float(data["fps"]),
                model_used=data.get("model_used"),
                requested_model=data.get("requested_model"),
                fallback_reason=data.get("fallback_reason"),
            )
        case "result":
            return _portrait(data)
        case "error":
            details = {name: value for name, value in data.items() if name not in ("type", "error_type", "message")}
            return RequestFailed(str(data["error_type"]), str(data["message"]), details)
    return None


def _portrait(data: Mapping[str, Any]) -> Portrait:
    return Portrait(
        job_id=str(data["job_id"]),
        video=binascii.a2b_base64(data.get("video_base64", ""), strict_mode=True),
        video_size=int(data["video_size"]),
        model_used=str(data["model_used"]),
        requested_model=data.get("requested_model"),
        fallback_reason=data.get("fallback_reason"),
        frames=int(data["frames_processed"]),
        processing_time=float(data["processing_time"]),
        inference_fps=float(data["inference_fps"]),
        image_id=data.get("image_id"),
        duration=data.get("duration"),
        fps=data.get("fps"),
        width=data.get("width"),
        height=data.get("height"),
        codecs=data.get("codecs"),
        faces=data.get("faces"),
        face_is_rough=data.get("face_is_rough"),
        voice=data.get("voice"),
        backend=data.get("backend"),
    )
