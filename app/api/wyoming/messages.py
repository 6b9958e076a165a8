"""The events of a Wyoming text-to-speech service: what comes in, and what goes out. Pure."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from app.api.wyoming.events import Event, encode
from app.audio.format import Format
from app.errors import (
    BackendUnavailable,
    ChorusError,
    Draining,
    InvalidInput,
    Overloaded,
    TextTooLong,
    VoiceNotFound,
)
from app.tts.speech import SpeechRequest, Voice

SAMPLE_RATE = 22_050
"""Hz, of all audio that goes out: int16 little-endian mono."""
CHUNK_BYTES = 8 * 1024
"""Of PCM in one `audio-chunk`: 0.19 s."""

CODES: tuple[tuple[type[ChorusError], str], ...] = (
    (TextTooLong, "text-too-long"),
    (InvalidInput, "invalid-event"),
    (VoiceNotFound, "voice-not-found"),
    (BackendUnavailable, "backend-unavailable"),
    (Draining, "shutting-down"),
    (Overloaded, "overloaded"),
)
"""First match wins; anything else is internal-error."""


class WantedVoice(Struct):
    """Which voice is to speak; a name wins over a language."""

    name: str | None = None
    language: str | None = None
    speaker: str | None = None


class Describe(Struct):
    """Tell what this service is."""


class Synthesize(Struct):
    """Speak a text."""

    text: str
    voice: WantedVoice | None = None
    text_format: str | None = None
    """`text` or `ssml`."""


class SynthesizeStart(Struct):
    """Speak a text that comes in chunks."""

    voice: WantedVoice | None = None
    text_format: str | None = None


class SynthesizeChunk(Struct):
    """More of the text."""

    text: str


class SynthesizeStop(Struct):
    """The text has ended."""


class Ping(Struct):
    """Tell that the connection lives."""

    text: str | None = None


Incoming = Describe | Synthesize | SynthesizeStart | SynthesizeChunk | SynthesizeStop | Ping

_KINDS: dict[str, type[Incoming]] = {
    "describe": Describe,
    "synthesize": Synthesize,
    "synthesize-start": SynthesizeStart,
    "synthesize-chunk": SynthesizeChunk,
    "synthesize-stop": SynthesizeStop,
    "ping": Ping,
}


def read(event: Event) -> Incoming | None:
    """Return what an event asks for, None if it is of a kind that this service does not know.

    Raises:
        InvalidInput: a field is missing or of the wrong type.
    """
    kind = _KINDS.get(event.type)
    if kind is None:
        return None
    try:
        return msgspec.convert(event.data, kind)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"{event.type}: {str(error).replace('`', chr(39))}") from None


def request(text: str, voice: WantedVoice | None, text_format: str | None) -> SpeechRequest:
    """Return what is asked of the engine.

    Raises:
        InvalidInput: the format of the text is none of this service's.
    """
    if text_format not in (None, "", "text", "ssml"):
        raise InvalidInput(f"text_format '{text_format[:40]}' must be text or ssml", field="text_format")
    voice = voice or WantedVoice()
    backend, name = _named(voice)
    return SpeechRequest(
        text,
        voice=name,
        backend=backend,
        format=Format.PCM,
        sample_rate=SAMPLE_RATE,
        language=voice.language or None,
        ssml=text_format == "ssml",
    )


def encode_info(voices: Sequence[Voice], *, version: str) -> bytes:
    """Write `info`: one program with all voices of all backends.

    Home Assistant shows every voice of a language in a list, so the variants of one voice (`cmn+f2`) are its speakers.
    The name of a voice begins with its backend where two backends have it.
    """
    grouped: dict[tuple[str, str], list[Voice]] = {}
    for voice in voices:
        grouped.setdefault((voice.backend, voice.id.partition("+")[0]), []).append(voice)
    owners = Counter(base for _, base in grouped)
    program = {
        "name": "chorus",
        "description": "Chorus, live speech for streams",
        "attribution": {"name": "Chorus", "url": ""},
        "installed": True,
        "version": version,
        "voices": [
            _describe(base if owners[base] == 1 else f"{backend}/{base}", base, variants)
            for (backend, base), variants in grouped.items()
        ],
        "supports_synthesize_streaming": True,
    }
    return encode("info", {"tts": [program]})


def encode_start() -> bytes:
    """Write `audio-start`."""
    return encode("audio-start", _FORMAT | {"timestamp": 0})


def encode_audio(pcm: bytes, *, position: int) -> bytes:
    """Write PCM as `audio-chunk` events; `position` counts the bytes of the audio before it."""
    return b"".join(
        encode(
            "audio-chunk",
            _FORMAT | {"timestamp": (position + start) * 500 // SAMPLE_RATE},
            pcm[start : start + CHUNK_BYTES],
        )
        for start in range(0, len(pcm), CHUNK_BYTES)
    )


def encode_stop(*, position: int) -> bytes:
    """Write `audio-stop`, after `position` bytes of audio."""
    return encode("audio-stop", {"timestamp": position * 500 // SAMPLE_RATE})


def encode_stopped() -> bytes:
    """Write `synthesize-stopped`: everything of a text that came in chunks has been spoken."""
    return encode("synthesize-stopped")


def encode_pong(text: str | None) -> bytes:
    """Write `pong`."""
    return encode("pong", {"text": text})


def encode_failure(error: ChorusError) -> bytes:
    """Write `error`."""
    code = next((code for kind, code in CODES if isinstance(error, kind)), "internal-error")
    return encode("error", {"text": str(error), "code": code})


_FORMAT: dict[str, Any] = {"rate": SAMPLE_RATE, "width": 2, "channels": 1}


def _describe(name: str, base: str, variants: list[Voice]) -> dict[str, Any]:
    plain = next((voice for voice in variants if voice.id == base), variants[0])
    speakers = [{"name": voice.id.partition("+")[2]} for voice in variants if voice.id != base]
    return {
        "name": name,
        "description": plain.name,
        "attribution": {"name": plain.backend, "url": ""},
        "installed": True,
        "version": None,
        "languages": [plain.language],
        "speakers": speakers or None,
    }


def _named(voice: WantedVoice) -> tuple[str | None, str | None]:
    """Return backend and voice of `espeak/cmn` and speaker `f2`; a name without a backend leaves it to the engine."""
    if not voice.name:
        return None, None
    backend, _, name = voice.name.rpartition("/")  # of a name without one the first two are empty
    return backend or None, f"{name}+{voice.speaker}" if voice.speaker else name
