"""Calls webhooks that are owed, until they answer or enough has been tried.

Rules of this file:

1. A call is made while it is claimed (`app.takes.deliveries`), and settled at once. So it is made once, unless a server
   dies, or the store fails, between the call and its settling: then it is made again under the same `webhook-id`.
2. 2xx and 410 (gone) end it, whatever else is tried again, later each time. A URL that may not be called is not tried.
3. A receiver has at most `PER_RECEIVER` calls at once and all together at most `AT_ONCE`, so that one that hangs holds
   up nobody but itself.
"""

import logging
import random
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Protocol

import anyio
from anyio.abc import TaskGroup

from app.errors import ChorusError, InvalidInput, Unavailable
from app.runtime.http import Reply
from app.takes.deliveries import Deliveries, Delivery
from app.takes.signature import sign

logger = logging.getLogger(__name__)

AT_ONCE, PER_RECEIVER = 16, 2

FIRST_RETRY_SECONDS, FACTOR, LONGEST_RETRY_SECONDS = 2.0, 4.0, 6 * 3600.0
JITTER = 0.5
"""Fraction of each delay that is random."""

LOOK_SECONDS = 30.0
"""How often it is looked for what other servers owe and did not call."""

OUTAGE_SECONDS = 5.0
"""Before a store that did not answer is asked again."""

GONE = 410


class Caller(Protocol):
    """Makes calls to URLs that somebody else chose: `app.runtime.http.HttpClient`."""

    async def call(
        self, method: str, url: str, *, headers: Mapping[str, str] | None = None, content: bytes = b""
    ) -> Reply:
        """Send a request and return the answer, also when its status tells of a failure."""


class Webhooks:
    """Makes the calls that are owed. An async context manager: while it is open, it does."""

    def __init__(
        self,
        deliveries: Deliveries,
        caller: Caller,
        *,
        secret: bytes,
        attempts: int,
        deadline: float,
        first_retry: float = FIRST_RETRY_SECONDS,
        clock: Callable[[], float] = time.time,
        rng: Callable[[], float] = random.random,
    ) -> None:
        """Prepare.

        Args:
            deliveries: what is owed.
            caller: makes a call, and comes to an end within `deadline`.
            secret: signs every call.
            attempts: how often a call is tried.
            deadline: seconds of one call, at most.
            first_retry: seconds before the second attempt; later waits grow from there.
            clock: seconds since the epoch.
            rng: returns a number in [0, 1).
        """
        self._deliveries = deliveries
        self._caller = caller
        self._secret = secret
        self._attempts = attempts
        self._deadline = deadline
        self._first_retry = first_retry
        self._clock = clock
        self._rng = rng
        self._calling: Counter[str] = Counter()
        self._wake = anyio.Event()
        self._is_closing = False
        self._is_broken = False
        self._running = AsyncExitStack()

    async def __aenter__(self) -> "Webhooks":
        async with AsyncExitStack() as stack:
            group = await stack.enter_async_context(anyio.create_task_group())
            group.start_soon(self._run, group)
            self._running = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let the calls that are being made come to their end, which takes no longer than the deadline."""
        self._is_closing = True
        self.look()
        await self._running.aclose()

    def look(self) -> None:
        """See at once what is owed now."""
        self._wake.set()

    async def _run(self, group: TaskGroup) -> None:
        while not self._is_closing:
            self._wake = anyio.Event()
            try:
                delivery, pause = await self._next()
            except Unavailable as error:
                delivery, pause = None, OUTAGE_SECONDS
                self._note_outage(error)
            else:
                self._note_outage(None)
            if delivery is not None:
                self._calling[delivery.receiver] += 1
                group.start_soon(self._deliver, delivery)
            else:
                with anyio.move_on_after(pause):
                    await self._wake.wait()

    async def _next(self) -> tuple[Delivery | None, float]:
        """Return a call to be made now, or None and the seconds until there may be one."""
        if self._calling.total() >= AT_ONCE:
            return None, LOOK_SECONDS
        now_ms = self._now_ms()
        busy = [receiver for receiver, calls in self._calling.items() if calls >= PER_RECEIVER]
        until_ms = now_ms + round(3 * self._deadline * 1000)
        claimed = await self._deliveries.claim(now_ms=now_ms, until_ms=until_ms, limit=1, busy=busy)
        if claimed:
            return claimed[0], 0.0
        next_ms = await self._deliveries.next_ms(busy=busy)
        return None, LOOK_SECONDS if next_ms is None else min(max(0.0, (next_ms - now_ms) / 1000), LOOK_SECONDS)

    async def _deliver(self, delivery: Delivery) -> None:
        called_ms = self._now_ms()
        try:
            status, is_over = await self._call(delivery, called_ms)
            await self._settle(delivery, called_ms, status, is_over=is_over)
        except Unavailable as error:
            logger.warning("how webhook call %s went is not stored: %s", delivery.id, error)
        finally:
            self._calling[delivery.receiver] -= 1
            self._calling += Counter()  # forgets those without calls
            self.look()

    async def _call(self, delivery: Delivery, called_ms: int) -> tuple[int | None, bool]:
        """Make a call; returns the HTTP status of its answer, and whether it need not be made again."""
        signed = sign(self._secret, id=delivery.id, timestamp=called_ms // 1000, body=delivery.body)
        headers = {"content-type": "application/json", **signed}
        try:
            reply = await self._caller.call("POST", delivery.url, headers=headers, content=delivery.body)
        except InvalidInput as error:
            logger.info("webhook call %s cannot be made: %s", delivery.id, error)
            return None, True
        except ChorusError as error:
            logger.info("webhook call %s failed: %s", delivery.id, error)
            return None, False
        except Exception:
            # A border as that of a take: whatever a stranger's answer breaks is this call's failure, and counts.
            logger.exception("webhook call %s failed", delivery.id)
            return None, False
        return reply.status, 200 <= reply.status < 300 or reply.status == GONE

    async def _settle(self, delivery: Delivery, called_ms: int, status: int | None, *, is_over: bool) -> None:
        if not is_over and delivery.attempts >= self._attempts:
            logger.warning("webhook call %s is given up after %d attempts", delivery.id, delivery.attempts)
            is_over = True
        retry_ms = None if is_over else self._now_ms() + round(1000 * self._delay(delivery.attempts))
        await self._deliveries.settle(delivery, timestamp_ms=called_ms, status_code=status, retry_ms=retry_ms)

    def _delay(self, attempts: int) -> float:
        """Return the seconds before the next attempt, after so many."""
        delay = min(self._first_retry * FACTOR ** min(attempts - 1, 60), LONGEST_RETRY_SECONDS)
        return delay * (1 - JITTER * self._rng())

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)

    def _note_outage(self, error: Unavailable | None) -> None:
        if error is not None and not self._is_broken:
            logger.warning("no webhook is called until the database answers: %s", error)
        self._is_broken = error is not None
