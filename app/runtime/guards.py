"""What the server holds its connections to, and the configuration that carries it to the protocols."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import uvicorn


@dataclass(frozen=True, slots=True)
class SocketLimits:
    """What one WebSocket route takes from a client."""

    max_message_bytes: int
    """Payload of one message, its fragments summed."""
    message_deadline: float
    """Seconds from a message's first byte to its last, those in which the server itself does not read excepted."""


LimitsFor = Callable[[str], SocketLimits]
"""From a WebSocket's decoded path to its limits; called once a connection, before any frame is parsed."""


@dataclass(frozen=True, slots=True)
class Guards:
    """Bounds of every connection, whatever its route; seconds and bytes."""

    limits_for: LimitsFor
    stall_timeout: float = 20.0
    """A peer that acknowledges nothing of what it was sent for so long is cut off."""
    head_timeout: float = 10.0
    """From a request's first byte, or from the connection, to the end of its head."""
    max_head_bytes: int = 65_536
    """Request line and headers; beyond one read of the socket, which may hold a whole head."""
    min_body_rate: float = 500.0
    """Bytes per second that a request body must come with; what Apache's mod_reqtimeout asks for."""


class GuardedConfig(uvicorn.Config):
    """uvicorn's configuration with the guards of its connections."""

    def __init__(self, app: Callable[..., Any], *, guards: Guards, **options: Any) -> None:
        super().__init__(app, **options)
        self.guards = guards
