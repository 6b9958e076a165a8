r"""One file of the disk cache: what it is called, and how speech is written into it so that damage shows.

| bytes | what |
|--:|---|
| 8 | `CHORUS1\n`; another version of this layout has another number |
| 4 | length of the description, big-endian |
| 8 | length of the audio, big-endian |
| 32 | SHA-256 of the name, the description and the audio |
| … | the description: JSON, everything of the speech but its audio |
| … | the audio |

The name is a hash of everything that changes the sound. The description holds the words of a text where their times
are known, as the audio itself does: whoever reads the file hears the text, whoever lists the folder learns nothing.
"""

import hashlib
import json
import struct
from collections.abc import Sequence
from dataclasses import asdict, fields, is_dataclass
from enum import Enum
from typing import Any, Final

from app.audio.format import Format
from app.tts.speech import Gender, Mark, MarkKind, Speech, Voice

RECIPE: Final = 1
"""Part of every name. Raise it when equal plans begin to sound different: another resampler, other loudness."""

_MAGIC: Final = b"CHORUS1\n"
_HEADER: Final = struct.Struct("!8sIQ32s")
HEADER_BYTES: Final = _HEADER.size


def name_of(plan: object) -> str:
    """Return 64 hexadecimal digits that are equal only for equal plans, in every process and on every machine.

    `plan` is made of frozen dataclasses, tuples, enumerations, text, numbers and None; every field counts.

    Raises:
        TypeError: it holds anything else.
    """
    canonical = json.dumps([RECIPE, _canonical(plan)], separators=(",", ":"))
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()


def pack(name: str, speech: Speech) -> bytes:
    """Return the contents of the file `name`. That the speech was cached, or by whom it should have been, is lost."""
    description = json.dumps(_describe(speech), separators=(",", ":")).encode("ascii")
    digest = _digest(name, description, speech.audio)
    return b"".join([_HEADER.pack(_MAGIC, len(description), len(speech.audio), digest), description, speech.audio])


def unpack(name: str, data: bytes) -> Speech | None:
    """Return the speech of the file `name`, None if the file is torn, damaged, another's or of another version."""
    if len(data) < HEADER_BYTES:
        return None
    magic, description_bytes, audio_bytes, digest = _HEADER.unpack_from(data)
    end = HEADER_BYTES + description_bytes
    if magic != _MAGIC or len(data) != end + audio_bytes:
        return None
    description, audio = data[HEADER_BYTES:end], data[end:]
    if _digest(name, description, audio) != digest:
        return None
    try:
        return _speech(json.loads(description), audio)
    except (KeyError, TypeError, ValueError):  # whole, but written when speech was described otherwise
        return None


def _digest(name: str, description: bytes, audio: bytes) -> bytes:
    digest = hashlib.sha256(name.encode())
    digest.update(description)
    digest.update(audio)
    return digest.digest()


def _canonical(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return [type(value).__name__, {field.name: _canonical(getattr(value, field.name)) for field in fields(value)}]
    if isinstance(value, Enum):
        return [type(value).__name__, value.name]
    if isinstance(value, tuple):
        return [_canonical(item) for item in value]
    if value is None or isinstance(value, str | int | float):
        return value
    raise TypeError(f"{type(value).__name__} cannot be part of a plan")


def _describe(speech: Speech) -> dict[str, Any]:
    return {
        "format": speech.format,
        "sample_rate": speech.sample_rate,
        "duration": speech.duration,
        "voice": asdict(speech.voice),
        "marks": [[mark.kind, mark.text, mark.start, mark.end] for mark in speech.marks],
    }


def _speech(description: dict[str, Any], audio: bytes) -> Speech:
    voice = description["voice"]
    return Speech(
        audio=audio,
        format=Format(description["format"]),
        sample_rate=description["sample_rate"],
        duration=description["duration"],
        voice=Voice(**{**voice, "gender": Gender(voice["gender"])}),
        marks=tuple(_mark(mark) for mark in description["marks"]),
    )


def _mark(stored: Sequence[Any]) -> Mark:
    kind, text, start, end = stored
    return Mark(MarkKind(kind), text, start, end)
