"""Who is connected: admission before the handshake, the registry, sending one away, draining them all.

Rules of this file:

1. Admission is decided before a WebSocket is accepted: accept-then-close would fire `onopen` in the client and reset
   its back-off.
2. A refused attempt does not extend the window that refused it.
3. While draining nobody is admitted.
4. What a connection is told before its session exists, during the handshake, the session is told when it does.
"""

import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol, Self

import anyio

from app.errors import Draining, NotFound, RateLimited, TooManyConnections
from app.runtime.limits import RateWindow, client_key


class Drainable(Protocol):
    """What a connection is told: a `Session`."""

    def drain(self) -> None:
        """Finish what runs, then close."""

    def close(self, code: int, reason: str) -> None:
        """Close now."""


@dataclass(frozen=True, slots=True)
class AdmissionLimits:
    """Bounds of one route; 0 means no limit."""

    total: int = 0
    per_client: int = 0
    """Connections of one address; IPv6 addresses count by /64."""
    attempts_per_minute: int = 0
    """Admitted attempts of one address."""


Order = Callable[[Drainable], None]
"""Something that a session is told."""


@dataclass(slots=True, eq=False)
class Connection:
    """One admitted connection, which counts until its `with` block ends."""

    route: str
    client: str
    """The address it is counted under."""
    connected_at: float
    """Seconds of the registry's clock."""
    _leave: Callable[["Connection"], None]
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    _session: Drainable | None = field(default=None, init=False)
    _orders: list[Order] = field(default_factory=list, init=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave(self)

    @property
    def session(self) -> Drainable | None:
        """The session, once there is one; setting it tells it what was meant for it before."""
        return self._session

    @session.setter
    def session(self, session: Drainable) -> None:
        self._session = session
        for order in self._orders:
            order(session)

    def tell(self, order: Order) -> None:
        """Tell the session, now or as soon as there is one."""
        if self._session is None:
            self._orders.append(order)
        else:
            order(self._session)


class Connections:
    """All connections of the server. Lives on the event loop; no method blocks."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Make an empty registry; `clock` gives seconds, monotonic."""
        self._clock = clock
        self._connections: dict[str, Connection] = {}
        self._empty: anyio.Event | None = None
        self._draining = False

    @property
    def is_draining(self) -> bool:
        """Whether the server is shutting down."""
        return self._draining

    def __len__(self) -> int:
        return len(self._connections)

    def gate(self, route: str, limits: AdmissionLimits) -> "Gate":
        """Return the entrance of one route, which counts for itself."""
        return Gate(self, route, limits, self._clock)

    def list(self, route: str | None = None) -> list[Connection]:
        """Return the connections, of one route or all, oldest first."""
        return [c for c in self._connections.values() if route in (None, c.route)]

    def kick(self, connection_id: str, code: int, reason: str) -> None:
        """Send one away.

        Raises:
            NotFound: nobody is connected under this id.
        """
        connection = self._connections.get(connection_id)
        if connection is None:
            raise NotFound(f"connection '{connection_id}' does not exist")
        connection.tell(lambda session: session.close(code, reason))

    async def drain(self) -> None:
        """Admit nobody, let every session finish what it does, and wait until all are gone.

        Cancelling stops the waiting, not the draining.
        """
        self._draining = True
        for connection in self.list():
            connection.tell(lambda session: session.drain())
        if self._connections:
            self._empty = self._empty or anyio.Event()
            await self._empty.wait()

    def _add(self, connection: Connection) -> None:
        self._connections[connection.id] = connection

    def _remove(self, connection: Connection) -> None:
        del self._connections[connection.id]
        if not self._connections and self._empty is not None:
            self._empty.set()


class Gate:
    """The entrance of one route."""

    def __init__(
        self, connections: Connections, route: str, limits: AdmissionLimits, clock: Callable[[], float]
    ) -> None:
        """Make the gate; `Connections.gate` does."""
        self._connections = connections
        self._route = route
        self._limits = limits
        self._clock = clock
        self._attempts = RateWindow(limits.attempts_per_minute, clock=clock)
        self._per_client: Counter[str] = Counter()

    def __len__(self) -> int:
        return self._per_client.total()

    def admit(self, host: str) -> Connection:
        """Count a connection from this address in; the caller's `with` block counts it out.

        Raises:
            Draining: the server is shutting down.
            TooManyConnections: the address or the route has as many as it may.
            RateLimited: the address has tried too often within a minute.
        """
        key = client_key(host)
        self._check(key)
        connection = Connection(self._route, key, self._clock(), self._let_out)
        self._per_client[key] += 1
        self._connections._add(connection)
        return connection

    def _let_out(self, connection: Connection) -> None:
        self._connections._remove(connection)
        self._per_client[connection.client] -= 1
        if not self._per_client[connection.client]:
            del self._per_client[connection.client]

    def _check(self, key: str) -> None:
        if self._connections.is_draining:
            raise Draining("the server is restarting")
        limits = self._limits
        if limits.total and len(self) >= limits.total:
            raise TooManyConnections(f"{len(self)} connections to {self._route}, {limits.total} may")
        if limits.per_client and self._per_client[key] >= limits.per_client:
            raise TooManyConnections(f"{self._per_client[key]} connections of one client, {limits.per_client} may")
        if not self._attempts.attempt(key):
            wait = self._attempts.wait_time(key)
            raise RateLimited(f"more than {limits.attempts_per_minute} attempts within a minute", retry_after=wait)
