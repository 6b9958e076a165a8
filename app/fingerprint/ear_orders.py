"""What the server asks of a process that hears streams, and what that answers: both between processes of one program.

Each answer is pickled too. It comes from a process of ours, of the same version, over a pipe that nobody else has.
"""

import pickle
from dataclasses import dataclass
from typing import Final, TypeAlias

from app.fingerprint.ear import Batch, Listened
from app.fingerprint.store import StoredFingerprint

MAX_BYTES: Final = 64 << 20
"""Of a message: some times what a batch of turns has."""


@dataclass(frozen=True, slots=True)
class Open:
    """Open the index anew, as it is on the disk, and forget all streams."""

    folder: str
    origin: str
    window: float
    """Seconds that a recognizer keeps."""
    hop: float
    """Seconds."""


@dataclass(frozen=True, slots=True)
class Change:
    """Apply changes of the catalogue."""

    removed: tuple[int, ...]
    stored: tuple[StoredFingerprint, ...]
    """Of tracks that are new, or have another fingerprint."""
    generation: int
    """That is reached with these."""


Order: TypeAlias = Open | Change | Batch


@dataclass(frozen=True, slots=True)
class Answer:
    """What an order brought."""

    generation: int | None
    """Of the index; None if it is not open, and the order could not be followed."""
    listened: list[Listened]
    """For a batch."""


def encode(message: Order | Answer) -> bytes:
    """Return a message as bytes."""
    return pickle.dumps(message, pickle.HIGHEST_PROTOCOL)


def decode_order(data: bytes) -> Order:
    """Return an order that was encoded."""
    order: Order = pickle.loads(data)
    return order


def decode_answer(data: bytes) -> Answer:
    """Return an answer that was encoded."""
    answer: Answer = pickle.loads(data)
    return answer
