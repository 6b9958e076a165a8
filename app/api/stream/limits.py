"""The bounds of this door."""

from dataclasses import dataclass, field

from app.runtime.session import SessionLimits

BURST_SECONDS = 2.0
"""Of the data rate that may come at once, after a network that held it back for four."""


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """How much, and how long; 0 means no limit."""

    connections: int = 100
    """All streams together."""
    connections_per_address: int = 10
    attempts_per_minute: int = 30
    """Connections that one address may try; those that are refused for this do not count."""
    bytes_per_second: int = 204_800
    """Of one stream: the document's 200 KB, in which there are 2.3 s of its audio."""
    messages_per_minute: int = 1000
    """Of one stream."""
    session: SessionLimits = field(default_factory=lambda: SessionLimits(idle_timeout=300.0, heartbeat_interval=0.0))
    """`idle_timeout` is the time without audio."""
