"""What the xtts backend and its worker say to each other. Only the standard library is imported.

The worker introduces itself (`Introduction`). A speech is then pulled out of it, chunk by chunk: `Start` is answered
by the first chunk, each `Continue` by the next one, and an answer without a chunk is the end. Between two requests the
worker is free, so whoever cancels waits for one chunk at the most, and the next `Start` drops what was begun. Nothing
has to be killed, and the model stays loaded.
"""

import json
import struct
from dataclasses import asdict, dataclass

NO_SUCH_VOICE = b"no such voice"
"""Answer to a `Start` that is refused; every other refusal is a sentence for people."""

_MEMORY = struct.Struct("<f")
"""Before the PCM of each chunk: the fraction of the GPU's memory that is in use, NaN without a GPU."""
_NO_GPU = float("nan")


class Fault(Exception):
    """What the engine cannot do; the message says why, and what to do about it."""


class UnknownSpeaker(Fault):
    """A speaker that is not there (any more)."""


@dataclass(frozen=True, slots=True)
class Speaker:
    """A sound that speaks every language: one of the model's own, or a reference recording."""

    name: str
    gender: str = "neutral"


@dataclass(frozen=True, slots=True)
class Introduction:
    """What a worker is able to do; after `trouble` it answers every request with it."""

    trouble: str | None = None
    limits: tuple[tuple[str, int], ...] = ()
    """Code of each language (`zh-cn`), and the most characters of it that the model takes at once."""
    speakers: tuple[Speaker, ...] = ()
    device: str = ""
    gpu_memory_usage: float | None = None
    """Fraction 0…1; None without a GPU."""

    def encode(self) -> bytes:
        """Return it as JSON."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def decode(cls, data: bytes) -> "Introduction":
        """Read what `encode` wrote."""
        fields = json.loads(data)
        fields["limits"] = tuple((code, limit) for code, limit in fields["limits"])
        fields["speakers"] = tuple(Speaker(**speaker) for speaker in fields["speakers"])
        return cls(**fields)


@dataclass(frozen=True, slots=True)
class Start:
    """Begin a speech, dropping any other, and make its first chunk."""

    speech: int
    """Number of the speech, for `Continue`."""
    pieces: tuple[str, ...]
    """Texts of at most the language's limit."""
    language: str
    speaker: str
    speed: float
    chunk_tokens: int
    """Tokens of the model in one chunk, of 46 ms each at speed 1."""


@dataclass(frozen=True, slots=True)
class Continue:
    """Make the next chunk of a speech."""

    speech: int


def encode(request: Start | Continue) -> bytes:
    """Return a request as JSON."""
    return json.dumps(asdict(request)).encode()


def decode(data: bytes) -> Start | Continue:
    """Read what `encode` wrote."""
    fields = json.loads(data)
    if "pieces" not in fields:
        return Continue(**fields)
    return Start(**{**fields, "pieces": tuple(fields["pieces"])})


def encode_memory(usage: float | None) -> bytes:
    """Return what goes before the PCM of a chunk."""
    return _MEMORY.pack(_NO_GPU if usage is None else usage)


def decode_chunk(data: bytes) -> tuple[float | None, bytes]:
    """Return the fraction of the GPU's memory in use, None without a GPU, and int16 PCM."""
    (usage,) = _MEMORY.unpack_from(data)
    return (usage if usage == usage else None), data[_MEMORY.size :]
