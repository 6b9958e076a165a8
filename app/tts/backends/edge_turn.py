"""What one exchange with Microsoft's service is made of: a turn, which takes a text and gives mp3 and boundaries."""

from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from app.errors import WorkerFailed

MAX_CHARACTERS = 800
"""Of one turn. edge-tts cuts at 4096 bytes of escaped UTF-8, anywhere if there is no space, and its second connection
fails where a connector was given to it; an ampersand, escaped, is the longest character with 5 bytes."""


@dataclass(frozen=True, slots=True)
class Prosody:
    """How a text is spoken, in the service's own units."""

    rate: str = "+0%"
    """Relative to the voice's natural pace."""
    pitch: str = "+0Hz"
    volume: str = "+0%"

    @property
    def pace(self) -> float:
        """The rate as a factor."""
        return 1 + int(self.rate[:-1]) / 100


@dataclass(frozen=True, slots=True)
class Boundary:
    """A word or a sentence, and when it is heard."""

    text: str
    start: float
    """Seconds from the beginning of the turn."""
    end: float
    """Seconds."""


class Fault(Enum):
    """How a turn failed."""

    UNREACHABLE = "unreachable"
    """No connection: no network, no such name, nobody listens, or a certificate that is not trusted."""
    REFUSED = "refused"
    """The service, or a proxy, answered the handshake with an HTTP error."""
    STALLED = "stalled"
    """Nothing came for too long."""
    BROKEN = "broken"
    """It broke off, was cut short, or cannot be understood."""
    NO_AUDIO = "no audio"
    """It ended properly, without any sound: the voice, or the text, cannot be spoken."""


class TurnFailed(WorkerFailed):
    """A turn that gave no speech, or not all of it; `status` is that of HTTP where one was told."""

    def __init__(self, fault: Fault, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.fault = fault
        self.status = status


class Turn(Protocol):
    """One exchange; nothing is sent before the first `next`."""

    @property
    def is_complete(self) -> bool:
        """Whether the service has said that this was all."""

    async def next(self) -> bytes | Boundary | None:
        """Return the next frames of mp3 or the next boundary, None at the end, however it came.

        Cancelling it ends the turn.

        Raises:
            TurnFailed: of any fault.
        """

    async def close(self) -> None:
        """Leave nothing behind, neither a connection nor a task; soon, and cancelled or not."""
