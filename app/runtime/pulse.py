"""When a quiet session gets a heartbeat, and when it has been quiet for too long.

Rules of this file (no I/O, no clock of its own):

1. A heartbeat is due only after `heartbeat_interval` seconds without any message in either direction, and never while a
   request is being worked on: a client that reads one message as its reply must not find a heartbeat there.
2. The session is idle `idle_timeout` seconds after the last message received or the end of the last job, whichever is
   later. What the server sends does not count.
"""

import math
from enum import Enum


class Due(Enum):
    """What has to be done now."""

    HEARTBEAT = "heartbeat"
    IDLE = "idle"


class Pulse:
    """The two timers of a session. All times are seconds of one monotonic clock."""

    __slots__ = ("_active_at", "_heartbeat_interval", "_idle_timeout", "_traffic_at")

    def __init__(self, now: float, *, idle_timeout: float, heartbeat_interval: float) -> None:
        """Start both timers; 0 turns one off."""
        self._idle_timeout = idle_timeout or math.inf
        self._heartbeat_interval = heartbeat_interval or math.inf
        self._active_at = now
        self._traffic_at = now

    def received(self, now: float) -> None:
        """Note a message of the peer."""
        self._active_at = self._traffic_at = now

    def sent(self, now: float) -> None:
        """Note a message to the peer."""
        self._traffic_at = now

    def job_ended(self, now: float) -> None:
        """Note that a request has been worked off."""
        self._active_at = now

    def due(self, now: float, *, busy: bool) -> Due | None:
        """Return what is due; `busy` while a request is being worked on."""
        if busy:
            return None
        if now >= self._active_at + self._idle_timeout:
            return Due.IDLE
        if now >= self._traffic_at + self._heartbeat_interval:
            return Due.HEARTBEAT
        return None

    def next_at(self, *, busy: bool) -> float:
        """Return the time at which something is due if nothing happens before, infinity if never."""
        if busy:
            return math.inf
        return min(self._active_at + self._idle_timeout, self._traffic_at + self._heartbeat_interval)
