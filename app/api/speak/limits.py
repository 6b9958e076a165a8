"""The bounds of this door."""

from dataclasses import dataclass, field

from app.runtime.session import SessionLimits

MAX_WAITING = 64


@dataclass(frozen=True, slots=True)
class SpeakLimits:
    """How much, and how long."""

    session: SessionLimits = field(
        default_factory=lambda: SessionLimits(idle_timeout=0.0, heartbeat_interval=0.0, max_jobs=MAX_WAITING)
    )
    """`max_jobs` requests of one connection may wait; it is never closed for being idle."""
    waiting_characters: int = 1024 * 1024
    """Of all messages of one connection that wait together; one larger one may wait alone."""
    socket_seconds: float = 3600.0
    """How long the URL of a WebSocket is good for connecting."""
    audio_seconds: float = 600.0
    """How long the URL of a take's audio is good."""
    wait_seconds: float = 240.0
    """How long a request for audio waits until there is some; clients wait for 300."""
