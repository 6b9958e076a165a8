"""The waiting line: who speaks next, how long the others wait, and nobody starves.

Rules of this file:

1. At most `concurrency` turns are taken at once.
2. A higher class (a lower `Priority`) goes first. Inside a class clients take turns, one job each; a client's own jobs
   keep their order. So one client that floods delays another by at most one job a turn.
3. The line holds at most `depth` waiting jobs. When it is full, a newcomer displaces the newest job of the client that
   has most waiting in the lowest class, if that class is lower than its own, or equal and that client has at least two
   jobs more than the newcomer; otherwise the newcomer is refused. The refused and the displaced get `QueueFull`.
4. A client that is held keeps its place and gets no turn until it is let go: it does not take what was made for it.

A job stays in its own task (`async with line.turn(client): …`), so there are no workers to supervise: cancelling the
task leaves the line. Everything here runs on one event loop and never blocks.
"""

import asyncio
import heapq
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Iterator
from enum import IntEnum
from itertools import chain, takewhile
from types import TracebackType

import anyio

from app.errors import Expired, QueueFull
from app.runtime.pace import Pace


class Priority(IntEnum):
    """Classes of the line, first to last."""

    SYSTEM = 0
    PAID = 1
    MODERATOR = 3
    NORMAL = 5
    BATCH = 7
    """Nobody listens yet: goes when no other class waits."""


class Turn:
    """One job's place in a line: an async context manager that is entered when its turn comes.

    Cancelling the wait leaves the line. The turn ends with the block, whatever ended it.

    Raises:
        QueueFull: on entry, when the line is full, or while waiting, when a fairer claim displaced this one.
        Expired: the wait is longer than its patience.
    """

    __slots__ = ("_displaced", "_granted", "_line", "_patience", "_started", "client", "priority", "size")

    _granted: asyncio.Future[None]
    """Done when the wait is over; exists once the turn has to wait. An anyio event would cost as much as the rest."""
    _started: float
    """Seconds of the line's clock; exists once the turn is taken."""

    def __init__(
        self, line: "WaitingLine", client: Hashable, priority: Priority, patience: float | None, size: float
    ) -> None:
        self._line = line
        self._patience = patience
        self.client = client
        self.priority = priority
        self.size = size
        self._displaced = False

    async def __aenter__(self) -> "Turn":
        if self._line._start_at_once(self):
            return self
        self._granted = asyncio.get_running_loop().create_future()
        self._line._join(self)
        entered = False
        try:
            await self._wait()
            if self._displaced:
                raise self._line._full("displaced by a client with fewer jobs or a higher class")
            entered = True
        finally:
            if not entered:
                self._line._leave(self)
        return self

    async def _wait(self) -> None:
        if self._patience is None:  # a scope costs more than the rest of the turn
            await self._granted
            return
        with anyio.move_on_after(self._patience) as scope:
            await self._granted
        if scope.cancelled_caught:
            raise Expired(f"dropped after waiting {self._patience:g} s for its turn")

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._line._finish(self, counts=kind is None)


