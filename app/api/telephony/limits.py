"""The bounds of this door."""

from dataclasses import dataclass

from app.runtime.session import SessionLimits


@dataclass(frozen=True, slots=True)
class CallLimits:
    """How much waits for one client, and for how long it may be quiet; 0 means no limit."""

    idle_timeout: float = 300.0
    """Seconds without a message on an echo; who listens to a file may be quiet as long as it plays."""
    outbox_messages: int = 64
    outbox_bytes: int = 256 * 1024
    """Of what waits to be written, beyond which a file is read no further, and sound to be echoed no further either."""

    @property
    def session(self) -> SessionLimits:
        """The same for a session."""
        return SessionLimits(
            idle_timeout=self.idle_timeout,
            heartbeat_interval=0.0,
            outbox_messages=self.outbox_messages,
            outbox_size=self.outbox_bytes,
        )
