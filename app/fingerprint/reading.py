"""What is asked of the processes that read sound files, and what they answer: the same on both ends of the pipe.

The answer to a `Wish` for a fingerprint is a chunk with the `Facts`, then the packed fingerprint in pieces. That for
samples is the samples themselves, float32, block by block. A file that cannot be read is answered by a refusal.
"""

import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Final

from app.errors import ChorusError, InvalidAudio, NotFound, WorkerFailed

PIECE_BYTES: Final = 512 * 1024
"""Of a fingerprint; two hours of music make six of them."""


class Kind(StrEnum):
    """What is wanted of a file."""

    FINGERPRINT = "fingerprint"
    SAMPLES = "samples"


@dataclass(frozen=True, slots=True)
class Wish:
    """A file, and what is wanted of it."""

    path: str
    """Bytes that are not UTF-8 as half surrogates (`os.fsdecode`)."""
    kind: Kind
    max_seconds: float
    is_guarded: bool = False
    """Whether it comes from strangers, so that fewer formats are tried."""

    def encode(self) -> bytes:
        """Return the bytes of a request."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def decode(cls, data: bytes) -> "Wish":
        """Read what `encode` wrote."""
        fields = json.loads(data)
        return cls(**{**fields, "kind": Kind(fields["kind"])})


@dataclass(frozen=True, slots=True)
class Facts:
    """What a file says of itself, and what came of reading it."""

    title: str | None
    artist: str | None
    duration: float
    """Seconds that were heard."""
    version: int
    """Of the algorithm."""
    peaks: int
    """By which it can be found."""
    damage: str | None = None
    """What in it could not be read."""

    def encode(self) -> bytes:
        """Return their bytes."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def decode(cls, data: bytes) -> "Facts":
        """Read what `encode` wrote."""
        return cls(**json.loads(data))


def encode_refusal(error: NotFound | InvalidAudio) -> bytes:
    """Return the bytes of an answer that says no."""
    return json.dumps([type(error).__name__, str(error)]).encode()


def decode_refusal(error: WorkerFailed) -> ChorusError:
    """Return what a worker's refusal means; what is none is returned as it is."""
    if not error.answer:
        return error
    name, message = json.loads(error.answer)
    return NotFound(message) if name == NotFound.__name__ else InvalidAudio(message, field="file")