class WaitingLine:
    """A bounded, fair line in front of something that does `concurrency` jobs at once."""

    def __init__(self, *, concurrency: int, depth: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Make an empty line.

        Args:
            concurrency: turns taken at once, at least 1.
            depth: jobs that may wait, 0 for no limit.
            clock: seconds, monotonic.
        """
        self.concurrency = concurrency
        self.depth = depth
        self._clock = clock
        self._classes: dict[Priority, OrderedDict[Hashable, deque[Turn]]] = {
            priority: OrderedDict() for priority in Priority
        }
        self._live = tuple(clients for priority, clients in self._classes.items() if priority < Priority.BATCH)
        self._running: set[Turn] = set()
        self._held: set[Hashable] = set()
        self._waiting = 0
        self._pace = Pace()

    def turn(
        self,
        client: Hashable,
        *,
        priority: Priority = Priority.NORMAL,
        patience: float | None = None,
        size: float = 1.0,
    ) -> Turn:
        """Return the place of a new job; entering it waits for the turn, at most `patience` seconds if given.

        `size` is how much there is to do, in whatever unit the line's other jobs have; estimates go by it.
        """
        return Turn(self, client, priority, patience, size)

    @property
    def waiting(self) -> int:
        """Jobs that wait."""
        return self._waiting

    @property
    def running(self) -> int:
        """Turns that are taken."""
        return len(self._running)

    @property
    def average_seconds(self) -> float | None:
        """Moving average of the time of one completed turn; None before the first."""
        return self._pace.average

    def position(self, client: Hashable) -> int | None:
        """Return how many turns from now the client's first waiting job starts (1 = next), None if none waits.

        Exact if nobody comes, leaves, is held or let go meanwhile; for a held client, as if it were let go now.
        """
        waits_in = self._waits_in(client)
        return None if waits_in is None else 1 + sum(1 for _ in self._ahead(client, waits_in))

    def estimated_wait(self, client: Hashable, *, priority: Priority = Priority.NORMAL) -> float | None:
        """Return the seconds until the client's first waiting job, or else a new job of `priority`, gets its turn.

        By the sizes of the jobs that run and of those ahead. None while nothing is known: jobs are in the way and none
        has been completed yet.
        """
        if self.running < self.concurrency:
            return 0.0
        if self._pace.average is None:
            return None
        waits_in = self._waits_in(client)
        now = self._clock()
        free_at = [max(0.0, self._seconds_of(turn) - (now - turn._started)) for turn in self._running]
        heapq.heapify(free_at)
        for turn in self._ahead(client, priority if waits_in is None else waits_in):
            heapq.heapreplace(free_at, free_at[0] + self._seconds_of(turn))
        return free_at[0]

    @property
    def round_seconds(self) -> float | None:
        """Seconds in which everybody who waits gets one turn, except for batches; None before the first job.

        Costs nothing to ask.
        """
        average = self._pace.average
        return None if average is None else sum(map(len, self._live)) * average / self.concurrency

    def hold(self, client: Hashable) -> None:
        """Give the client no turn until `let_go`; its places are kept."""
        self._held.add(client)

    def let_go(self, client: Hashable) -> None:
        """Let a held client have turns again; unknown clients are ignored."""
        self._held.discard(client)
        self._grant()

    def _waits_in(self, client: Hashable) -> Priority | None:
        """Return the class of the client's first waiting job."""
        return next((priority for priority, clients in self._classes.items() if client in clients), None)

    def _ahead(self, client: Hashable, priority: Priority) -> Iterator[Turn]:
        """Yield the turns before the first job of the client in this class, in order, if it waits or came now."""
        for each, clients in self._classes.items():
            if each < priority:
                yield from chain.from_iterable(turns for other, turns in clients.items() if other not in self._held)
        before = takewhile(lambda item: item[0] != client, self._classes[priority].items())
        yield from (turns[0] for other, turns in before if other not in self._held)

    def _seconds_of(self, turn: Turn) -> float:
        return self._pace.predict(turn.size) or 0.0

    def _start_at_once(self, turn: Turn) -> bool:
        # Who waits while a turn is free is held, so nobody is overtaken.
        free = self.running < self.concurrency and turn.client not in self._held
        if free:
            self._start(turn)
        return free

    def _join(self, turn: Turn) -> None:
        if self.depth and self._waiting >= self.depth:
            self._displace_for(turn)
        self._classes[turn.priority].setdefault(turn.client, deque()).append(turn)
        self._waiting += 1

    def _displace_for(self, newcomer: Turn) -> None:
        lowest = max(priority for priority, clients in self._classes.items() if clients)
        clients = self._classes[lowest]
        longest = max(clients.values(), key=len)
        own = len(clients.get(newcomer.client, ()))
        fairer = lowest == newcomer.priority and len(longest) >= own + 2
        if not fairer and lowest <= newcomer.priority:
            raise self._full(f"{self._waiting} jobs wait, {self.depth} may")
        victim = longest[-1]
        self._remove(victim)
        victim._displaced = True
        _end_wait(victim._granted)

    def _full(self, why: str) -> QueueFull:
        wait = None if self._pace.average is None else self._pace.average / self.concurrency
        return QueueFull(f"the queue is full: {why}", retry_after=wait)

    def _leave(self, turn: Turn) -> None:
        if turn in self._running:
            self._finish(turn, counts=False)
        elif not turn._displaced:
            self._remove(turn)

    def _remove(self, turn: Turn) -> None:
        clients = self._classes[turn.priority]
        clients[turn.client].remove(turn)
        if not clients[turn.client]:
            del clients[turn.client]
        self._waiting -= 1

    def _start(self, turn: Turn) -> None:
        turn._started = self._clock()
        self._running.add(turn)

    def _finish(self, turn: Turn, *, counts: bool) -> None:
        self._running.discard(turn)
        if counts:
            self._pace.learn(turn.size, self._clock() - turn._started)
        self._grant()

    def _grant(self) -> None:
        while self.running < self.concurrency and (turn := self._next()) is not None:
            self._remove(turn)
            clients = self._classes[turn.priority]
            if turn.client in clients:
                clients.move_to_end(turn.client)
            self._start(turn)
            _end_wait(turn._granted)

    def _next(self) -> Turn | None:
        for clients in self._classes.values():
            for client, turns in clients.items():
                if client not in self._held:
                    return turns[0]
        return None


def _end_wait(granted: asyncio.Future[None]) -> None:
    if not granted.done():  # it is if the wait has just been cancelled
        granted.set_result(None)
